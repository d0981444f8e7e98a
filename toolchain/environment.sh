# environment.sh - what every recipe sees: compiler, flags, the folders of the parts it needs.
# Part of each recipe's cache key: a change here builds everything anew.
# shellcheck shell=bash disable=SC2034

jobs=$(nproc)
export LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH=1767225600 PKG_CONFIG=/bin/false
# Leaks of short-lived configure probes and build tools are nobody's business.
export ASAN_OPTIONS=detect_leaks=0

# Whether what is built runs on another kind of machine than this.
is_cross() { [ "$TARGET_ARCH" != "$(uname -m)" ]; }

# recipe_environment NEEDED-PREFIX... : compiler and search paths for the recipe about to run.
recipe_environment() {
    local prefix
    export CC=${TARGET_TOOLS}gcc AR=${TARGET_TOOLS}gcc-ar RANLIB=${TARGET_TOOLS}gcc-ranlib NM=${TARGET_TOOLS}gcc-nm
    # For configure scripts, and empty where what they build runs here.
    cross_options=()
    ! is_cross || cross_options=(--host="$TARGET_HOST" --build="$(gcc -dumpmachine)")
    export CFLAGS=$TARGET_CFLAGS CPPFLAGS="" LDFLAGS=""
    if [ "$TARGET_STATIC" = 0 ]; then
        CFLAGS="$CFLAGS $TARGET_SANITIZE"
        LDFLAGS="$TARGET_SANITIZE"
    fi
    for prefix in "$@"; do
        if [ -x "$prefix/bin/limpet-cc" ]; then
            CC=$prefix/bin/limpet-cc
        else
            CPPFLAGS="$CPPFLAGS -I$prefix/include"
            LDFLAGS="$LDFLAGS -L$prefix/lib"
        fi
    done
}

# install_static HEADER... -- LIBRARY... : for projects whose own install does more than that.
install_static() {
    local kind=include
    mkdir -p "$STAGE/include" "$STAGE/lib"
    while [ $# -gt 0 ]; do
        if [ "$1" = -- ]; then kind=lib; else cp "$1" "$STAGE/$kind/"; fi
        shift
    done
}
