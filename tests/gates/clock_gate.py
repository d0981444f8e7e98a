#!/usr/bin/python3
"""clock_gate.py - the time of day jumps when somebody sets it: who asks for it stands in clock_allowed.txt with what for, and
deadlines are not among it."""

import re
import sys

import exit_gate
import source

ASKS = re.compile(r"\bCLOCK_REALTIME\w*|\btime\(NULL\)|\bgettimeofday\b")


def main():
    text = (source.ROOT / "tests/gates/clock_allowed.txt").read_text(encoding="utf-8")
    allowed, found = exit_gate.read_allowed(text)
    used = set()
    for path in source.files(".c", ".h", below="appliance") + source.files(".c", ".h", below="embed"):
        for number, line in enumerate(source.blank(source.read(path)).split("\n"), 1):
            if ASKS.search(line) and str(path) not in allowed:
                found.append(f"{path}:{number}: the time of day may jump: use clock.h's others, or say what for in "
                             "tests/gates/clock_allowed.txt")
            elif ASKS.search(line):
                used.add(str(path))
    found += [f"clock_allowed.txt: {path} does not ask for it (any more), remove it" for path in sorted(set(allowed) - used)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
