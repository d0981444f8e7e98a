"""What goes out of date in a limpet binary, taken from files of the operator's: CA roots (--ca-bundle), time zones (--tzdata).

They take the place of lib/ca-roots.pem and lib/tzdata in the archive, checked, and in the form that limpet's own have.
"""

import base64
import binascii
import datetime
import io
import os
import re
import struct

from limpet.writer import shown

ROOTS, ZONES = "lib/ca-roots.pem", "lib/tzdata/"
# The first line of limpet's own roots, by toolchain/ca_roots.py; whoever packs a newer limpet's file keeps it.
ROOTS_VERSION = re.compile(r"# Mozilla's CA roots for TLS servers: NSS (\S+), of (\d{4}-\d\d-\d\d)")
GIVEN = "# CA roots of pack --ca-bundle"
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
BEGIN = b"-----BEGIN CERTIFICATE-----"
# Other forms of certificates: OpenSSL's with what they are trusted for, old names, and what is for no TLS server.
OTHERS = re.compile(rb"-----BEGIN ([A-Z0-9 ]+ CERTIFICATE)-----")
# Folders of a zoneinfo folder that have every zone again: with the leap seconds that computers' clocks do not count, and
# without them.
AGAIN = {"right", "posix"}
# Files of it that are this machine's choice rather than zones, and tables that applications read (pytz, for instance).
NO_ZONES = {"localtime", "posixrules"}
TABLES = {"iso3166.tab", "zone.tab", "zone1970.tab", "leapseconds"}
MAGIC = b"TZif"
HEADER = 44  # bytes of TZif's header, RFC 9636 section 3.1
MISSING_SHOWN = 3


class RenewalError(Exception):
    """Why a file cannot take the place of limpet's own, in one line for the operator."""


def renew(tree, parts, bundle, zones, report):
    """Put the operator's files in the place of those in the tree. bundle, zones: paths, or None for what is to stay.

    parts: limpet/parts. Returns it as it is then. Raises RenewalError, OSError.
    """
    if bundle:
        content, notes = read_roots(bundle)
        replace(tree, ROOTS, {"": content}, bundle)
        report += notes
        # Neither the version nor the licence of limpet's own says anything about these.
        tree.members.pop("limpet/licences/ca-certificates", None)
        parts = edited(parts, "ca-certificates", None)
    if zones:
        version, files = read_zones(zones)
        report += missing_zones(tree, files, zones)
        replace(tree, ZONES, files, zones)
        parts = edited(parts, "tzdata", version)
    return parts


def replace(tree, prefix, files, origin):
    """Have these files below prefix and no others."""
    for stale in [name for name in tree.members if name.startswith(prefix)]:
        del tree.members[stale], tree.origins[stale]
    for name, content in files.items():
        tree.add(prefix + name, content, os.path.join(origin, name) if name else origin)


def edited(parts, name, version):
    """limpet/parts with another version of a part; None: without it."""
    lines = [line.split(b" ") for line in parts.splitlines()]
    lines = [line for line in lines if line[0] != name.encode() or version is not None]
    for line in lines:
        if line[0] == name.encode():
            line[1] = version.encode()
    return b"".join(b" ".join(line) + b"\n" for line in lines)


# --- CA roots ---


def read_roots(path):
    """The content of lib/ca-roots.pem by a file of PEM, and lines for the report."""
    where = f"--ca-bundle {shown(path)}"
    if os.path.isdir(path):
        raise RenewalError(f"{where}: is a folder: name a file of PEM certificates")
    if not os.path.exists(path):
        raise RenewalError(f"{where}: no such file")
    with open(path, "rb") as file:
        text = file.read()
    other = OTHERS.search(text)
    if other:
        raise RenewalError(f"{where}: there is a \"{other[1].decode()}\" in it, which is not taken: \"openssl x509\" writes "
                           "it as a \"CERTIFICATE\"")
    blocks = PEM.findall(text)
    if not blocks:
        raise RenewalError(f"{where}: there is no certificate in it (PEM: \"{BEGIN.decode()}\")")
    if text.count(BEGIN) != len(blocks):
        raise RenewalError(f"{where}: a certificate in it has no end (is it cut off?)")
    found, notes = {}, []
    for number, block in enumerate(blocks, 1):
        der = decoded(block, f"{where}: certificate {number}")
        if der in found:
            continue
        found[der] = judged(der, f"{where}: certificate {number}")
        if not found[der][1]:
            notes.append(f"warning: {where}: certificate {number} is no authority's: no server is believed by it but one that "
                         "has it itself; name the root that issued it")
    notes += [f"warning: {where}: {label} has ended on {until}: no server is believed by it"
             for label, until in found.values() if until and until < today()]
    if b"PRIVATE KEY-----" in text:
        notes.append(f"warning: {where}: it has a private key, which is not packed; do not give it away")
    return roots_text(text, found), notes


def today():
    """The day as "2026-08-16"."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def decoded(block, where):
    """The bytes of a certificate between its PEM lines."""
    try:
        return base64.b64decode(b"".join(block.split()), validate=True)
    except binascii.Error:
        raise RenewalError(f"{where}: is not Base64") from None


def judged(der, where):
    """(what to call a certificate, the day after which it has ended, or None if it is no authority's)."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=der)
    except ssl.SSLError as error:
        raise RenewalError(f"{where}: cannot be read: {shown(error.reason or str(error))}") from None
    known = context.get_ca_certs()
    if not known:
        return "a certificate that is no authority's", None
    subject = {key: value for part in known[0]["subject"] for key, value in part}
    called = next((subject[key] for key in ("commonName", "organizationalUnitName", "organizationName")
                   if key in subject), "an authority without a name")
    until = datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(known[0]["notAfter"]), datetime.UTC)
    return shown(called), until.date().isoformat()


def roots_text(text, found):
    """The bytes of the file: as ca_roots.py writes it, of ASCII, nothing behind the last certificate."""
    first = text.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    lines = [first if ROOTS_VERSION.fullmatch(first) else GIVEN]
    for der, (label, until) in found.items():
        encoded = base64.b64encode(der).decode()
        lines += ["", f"# {label}{f' (until {until})' if until else ''}".encode("ascii", "backslashreplace").decode()]
        lines += [BEGIN.decode(), *(encoded[at : at + 64] for at in range(0, len(encoded), 64)),
                  "-----END CERTIFICATE-----"]
    return "".join(line + "\n" for line in lines).encode()


# --- Time zones ---


def read_zones(path):
    """The version of a zoneinfo folder (or of a Python package tzdata), and {name below lib/tzdata/: content}."""
    where = f"--tzdata {shown(path)}"
    if not os.path.isdir(path):
        raise RenewalError(f"{where}: {'is no folder' if os.path.exists(path) else 'no such folder'}: name one like "
                           "/usr/share/zoneinfo")
    folder, version = path, None
    for package in (path, os.path.join(path, "tzdata")):
        if os.path.isdir(os.path.join(package, "zoneinfo")):
            folder, version = os.path.join(package, "zoneinfo"), package_version(package)
            break
    zones, tables = {}, {}
    for name, content in walk(folder, where):
        if content.startswith(MAGIC):
            check_zone(content, f"{where}: {shown(name)}")
            zones[name] = content
        elif name in TABLES:
            tables[name] = content
    if "UTC" not in zones and "Etc/UTC" not in zones:
        raise RenewalError(f"{where}: {'UTC is not among the time zones' if zones else 'there are no time zones'} in it "
                           "(TZif files, as in /usr/share/zoneinfo)")
    version = version or zoneinfo_version(folder)
    files = {f"zoneinfo/{name}": content for name, content in {**zones, **tables}.items()}
    for name in list(files):
        while "/" in name:  # each folder is a package, as importlib.resources wants it
            name = name.rpartition("/")[0]
            files[f"{name}/__init__.py"] = b""
    files["__init__.py"] = f'IANA_VERSION = "{version}"\n'.encode()
    files["zones"] = "".join(f"{name}\n" for name in sorted(zones)).encode()
    return version, files


def walk(folder, where):
    """Yield (name, content) of the files of a zoneinfo folder, but for those that are there again."""
    inside = os.path.realpath(folder)
    for root, folders, files in os.walk(folder, onerror=raise_it):
        top = os.path.relpath(root, folder)
        folders[:] = sorted(name for name in folders if not (top == "." and name in AGAIN) and name != "__pycache__")
        for file in sorted(files):
            name = file if top == "." else f"{top}/{file}"
            path = os.path.join(root, file)
            if name in NO_ZONES or file.endswith((".py", ".pyc")):
                continue
            if os.path.commonpath((inside, os.path.realpath(path))) != inside:
                raise RenewalError(f"{where}: {shown(name)} is a symbolic link out of it")
            with open(path, "rb") as content:
                yield name, content.read()


def raise_it(error):
    """What os.walk() is to do about a folder that cannot be read."""
    raise error


def check_zone(content, where):
    """Raise RenewalError unless it is a TZif file (RFC 9636) that zoneinfo reads, without leap seconds."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo.from_file(io.BytesIO(content))
        counted = leap_seconds(content)
    except (ValueError, struct.error, IndexError, EOFError) as error:
        raise RenewalError(f"{where}: is a damaged time zone: {shown(str(error))}") from None
    if counted:
        raise RenewalError(f"{where}: has leap seconds, which computers' clocks do not count: name a folder without them (that "
                           "above \"right\")")


def leap_seconds(content):
    """How many a TZif file has: in its first block, or in the second, beside which the first may be empty."""
    ut, standard, leap, times, types, characters = struct.unpack_from(">6L", content, 20)
    if content[4] == 0:
        return leap
    second = HEADER + times * 5 + types * 6 + characters + leap * 8 + standard + ut
    return leap or struct.unpack_from(">L", content, second + 28)[0]


def package_version(package):
    """IANA_VERSION of a Python package tzdata, or None."""
    return matched(os.path.join(package, "__init__.py"), r'^IANA_VERSION = "([\w.-]+)"')


def zoneinfo_version(folder):
    """The version that the files of a zoneinfo folder tell of; "unknown" if none does."""
    return (matched(os.path.join(folder, "tzdata.zi"), r"\A# version ([\w.-]+)") or
            matched(os.path.join(folder, "+VERSION"), r"\A([\w.-]+)") or "unknown")


def matched(path, pattern):
    """The first group of a pattern where it matches in a file's text, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def missing_zones(tree, files, origin):
    """A warning about the zones that limpet has and that would go."""
    ours = tree.members[ZONES + "zones"].content().decode().split() if ZONES + "zones" in tree.members else []
    missing = [name for name in ours if f"zoneinfo/{name}" not in files]
    if not missing:
        return []
    more = f" and {len(missing) - MISSING_SHOWN} more" if len(missing) > MISSING_SHOWN else ""
    return [f"warning: --tzdata {shown(origin)}: it lacks zones that limpet has: {', '.join(missing[:MISSING_SHOWN])}{more}"]
