# TLS 1.2 and 1.3, client and server, X.509, and the hashes; nothing of the rest that a secure server speaks or needs.
# patches/mbedtls-3.6.7/README.md says what the patches gain.
SOURCE=mbedtls
NEEDS="musl"

# What is on: threads; the allocator and the clock can be set at run time (libc's until then); the fast arithmetic that it
# has and that of the patches; tables of AES that no thread has to compute; a key store that grows with the handshakes in
# progress.
wanted="THREADING_C THREADING_PTHREAD PLATFORM_MEMORY PLATFORM_TIME_ALT ECP_CURVE25519_EVEREST ECP_P256_64BIT
    AES_ROM_TABLES PSA_KEY_STORE_DYNAMIC"

# By architecture: instructions for digests, if they are present at run time.
wanted_x86_64="SHA256_USE_X86_SHA_IF_PRESENT SHA1_USE_X86_SHA_IF_PRESENT"
wanted_aarch64="SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT SHA512_USE_A64_CRYPTO_IF_PRESENT"

# DTLS and renegotiation; key exchanges without forward secrecy, with shared keys alone or over finite fields; ciphers
# that nobody asks for (CBC is needed to decrypt keys); curves of less than 256 bits; writing of certificates; keys in
# files of its own; self-tests, debugging messages, and what else no code of ours calls.
unwanted="SSL_PROTO_DTLS SSL_DTLS_ANTI_REPLAY SSL_DTLS_HELLO_VERIFY SSL_DTLS_CLIENT_PORT_REUSE SSL_DTLS_CONNECTION_ID
    SSL_DTLS_CONNECTION_ID_COMPAT SSL_COOKIE_C SSL_CONTEXT_SERIALIZATION SSL_RENEGOTIATION
    KEY_EXCHANGE_RSA_ENABLED KEY_EXCHANGE_ECDH_ECDSA_ENABLED KEY_EXCHANGE_ECDH_RSA_ENABLED KEY_EXCHANGE_DHE_RSA_ENABLED
    KEY_EXCHANGE_PSK_ENABLED KEY_EXCHANGE_DHE_PSK_ENABLED KEY_EXCHANGE_ECDHE_PSK_ENABLED KEY_EXCHANGE_RSA_PSK_ENABLED
    SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_ENABLED DHM_C
    ARIA_C CAMELLIA_C CCM_C NIST_KW_C
    ECP_DP_SECP192R1_ENABLED ECP_DP_SECP192K1_ENABLED ECP_DP_SECP224R1_ENABLED ECP_DP_SECP224K1_ENABLED
    X509_CREATE_C X509_CRT_WRITE_C X509_CSR_WRITE_C
    PSA_CRYPTO_STORAGE_C PSA_ITS_FILE_C ECJPAKE_C LMS_C PADLOCK_C
    SELF_TEST DEBUG_C VERSION_FEATURES TIMING_C NET_C"

configure() {
    local name here=wanted_${TARGET_ARCH:-$(uname -m)}
    for name in $wanted ${!here:-}; do python3 scripts/config.py set "MBEDTLS_$name"; done
    for name in $unwanted; do python3 scripts/config.py unset "MBEDTLS_$name"; done
}

build() {
    configure
    # X25519 takes half the time of -O2, and so does the field of P-256.
    [ "$TARGET_STATIC" = 0 ] || CFLAGS="$CFLAGS -O3"
    [ "$TARGET_STATIC" = 1 ] || CFLAGS="$CFLAGS $TARGET_SANITIZE_OWN"
    make -j"$jobs" -C library CC="$CC" AR="$AR" CFLAGS="$CFLAGS" GEN_FILES= static
    mkdir -p "$STAGE/include"
    cp -r include/mbedtls include/psa "$STAGE/include/"
    install_static -- library/libmbedtls.a library/libmbedx509.a library/libmbedcrypto.a
}
