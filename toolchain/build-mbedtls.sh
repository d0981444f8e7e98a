SOURCE=mbedtls
NEEDS="musl"

build() {
    python3 scripts/config.py set MBEDTLS_THREADING_C
    python3 scripts/config.py set MBEDTLS_THREADING_PTHREAD
    python3 scripts/config.py set MBEDTLS_PLATFORM_MEMORY
    python3 scripts/config.py set MBEDTLS_PLATFORM_TIME_ALT
    make -j"$jobs" -C library CC="$CC" AR="$AR" CFLAGS="$CFLAGS" GEN_FILES= static
    mkdir -p "$STAGE/include"
    cp -r include/mbedtls include/psa "$STAGE/include/"
    install_static -- library/libmbedtls.a library/libmbedx509.a library/libmbedcrypto.a
}
