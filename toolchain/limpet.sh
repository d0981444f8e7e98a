# limpet.sh - builds limpet itself (and what it is tested with) from the parts in the cache.
# shellcheck shell=bash

# What goes into the executable, in link order of need.
limpet_parts="zlib bzip2 xz zstd libffi sqlite scrypt libmicrohttpd mbedtls"

# What of these the current target has: threads are watched without Python and what only Python needs.
parts_here() {
    if [ "$target" = threads ]; then echo "zlib zstd libmicrohttpd mbedtls"; else echo "$limpet_parts"; fi
}

# The licence texts, as the sources have them: kept by what sources.lock says.
collect_licences() { # FOLDER
    local name path tarball
    mkdir -p "$1"
    while read -r name path; do
        case $name in '#'* | '') continue ;; esac
        tarball=$("$toolchain/fetch.sh" "${name%-incorporated}")
        if [[ $tarball = *.deb ]]; then
            dpkg-deb --fsys-tarfile "$tarball" | tar xO "./$path" >"$1/$name"
            continue
        fi
        tar xOf "$tarball" --wildcards --no-wildcards-match-slash "*/$path" 2>/dev/null >"$1/$name" ||
            tar xOf "$tarball" "$path" >"$1/$name"
    done <"$toolchain/licences.txt"
    cp LICENSE "$1/limpet"
}

make_limpet() { # MAKE-TARGET
    local python=none build_python=none parts=() part compile link near
    if [ "$target" != threads ]; then
        python=$(recipe_prefix python)
        build_python=$python
        ! is_cross || build_python=$(natively recipe_prefix python)
    fi
    for part in $(parts_here); do parts+=("$(recipe_prefix "$part")"); done
    recipe_environment "${parts[@]}"
    # Link-time optimisation knows the parts' sources by relative paths.
    near=$(realpath -m --relative-to=. "$cache")
    case $target/$profile in
        sanitize/* | threads/*) compile="$TARGET_CFLAGS $TARGET_SANITIZE $TARGET_SANITIZE_OWN" link="$TARGET_SANITIZE $TARGET_SANITIZE_OWN -rdynamic" ;;
        */release) compile="$TARGET_CFLAGS -g1 -flto=auto -fno-semantic-interposition -ffile-prefix-map=$PWD=. -ffile-prefix-map=$near/=" link="-O3 -flto=auto" ;;
        *) compile="$TARGET_CFLAGS -g1 -ffile-prefix-map=$PWD=." link="" ;;
    esac
    [ "$TARGET_STATIC" = 0 ] || CC=$(recipe_prefix musl)/bin/limpet-cc
    make -f "$toolchain/limpet.mk" -j"$jobs" OUT="$out" CC="$CC" TARGET_STATIC="$TARGET_STATIC" \
        COMPILE_FLAGS="$compile" LINK_FLAGS="$link" PYTHON="$python" PARTS="${parts[*]}" \
        BUILD_PYTHON="env PYTHONHOME= $build_python/bin/python -S" TOOLS="$TARGET_TOOLS" \
        PIP_WHEEL="$(echo "$python"/lib/python3.14/ensurepip/_bundled/pip-*.whl)" LICENCES="$out/gen/licences" "$@"
}

# What the archive's lib/ holds beside pip: data that belongs in files.
collect_library() { # FOLDER
    rm -rf "$1"
    mkdir -p "$1"
    cp -r "$(recipe_prefix tzdata)/tzdata" "$1/"
    cp "$(recipe_prefix ca-certificates)/ca-roots.pem" "$1/"
    cp -r "$(recipe_prefix python)/lib/python3.14/pydoc_data" "$1/"
    find "$1" -name __pycache__ -prune -exec rm -rf {} +
    library_inputs >"${1%/*}/library"
}

# What collect_library takes from: it is done again when that changes.
library_inputs() {
    local part
    for part in tzdata ca-certificates python; do recipe_prefix "$part"; done
}

# build_threads: what the tests of make's target threads stand on, into $out.
build_threads() {
    local part
    out=$PWD/build/threads
    for part in $(parts_here); do build_dependency "$part"; done
}

# build_limpet: everything up to $out/limpet.
build_limpet() {
    local part
    case $target in
        "$native_target") out=$PWD/build/$profile ;;
        sanitize) out=$PWD/build/sanitize ;;
        *) out=$PWD/build/$profile-${target%%-*} ;;
    esac
    for part in $limpet_parts tzdata ca-certificates python; do build_dependency "$part"; done
    mkdir -p "$out/gen"
    if [ ! -d "$out/gen/licences" ] || [ "$toolchain/sources.lock" -nt "$out/gen/licences" ] ||
        [ "$toolchain/licences.txt" -nt "$out/gen/licences" ]; then
        step "licences" "$out/logs/licences.log" collect_licences "$out/gen/licences"
    fi
    if [ ! -d "$out/gen/lib" ] || ! library_inputs | cmp -s - "$out/gen/library"; then
        step "time zones, CA roots, data files" "$out/logs/library.log" collect_library "$out/gen/lib"
    fi
    if ! make_limpet -q all >/dev/null 2>&1; then
        step "limpet $(cat VERSION) ($(basename "$out"))" "$out/logs/limpet.log" make_limpet all
    fi
}
