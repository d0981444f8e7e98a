#!/bin/bash
# peers.sh - the asynchronous peers with the Python that limpet has, unpacked into one folder whose path is printed.
#
# Debian 12's are years older and run on Python 3.11; unstable has today's on 3.14. Nothing is installed: the packages,
# with all that they depend on down to the C library, are unpacked into the cache, and servers.py starts their Python
# by their own dynamic loader. Kept until the folder is removed: "peers.sh --refresh" does that first.
set -euo pipefail
# shellcheck source=tests/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/../debian.sh"
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
mkdir -p "$part/root"
apt_elsewhere "$part/apt" "$suite"
apt_options+=(-o Debug::NoLocking=1)
apt-get "${apt_options[@]}" update >&2
# With an empty status nothing is there yet, so that all of what they depend on is fetched.
apt-get "${apt_options[@]}" -y --no-install-recommends --download-only install "${names[@]}" >&2
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
