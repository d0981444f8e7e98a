#!/bin/bash
# test-libmicrohttpd.sh - libmicrohttpd's own tests on the patched source: natively, all that `make check` has, and those of the
# patches once more with AddressSanitizer and UndefinedBehaviorSanitizer. Prints one line; fails if a test does.
#
# No failure of the unpatched 1.0.10 is known (164 tests, with curl's), so none is excused.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=toolchain/lib.sh
. toolchain/lib.sh

folder=$cache/work/test-libmicrohttpd
logs=$cache/logs
# Of `make check`, in seconds: its slowest tests wait for time-outs.
time_limit=600
# Programs of tests that came with the patches.
own_tests=(test_transport)

mkdir -p "$logs" "$cache/work"
exec {lock}>"$folder.lock"
flock "$lock"

configure_source() { # FLAGS
    # With assertions, and in the parts that limpet leaves out too: patches must not break them.
    PKG_CONFIG=pkg-config ./configure -q --disable-shared --enable-static --disable-https --disable-doc --disable-examples \
        --disable-tools --enable-epoll=yes --enable-asserts CFLAGS="-O1 -g $1"
}

build_plain() {
    unpack_source libmicrohttpd "$folder/plain"
    cd "$folder/plain"
    configure_source ""
    make -s -j"$jobs"
}

build_sanitized() {
    unpack_source libmicrohttpd "$folder/sanitized"
    cd "$folder/sanitized"
    configure_source "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    make -s -j"$jobs" -C src/microhttpd libmicrohttpd.la "${own_tests[@]}"
}

# A failed test is counted from the results; that "make check" fails because of it must not end the step.
check_plain() {
    timeout "$time_limit" make -k -j"$jobs" -C "$folder/plain" check || echo "make check: exit $?"
}

passed=0 failed=0

step "libmicrohttpd, native" "$logs/test-libmicrohttpd-build.log" build_plain
step "libmicrohttpd, make check" "$logs/test-libmicrohttpd-check.log" check_plain
while read -r result; do
    case $(sed -n 's/^:global-test-result: //p' "$result") in
        PASS) passed=$((passed + 1)) ;;
        SKIP) ;;
        *)
            failed=$((failed + 1))
            printf 'FAILED %s\n' "$(basename "$result" .trs)"
            tail -n 20 "${result%.trs}.log" | sed 's/^/    | /'
            ;;
    esac
done < <(find "$folder/plain/src" -name '*.trs' | sort)
# What did not get so far has left no result: neither in time nor because it could not be built.
if ! grep -q '^make check: exit' "$logs/test-libmicrohttpd-check.log"; then :; elif [ "$failed" = 0 ]; then
    failed=$((failed + 1))
    tail -n 20 "$logs/test-libmicrohttpd-check.log" | sed 's/^/    | /'
fi
[ "$passed" -gt 0 ] || failed=$((failed + 1))

step "libmicrohttpd, sanitizers" "$logs/test-libmicrohttpd-sanitized.log" build_sanitized
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
for test in "${own_tests[@]}"; do
    log=$logs/test-libmicrohttpd-$test.log
    if timeout 300 "$folder/sanitized/src/microhttpd/$test" >"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s (sanitizers)\n' "$test"
        tail -n 40 "$log" | sed 's/^/    | /'
    fi
done

echo "libmicrohttpd: $passed passed, $failed failed"
[ "$failed" = 0 ] || exit 1
rm -rf "$folder"
