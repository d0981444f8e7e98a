#!/bin/bash
# host-packages.sh GROUP... - install the Debian packages that a verb needs and the machine lacks.
# Groups: build, build_aarch64, build_armv7, build_riscv64, emulate, machines, systemd_machine, check, test, dependencies,
# browser, tls, bench, attack, fuzz, package, unpack. Uses sudo when not root; does nothing when all are there.
# The lists are read by name:
# shellcheck disable=SC2034
set -euo pipefail

packages_build="gcc g++ make binutils patch tar gzip bzip2 xz-utils curl ca-certificates file
    autoconf automake libtool libltdl-dev python3 libc6-dev linux-libc-dev libc-bin util-linux"
packages_build_aarch64="gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross"
packages_build_armv7="gcc-arm-linux-gnueabihf linux-libc-dev-armhf-cross"
packages_build_riscv64="gcc-riscv64-linux-gnu linux-libc-dev-riscv64-cross"
packages_emulate="qemu-user-static"
packages_machines="qemu-system-x86 qemu-system-arm qemu-system-misc opensbi python3"
packages_check="clang-format shellcheck python3 zlib1g-dev"
packages_test="python3-pytest python3-pytest-xdist zlib1g-dev curl file binutils procps iproute2 util-linux python3 debootstrap systemd
    openssl python3-cryptography python3-websockets python3-wsproto nginx-light haproxy jq prometheus strace passwd"
packages_dependencies="libcurl4-gnutls-dev pkgconf"
packages_browser="chromium chromium-driver python3-selenium"
packages_tls="testssl.sh openssl procps bsdextrautils pebble certbot"
packages_bench="wrk nginx-light gunicorn uwsgi-core uwsgi-plugin-python3 uvicorn python3-uvloop python3-httptools
    linux-perf strace valgrind binutils util-linux openssl python3"
packages_attack="wrk util-linux procps python3"
packages_package="dpkg python3"
# What judges and tries the packages that were made.
packages_unpack="lintian man-db systemd bash-completion zsh fish python3-seccomp util-linux skopeo"
# Any busybox: the package of the static one takes the place of that which an initramfs is made with.
command -v busybox >/dev/null || packages_unpack+=" busybox-static"
packages_systemd_machine="qemu-system-x86 debootstrap e2fsprogs systemd python3-pytest"
packages_fuzz="clang libclang-rt-dev zlib1g-dev libzstd-dev"

missing=()
for group in "$@"; do
    list=packages_$group
    for package in ${!list:?unknown group $group}; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "host-packages: these Debian packages are missing, and neither root nor sudo is at hand: ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
# An index from long ago names packages that the mirror no longer has.
"${as_root[@]}" apt-get -q update
"${as_root[@]}" apt-get -q -y install --no-install-recommends "${missing[@]}"
