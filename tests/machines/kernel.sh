#!/bin/bash
# kernel.sh ARCHITECTURE [PAGES] - Debian's kernel for machines of an architecture (aarch64, armv7, riscv64 or x86_64), with pages
# of so many bytes where there is a choice, and a static busybox: the folder with both (kernel, busybox) is printed.
#
# Whichever kernel the suite has of that sort, by an apt configuration of its own: this machine's mirror and keyring,
# nothing installed. Kept in the cache; the folder may be removed to have a newer one.
set -euo pipefail
# shellcheck source=tests/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/../debian.sh"

die() { printf 'kernel: %s\n' "$*" >&2; exit 1; }

machine=${1:?ARCHITECTURE}${2:+-$2}
case $machine in
    aarch64 | aarch64-4096) suite=bookworm architecture=arm64 image=linux-image-cloud-arm64 ;;
    aarch64-16384) suite=trixie architecture=arm64 image=linux-image-arm64-16k ;;
    armv7) suite=bookworm architecture=armhf image=linux-image-armmp-lpae ;;
    riscv64) suite=trixie architecture=riscv64 image=linux-image-riscv64 ;;
    x86_64) suite=bookworm architecture=amd64 image=linux-image-cloud-amd64 ;;
    *) die "no kernel is known for $machine" ;;
esac

cache=${LIMPET_CACHE:-$HOME/.cache/limpet}/machines
folder=$cache/$image
tell_if_there() {
    if [ -d "$folder" ]; then
        echo "$folder"
        exit 0
    fi
}
tell_if_there

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
tell_if_there # by somebody who held the lock
apt_elsewhere "$cache/apt-$suite-$architecture" "$suite" "$architecture"
apt-get "${apt_options[@]}" update >&2
# The package of that name is empty: it depends on that of the newest version.
kernel=$(apt-cache "${apt_options[@]}" depends "$image" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ && !found++ { print $2 }')
part=$folder.part
rm -rf "$part"
mkdir -p "$part"
(cd "$part" && apt-get "${apt_options[@]}" download "${kernel:?$suite has no $image}" busybox-static >&2)
# Streams: a kernel's modules are many times its size.
dpkg-deb --fsys-tarfile "$part/$kernel"_*.deb | tar xO --wildcards './boot/vmlinu[xz]-*' >"$part/kernel"
dpkg-deb --fsys-tarfile "$part"/busybox-static_*.deb | tar xO --wildcards '*/bin/busybox' >"$part/busybox"
chmod +x "$part/busybox"
rm "$part"/*.deb
mv "$part" "$folder"
echo "$folder"
