# fuzz.sh - the fuzzers: libFuzzer for so many seconds each, or a replay of what is in their corpora.
# shellcheck shell=bash

fuzz_sanitizers=("-fsanitize=fuzzer-no-link,address,undefined" -fno-sanitize-recover=undefined)

# A part as its recipe has it, but by clang, into a folder named after what it is made from: what is fuzzed goes through it.
fuzz_part() { # NAME FLAG...
    local name=$1 folder=$PWD/build/fuzz-$1-${recipe_key[$target/$1]}
    shift
    [ ! -d "$folder" ] || return 0
    rm -rf build/fuzz-"$name"-*
    unpack_source "$name" "$folder.source"
    (
        load_recipe "$name"
        # Pools that are cleared show what is read of the one before.
        TARGET_STATIC=0 TARGET_SANITIZE_OWN="" PREFIX=$folder STAGE=$folder.stage$folder
        export CC=clang AR=ar CFLAGS="-O1 -g $*" CPPFLAGS="" LDFLAGS="$*" DESTDIR=$folder.stage
        cd "$folder.source"
        mkdir -p "$STAGE"
        build
    )
    mv "$folder.stage$folder" "$folder"
    rm -rf "$folder.source" "$folder.stage"
}

# Everything of appliance/, and of embed/ what needs no Python.
fuzz_build() { # FOLDER
    fuzz_part libmicrohttpd "${fuzz_sanitizers[@]}"
    fuzz_part mbedtls "${fuzz_sanitizers[@]}"
    make -f toolchain/fuzz.mk -j"$jobs" OUT="$1" GEN="$out/gen" SANITIZERS="${fuzz_sanitizers[*]}" \
        PARTS="$(echo "$PWD"/build/fuzz-{libmicrohttpd,mbedtls}-*)"
}

# fuzz_run FOLDER SECONDS NAME: new inputs gather beside the seeds' copy; a crasher is left in FOLDER, to be committed with
# its mending.
fuzz_run() {
    mkdir -p "$1/corpus/$3"
    "$1/fuzz_$3" -max_total_time="$2" -print_final_stats=1 -verbosity=0 -max_len=65536 -artifact_prefix="$1/$3-" \
        "$1/corpus/$3" "tests/fuzz/corpus/$3"
}

# The fuzzers' names into fuzzers, all built into the folder.
fuzz_prepare() { # FOLDER
    toolchain/host-packages.sh build fuzz
    build_native
    step "fuzzers" "$1.log" fuzz_build "$1"
    mapfile -t fuzzers < <(cd "$1" && find . -maxdepth 1 -type f -name 'fuzz_*' -printf '%f\n' | sed 's/^fuzz_//' | sort)
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

# Each fuzzer for so long, two at a time; how each ended stands in FOLDER/NAME.status.
fuzz_all() { # FOLDER SECONDS NAME...
    local folder=$1 seconds=$2 name
    # A session of its own, whose processes count as little as they do beside others of it.
    { echo 19 >/proc/self/autogroup; } 2>/dev/null || true
    chrt --idle --pid 0 "$BASHPID" 2>/dev/null || renice -n 19 -p "$BASHPID" >/dev/null
    shift 2
    for name in "$@"; do
        while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n || true; done
        {
            code=0
            fuzz_run "$folder" "$seconds" "$name" >"$folder/$name.log" 2>&1 || code=$?
            echo "$code" >"$folder/$name.status"
        } &
    done
    wait
}

# Begin all of them for a minute each, behind whatever else wants the processors; fuzz_collect waits for them. What the
# caller has built and loaded is the native build then.
fuzz_begin() {
    fuzz_folder=$PWD/build/fuzz
    load_target "$native_target"
    fuzz_prepare "$fuzz_folder"
    rm -f "$fuzz_folder"/*.status
    export -f fuzz_all fuzz_run
    setsid --wait bash -c 'fuzz_all "$@"' fuzz "$fuzz_folder" 60 "${fuzzers[@]}" </dev/null &
    fuzz_pid=$!
}

# One line each. Fails if one has found something: the end of its log says where that is.
fuzz_collect() {
    local name failed=0
    wait "$fuzz_pid" || true
    for name in "${fuzzers[@]}"; do
        if [ "$(cat "$fuzz_folder/$name.status" 2>&1)" = 0 ]; then
            echo "fuzz_$name: 1 passed, 0 failed ($(sed -n 's/.*number_of_executed_units: //p' "$fuzz_folder/$name.log") inputs)"
        else
            tail -n 40 "$fuzz_folder/$name.log" || true
            echo "fuzz_$name: 0 passed, 1 failed (the input: $(echo "$fuzz_folder/$name"-*))"
            failed=$((failed + 1))
        fi
    done
    return "$failed"
}
