#!/bin/bash
# peers.sh - the asynchronous peers with the Python that limpet has, unpacked into one folder whose path is printed.
#
# Debian 12's are years older and run on Python 3.11; unstable has today's on 3.14. Nothing is installed: the packages,
# with all that they depend on down to the C library, are unpacked into the cache, and servers.py starts their Python
# by their own dynamic loader. Kept until the folder is removed: "peers.sh --refresh" does that first.
set -euo pipefail
suite=sid
names=(python3.14 gunicorn uvicorn python3-uvloop python3-httptools python3-websockets python3-wsproto
    python3-hypercorn)
cache=${LIMPET_CACHE:-$HOME/.cache/limpet}/debian-$suite
folder=$cache/peers
[ "${1:-}" != --refresh ] || rm -rf "$folder"
if [ -d "$folder" ]; then
    echo "$folder"
    exit 0
fi

part=$folder.part
rm -rf "$part"
mkdir -p "$part/root" "$part/apt/lists/partial" "$part/apt/archives/partial" "$part/apt/etc/preferences.d"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Identifier: Packages' 'Origin: Debian' |
    awk '$2 == "Debian" { print $1; exit }')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:?no Debian mirror is configured} $suite main" \
    >"$part/apt/etc/sources.list"
options=(-q -q -o Dir::Etc::sourcelist="$part/apt/etc/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::Etc::preferencesparts="$part/apt/etc/preferences.d" -o Dir::State::lists="$part/apt/lists"
    -o Dir::Cache="$part/apt" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root -o Debug::NoLocking=1
    -o APT::Architecture="$(dpkg --print-architecture)")
apt-get "${options[@]}" update >&2
# With an empty status nothing is there yet, so that all of what they depend on is fetched.
apt-get "${options[@]}" -y --no-install-recommends --download-only install "${names[@]}" >&2
for deb in "$part"/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar x -C "$part/root" --exclude='./usr/share/*' --exclude='./var/*'
    dpkg-deb --show --showformat '${Package} ${Version}\n' "$deb" >>"$part/root/versions"
done
# As an installation does it.
libraries=$(echo "$part"/root/usr/lib/*-linux-gnu)
loader=$(echo "$libraries"/ld-linux-*.so.*)
PYTHONHOME=$part/root/usr "$loader" --library-path "$libraries" "$part/root/usr/bin/python3.14" -m compileall -q \
    "$part/root/usr/lib/python3/dist-packages" "$part/root/usr/lib/python3.14"
mv "$part/root" "$folder"
rm -rf "$part"
echo "$folder"
