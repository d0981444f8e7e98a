#!/bin/bash
# emulate.sh ARCHITECTURE - let this machine run programs of another one (aarch64, armv7, riscv64): by qemu, which the
# kernel starts for them (binfmt_misc). For as long as the machine is up; needs root, and qemu-user-static.
set -euo pipefail

die() { printf 'emulate: %s\n' "$*" >&2; exit 1; }

architecture=${1:?ARCHITECTURE}
name=qemu-${architecture/armv7/arm}
formats=/proc/sys/fs/binfmt_misc
conf=/usr/lib/binfmt.d/$name.conf

[ ! -e "$formats/$name" ] || exit 0
[ -f "$conf" ] || die "$conf is missing (Debian's qemu-user-static has it)"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
[ -e "$formats/register" ] || "${as_root[@]}" mount -t binfmt_misc binfmt_misc "$formats" ||
    die "this kernel has no binfmt_misc, or keeps it from containers"
"${as_root[@]}" sh -c 'cat "$1" >"$2/register"' sh "$conf" "$formats" || die "$name cannot be registered"
