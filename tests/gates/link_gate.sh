#!/bin/bash
# link_gate.sh [FOLDER] - what compiled code may refer to: the supervisor knows nothing of HTTP, TLS and
# Python, and the memory functions do not call what they implement.
# FOLDER is the build's object folder; without it the few files are compiled here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
# What the supervisor is made of.
supervising=(appliance/supervisor*.c appliance/{child,reload,scoreboard,watch}.c)
objects=${1:-}
if [ -z "$objects" ]; then
    objects=$(mktemp -d)
    trap 'rm -rf "$objects"' EXIT
    mkdir -p "$objects/appliance" "$objects/toolchain/shims"
    # What the build writes there does not matter here.
    echo '#define LIMPET_VERSION ""' >"$objects/version.h"
    for file in "${supervising[@]}" toolchain/shims/memory.c; do
        gcc -D_GNU_SOURCE -std=gnu17 -O2 -Iappliance -I"$objects" -c "$file" -o "$objects/${file%.c}.o"
    done
fi

# refuse OBJECT PATTERN MEANING: no undefined symbol of the object may match.
refuse() {
    local found
    if [ ! -f "$objects/$1" ]; then
        echo "$objects/$1: no such object"
        failed=1
        return
    fi
    # gcc-nm reads the objects of link-time optimisation too.
    found=$(gcc-nm --undefined-only --format=posix "$objects/$1" | awk -v p="$2" '$1 ~ p { print $1 }')
    if [ -n "$found" ]; then
        echo "$1 refers to $3:" "${found//$'\n'/ }"
        failed=1
    fi
}

for object in "${supervising[@]/%.c/.o}"; do
    refuse "$object" '^MHD_' "libmicrohttpd"
    refuse "$object" '^(mbedtls|psa)_' "mbedTLS"
    refuse "$object" '^_?Py' "Python"
done
# The sanitizer build has no shims, and its own has calls of its run-time in all objects.
if [ -z "${1:-}" ] || [ -f "$objects/toolchain/shims/memory.o" ]; then
    refuse toolchain/shims/memory.o '^(mem|bcmp|bcopy|bzero)' "the functions it implements"
fi
exit "$failed"
