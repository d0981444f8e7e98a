# verbs.sh - what build.sh's verbs do.
# shellcheck shell=bash

build_native() {
    load_target "$native_target"
    build_limpet
}

# What the target's compiler is in.
build_packages() {
    if [ "$wanted_target" = "$native_target" ]; then echo build; else echo build "build_${wanted_target%%-*}"; fi
}

verb_build() {
    local binary
    # Two groups, if it is for another machine.
    # shellcheck disable=SC2046
    toolchain/host-packages.sh $(build_packages)
    load_target "$wanted_target"
    build_limpet
    binary=${out#"$PWD/"}/limpet
    if [ "$binary" = build/fast/limpet ]; then
        ln -f "$binary" build/limpet
        binary=build/limpet
    fi
    echo "$binary: $(stat -c %s "$binary" | numfmt --to=si) bytes"
}

verb_run() {
    verb_build
    build/limpet pack apps/notes --output build/notes
    exec build/notes "$@"
}

# Parts of a test run that failed; a run goes on to its end.
test_failures=0

# Unit tests of the current $out, one line each program.
run_unit() { # MAKE-TARGET [COMMAND that runs them...]
    local test
    step "unit tests ($(basename "$out"))" "$out/logs/unit.log" make_limpet "$1"
    shift
    for test in "$out"/unit/test_* "$out"/unit/replay_*; do
        case $test in *.o | *.d | *.log | *'*') continue ;; esac
        if timeout 120 "$@" "$test" "tests/fuzz/corpus/${test##*/replay_}" >"$test.log" 2>&1; then
            tail -n 1 "$test.log"
        else
            cat "$test.log"
            echo "$(basename "$test"): FAILED"
            test_failures=$((test_failures + 1))
        fi
    done
}

# The same of another machine's, in one that has a kernel: qemu-user does without much of what they test.
run_unit_machine() {
    step "unit tests ($(basename "$out"))" "$out/logs/unit.log" make_limpet unit
    /usr/bin/python3 -B tests/machines/units.py "${target%%-*}" "$out/unit" "${TARGET_TOOLS}strip" ||
        test_failures=$((test_failures + 1))
}

# Where the end-to-end tests are.
e2e_places=(tests/e2e tests/packaging)

# Most tests that may fail beside others and be judged by a second run.
alone_max=5

# Two files at a time, whatever the machine has: tests mostly wait, and those of load are for two processors. A few that
# fail are run again, one after the other with nothing beside them, as CPython's regrtest does with --rerun: what fails
# then as well has failed. What passed only alone is named, and is worth a look: it counts on a machine that is not busy.
run_e2e() { # BINARY [pytest argument...]
    local cache=$out/pytest
    local -a failed pytest=(env BINARY_UNDER_TEST="$1" /usr/bin/python3 -m pytest -q -o cache_dir="$cache")
    shift
    rm -rf "$cache"
    ! "${pytest[@]}" -n 2 --dist loadfile "${e2e_places[@]}" "$@" || return 0
    mapfile -t failed < <(jq -r 'keys[]' "$cache/v/cache/lastfailed" 2>/dev/null)
    if [ "${#failed[@]}" -gt 0 ] && [ "${#failed[@]}" -le "$alone_max" ]; then
        echo "again, alone:"
        if "${pytest[@]}" --last-failed --last-failed-no-failures none "${e2e_places[@]}" "$@"; then
            echo "failed beside others, passed alone:"
            printf '  %s\n' "${failed[@]}"
            return 0
        fi
    fi
    test_failures=$((test_failures + 1))
}

# Limpet with allocations that fail on demand, and what comes of every so many-th.
run_torture() { # STEP [pytest argument...]
    local step=$1
    shift
    step "limpet for torture ($(basename "$out"))" "$out/logs/torture.log" make_limpet torture
    BINARY_UNDER_TEST=$out/torture/limpet /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/torture --step "$step" "$@" ||
        test_failures=$((test_failures + 1))
}

test_fast() {
    build_native
    ln -f build/fast/limpet build/limpet
    tests/gates/run.sh "$out" || test_failures=$((test_failures + 1))
    run_unit unit
    [ $# -gt 0 ] || run_torture 9
    [ $# -gt 0 ] || prepare_begin
    run_e2e "$out/limpet" "$@"
}

# What else a whole run builds, begun beside the end-to-end tests, which mostly wait, and behind whatever else wants the
# processors. Who needs it builds what is missing, and says then what went wrong here.
prepare_begin() {
    mkdir -p build
    prepare >build/prepare.log 2>&1 </dev/null &
    prepare_pid=$!
}

prepare() {
    chrt --idle --pid 0 "$BASHPID" || renice -n 19 -p "$BASHPID"
    if [ "$half" = both ]; then
        load_target sanitize
        build_limpet
        build_threads
        load_target "$native_target"
        fuzz_prepare "$PWD/build/fuzz"
    fi
    load_target aarch64-linux-musl
    build_limpet
}

test_sanitized() {
    # What packs, installs and makes packages is Python; of what C reads, archives, there is a file.
    local binary e2e_places=(tests/e2e tests/packaging/test_format.py)
    load_target sanitize
    build_limpet
    binary=$out/limpet
    # Not the sanitizer's own stacks for signals: it would unmap those that Python's faulthandler has made.
    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:use_sigaltstack=0
    export LSAN_OPTIONS=suppressions=$PWD/tests/leaks.supp:print_suppressions=0
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    run_unit unit
    fuzz_begin
    run_e2e "$binary" "$@"
    test_threads
    fuzz_collect || test_failures=$((test_failures + 1))
}

# Under ThreadSanitizer, which some kernels' randomisation of addresses gets in the way of.
test_threads() {
    local runner=()
    ! setarch -R true 2>/dev/null || runner=(setarch -R)
    load_target threads
    build_threads
    export TSAN_OPTIONS=second_deadlock_stack=1
    run_unit threads ${runner[@]+"${runner[@]}"}
}

# emulated_places [WORD]: e2e_places from the list of what runs by qemu, all or what has the word beside it.
emulated_places() {
    mapfile -t e2e_places < <(awk -v word="${1:-}" '!/^#/ && (word == "" || $2 == word) { print $1 }' tests/e2e/emulated.txt)
}

# The binary for another machine: the unit tests in a whole machine that qemu plays, and, by qemu without a kernel of its own,
# those of the end-to-end tests that show what differs between processors; the first of them once more with each other size
# of pages that its kernels have. What these look at in /proc is qemu's.
test_target() {
    local e2e_places=() size
    # shellcheck disable=SC2046
    toolchain/host-packages.sh $(build_packages) emulate machines test
    toolchain/emulate.sh "${wanted_target%%-*}"
    load_target "$wanted_target"
    build_limpet
    run_unit_machine
    emulated_places
    run_e2e "$out/limpet" "$@"
    emulated_places smoke
    for size in ${TARGET_PAGES:-}; do
        echo "with pages of $size bytes:"
        QEMU_PAGESIZE=$size run_e2e "$out/limpet" "$@"
    done
}

# The first of these for 64-bit ARM, in every whole run, where the kernel can be told to start its programs by qemu.
test_smoke() {
    local e2e_places=()
    wait "$prepare_pid" || true
    if ! toolchain/emulate.sh aarch64; then
        echo "aarch64: not tried"
        return 0
    fi
    load_target aarch64-linux-musl
    build_limpet
    emulated_places smoke
    run_e2e "$out/limpet"
}

test_here() {
    local half=both groups=(build check test browser unpack)
    case ${1:-} in
        --sanitize) half=sanitized && shift ;;
        --fast) half=fast && shift ;;
    esac
    [ "$half" = fast ] || groups+=(fuzz)
    [ "$half" = sanitized ] || [ $# -gt 0 ] || groups+=(build_aarch64 emulate)
    toolchain/host-packages.sh "${groups[@]}"
    [ "$half" = sanitized ] || test_fast "$@"
    [ "$half" = sanitized ] || [ $# -gt 0 ] || test_smoke
    [ "$half" = fast ] || test_sanitized "$@"
}

verb_test() {
    if [ "$wanted_target" = "$native_target" ]; then test_here "$@"; else test_target "$@"; fi
    [ "$test_failures" = 0 ] || die "$test_failures parts of the test run failed (see above)"
}

verb_check() {
    toolchain/host-packages.sh check build
    tests/gates/run.sh
}

verb_clean() {
    rm -rf build
}

verb_bench() {
    toolchain/host-packages.sh build bench
    # A binary that the caller names is measured as it is; else it is the release profile's.
    case " $*" in
        *" --profile-binary"* | *" --help"* | *" -h"*) ;;
        *) profile=release && build_native ;;
    esac
    /usr/bin/python3 -B tests/bench/bench.py "$@"
}

# CPython's own tests, by the binary: what fails must be in tests/cpython/expected.txt with its reason.
verb_test_cpython() {
    toolchain/host-packages.sh build test
    build_native
    /usr/bin/python3 tests/cpython/run.py "$out/limpet" "$(recipe_prefix python)/lib/python3.14" "$@"
}

# What toolchain/test-*.sh test: parts that are patched, or built as nobody else builds them.
verb_test_dependencies() {
    local script
    [ $# -eq 0 ] || die "test-dependencies takes no $1"
    toolchain/host-packages.sh build dependencies
    for script in toolchain/test-*.sh; do
        "$script" || test_failures=$((test_failures + 1))
    done
    [ "$test_failures" = 0 ] || die "the tests of $test_failures dependencies failed (see above)"
}

# Workers come and go under load for so long a scenario; further arguments are pytest's.
verb_soak() {
    local seconds=60
    case ${1:-} in [0-9]*) seconds=$1 && shift ;; esac
    toolchain/host-packages.sh build test bench
    build_native
    BINARY_UNDER_TEST=$out/limpet /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/soak --seconds "$seconds" "$@"
}

# Attacks on a worker that has clients to serve, each for so long; and those named, else all.
verb_attack() {
    toolchain/host-packages.sh build test attack
    build_native
    /usr/bin/python3 -B tests/attack/attack.py "$out/limpet" "$@"
}

# All of it, or every so many-th allocation; further arguments are pytest's.
verb_torture() { # [STEP] [pytest argument...]
    local step=1
    case ${1:-} in [1-9]*) step=$1 && shift ;; esac
    toolchain/host-packages.sh build test
    build_native
    run_torture "$step" "$@"
    [ "$test_failures" = 0 ] || die "there is a crash, or a wait without an end (see above)"
}

# The README's two commands in fresh chroots of the Debian releases that we promise.
verb_test_fresh() {
    local suite
    toolchain/host-packages.sh test
    [ $# -gt 0 ] || set -- bookworm trixie
    for suite in "$@"; do tests/fresh_machine.sh "$suite"; done
}

# A second build of each release, elsewhere and from nothing, is the same bytes.
verb_test_reproducible() {
    tests/reproducible.sh "$@"
}

# Packages and "install" on a machine that has booted that Debian's systemd; further arguments are pytest's.
verb_test_systemd() { # [SUITE] [pytest argument...]
    local suite=bookworm
    case ${1:-} in [a-z]*) suite=$1 && shift ;; esac
    toolchain/host-packages.sh build package systemd_machine
    build_native
    MACHINE_SUITE=$suite BINARY_UNDER_TEST=$out/limpet \
        /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/machines/test_systemd.py "$@"
}

# HTTPS by other people's tools, which take their time; further arguments are pytest's.
verb_test_tls() {
    toolchain/host-packages.sh build test tls
    build_native
    BINARY_UNDER_TEST=$out/limpet /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/tls "$@"
}

# Boards of other architectures, or of those named: whole machines that qemu plays, with Debian's kernels and little memory.
verb_test_machines() { # [TARGET...] [pytest argument...]
    local name target_name groups=() targets=()
    while [ $# -gt 0 ] && [[ $1 != -* ]]; do
        targets+=("$1")
        shift
    done
    [ ${#targets[@]} -gt 0 ] || targets=(x86_64 aarch64 armv7 riscv64)
    for name in "${targets[@]}"; do
        target_name=$(find_target "$name") || exit 1
        [ "$target_name" = "$native_target" ] || groups+=("build_$name")
    done
    toolchain/host-packages.sh build test machines ${groups[@]+"${groups[@]}"}
    build_native
    for name in "${targets[@]}"; do
        load_target "$(find_target "$name")"
        build_limpet
    done
    /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/machines/test_boards.py --targets "${targets[@]}" "$@"
}
