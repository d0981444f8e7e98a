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

# Where a target's release is.
folder_of() { # TARGET
    if [ "$1" = "$(uname -m)" ]; then echo build/release; else echo "build/release-$1"; fi
}

make_release() ( # FOLDER TARGET
    cd "$1"
    ./build.sh --release --target "$2"
    ./build.sh # what prints the manual, whose Python was built on the way
    LIMPET_PACKAGES=build/reproducible ./build.sh package tar --binary "$(folder_of "$2")/limpet" --documenter build/limpet
)

# The digests of what came of a target.
digests() ( # FOLDER TARGET
    cd "$1"
    sha256sum "$(folder_of "$2")"/limpet{,.debug,.spdx.json} build/reproducible/limpet-*-"$2".tar.gz
)

git clone -q "$here" "$elsewhere"
mkdir -p "$root/cache/sources"
[ ! -d "$sources" ] || cp "$sources"/* "$root/cache/sources/"
different=0
for target in "$@"; do
    make_release "$here" "$target"
    LIMPET_CACHE=$root/cache make_release "$elsewhere" "$target"
    if diff <(digests "$here" "$target") <(digests "$elsewhere" "$target"); then
        digests "$here" "$target"
    else
        echo "$target: not the same bytes"
        different=$((different + 1))
    fi
done
echo "reproducible: $(($# - different)) passed, $different failed"
[ "$different" = 0 ]
