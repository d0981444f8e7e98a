#!/usr/bin/python3
"""CPython's own tests on the limpet binary, held against the list of what is known to fail.

    run.py BINARY STDLIB [TEST...]

STDLIB is the folder of the standard library's sources, with its test package. Without names, the tests of tests.txt
are run; a line "!PATTERN<two spaces>reason" there leaves out the tests of that id.

Each failure must stand in expected.txt ("test id<two spaces>reason"), and a file that is skipped as a whole too; one
that stands there and does not happen is an error as well, so that the list stays true. A reason that begins with
"sometimes:" is of a test that the machine decides: it may pass. What fails and is not expected to is tried once more by
itself. Closes with "N passed, N failed".
"""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).parent
# Pure Python twins of extension modules, which are not frozen into the binary; the tests want to see both.
TWINS = ("_pydatetime.py", "_pydecimal.py", "_pyio.py")
# These take longest, so they are begun first.
FIRST = ("test_multiprocessing_spawn.test_processes", "test_multiprocessing_forkserver.test_processes")

# "0:00:38 load avg: 1.79 [36/68/2] test_importlib failed (2 errors)"
FINISHED = re.compile(r"\d+:\d\d:\d\d load avg: \S+ \[ *\d+/\d+(?:/\d+)?\] (\S+) (.*)")
BROKEN = re.compile(r"failed(?! \(env changed\))|crashed|timed out|worker |interrupted|ran no tests|skipped")
# "FAIL: test_flags (test.test_misc.TestFlags.test_flags) (method='fork')", "ERROR: setUpClass (test.test_misc.Other)"
BAD_CASE = re.compile(r"(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \(([\w.]+)\)")

# Stands for a failed test when the run itself broke off.
UNFINISHED = "(the run did not come to its end)"


def read_lines(name):
    """The lines of a file beside this one that are neither empty nor a comment."""
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def split_reasons(lines, name):
    """{test id: reason}"""
    reasons = {}
    for line in lines:
        test, _, reason = line.partition("  ")
        assert reason.strip(), f"{name}: {test} has no reason"
        assert test not in reasons, f"{name}: {test} stands there twice"
        reasons[test] = reason.strip()
    return reasons


def read_tests():
    """Names of test files, and {pattern of what is left out: reason}"""
    lines = read_lines("tests.txt")
    names = [line for line in lines if not line.startswith("!")]
    return names, split_reasons([line[1:] for line in lines if line.startswith("!")], "tests.txt")


class Results:
    """What a run found: sets of test ids; failed is {test id: its file}. A file that failed as a whole is an id too."""

    def __init__(self):
        self.passed, self.skipped, self.failed, self.output = set(), set(), {}, ""

    def read_output(self, output):
        """Failures stand in the output, behind the line that says that their file is finished. (The report lacks those
        of subtests and of setUpClass.)"""
        self.output = output
        file = None
        for line in output.splitlines():
            if finished := FINISHED.match(line):
                file = finished[1]
                if BROKEN.match(finished[2]):
                    self.failed[file] = file
            elif file and (bad := BAD_CASE.match(line)):
                name, place = bad.groups()
                self.failed[place if place.endswith("." + name) else f"{place}.{name}"] = file
        # A file stands for itself only when it names no case.
        for file in {file for name, file in self.failed.items() if name != file}:
            self.failed.pop(file, None)
        if "Total test files:" not in output:
            self.failed[UNFINISHED] = None

    def read_report(self, report):
        """What passed and what was skipped, from the JUnit report."""
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            name = case.get("name")
            if name is None or name in self.failed:
                continue
            bad = case.find("failure") is not None or case.find("error") is not None
            assert not bad, f"{name} failed and the output does not say so"
            (self.skipped if case.find("skipped") is not None else self.passed).add(name)


def prepare(stdlib, folder):
    """Give the tests a folder of their own, all that is on PYTHONPATH: what is not in the binary must be missed."""
    library = folder / "lib"
    shutil.copytree(stdlib / "test", library / "test", ignore=shutil.ignore_patterns("__pycache__"))
    for twin in TWINS:
        shutil.copy(stdlib / twin, library)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    # PYTHONHOME means nothing to limpet. The tests take it for the reason not to start their children with -I and -E,
    # which would not see PYTHONPATH.
    return {**environment, "PYTHONPATH": str(library), "PYTHONHOME": str(library), "TMPDIR": str(folder),
            "HOME": str(folder), "LANG": "C.UTF-8"}


def run(binary, names, folder, environment, jobs):
    """Run the tests, printing a line for each file."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [binary, "python", "-m", "test", f"-j{jobs}", "-W", "--timeout", "600", "-u", "walltime", "--junit-xml",
               str(report)]
    first = [name for name in FIRST if name.partition(".")[0] in names]
    command += ["--prioritize", ",".join(first)] if first else []
    for pattern in read_tests()[1]:
        command += ["--ignore", pattern]
    process = subprocess.Popen(command + names, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if FINISHED.match(line):
            print(line, end="", flush=True)
    process.wait()
    results = Results()
    results.read_output("".join(lines))
    if report.exists():
        results.read_report(report)
    return results


def try_again(results, unexpected, binary, folder, environment):
    """Run the files of unexpected failures once more, one after the other; what passes now is no failure."""
    files = sorted({results.failed[name] for name in unexpected})
    print(f"once more: {' '.join(files)}")
    again = run(binary, files, folder, environment, jobs=1)
    for name in unexpected - again.failed.keys():
        if UNFINISHED not in again.failed:
            print(f"passed when it was tried again: {name}")
            del results.failed[name]
            results.passed.add(name)
    results.output = again.output


def adopt_orphans():
    """Processes that tests leave behind become our children (PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def end_orphans():
    """End what the tests left running, and say so."""
    children = pathlib.Path("/proc/thread-self/children")
    deadline = time.monotonic() + 10
    while pids := [int(pid) for pid in children.read_text().split()]:
        for pid in pids:
            late = time.monotonic() > deadline
            if late:
                print(f"left running: {pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().split(bytes(1))}")
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0 if late else os.WNOHANG)
        time.sleep(0.1)


def judge(results, expected, all_run):
    """Print what is not as expected.txt says; returns the number of complaints."""
    unexpected = sorted(results.failed.keys() - expected.keys())
    certain = {name for name, reason in expected.items() if not reason.startswith("sometimes:")}
    mended = sorted(certain & results.passed)
    seen = results.failed.keys() | results.passed | results.skipped
    missed = sorted(expected.keys() - seen) if all_run else []
    if unexpected:
        print(results.output)
    for name in unexpected:
        print(f"FAILED, and not expected to: {name}")
    for name in mended:
        print(f"passed, so it has no place in expected.txt: {name}")
    for name in missed:
        print(f"did not fail, so it has no place in expected.txt: {name}")
    known = len(results.failed) - len(unexpected)
    print(f"{known} known failures, each with its reason in tests/cpython/expected.txt; {len(results.skipped)} skipped")
    return len(unexpected) + len(mended) + len(missed)


def main():
    binary, stdlib, *names = sys.argv[1:]
    binary = os.path.abspath(binary)
    chosen = names or read_tests()[0]
    expected = split_reasons(read_lines("expected.txt"), "expected.txt")
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="limpet-") as path:
        folder = pathlib.Path(path)
        environment = prepare(pathlib.Path(stdlib), folder)
        results = run(binary, chosen, folder, environment, jobs=os.cpu_count())
        unexpected = results.failed.keys() - expected.keys()
        if unexpected and UNFINISHED not in unexpected:
            try_again(results, unexpected, binary, folder, environment)
        end_orphans()
    complaints = judge(results, expected, all_run=not names)
    print(f"cpython: {len(results.passed)} passed, {complaints} failed")
    return 1 if complaints or not results.passed else 0


if __name__ == "__main__":
    sys.exit(main())
