#!/usr/bin/python3
"""fuzz_gate.py - does each fuzzer have seeds, and each thing that reads what strangers write a fuzzer? tests/fuzz/parsers.txt
says which is whose; whatever offers a function NAME_parse() must be in it."""

import pathlib
import re
import sys

import source

PARSE = re.compile(r"\b(\w+)_parse\(")


def listed(text):
    """(source, fuzzers) of each line."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words[0], words[1:]


def complaints(parsers, sources, fuzzers, seeds, offered):
    """parsers: of listed(); sources: paths that there are; fuzzers: names; seeds: {name: how many}; offered: {function:
    sources that define it}."""
    for path, names in parsers:
        if path not in sources:
            yield f"tests/fuzz/parsers.txt: there is no {path}"
        if not names:
            yield f"tests/fuzz/parsers.txt: {path} has no fuzzer"
        for name in names:
            if name not in fuzzers:
                yield f"tests/fuzz/parsers.txt: there is no fuzzer {name} ({path})"
    for name in sorted(fuzzers):
        if not seeds.get(name):
            yield f"tests/fuzz/fuzz_{name}.c: tests/fuzz/corpus/{name} has no seeds"
    for name in sorted(set(seeds) - set(fuzzers)):
        yield f"tests/fuzz/corpus/{name}: there is no such fuzzer"
    known = {path for path, _ in parsers}
    for function, paths in sorted(offered.items()):
        if not known & set(paths):
            yield f"{function}(): {' or '.join(paths)} is not in tests/fuzz/parsers.txt"


def functions_offered():
    """Functions in headers whose names end in _parse, and the sources that define them."""
    names = {f"{name}_parse" for path in source.files(".h") if path.parts[0] in ("appliance", "embed")
             for name in PARSE.findall(source.blank(source.read(path)))}
    offered = {}
    for path in source.files(".c"):
        if path.parts[0] not in ("appliance", "embed"):
            continue
        text = source.blank(source.read(path))
        for name in names:
            if re.search(rf"^[a-z][^;\n]*\b{name}\([^;]*?\)\n\{{", text, re.MULTILINE):
                offered.setdefault(name, []).append(str(path))
    return offered


def main():
    folder = source.ROOT / "tests/fuzz"
    fuzzers = {path.stem.removeprefix("fuzz_") for path in folder.glob("fuzz_*.c")}
    seeds = {path.name: sum(1 for _ in path.iterdir()) for path in (folder / "corpus").iterdir()}
    parsers = list(listed(source.read(pathlib.Path("tests/fuzz/parsers.txt"))))
    sources = {str(path) for path in source.files(".c")}
    found = list(complaints(parsers, sources, fuzzers, seeds, functions_offered()))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
