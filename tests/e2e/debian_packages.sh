#!/bin/bash
# debian_packages.sh [--suite SUITE] NAME... - the Python modules of Debian packages, unpacked into one folder whose
# path is printed.
#
# They come from a suite whose Python applications fit ours (trixie, where nothing else is said), whatever this machine
# runs, through an apt configuration of its own: the machine's mirror and keyring, nothing installed. Kept in the cache.
set -euo pipefail
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

mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial" "$cache/apt/etc/preferences.d" "$cache/sets" \
    "$cache/debs"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Identifier: Packages' 'Origin: Debian' |
    awk '$2 == "Debian" { print $1; exit }')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:?no Debian mirror is configured} $suite main" \
    >"$cache/apt/etc/sources.list"
options=(-q -q -o Dir::Etc::sourcelist="$cache/apt/etc/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::Etc::preferencesparts="$cache/apt/etc/preferences.d" -o Dir::State::lists="$cache/apt/lists"
    -o Dir::Cache="$cache/apt" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
    -o APT::Architecture="$(dpkg --print-architecture)")

exec 9>"$cache/lock"
flock 9
tell_if_there # by somebody who held the lock
[ -n "$(find "$cache/apt/lists" -maxdepth 1 -name '*_Packages*' -mtime -7 2>/dev/null)" ] ||
    apt-get "${options[@]}" update >&2
part=$folder.part
rm -rf "$part"
mkdir -p "$part"
for name in "$@"; do
    # Not only "update" may be old: a package that moved on since is found after another look.
    (cd "$cache/debs" && { apt-get "${options[@]}" download "$name" >&2 ||
        { apt-get "${options[@]}" update >&2 && apt-get "${options[@]}" download "$name" >&2; }; })
    deb=$(find "$cache/debs" -name "${name}_*.deb" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
    dpkg-deb --fsys-tarfile "$deb" | tar x -C "$part" --strip-components=5 --wildcards './usr/lib/python3/dist-packages/*'
done
# Debian links what other packages have (fonts, jQuery): not part of these modules.
find "$part" -xtype l -delete
mv "$part" "$folder"
echo "$folder"
