#!/bin/bash
# build.sh - the one entry to everything. "./build.sh help" lists the verbs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'USAGE'
./build.sh [--release] [--target aarch64|armv7|riscv64|x86_64] [VERB] [ARGUMENT...]

  build            build/limpet; with --release build/release/limpet (PGO + LTO), the one that is measured and shipped;
                   with --target build/fast-TARGET/limpet or build/release-TARGET/limpet, made here for another machine
  run              build, pack apps/notes and serve it
  test             gates, unit tests, end-to-end tests, and the same under sanitizers
  test --sanitize  only the sanitized half (Address-, UndefinedBehavior- and ThreadSanitizer, each fuzzer for a minute)
  test --fast      only the other half
  test --target T  the tests of the binary for another machine, which qemu plays (the unit tests': with a kernel)
  test-cpython     CPython's own tests on the binary; arguments: names of tests
  test-dependencies  the tests of the parts that are patched or configured in a way of their own: libmicrohttpd, mbedTLS
  test-fresh       the two commands of the README in fresh chroots of Debian 12 and 13 (root)
  test-reproducible [TARGET...]  a second build of each release, in another folder, is the same bytes (x86_64)
  test-machines [TARGET...]  boards with little memory and a kernel of their own, played by qemu: all targets, or those named
  test-systemd [SUITE]  packages and install on an emulated machine that systemd runs (Debian bookworm, or trixie; root);
                   minutes, a quarter of an hour where there is no KVM
  test-tls         HTTPS judged by testssl.sh, and certificates that certbot gets and renews; minutes
  check            formatting, layers, sizes, shell scripts
  fuzz [SECONDS] [NAME...]  each fuzzer, or those named, for so long (60)
  torture [STEP]   memory runs out at each allocation in turn, or at every STEPth: no crash, no wait for ever
  bench            the scorecard: limpet beside nginx, gunicorn, uwsgi and uvicorn (--help: its options)
  soak [SECONDS]   workers come and go in every way under load, each way for so long (60): no request may be lost
                   (--tls: over TLS; --async: an ASGI application, and a day in miniature)
  attack [SECONDS] [NAME...]  what clients get from a server under attack, each attack or those named for so long (9);
                   the table goes into build/attack/table.md
  package KIND     build/packages: the release build as deb, openwrt (ipk), container (OCI image) or tar
                   (--target T, --binary FILE: of another machine, of a build that is there)
  clean            remove build/ (the cache of parts in ~/.cache/limpet stays)

Without a verb: build. What the machine lacks is installed by apt (as root or by sudo).
USAGE
}

profile=fast
# shellcheck source=toolchain/lib.sh
. toolchain/lib.sh
# shellcheck source=toolchain/limpet.sh
. toolchain/limpet.sh
# shellcheck source=toolchain/verbs.sh
. toolchain/verbs.sh
# shellcheck source=toolchain/fuzz.sh
. toolchain/fuzz.sh
# shellcheck source=toolchain/package.sh
. toolchain/package.sh

# The options that all verbs share, in front of the verb or behind it, into $profile and $wanted_target. $shared: words taken.
options() {
    shared=0
    while :; do
        case ${1:-} in
            --release)
                profile=release
                shift
                shared=$((shared + 1))
                ;;
            --target)
                [ $# -gt 1 ] || die "--target of what? (aarch64, armv7, riscv64 or x86_64)"
                wanted_target=$(find_target "$2") || exit 1
                shift 2
                shared=$((shared + 2))
                ;;
            *) return 0 ;;
        esac
    done
}
options "$@"
shift "$shared"
verb=${1:-build}
[ $# -eq 0 ] || shift
options "$@"
shift "$shared"
case $verb in
    build | test | package) ;;
    *) [ "$wanted_target" = "$native_target" ] || die "$verb is for this machine: without --target" ;;
esac
case $verb in
    build | check | clean) [ $# -eq 0 ] || die "$verb takes no $1" ;;
esac
case $verb in
    build | run | test | test-cpython | test-dependencies | test-fresh | test-reproducible | test-machines | test-systemd | test-tls | check | fuzz | torture | bench | soak | attack | package | clean)
        "verb_${verb/-/_}" "$@"
        ;;
    help | --help | -h) usage ;;
    *) usage >&2; die "unknown verb: $verb" ;;
esac
