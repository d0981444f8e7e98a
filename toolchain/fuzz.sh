# fuzz.sh - the fuzzers: libFuzzer for so many seconds each, or a replay of what is in their corpora.
# shellcheck shell=bash

fuzz_sanitizers=("-fsanitize=fuzzer-no-link,address,undefined" -fno-sanitize-recover=undefined)

# mbedTLS as the recipe has it, but by clang: what is fuzzed of TLS is there.
fuzz_build_mbedtls() { # FOLDER
    rm -rf build/fuzz-mbedtls-*
    unpack_source mbedtls "$1.part"
    (
        load_recipe mbedtls
        cd "$1.part"
        configure
        make -j"$jobs" -C library CC=clang CFLAGS="-O1 -g ${fuzz_sanitizers[*]}" GEN_FILES= static
    )
    mv "$1.part" "$1"
}

# Everything of appliance/ that stands alone, and of embed/ what needs no Python, by clang with the fuzzer's instrumentation.
fuzz_build() { # FOLDER
    local source name flags tls=$PWD/build/fuzz-mbedtls-${recipe_key[$target/mbedtls]}
    [ -d "$tls" ] || fuzz_build_mbedtls "$tls"
    flags=(-D_GNU_SOURCE -std=gnu17 -O1 -g "${fuzz_sanitizers[@]}" -include appliance/banned.h -Iappliance -Iembed
        -I"$out/gen" -I"$tls/include")
    rm -rf "$1"
    mkdir -p "$1"
    for source in appliance/*.c embed/target.c; do
        name=$(basename "$source" .c)
        case $name in main | http* | reactor) continue ;; esac
        clang "${flags[@]}" -c "$source" -o "$1/$name.o"
    done
    ar rcs "$1/libappliance.a" "$1"/*.o
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        clang "${flags[@]}" -fsanitize=fuzzer "$source" "$1/libappliance.a" "$tls"/library/lib{mbedtls,mbedx509,mbedcrypto}.a \
            -lz -lzstd -o "$1/$name"
    done
}

# fuzz_run FOLDER SECONDS NAME: new inputs gather beside the seeds' copy; a crasher is left in FOLDER, to be committed with
# its mending.
fuzz_run() {
    mkdir -p "$1/corpus/$3"
    (cd "$1" && "./fuzz_$3" -max_total_time="$2" -print_final_stats=1 -verbosity=0 -max_len=65536 \
        "$1/corpus/$3" "$OLDPWD/tests/fuzz/corpus/$3")
}

# The fuzzers' names into fuzzers, all built into the folder.
fuzz_prepare() { # FOLDER
    toolchain/host-packages.sh build fuzz
    build_native
    step "fuzzers" "$1.log" fuzz_build "$1"
    mapfile -t fuzzers < <(cd "$1" && find . -maxdepth 1 -name 'fuzz_*' -printf '%f\n' | sed 's/^fuzz_//' | sort)
}

verb_fuzz() { # [SECONDS] [NAME...]
    local seconds=60 folder=$PWD/build/fuzz name fuzzers
    case ${1:-} in [0-9]*) seconds=$1 && shift ;; esac
    fuzz_prepare "$folder"
    for name in "${@:-${fuzzers[@]}}"; do
        [ -x "$folder/fuzz_$name" ] || die "there is no fuzzer $name (but ${fuzzers[*]})"
        echo "$name for $seconds s"
        fuzz_run "$folder" "$seconds" "$name"
    done
}

# What strangers send to applications that call out: two fuzzers at once for a minute, as a part of the tests.
fuzz_a_minute() {
    local folder=$PWD/build/fuzz name fuzzers failed=0 pids=()
    fuzz_prepare "$folder"
    for name in "$@"; do
        fuzz_run "$folder" 60 "$name" >"$folder/$name.log" 2>&1 &
        pids+=($!)
    done
    for name in "$@"; do
        if wait "${pids[0]}"; then
            echo "fuzz_$name: 1 passed, 0 failed ($(sed -n 's/.*number_of_executed_units: //p' "$folder/$name.log") inputs)"
        else
            tail -n 40 "$folder/$name.log"
            echo "fuzz_$name: 0 passed, 1 failed"
            failed=$((failed + 1))
        fi
        pids=("${pids[@]:1}")
    done
    return "$failed"
}
