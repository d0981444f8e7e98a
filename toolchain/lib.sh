# lib.sh - runs recipes: one line a step with its time, results cached by what went into them.
#
# A recipe is toolchain/build-NAME.sh. It sets
#   SOURCE    its name in sources.lock ("" if it has none)
#   NEEDS     other recipes, built first
#   SCRIPT    the program beside it that does the work, if there is one
#   PROFILED  1 if its result depends on the profile (fast, release)
#   NATIVE    1 if a build for another machine runs that for this one ($NATIVE_PREFIX)
# and defines build(), which runs in the unpacked, patched source folder and fills $STAGE; the result
# is known as $PREFIX afterwards (that path may be compiled in).
# shellcheck shell=bash disable=SC2034

toolchain=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LIMPET_CACHE:-$HOME/.cache/limpet}
profile=${profile:-fast}
native_target=$(uname -m)-linux-musl
wanted_target=$native_target
# shellcheck source=toolchain/environment.sh
. "$toolchain/environment.sh"

die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# load_target NAME: the variables of targets/NAME.env.
load_target() {
    target=$1
    # Also what environments export for configure scripts.
    unset "${!TARGET_@}" "${!py_cv_module_@}" LIBS
    [ -f "$toolchain/targets/$target.env" ] || die "no such target: $target (see toolchain/targets)"
    # shellcheck disable=SC1090
    . "$toolchain/targets/$target.env"
}

# find_target ARCHITECTURE: the name of its target, as load_target wants it.
find_target() {
    local file
    for file in "$toolchain/targets/$1"-linux-musl*.env; do
        [ -f "$file" ] || die "no such target: ${1:-none} (aarch64, armv7, riscv64 or x86_64)"
        basename "$file" .env
    done
}

# step LABEL LOG COMMAND...: run quietly, print one line; on failure the log's end and where it is, and
# the build is over. Never call it (or its callers) in a condition: there bash ignores set -e.
step() {
    local label=$1 log=$2 began ended code=0
    shift 2
    mkdir -p "$(dirname "$log")"
    began=$(date +%s%N)
    printf '  %-34s ' "$label"
    set +e
    ( set -e; "$@" ) >"$log" 2>&1 </dev/null
    code=$?
    set -e
    ended=$(date +%s%N)
    if [ "$code" != 0 ]; then
        printf 'FAILED (exit %s)\n\n' "$code"
        tail -n 25 "$log" | sed 's/^/    | /'
        printf '\n  the whole log: %s\n' "$log"
        exit 1
    fi
    printf '%6d.%d s\n' $(((ended - began) / 1000000000)) $(((ended - began) / 100000000 % 10))
}

lock_field() { awk -v n="$1" -v f="$2" '$1 == n { print $f }' "$toolchain/sources.lock"; }

# Read a recipe into SOURCE, NEEDS, SCRIPT, PROFILED, NATIVE and build().
load_recipe() {
    SOURCE="" NEEDS="" SCRIPT="" PROFILED=0 NATIVE=0
    [ -f "$toolchain/build-$1.sh" ] || die "no recipe toolchain/build-$1.sh"
    # shellcheck disable=SC1090
    . "$toolchain/build-$1.sh"
    [ "$TARGET_STATIC" = 1 ] || NEEDS=${NEEDS//musl/}
    is_cross || NATIVE=0
}

# natively COMMAND...: run it for this machine, in the profile that is built soonest.
natively() {
    local outer=$target profile=fast
    load_target "$native_target"
    "$@"
    load_target "$outer"
}

declare -A recipe_key=()

# compute_key NAME: a hash of all that decides what the recipe yields, into recipe_key[].
compute_key() {
    [ -z "${recipe_key[$target/$1]:-}" ] || return 0
    local need needs source script profiled keys=""
    load_recipe "$1"
    needs=$NEEDS source=$SOURCE script=$SCRIPT profiled=$PROFILED
    if [ "$NATIVE" = 1 ]; then
        natively compute_key "$1"
        keys+=${recipe_key[$native_target/$1]}
    fi
    for need in $needs; do
        compute_key "$need"
        keys+=${recipe_key[$target/$need]}
    done
    recipe_key[$target/$1]=$(
        {
            cat "$toolchain/build-$1.sh" "$toolchain/environment.sh" "$toolchain/targets/$target.env"
            [ -z "$script" ] || cat "$toolchain/$script"
            [ -z "$source" ] || awk -v n="$source" '$1 == n { print $2, $3 }' "$toolchain/sources.lock"
            find "$toolchain/patches" -path "*/$source-*" -name '*.patch' 2>/dev/null | sort | xargs -r cat
            [ "$profiled" = 0 ] || echo "$profile"
            [ "$profiled/$profile" != 1/release ] || find "$toolchain/profiles" -name "$1-$TARGET_ARCH-*" | sort | xargs -r cat
            "${TARGET_TOOLS}gcc" -dumpfullversion
            echo "$keys"
        } | sha256sum | cut -c1-16
    )
}

recipe_prefix() { echo "$cache/build/$1-${recipe_key[$target/$1]}"; }

unpack_source() { # SOURCE FOLDER
    local tarball patch version
    tarball=$("$toolchain/fetch.sh" "$1")
    version=$(lock_field "$1" 2)
    rm -rf "$2"
    mkdir -p "$2"
    if [[ $tarball = *.deb ]]; then
        dpkg-deb -x "$tarball" "$2"
    elif [ "$(tar tf "$tarball" | cut -d/ -f1 | sort -u | wc -l)" = 1 ]; then
        tar xf "$tarball" -C "$2" --strip-components=1
    else
        tar xf "$tarball" -C "$2"
    fi
    for patch in "$toolchain/patches/$1-$version"/*.patch; do
        [ ! -f "$patch" ] || patch -d "$2" -p1 --no-backup-if-mismatch <"$patch"
    done
}

# Runs inside step(), in a subshell of its own: load_recipe was called before.
run_recipe() { # NAME WORK-FOLDER
    local need prefixes=()
    for need in $NEEDS; do prefixes+=("$(recipe_prefix "$need")"); done
    PREFIX=$(recipe_prefix "$1")
    [ "$NATIVE" = 0 ] || NATIVE_PREFIX=$(natively recipe_prefix "$1")
    export DESTDIR="$2/stage"
    STAGE=$DESTDIR$PREFIX
    mkdir -p "$2/src" "$STAGE"
    [ -z "$SOURCE" ] || unpack_source "$SOURCE" "$2/src"
    recipe_environment "${prefixes[@]}"
    cd "$2/src"
    build
    mkdir -p "$cache/build"
    rm -rf "$PREFIX"
    mv "$STAGE" "$PREFIX"
}

# build_dependency NAME: build it and what it needs unless the cache has it.
build_dependency() {
    local need needs prefix work label
    compute_key "$1"
    prefix=$(recipe_prefix "$1")
    load_recipe "$1"
    needs=$NEEDS
    [ "$NATIVE" = 0 ] || natively build_dependency "$1"
    [ ! -d "$prefix" ] || return 0
    for need in $needs; do build_dependency "$need"; done
    mkdir -p "$cache/build"
    exec {lock_fd}>"$prefix.lock"
    flock "$lock_fd"
    if [ ! -d "$prefix" ]; then
        load_recipe "$1"
        label="$1 $(lock_field "${SOURCE:-none}" 2)"
        [ "$PROFILED" = 0 ] || label="$label ($profile)"
        [ "$target" = "$native_target" ] || label="$label, $target"
        work=$cache/work/$1-${recipe_key[$target/$1]}
        rm -rf "$work"
        step "$label" "$cache/logs/$1-${recipe_key[$target/$1]}.log" run_recipe "$1" "$work"
        rm -rf "$work"
    fi
    exec {lock_fd}>&-
    rm -f "$prefix.lock"
}
