# package.sh - the verb package: what is built, as a package (distribution/).
# shellcheck shell=bash

# verb_package KIND [--target T] [--binary FILE] [--documenter FILE]: the release build unless a file is named; the result goes
# into build/packages, or $LIMPET_PACKAGES. LIMPET_PACKAGE_LEVEL: how hard to compress, 1 to 9, to try packages quickly.
verb_package() {
    local kind=${1:-} machine="" binary="" documenter=""
    [ $# -eq 0 ] || shift
    case $kind in
        deb | openwrt | container) ;;
        tar) kind=archive ;;
        "") die "package KIND: deb, openwrt, container or tar" ;;
        *) die "unknown kind of package: $kind (deb, openwrt, container or tar)" ;;
    esac
    while [ $# -gt 0 ]; do
        [ $# -gt 1 ] || die "package: $1 needs a value, or is unknown (--target T, --binary FILE, --documenter FILE)"
        case $1 in
            --target) machine=$2 ;;
            --binary) binary=$2 ;;
            --documenter) documenter=$2 ;;
            *) die "package: unknown option $1 (--target T, --binary FILE, --documenter FILE)" ;;
        esac
        shift 2
    done
    # The option that all verbs share, in front of the verb or of KIND, is as good.
    [ -n "$machine" ] || [ "$wanted_target" = "$native_target" ] || machine=${wanted_target%%-*}
    toolchain/host-packages.sh package
    if [ -z "$binary" ]; then
        toolchain/host-packages.sh build
        profile=release && build_native
        documenter=${documenter:-$out/limpet}
        binary=$out${machine:+-$machine}/limpet
        [ "${machine:-x86_64}" != x86_64 ] || binary=$out/limpet
        [ -f "$binary" ] || die "package: $binary is not there; build it by ./build.sh --target $machine --release"
    fi
    /usr/bin/python3 -B "distribution/$kind.py" --binary "$binary" ${documenter:+--documenter "$documenter"} \
        --output "${LIMPET_PACKAGES:-build/packages}"
}
