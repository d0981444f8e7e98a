#!/bin/bash
# reproducible.sh [TARGET...] - what is committed here is built a second time, the release of each target (x86_64 alone, unless
# named), in a folder of another name, with a cache of its own that is empty: the binary, its symbols, its list of parts and
# its tar must be the same bytes as those of the build here, which is made if it is not there. Nothing but the sources is taken
# from this machine's cache. Ten minutes a target with two cores.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ $# -gt 0 ] || set -- x86_64
if [ -n "$(git -C "$here" status --porcelain)" ]; then
    echo "reproducible: there are changes that are not committed" >&2
    exit 1
fi
root=$(mktemp -d "${TMPDIR:-/tmp}/limpet-reproducible.XXXXXX")
trap 'rm -rf "$root"' EXIT
elsewhere=$root/a-folder-with-a-longer-name/of-limpet
sources=${LIMPET_CACHE:-$HOME/.cache/limpet}/sources

make_releases() { # FOLDER TARGET...
    local target
    cd "$1"
    shift
    for target in x86_64 "$@"; do
        ./build.sh --release --target "$target"
        LIMPET_PACKAGES=build/reproducible ./build.sh package tar --target "$target"
    done
}

# The digests of what came of a target.
digests() { # FOLDER TARGET
    local out=build/release
    [ "$2" = "$(uname -m)" ] || out=build/release-$2
    (cd "$1" && sha256sum "$out"/limpet{,.debug,.spdx.json} build/reproducible/limpet-*-"$2".tar.gz)
}

(make_releases "$here" "$@")
git clone -q "$here" "$elsewhere"
mkdir -p "$root/cache/sources"
[ ! -d "$sources" ] || cp "$sources"/* "$root/cache/sources/"
(LIMPET_CACHE=$root/cache make_releases "$elsewhere" "$@")
different=0
for target in "$@"; do
    if diff <(digests "$here" "$target") <(digests "$elsewhere" "$target"); then
        digests "$here" "$target"
    else
        echo "$target: not the same bytes"
        different=$((different + 1))
    fi
done
echo "reproducible: $(($# - different)) passed, $different failed"
[ "$different" = 0 ]
