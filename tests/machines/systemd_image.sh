#!/bin/bash
# systemd_image.sh SUITE - a machine of that Debian suite (bookworm, trixie) that boots systemd: a folder with the kernel
# "vmlinuz", its "initrd.img" and the disk "root.ext4", whose path is printed. Needs root; kept in the cache.
#
# When it has booted it mounts its second disk at /checks and runs /checks/run; nothing else is in it that Debian has not
# put there. No network but lo.
set -euo pipefail
suite=${1:?a Debian suite}
cache=${LIMPET_CACHE:-$HOME/.cache/limpet}/machines
made=$cache/systemd-$suite-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
tell_if_there() {
    if [ -d "$made" ]; then
        echo "$made"
        exit 0
    fi
}
tell_if_there
# shellcheck source=tests/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/../debian.sh"
[ "$(id -u)" = 0 ] || {
    echo "systemd_image: a machine is made by debootstrap, which needs root" >&2
    exit 1
}
mkdir -p "$cache"
exec 9>"$cache/lock-systemd-$suite"
flock 9
tell_if_there # by somebody who held the lock

part=$made.part
rm -rf --one-file-system "$part" # of one that was interrupted, with its /proc
mkdir "$part"
root=$part/root
mirror=$(debian_mirror)
debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,linux-image-cloud-amd64 "$suite" "$root" \
    "$mirror" >"$part/log" 2>&1 || {
    tail -n 30 "$part/log" >&2
    exit 1
}
cp "$root"/boot/vmlinuz-* "$part/vmlinuz"
cp "$root"/boot/initrd.img-*-amd64 "$part/initrd.img"
rm -f "$root"/boot/*-amd64*
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
mkdir "$root/checks"
echo machine >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
cat >"$root/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
Description=What is checked on this machine
After=multi-user.target

[Service]
Type=exec
ExecStart=/bin/sh -c 'mount -o ro /dev/vdb /checks; exec /bin/sh /checks/run'

[Install]
WantedBy=multi-user.target
UNIT
systemctl --root="$root" enable checks.service >>"$part/log" 2>&1
# Sparse: room for what is installed on it.
mke2fs -q -t ext4 -L root -d "$root" "$part/root.ext4" "$(($(du -sm "$root" | cut -f1) + 1024))M" >>"$part/log" 2>&1
rm -rf --one-file-system "$root"
mv "$part" "$made"
echo "$made"
