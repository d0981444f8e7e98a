"""limpet inspect: what is inside a limpet binary.

    [FILE] [--licences]

FILE is by default this executable itself.
"""

import argparse
import collections
import datetime
import email.parser
import hashlib
import os
import re
import sys

from limpet import machine, writer
from limpet.renewal import GIVEN, ROOTS_VERSION
from limpet.writer import FormatError, shown

MARKS = ("limpet/settings", "limpet/parts")
LICENCES = "limpet/licences/"
ROOTS = "lib/ca-roots.pem"
ZONES = "lib/tzdata/zones", "lib/tzdata/__init__.py"
# Licence texts that come with Python packages: pip and what it has inside, and those of the application.
PACKAGED = re.compile(r"(lib|site)/[^/]*\.dist-info/(licenses/.*|(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)")
ROOTS_LISTED = 10  # of --ca-bundle's roots, by name


def main(arguments):
    """Print what is inside. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="limpet inspect", allow_abbrev=False)
    parser.add_argument("file", nargs="?", metavar="FILE")
    parser.add_argument("--licences", action="store_true")
    options = parser.parse_args(arguments)
    path = options.file or sys.executable
    try:
        lines = licence_texts(path) if options.licences else describe(path)
        for line in lines:
            print(line)
    except FormatError as error:
        print(f"limpet inspect: {shown(path)}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"limpet inspect: {shown(path)}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def read(path):
    """The executable and the members, by name, of a limpet binary."""
    executable, members = writer.read(path)
    if not any(mark in members for mark in MARKS):
        raise FormatError("not a limpet binary: its archive is another program's")
    return executable, members


def text(members, name):
    """The lines of a member; none when there is no such member."""
    if name not in members:
        return []
    return members[name].content().decode("utf-8", "replace").splitlines()


def licence_texts(path):
    """The lines of --licences: every licence's text below its name."""
    _, members = read(path)
    for title, name in licences(members):
        yield f"=== {shown(title)}"
        yield from map(shown, text(members, name))
        yield ""


def licences(members):
    """(what it is the licence of, its member), of every licence text inside."""
    own = [(name.removeprefix(LICENCES), name) for name in sorted(members) if name.startswith(LICENCES)]
    return own + [(name.partition("/")[2], name) for name in sorted(members) if PACKAGED.fullmatch(name)]


def describe(path):
    """The lines of the description, complete or not at all."""
    executable, members = read(path)
    settings = [line.split(" = ", 1) for line in text(members, "limpet/settings") if " = " in line]
    kind = "appliance" if "limpet/settings" in members else "limpet without an application"
    lines = [f"{shown(path)}: {kind}, {os.stat(path).st_size:,} bytes",
             f"sha256 {digest(path)}",
             f"for {machine.description(executable)}, Linux"]
    lines += section("application", [value for key, value in settings if key == "target"])
    lines += section("settings", [f"{key} = {value}" for key, value in settings if key != "target"])
    lines += section("packages", packages(members))
    lines += section("native extensions left out", native_lines(members))
    lines += section("parts", table([line.split(" ", 2) for line in text(members, "limpet/parts")]))
    lines += section("CA roots", roots(text(members, ROOTS)))
    lines += section("time zones", [zones(*(text(members, name) for name in ZONES))])
    lines += section("content", table(folders(members)))
    lines += section("licences (texts: --licences)", [title for title, _ in licences(members)])
    return lines


def section(title, lines):
    """A titled, indented paragraph; nothing when it would be empty."""
    lines = [line for line in lines if line]
    return ["", title, *("  " + shown(line) for line in lines)] if lines else []


def table(rows):
    """Rows of texts as lines with aligned columns."""
    widths = collections.defaultdict(int)
    for row in rows:
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], len(cell))
    return ["  ".join(cell.ljust(widths[column]) for column, cell in enumerate(row)).rstrip() for row in rows]


def digest(path):
    """The SHA-256 of the file, as sha256sum prints it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packages(members):
    """A line for each installed package: its name and version."""
    found = []
    for name in members:
        parts = name.split("/")
        if len(parts) == 3 and parts[0] == "site" and parts[1].endswith(".dist-info") and parts[2] == "METADATA":
            metadata = email.parser.HeaderParser().parsestr(members[name].content().decode("utf-8", "replace"))
            found.append((metadata.get("Name", parts[1].partition("-")[0]), metadata.get("Version", "?")))
    return table(sorted(found, key=lambda row: row[0].lower()))


def native_lines(members):
    """A line for each native extension module that pack left out."""
    lines = (line.partition("\t") for line in text(members, "limpet/left-out"))
    return [f"{name}: {fate}" for name, _, fate in lines]


def roots(lines):
    """How many CA roots there are, and how old they are: "120, NSS 2.90, of 2026-08-16 (98 days old)"; of roots that were
    given to pack also their names."""
    count = lines.count("-----BEGIN CERTIFICATE-----")
    version = ROOTS_VERSION.fullmatch(lines[0]) if lines else None
    if lines and lines[0] == GIVEN:
        names = [line.removeprefix("# ") for line in lines[1:] if line.startswith("# ")]
        more = [f"and {count - ROOTS_LISTED} more"] if count > ROOTS_LISTED else []
        return [f"{count}, given by pack --ca-bundle", *names[:ROOTS_LISTED], *more]
    if not version:
        return [f"{count}, of unknown age" if count else ""]
    age = (datetime.datetime.now(datetime.UTC).date() - datetime.date.fromisoformat(version[2])).days
    # A clock that stands before their day says nothing.
    return [f"{count}, NSS {version[1]}, of {version[2]}" + (f" ({age} day{'s' * (age != 1)} old)" if age >= 0 else "")]


def zones(names, package):
    """How many time zones there are, and their version: "598, tz 2026c"; nothing when there are none."""
    version = next((line.split('"')[1] for line in package if line.startswith('IANA_VERSION = "')), "unknown")
    return f"{len(names)}, tz {version}" if names else ""


def folders(members):
    """A row for each top folder: its name, files, modules, and bytes in the file."""
    rows = {}
    for member in members.values():
        top = member.name.partition("/")[0] + "/"
        files, modules, size = rows.get(top, (0, 0, 0))
        compiled = "/__pycache__/" in member.name
        module = member.name.endswith(".py")
        rows[top] = files + (not compiled), modules + module, size + len(member.stored)
    return [(top, f"{files} files", f"{modules} modules", f"{size:,} bytes")
            for top, (files, modules, size) in sorted(rows.items())]
