#!/usr/bin/python3
"""The unit programs of another target, all of them in one machine with a real kernel.

    units.py TARGET FOLDER STRIP

FOLDER: where the programs are, below the repository's root, which the machine's root stands for; STRIP: the strip of
the target's binutils, since the machine has its files in memory. A line for each program, all that it wrote where it
failed; 1 when one did.
"""

import pathlib
import subprocess
import sys
import tempfile

import guest

CORPUS = "tests/fuzz/corpus"
EACH, ALL = 1200, 7200  # seconds; what takes half a minute natively takes ten
# What the tests of the sandbox, and of whom TLS clients believe, look for on a machine.
PLACES = {"etc/shadow": (0o600, b"root:*:::::::\n"), "usr": None, "var/log": None, "var/lib": None, "var/tmp": None,
          "etc/ssl/certs/ca-certificates.crt": (0o644, b"")}


def programs(folder):
    """Their paths."""
    return [path for pattern in ("test_*", "replay_*") for path in sorted(folder.glob(pattern)) if not path.suffix]


def command(place, program):
    """How one is called; place: its folder in the machine."""
    corpus = f" {CORPUS}/{program.name.removeprefix('replay_')}" if program.name.startswith("replay_") else ""
    return f"{place}/{program.name}{corpus}"


def main():
    """The exit status."""
    target, folder, strip = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
    place = folder.relative_to(guest.ROOT)
    inputs = [path for path in (guest.ROOT / CORPUS).rglob("*") if path.is_file()]
    found = programs(folder)
    with tempfile.TemporaryDirectory(prefix="units-") as temporary:
        stripped = {str(place / path.name): pathlib.Path(temporary, path.name) for path in found}
        for path in found:
            subprocess.run([strip, "-o", pathlib.Path(temporary, path.name), path], check=True)
        run = guest.boot(guest.Board(target, memory=1024), {
            **PLACES, **stripped, **{str(path.relative_to(guest.ROOT)): path for path in inputs}},
            {path.name: command(place, path) for path in found}, timeout=ALL, each=EACH)
    return report(run, [path.name for path in found])


def report(run, names):
    """Print what came of each; the exit status."""
    failed = 0
    for name in names:
        status, output = run.results.get(name, (None, "it was not reached\n"))
        if status == 0:
            print(output.splitlines()[-1])
        else:
            failed += 1
            print(f"{output}{name}: FAILED ({status})")
    if run.ending:
        print(f"{run.ending}\n{run.tail()}")
    print(f"unit programs: {len(names) - failed} passed, {failed} failed")
    return 1 if failed or run.ending else 0


if __name__ == "__main__":
    sys.exit(main())
