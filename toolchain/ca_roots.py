#!/usr/bin/python3
"""ca_roots.py PACKAGE OUTPUT - Mozilla's CA roots for TLS servers as one file of PEM, from Debian's ca-certificates.

PACKAGE is the unpacked package: the source, which has Mozilla's certdata.txt, or the binary, which has what Debian
made of it, a file each. Both yield the same certificates. In OUTPUT each stands below its name; the first line has the
list's version and day (packaging/inspect.py reads it): behind the last certificate OpenSSL's store takes text for a
broken object. The same package gives the same bytes.

Decided as Debian does (certdata2pem.py):
- In are the certificates that certdata.txt trusts for TLS servers (CKA_TRUST_SERVER_AUTH is CKT_NSS_TRUSTED_DELEGATOR)
  and that Debian's blacklist.txt does not name. Roots for e-mail alone are out, as is what is distrusted.
- CKA_NSS_SERVER_DISTRUST_AFTER is not looked at: it bars certificates issued after a day while older ones are still
  good, which no file of PEM can say. Such a root is in until Mozilla removes it, a year or more later.
- Roots that have expired are in while Mozilla has them: whoever judges a chain looks at the clock.
"""

import base64
import collections
import email.utils
import gzip
import hashlib
import pathlib
import re
import sys
import textwrap

TRUSTED, DISTRUSTED = "CKT_NSS_TRUSTED_DELEGATOR", "CKT_NSS_NOT_TRUSTED"
LEVELS = {TRUSTED, DISTRUSTED, "CKT_NSS_MUST_VERIFY_TRUST", "CKT_NSS_TRUST_UNKNOWN"}
OCTAL = re.compile(r"\\([0-3][0-7][0-7])")
PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s(.+)-----END CERTIFICATE-----\s*", re.DOTALL)
UPDATE = re.compile(r"Mozilla certificate authority bundle to\s+version\s+(\d+\.\d+)")

Root = collections.namedtuple("Root", "label der")


class RootsError(Exception):
    """A package that is not understood. The text is one line."""


# --- certdata.txt ---


def objects(text):
    """The objects of a certdata.txt: a dict each of its attributes, multi-line octal ones as bytes."""
    _, begin, data = text.partition("\nBEGINDATA\n")
    if not begin:
        raise RootsError("certdata.txt: it has no line BEGINDATA")
    found = []
    lines = iter(data.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, kind, *value = line.split(None, 2)
        if name == "CKA_CLASS":
            found.append({})
        if not found:
            raise RootsError(f"certdata.txt: {name} stands before any CKA_CLASS")
        found[-1][name] = octets(lines, name) if kind == "MULTILINE_OCTAL" else "".join(value)
    return found


def octets(lines, name):
    """The bytes of a multi-line attribute, whose lines follow."""
    value = bytearray()
    for line in lines:
        if line.strip() == "END":
            return bytes(value)
        value += bytes(int(digits, 8) for digits in OCTAL.findall(line))
    raise RootsError(f"certdata.txt: {name} has no END")


def label_of(entry):
    """An object's label as text: certdata.txt quotes it, and writes bytes of UTF-8 as \\x escapes."""
    quoted = entry.get("CKA_LABEL", "")
    return quoted[1:-1].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")


def trusted_roots(text, blacklist=""):
    """The roots of a certdata.txt that are trusted for TLS servers. blacklist: lines of quoted labels and comments."""
    banned = {line.split("#", 1)[0].strip() for line in blacklist.splitlines()} - {""}
    entries = objects(text)
    levels = collections.defaultdict(set)
    for entry in entries:
        if entry["CKA_CLASS"] == "CKO_NSS_TRUST":
            level = entry.get("CKA_TRUST_SERVER_AUTH")
            if level not in LEVELS:
                raise RootsError(f"certdata.txt: {label_of(entry)}: unknown level of trust {level}")
            levels[identity(entry)].add(level)
    roots = []
    for entry in entries:
        if entry["CKA_CLASS"] != "CKO_CERTIFICATE" or entry["CKA_LABEL"] in banned:
            continue
        level = levels[identity(entry)]
        if TRUSTED in level and DISTRUSTED not in level:
            roots.append(Root(label_of(entry), entry["CKA_VALUE"]))
    return roots


def identity(entry):
    """What makes a certificate and its trust a pair."""
    return entry["CKA_ISSUER"], entry["CKA_SERIAL_NUMBER"]


# --- The packages ---


def read(path):
    """A text file's content, inflated if it is a .gz."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise RootsError(f"{path}: {error.strerror or error}") from None


def of_source(package):
    """The roots, version and day of an unpacked source package."""
    folder = package / "mozilla"
    version, day = update(read(package / "debian/changelog"))
    header = re.search(r'NSS_BUILTINS_LIBRARY_VERSION "([^"]*)"', read(folder / "nssckbi.h"))
    if not header or header[1] != version:
        raise RootsError(f"nssckbi.h does not say version {version}, as the changelog does")
    return trusted_roots(read(folder / "certdata.txt"), read(folder / "blacklist.txt")), version, day


def of_binary(package):
    """The roots, version and day of an unpacked binary package."""
    roots = []
    for path in sorted((package / "usr/share/ca-certificates/mozilla").glob("*.crt")):
        pem = PEM.fullmatch(read(path))
        if not pem:
            raise RootsError(f"{path.name}: is not one certificate")
        # The file's name is the label with these characters replaced; a slash or a comma is lost.
        label = re.sub("=([^=]*)=", r"(\1)", path.stem.replace("_", " "))
        roots.append(Root(label, base64.b64decode("".join(pem[1].split()), validate=True)))
    return roots, *update(read(package / "usr/share/doc/ca-certificates/changelog.gz"))


def update(changelog):
    """The version of Mozilla's list ("2.74"), and the day ("2025-04-19") on which Debian took it up."""
    found = UPDATE.search(changelog)
    signed = found and re.compile(r"^ -- .*>  (.*)$", re.MULTILINE).search(changelog, found.end())
    if not signed:
        raise RootsError("changelog: it does not tell of Mozilla's list")
    return found[1], email.utils.parsedate_to_datetime(signed[1]).date().isoformat()


def bundle(roots, version, day):
    """The text of the file. Of ASCII, whatever the labels are: ssl takes certificates as text only then."""
    if not roots:
        raise RootsError("there is no root in it")
    parts = [f"# Mozilla's CA roots for TLS servers: NSS {version}, of {day}"]
    for root in sorted(set(roots), key=lambda root: (root.label, hashlib.sha256(root.der).digest())):
        lines = textwrap.wrap(base64.b64encode(root.der).decode(), 64)
        parts += ["", f"# {root.label}".encode("ascii", "backslashreplace").decode()]
        parts += ["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"]
    return "\n".join(parts) + "\n"


def main(package, output):
    """Write it. Returns the exit status."""
    package = pathlib.Path(package)
    try:
        source = (package / "mozilla/certdata.txt").exists()
        text = bundle(*(of_source if source else of_binary)(package))
    except RootsError as error:
        print(f"ca_roots.py: {error}", file=sys.stderr)
        return 1
    except (KeyError, ValueError) as error:
        print(f"ca_roots.py: {package}: not as such a package is written: {error!r}", file=sys.stderr)
        return 1
    pathlib.Path(output).write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    sys.exit(main(*sys.argv[1:]))
