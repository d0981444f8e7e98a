#!/bin/bash
# test-mbedtls-protocol.sh [TEST...] - tests of what the patches add to mbedTLS's protocol side.
#
# The patched library is built with sanitizers in the cache folder, natively, and a small server of the
# tests (tests/mbedtls/server.c) talks to Python's ssl module and to openssl s_client (packages python3,
# openssl). Arguments are beginnings of names of tests.
set -euo pipefail

toolchain=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=toolchain/lib.sh
. "$toolchain/lib.sh"

tests=$toolchain/tests/mbedtls
flags=(-O1 -g -Wall -Wextra "-fsanitize=address,undefined" -fno-sanitize-recover=undefined -fno-omit-frame-pointer
    "-DMBEDTLS_USER_CONFIG_FILE=\"$tests/config.h\"")

key=$({
    lock_field mbedtls 3
    cat "$toolchain/patches/mbedtls-$(lock_field mbedtls 2)"/*.patch "$tests/config.h" "$toolchain/build-mbedtls.sh"
    echo "${flags[@]}"
    gcc -dumpfullversion
} | sha256sum | cut -c1-16)
folder=$cache/work/test-mbedtls-protocol
source=$folder/$key

# With the configuration of the recipe, if that has a function for it.
build_library() {
    unpack_source mbedtls "$source.part"
    TARGET_STATIC=1 load_recipe mbedtls
    ! declare -F configure >/dev/null || (cd "$source.part" && configure)
    make -j"$jobs" -C "$source.part/library" CC=gcc CFLAGS="${flags[*]//\"/\\\"}" GEN_FILES= static
    mv "$source.part" "$source"
}

build_programs() {
    local name
    for name in server client; do
        gcc "${flags[@]}" -I "$source/include" -I "$source/library" "$tests/$name.c" -o "$folder/$name" \
            "$source/library/libmbedtls.a" "$source/library/libmbedx509.a" "$source/library/libmbedcrypto.a"
    done
}

mkdir -p "$folder"
exec {lock_fd}>"$folder.lock"
flock "$lock_fd"
if [ ! -d "$source" ]; then
    find "$folder" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
    step "mbedtls with sanitizers" "$folder.log" build_library
fi
step "test server and client" "$folder.programs.log" build_programs
/usr/bin/python3 -B "$tests/drive.py" "$folder/server" "$@"
