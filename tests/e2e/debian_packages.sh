#!/bin/bash
# debian_packages.sh [--suite SUITE] NAME... - the Python modules of Debian packages, unpacked into one folder whose
# path is printed.
#
# They come from a suite whose Python applications fit ours (trixie, where nothing else is said), whatever this machine
# runs, through an apt configuration of its own: the machine's mirror and keyring, nothing installed. Kept in the cache.
set -euo pipefail
# shellcheck source=tests/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/../debian.sh"
suite=trixie
if [ "${1:-}" = --suite ]; then
    suite=$2
    shift 2
fi
cache=${LIMPET_CACHE:-$HOME/.cache/limpet}/debian-$suite
folder=$cache/sets/$(echo "$*" | tr ' ' '\n' | sort | sha256sum | cut -c1-16)
tell_if_there() {
    if [ -d "$folder" ]; then
        echo "$folder"
        exit 0
    fi
}
tell_if_there

mkdir -p "$cache/sets" "$cache/debs"
exec 9>"$cache/lock"
flock 9
tell_if_there # by somebody who held the lock
apt_elsewhere "$cache/apt" "$suite"
[ -n "$(find "$cache/apt/lists" -maxdepth 1 -name '*_Packages*' -mtime -7 2>/dev/null)" ] ||
    apt-get "${apt_options[@]}" update >&2
part=$folder.part
rm -rf "$part"
mkdir -p "$part"
for name in "$@"; do
    # Not only "update" may be old: a package that moved on since is found after another look.
    (cd "$cache/debs" && { apt-get "${apt_options[@]}" download "$name" >&2 ||
        { apt-get "${apt_options[@]}" update >&2 && apt-get "${apt_options[@]}" download "$name" >&2; }; })
    deb=$(find "$cache/debs" -name "${name}_*.deb" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
    dpkg-deb --fsys-tarfile "$deb" | tar x -C "$part" --strip-components=5 --wildcards './usr/lib/python3/dist-packages/*'
done
# Debian links what other packages have (fonts, jQuery): not part of these modules.
find "$part" -xtype l -delete
mv "$part" "$folder"
echo "$folder"
