#!/bin/bash
# test-mbedtls.sh [SUITE...] - mbedTLS's own tests of the patched source, natively; arguments: names of suites.
#
# Twice: with upstream's configuration and our options on top, optimised as in the recipe, so that the patches meet all
# the vectors there are; and with the recipe's configuration under AddressSanitizer and UndefinedBehaviorSanitizer. The
# suites of gcm and ecp compare the patches' fast paths with the general code.
set -euo pipefail

toolchain=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=toolchain/lib.sh
. "$toolchain/lib.sh"
# shellcheck source=toolchain/build-mbedtls.sh
. "$toolchain/build-mbedtls.sh"

suites=(aes bignum_core bignum chachapoly cipher constant_time ctr_drbg ecdh ecdsa ecp entropy gcm hkdf hmac_drbg
    md mdx pem pk pkcs1_v15 pkcs1_v21 pkcs12 pkcs5 pkcs7 pkparse pkwrite psa_crypto psa_crypto_hash psa_crypto_op_fail
    random rsa shax ssl x509parse)
[ $# -eq 0 ] || suites=("$@")

sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
folder=$cache/work/test-mbedtls
passed=0 failed=0

# build_suites FOLDER CFLAGS: the library, and of the suites those whose names begin with one of $suites.
build_suites() {
    local suite programs=()
    cd "$1"
    make -j"$jobs" -C library CFLAGS="$2" GEN_FILES= static
    for suite in "${suites[@]}"; do
        while read -r data; do
            programs+=("$(basename "$data" .data)")
        done < <(find tests/suites -name "test_suite_$suite.data" -o -name "test_suite_$suite.*.data" | sort)
    done
    [ ${#programs[@]} -gt 0 ] || die "no such suites: ${suites[*]}"
    printf '%s\n' "${programs[@]}" | sort -u >suites.list
    # shellcheck disable=SC2046
    make -j"$jobs" -C tests CFLAGS="-O1 ${2#-O?}" LDFLAGS="${2#-O?}" GEN_FILES= $(cat suites.list)
}

# run_suites FOLDER: adds to $passed and $failed what each program counts in its last line; one without is a failure.
run_suites() {
    local program last
    cd "$1/tests"
    while read -r program; do
        last=$( (./"$program" || true) 2>&1 | tee "$program.log" | tail -n 1)
        if [[ $last =~ ^(PASSED|FAILED)\ \(([0-9]+)\ /\ ([0-9]+)\ tests ]]; then
            passed=$((passed + BASH_REMATCH[2]))
            failed=$((failed + BASH_REMATCH[3] - BASH_REMATCH[2]))
        else
            failed=$((failed + 1))
        fi
        [[ $last == PASSED* ]] || printf '  %s failed: %s\n' "$program" "$PWD/$program.log"
    done <../suites.list
}

# prepare_upstream FOLDER, prepare_recipe FOLDER: the source, patched and configured.
prepare_upstream() {
    unpack_source mbedtls "$1"
    cd "$1"
    unwanted="" configure
}

prepare_recipe() {
    unpack_source mbedtls "$1"
    cd "$1"
    configure
}

mkdir -p "$folder"
exec {lock_fd}>"$folder.lock"
flock "$lock_fd"
for configuration in upstream recipe; do
    flags=-O3
    [ "$configuration" = upstream ] || flags="-O1 $sanitizers"
    step "mbedtls, $configuration's configuration" "$folder.log" "prepare_$configuration" "$folder/$configuration"
    step "its suites" "$folder.log" build_suites "$folder/$configuration" "$flags"
    run_suites "$folder/$configuration"
done
rm -rf "$folder"
echo "mbedtls: $passed passed, $failed failed"
[ "$failed" = 0 ]
