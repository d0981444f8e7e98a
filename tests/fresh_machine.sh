#!/bin/bash
# fresh_machine.sh SUITE - the README's two commands on a machine that has nothing: a debootstrap chroot of that
# Debian suite (bookworm, trixie), a clone of what is committed here, an empty cache. Needs root. Half an hour.
set -euo pipefail
suite=${1:?a Debian suite}
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/debian.sh
. "$repository/tests/debian.sh"
mirror=$(debian_mirror)
root=$(mktemp -d "${TMPDIR:-/tmp}/limpet-$suite.XXXXXX")
chmod 755 "$root" # it is / to those inside, who are not all root
served=""

clean() {
    [ -z "$served" ] || kill -- "-$served" 2>/dev/null || true
    for mount in dev/shm dev/pts proc .; do umount "$root/$mount" 2>/dev/null || true; done
    rm -rf "$root"
}
trap clean EXIT

# A file system of its own, as / is elsewhere: process namespaces are made in it.
mount --bind "$root" "$root"
mount --make-private "$root"
debootstrap --variant=minbase "$suite" "$root" "$mirror"
mount -t proc proc "$root/proc"
mount -t devpts devpts "$root/dev/pts" -o ptmxmode=0666,newinstance
ln -sf pts/ptmx "$root/dev/ptmx"
mkdir -p "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -d /etc/apt/apt.conf.d ] || cp -n /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
git clone -q "$repository" "$root/limpet"
if [ -n "${LIMPET_SOURCES:-}" ]; then
    mkdir "$root/sources"
    cp "$LIMPET_SOURCES"/*.tar.* "$root/sources/"
fi
inside=(chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
    ${LIMPET_SOURCES:+LIMPET_SOURCES=/sources} sh -c)

echo "== $suite: ./build.sh run"
setsid "${inside[@]}" 'cd /limpet && exec ./build.sh run --port 0' >"$root/run.log" 2>&1 &
served=$!
until grep -q 'serving .* on http' "$root/run.log"; do
    kill -0 "$served" 2>/dev/null || { cat "$root/run.log"; exit 1; }
    sleep 1
done
cat "$root/run.log"
address=$(sed -n 's/.* on \(http[^ ]*\) .*/\1/p' "$root/run.log")
page=$(curl -sSf "$address/")
grep -qi '<title>' <<<"$page"
kill -- "-$served"
wait "$served" || true
served=""

echo "== $suite: ./build.sh test"
"${inside[@]}" 'cd /limpet && ./build.sh test'
echo "== $suite: both commands passed"
