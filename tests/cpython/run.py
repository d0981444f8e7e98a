#!/usr/bin/python3
"""CPython's own tests on the limpet binary, held against the list of what is known to fail.

    run.py BINARY STDLIB [TEST...]

STDLIB is the folder of the standard library's sources, with its test package. Without names, the tests of tests.txt are
run. Each failure must stand in expected.txt ("test id <two spaces> reason"); one that stands there and passes is an error
as well, so that the list stays true. Closes with "N passed, N failed".
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).parent


def read_expected():
    """{test id: reason}"""
    expected = {}
    for line in (HERE / "expected.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition("  ")
            assert reason.strip(), f"expected.txt: {name} has no reason"
            expected[name] = reason.strip()
    return expected


def run(binary, stdlib, names, folder):
    """Run the tests; returns (passed ids, failed ids, output). A test file that failed as a whole is a failed id."""
    report = pathlib.Path(folder) / "report.xml"
    environment = {**os.environ, "PYTHONPATH": str(stdlib), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [binary, "python", "-m", "test", "-j2", "--timeout", "900", "--junit-xml", str(report), *names],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = ""
    for line in process.stdout:
        output += line
        if re.match(r"\d+:\d+:\d+ load avg", line):
            print(line, end="", flush=True)
    process.wait()
    passed, failed = set(), set()
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            # Parts of subTest are named after their test.
            name = re.sub(r" [\[(].*$", "", case.get("name"))
            bad = case.find("failure") is not None or case.find("error") is not None
            (failed if bad else passed).add(name)
    whole = re.findall(r"^\d+:\d+:\d+ load avg: \S+ \[\s*\d+/\d+(?:/\d+)?\] (\S+) (?:crashed|timed out|worker non-zero)",
                       output, re.MULTILINE)
    return passed - failed, failed | set(whole), output


def main():
    binary, stdlib, *names = sys.argv[1:]
    chosen = names or (HERE / "tests.txt").read_text().split()
    expected = read_expected()
    with tempfile.TemporaryDirectory() as folder:
        passed, failed, output = run(os.path.abspath(binary), stdlib, chosen, folder)
    unexpected = sorted(failed - expected.keys())
    mended = sorted(name for name in expected if name in passed)
    if unexpected:
        print(output)
    for name in unexpected:
        print(f"FAILED, and not expected to: {name}")
    for name in mended:
        print(f"passed, so it has no place in expected.txt: {name}")
    known = len(failed) - len(unexpected)
    print(f"{known} known failures, each with its reason in tests/cpython/expected.txt")
    print(f"cpython: {len(passed)} passed, {len(unexpected) + len(mended)} failed")
    return 1 if unexpected or mended or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
