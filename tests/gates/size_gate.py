#!/usr/bin/python3
"""size_gate.py - how large a function, a file, a line may be.

Warnings are printed and change nothing. What exceeds a limit fails, unless waivers.txt has it with
the very number it has now: debt can shrink, and then its waiver must shrink with it.
"""

import ast
import sys

import functions
import source

WARN_FUNCTION, MAX_FUNCTION = 60, 100  # lines
MAX_FILE, MAX_HEADER = 800, 200        # lines
MAX_PARAMETERS = 6
MAX_COLUMNS = 100                      # C only
WARN_NESTING = 3                       # levels

WAIVERS = source.ROOT / "tests/gates/waivers.txt"


class Measures:
    """What was measured: {(kind, file, name): (number, limit, line)} of all that has a limit."""

    def __init__(self):
        self.found = {}
        self.warnings = []

    def add(self, kind, path, name, number, limit, line=1):
        key = (kind, str(path), name)
        # Two functions of one name in a file (branches of an #if): the larger counts.
        if key not in self.found or number > self.found[key][0]:
            self.found[key] = (number, limit, line)

    def warn(self, text):
        self.warnings.append(text)


def measure_function(measures, path, function):
    where = f"{path}:{function.line}: {function.name}"
    measures.add("function", path, function.name, function.length, MAX_FUNCTION,
                 function.line)
    measures.add("parameters", path, function.name, function.parameters, MAX_PARAMETERS,
                 function.line)
    if WARN_FUNCTION < function.length <= MAX_FUNCTION:
        measures.warn(f"{where} has {function.length} lines (aim: under 40)")
    if function.nesting > WARN_NESTING:
        measures.warn(f"{where} nests {function.nesting} deep (limit {WARN_NESTING})")


def measure_c(measures, path, text):
    lines = text.split("\n")
    limit = MAX_HEADER if path.suffix == ".h" else MAX_FILE
    measures.add("file", path, "-", len(lines) - 1, limit)
    for number, line in enumerate(lines, 1):
        measures.add("columns", path, "-", len(line), MAX_COLUMNS, number)
    for function in functions.functions(text):
        measure_function(measures, path, function)


def measure_python(measures, path, text):
    measures.add("file", path, "-", text.count("\n"), MAX_FILE)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1
            measures.add("function", path, node.name, length, MAX_FUNCTION, node.lineno)
            if WARN_FUNCTION < length <= MAX_FUNCTION:
                measures.warn(f"{path}:{node.lineno}: {node.name} has {length} lines")


def read_waivers(text):
    """{(kind, file, name): number} and the complaints about lines that cannot be read."""
    waivers, complaints = {}, []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        reason = line.partition("#")[2].strip()
        if len(words) != 4 or not words[3].isdigit() or not reason:
            complaints.append(f"waivers.txt:{number}: not KIND FILE NAME NUMBER  # reason")
            continue
        waivers[tuple(words[:3])] = int(words[3])
    return waivers, complaints


def judge(found, waivers):
    """The complaints: what exceeds its limit unwaived, and waivers that do not fit."""
    complaints = []
    for key, (number, limit, line) in sorted(found.items()):
        kind, path, name = key
        allowed = waivers.get(key)
        what = f"{path}:{line}: {kind} {name}"
        if allowed is None and number > limit:
            complaints.append(f"{what}: {number} exceeds {limit}")
        elif allowed is not None and number <= limit:
            complaints.append(f"{what}: {number} is within {limit}, remove its waiver")
        elif allowed is not None and number > allowed:
            complaints.append(f"{what}: {number} exceeds its waiver of {allowed}")
        elif allowed is not None and number < allowed:
            complaints.append(f"{what}: {number} by now, lower its waiver of {allowed}")
    for key in sorted(set(waivers) - set(found)):
        complaints.append(f"{' '.join(key)}: there is no such thing, remove its waiver")
    return complaints


def main():
    measures = Measures()
    complaints = []
    for path in source.files(".c", ".h"):
        try:
            measure_c(measures, path, source.read(path))
        except functions.Unbalanced as problem:
            complaints.append(f"{path}: cannot be parsed: {problem}")
    for path in source.files(".py"):
        measure_python(measures, path, source.read(path))
    for path in source.files(".sh"):
        measures.add("file", path, "-", source.read(path).count("\n"), MAX_FILE)
    waivers, unreadable = read_waivers(WAIVERS.read_text(encoding="utf-8"))
    complaints += unreadable + judge(measures.found, waivers)
    for text in measures.warnings:
        print(f"warning: {text}")
    for text in complaints:
        print(text)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
