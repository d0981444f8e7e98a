#!/usr/bin/python3
"""words_gate.py - what no file of the tree may say: notes to ourselves instead of finished work, paths
of one machine, and the host names of package registries and mirrors (the machine's own
configuration names those)."""

import re
import sys

import source

# Each pattern is written so that it does not match itself.
PATTERNS = {
    r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b": "a note instead of finished work",
    r"(?<![\w.$}\-/])/wo" r"rk/": "a path of one machine",
    r"\b(?:deb|ftp|security)\.debian\.(?:org|net)\b": "a registry's host name",
    r"\b(?:archive|ports)\.ubuntu\.com\b": "a registry's host name",
    r"\b(?:test\.)?py" r"pi\.(?:org|python\.org)\b": "a registry's host name",
    r"\bfiles\.python" r"hosted\.org\b": "a registry's host name",
    r"\bregistry\.(?:np" r"mjs|yarn" r"pkg)\.\w+": "a registry's host name",
    r"\b(?:index|static)\.crates\.io\b|\bcrates\.io\b": "a registry's host name",
    r"\b(?:proxy|sum)\.golang\.org\b": "a registry's host name",
    r"\b(?:registry-1\.docker\.io|ghcr\.io|quay\.io)\b": "a registry's host name",
    r"^(?:<{7}|>{7}|\|{7}) ": "a merge that was not finished",
}


def complaints(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, what in PATTERNS.items():
            match = re.search(pattern, line)
            if match:
                yield f"{path}:{number}: {what}: {match.group()}"


def main():
    found = []
    for path in source.all_files():
        try:
            found += complaints(path, source.read(path))
        except UnicodeDecodeError:
            continue  # not text
    for text in found:
        print(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
