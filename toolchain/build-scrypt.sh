# The key derivation function alone, without the program around it (whose own build wants OpenSSL).
SOURCE=scrypt
NEEDS="musl"

# What the function is made of; each with the flags that cpusupport.sh found for the instructions in its name.
sources="lib-platform/crypto/crypto_scrypt.c lib/crypto/crypto_scrypt_smix.c lib/crypto/crypto_scrypt_smix_sse2.c
    libcperciva/alg/sha256.c libcperciva/alg/sha256_arm.c libcperciva/alg/sha256_shani.c libcperciva/alg/sha256_sse2.c
    libcperciva/cpusupport/cpusupport_arm_sha256.c libcperciva/cpusupport/cpusupport_x86_shani.c
    libcperciva/cpusupport/cpusupport_x86_sse2.c libcperciva/cpusupport/cpusupport_x86_ssse3.c
    libcperciva/util/insecure_memzero.c libcperciva/util/warnp.c"

# instructions FILE: the flags for it.
instructions() {
    case $1 in
        */alg/*_shani.c) echo "${CFLAGS_X86_SHANI:-} ${CFLAGS_X86_SSSE3:-}" ;;
        *_sse2.c) echo "${CFLAGS_X86_SSE2:-}" ;;
        *_arm.c) echo "${CFLAGS_ARM_SHA256:-}" ;;
    esac
}

build() {
    local file flags objects=()
    CC="$CC" CFLAGS="$CFLAGS" sh libcperciva/cpusupport/Build/cpusupport.sh "$PATH" >cpusupport-config.h
    # It is shell as well as C.
    # shellcheck disable=SC1091
    . ./cpusupport-config.h
    printf '#define HAVE_MMAP 1\n#define HAVE_POSIX_MEMALIGN 1\n' >config.h
    [ "$TARGET_STATIC" = 0 ] || CFLAGS="$CFLAGS -O3"
    for file in $sources; do
        flags=$(instructions "$file")
        # shellcheck disable=SC2086
        $CC $CFLAGS $flags -std=gnu17 -DHAVE_CONFIG_H -DCPUSUPPORT_CONFIG_FILE='"cpusupport-config.h"' -I. -Ilib/crypto \
            -Ilib-platform -Ilib-platform/crypto -Ilibcperciva/alg -Ilibcperciva/cpusupport -Ilibcperciva/util \
            -c "$file" -o "$(basename "$file" .c).o"
        objects+=("$(basename "$file" .c).o")
    done
    "$AR" rcs libscrypt-kdf.a "${objects[@]}"
    install_static libscrypt-kdf/scrypt-kdf.h -- libscrypt-kdf.a
}
