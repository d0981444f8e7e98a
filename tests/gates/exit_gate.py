#!/usr/bin/python3
"""exit_gate.py - only who runs a process may end it: exit() and its kin stand in main.c,
supervisor.c, worker.c, and in the files that exit_allowed.txt names with a reason."""

import re
import sys

import source

ALWAYS = {"appliance/main.c", "appliance/supervisor.c", "appliance/worker.c"}
ALLOWED = source.ROOT / "tests/gates/exit_allowed.txt"

CALL = re.compile(r"\b(exit|_exit|_Exit|quick_exit|Py_Exit)\s*\(")


def read_allowed(text):
    """{file: reason} and complaints about lines without one."""
    allowed, complaints = {}, []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        path, _, reason = line.partition(" ")
        if not reason.strip():
            complaints.append(f"exit_allowed.txt:{number}: no reason given for {path}")
        allowed[path] = reason.strip()
    return allowed, complaints


def calls(text):
    """(line, function) of each call that ends a process."""
    for number, line in enumerate(source.blank(text).split("\n"), 1):
        for match in CALL.finditer(line):
            yield number, match.group(1)


def main():
    allowed, complaints = read_allowed(ALLOWED.read_text(encoding="utf-8"))
    used = set()
    paths = source.files(".c", ".h", below="appliance") + source.files(".c", ".h", below="embed")
    for path in paths:
        for line, function in calls(source.read(path)):
            if str(path) in allowed:
                used.add(str(path))
            elif str(path) not in ALWAYS:
                complaints.append(f"{path}:{line}: {function}() ends the process: return an error")
    for path in sorted(set(allowed) - used):
        complaints.append(f"exit_allowed.txt: {path} ends no process (any more), remove it")
    for text in complaints:
        print(text)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
