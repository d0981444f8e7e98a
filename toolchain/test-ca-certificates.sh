#!/bin/bash
# test-ca-certificates.sh - Mozilla's CA roots as toolchain/ca_roots.py reads them from certdata.txt, beside what Debian made of the
# same certdata.txt: of a version whose source and binary package every mirror has (trixie's). Prints one line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=toolchain/lib.sh
. toolchain/lib.sh

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export LIMPET_LOCK=$folder/lock
cat >"$LIMPET_LOCK" <<'LOCK'
source 20250419 33b44ef78653ecd3f0f2f13e5bba6be466be2e7da72182f737912b81798ba5d2 277504 MPL-2.0 c/ca-certificates/ca-certificates_20250419.tar.xz -
binary 20250419 ef590f89563aa4b46c8260d49d1cea0fc1b181d19e8df3782694706adf05c184 161704 MPL-2.0 c/ca-certificates/ca-certificates_20250419_all.deb -
LOCK

for package in source binary; do
    unpack_source "$package" "$folder/$package"
    python3 -B toolchain/ca_roots.py "$folder/$package" "$folder/$package.pem"
done
cmp "$folder/source.pem" "$folder/binary.pem" || die "ca-certificates: the packages differ as ca_roots.py reads them"
# Debian's own bundle is these files one after the other; read by other code than ours.
cat "$folder"/binary/usr/share/ca-certificates/mozilla/*.crt >"$folder/debian.pem"
python3 - "$folder/source.pem" "$folder/debian.pem" <<'PYTHON'
import hashlib
import ssl
import sys


def fingerprints(path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    return {hashlib.sha256(der).hexdigest() for der in context.get_ca_certs(binary_form=True)}


ours, theirs = map(fingerprints, sys.argv[1:])
if ours != theirs or not ours:
    sys.exit(f"ca-certificates: FAILED: {len(ours)} roots, Debian has {len(theirs)}, they differ in {ours ^ theirs}")
print(f"ca-certificates 20250419: {len(ours)} roots, by fingerprint those of Debian")
PYTHON
