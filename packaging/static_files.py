"""limpet pack --collect-static: a framework's static files, packed where the server finds them, and the routes to them.

What the application has is known to itself alone, so it is run: as it is packed so far, by limpet.static_probe inside of
it, which writes the files to a temporary folder and says what to serve below which path.
"""

import json
import os
import subprocess
import sys
import tempfile

from limpet import collect, writer
from limpet.writer import shown

# Where files go that the application has elsewhere, below app/.
COLLECTED = "collected-static"
# What an operator's PREFIX=FOLDER cannot hold: values of lists are separated by blanks.
BLANKS = (" ", "\t", "\n")


class StaticError(Exception):
    """Why there is nothing to collect, in one line for the operator."""


def add(tree, executable, application, settings, report):
    """Add the static files to the archive.

    application: (target, interface, is a factory). settings: lines that are packed; those that route static files stay.
    Returns the lines to pack behind them. Raises StaticError.
    """
    with tempfile.TemporaryDirectory(prefix="limpet-pack-") as folder:
        found = probe(tree, executable, application, folder)
        for note in found["notes"]:
            report.append(f"--collect-static: {shown(note)}")
        given = given_prefixes(settings)
        lines = []
        for route in found["routes"]:
            prefix, name = route["prefix"], route["folder"]
            if prefix in given:
                report.append(f"--collect-static: {shown(prefix)} is left to --static {shown(given[prefix])}")
                continue
            if any(blank in prefix + name for blank in BLANKS):
                raise StaticError(f"{shown(prefix)}={shown(name)}: --static cannot say a path or folder with blanks")
            count = add_files(tree, name, os.path.join(folder, route["files"]) if route["files"] else None, report)
            report.append(f"collected: {count} static file{'s' * (count != 1)} of {found['framework']} for "
                          f"{shown(prefix)} in {shown(name)}")
            lines.append(f"static = {prefix}={name}")
        return lines


def given_prefixes(settings):
    """{prefix: PREFIX=FOLDER} of what the operator gave."""
    values = [line.removeprefix("static = ") for line in settings if line.startswith("static = ")]
    return {route.partition("=")[0].rstrip("/"): route for value in values for route in value.split()}


def add_files(tree, name, folder, report):
    """Put the files of a folder below app/NAME, in the place of what is there; folder None: they are there. Returns how
    many there are."""
    top = f"app/{name}/"
    if folder is not None:
        for stale in [member for member in tree.members if member.startswith(top)]:
            del tree.members[stale], tree.origins[stale]
        found = collect.Walk(folder)
        for file, path, content in found.read():
            tree.add(top + file, content, path)
        report += found.notes
        tree.check()
    return sum(member.startswith(top) and "/__pycache__/" not in member for member in tree.members)


def probe(tree, executable, application, folder):
    """What limpet.static_probe says: {"framework", "routes": [{"prefix", "folder", "files"}], "notes"}. Raises StaticError."""
    binary = os.path.join(folder, "application")
    target, interface, is_factory = application
    writer.write(binary, executable, tree.members.values())
    output = os.path.join(folder, "output")
    os.mkdir(output)
    question = {"target": target, "interface": interface, "factory": is_factory, "output": output, "elsewhere": COLLECTED}
    try:
        done = subprocess.run([binary, "python", "-I", "-c", "from limpet import static_probe; static_probe.main()",
                               json.dumps(question)], cwd=output, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
    except OSError as error:
        raise StaticError(f"cannot run {shown(binary)}: {error.strerror} (TMPDIR names another folder)") from None
    try:
        with open(os.path.join(output, "found.json"), encoding="utf-8") as file:
            found = json.load(file)
    except OSError:
        found = {"error": f"the application has ended with status {done.returncode} while it was asked"}
    if "error" in found:
        sys.stderr.write(done.stdout)
        raise StaticError(shown(found["error"]))
    return {**found, "routes": [{**route, "files": route["files"] and os.path.join("output", route["files"])}
                                for route in found["routes"]]}
