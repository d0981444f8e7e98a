#!/bin/bash
# fetch.sh NAME... - bring the sources that sources.lock names into the cache and print their paths.
#
# Order: the cache, the Debian mirrors of the machine's own apt configuration, the upstream address,
# the folder $LIMPET_SOURCES. A file gets its final name only after its size and sha256 were checked.
# $LIMPET_LOCK: a file of other pins than sources.lock (for tests).
set -euo pipefail

toolchain=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=${LIMPET_LOCK:-$toolchain/sources.lock}
cache=${LIMPET_CACHE:-$HOME/.cache/limpet}/sources

say() { printf 'fetch: %s\n' "$*" >&2; }

# The base addresses of the Debian archives which apt knows, one a line.
debian_mirrors() {
    apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Identifier: Packages' 'Origin: Debian' 2>/dev/null |
        awk '$2 == "Debian" { print $1 }' | sort -u
}

# download ADDRESS FILE: by curl where there is one, else by apt's own downloader.
download() {
    if command -v curl >/dev/null; then
        curl --silent --show-error --fail --location --connect-timeout 15 --max-time 900 \
            --retry 2 --output "$2" "$1" 2>/dev/null
    else
        /usr/lib/apt/apt-helper download-file "$1" "$2" >/dev/null 2>&1
    fi
}

matches() { # FILE SHA256 SIZE
    [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$3" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status
}

fetch_one() {
    local name=$1 version sha256 size path upstream file part address
    read -r version sha256 size _ path upstream < <(
        awk -v n="$name" '$1 == n { $1 = ""; print }' "$lock") ||
        { say "$name is not in $lock"; return 1; }
    file=$cache/$(basename "$path")
    if matches "$file" "$sha256" "$size"; then
        echo "$file"
        return
    fi
    mkdir -p "$cache"
    part=$file.part.$$
    local addresses=()
    while read -r address; do
        [ -n "$address" ] && addresses+=("${address%/}/pool/main/$path")
    done < <(debian_mirrors)
    [ "$upstream" = - ] || addresses+=("$upstream")
    [ -z "${LIMPET_SOURCES:-}" ] || addresses+=("file://$(realpath "$LIMPET_SOURCES")/$(basename "$path")")
    for address in "${addresses[@]}"; do
        case $address in
            file://*) cp "${address#file://}" "$part" 2>/dev/null || continue ;;
            *) download "$address" "$part" || { rm -f "$part"; continue; } ;;
        esac
        if matches "$part" "$sha256" "$size"; then
            mv "$part" "$file"
            echo "$file"
            return
        fi
        say "$address: not the file that sources.lock pins (size or sha256 differ), trying on"
        rm -f "$part"
    done
    say "$name $version: not found in any of: ${addresses[*]:-(no mirror known)}"
    say "put $(basename "$path") into a folder and set LIMPET_SOURCES to it, or run apt-get update and try again"
    return 1
}

for name in "$@"; do
    fetch_one "$name"
done
