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
            -lz -o "$1/$name"
    done
}

verb_fuzz() {
    local seconds=${1:-60} folder=$PWD/build/fuzz fuzzer name
    toolchain/host-packages.sh build fuzz
    build_native
    step "fuzzers" "$folder.log" fuzz_build "$folder"
    for fuzzer in "$folder"/fuzz_*; do
        name=$(basename "$fuzzer")
        # New inputs gather beside the seeds' copy; a crasher is left in build/fuzz, to be committed with its mending.
        mkdir -p "$folder/corpus/${name#fuzz_}"
        echo "$name for $seconds s"
        (cd "$folder" && "$fuzzer" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 -max_len=65536 \
            "$folder/corpus/${name#fuzz_}" "$OLDPWD/tests/fuzz/corpus/${name#fuzz_}")
    done
}
