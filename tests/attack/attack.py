#!/usr/bin/python3
"""attack.py BINARY [SECONDS] [NAME...] - what clients get from a server that is attacked, and what the attack costs.

Each attack of attackers.py: wrk asks a worker for three seconds, then for three while the attackers are at work, and so
on until they were at work for so many seconds (9). What stands in the table are medians of these looks, and "kept" is
the median of what each pair kept: a machine with neighbours is now fast and now slow. "CPU" is what the worker needs
for the attackers alone.
Writes the table into build/attack/table.md as it goes on, and prints it. Ends with status 1 if a worker was replaced,
took more memory than its limits allow, kept descriptors, or gave a wrong answer to wrk; throughput and times are for
the reader.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

from attacked import SCENARIOS, Attacked, Attackers, bound, forget_peak, many_descriptors, memory

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench"))
import machine  # noqa: E402
from server import eventually  # noqa: E402
from serving import serving  # noqa: E402

TABLE = HERE.parents[1] / "build/attack/table.md"
SERVER, CLIENTS = (["taskset", "-c", cpu] for cpu in ("0", "1"))
ATTACKERS = ["taskset", "-c", "1" if os.cpu_count() < 3 else "2"]
CONNECTIONS = 16
LOOK = 3  # seconds: more than the time limits of the attacks that are slow
HEAD = """| attack | CPU | alone /s | attacked /s | kept | p99 alone, ms | attacked | grew by MB | may | attackers | refused |
|---|---|---|---|---|---|---|---|---|---|---|
"""
MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000}


def wrk(port, seconds=LOOK):
    """(requests a second, p99 in ms, what was wrong)."""
    out = subprocess.run([*CLIENTS, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                          f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True,
                         timeout=seconds + 60).stdout
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    wrong = re.findall(r"Non-2xx.*|Socket errors.*", out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), float(value) * MILLISECONDS[unit], wrong


def words(counts):
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items(), key=lambda item: -item[1])[:4]) or "-"


def cpu_seconds(pid):
    """What the process has used so far (proc_pid_stat(5))."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def at_work(attacked, name):
    """Attackers for a look, with all of their connections."""
    with Attackers(attacked, name, LOOK + 2, prefix=ATTACKERS) as attackers:
        subprocess.run(["sleep", "1"], check=True)  # until all of their connections are there
        yield attackers


def cpu_of_attack(attacked, name):
    """The part of a processor that the worker needs when nobody but attackers is there."""
    with at_work(attacked, name) as attackers:
        before = cpu_seconds(attacked.worker)
        subprocess.run(["sleep", str(LOOK)], check=True)
        used = cpu_seconds(attacked.worker) - before
        attackers.finish()
    return used / LOOK


def look_under_attack(attacked, name):
    """wrk's answer, and what the attackers counted."""
    with at_work(attacked, name) as attackers:
        return wrk(attacked.port), attackers.finish()


def is_calm(attacked, descriptors):
    """Whether all of the attackers' connections are gone, in a while."""
    try:
        eventually(lambda: attacked.server.descriptors(attacked.worker) <= descriptors + 5)
    except AssertionError:
        return False
    return True


def attack(serve, folder, name, seconds):
    """The row of an attack, and what must not be."""
    scenario, problems = SCENARIOS[name], []
    attacked = Attacked(serve, folder, scenario, prefix=SERVER)
    wrk(attacked.port)
    descriptors = attacked.server.descriptors(attacked.worker)
    before = memory(attacked.worker, "VmRSS")
    forget_peak(attacked.worker)
    alone, under_attack, counts = [], [], collections.Counter()
    cpu = cpu_of_attack(attacked, name)
    for _ in range(max(1, seconds // LOOK)):
        alone.append(wrk(attacked.port))
        look, counted = look_under_attack(attacked, name)
        under_attack.append(look)
        counts.update(counted)
        if not is_calm(attacked, descriptors):
            problems.append(f"{name}: {attacked.server.descriptors(attacked.worker)} descriptors, before {descriptors}")
    grown, most = memory(attacked.worker, "VmHWM") - before, bound(scenario)
    problems += [f"{name}: {wrong}" for _, _, wrong in alone + under_attack if wrong]
    if not attacked.is_same():
        problems.append(f"{name}: the worker was replaced")
    if grown > most:
        problems.append(f"{name}: the worker grew by {grown} KB, {most} KB are allowed")
    kept = statistics.median(there[0] / here[0] for here, there in zip(alone, under_attack))
    (rate_alone, p99_alone), (rate, p99) = (
        [statistics.median(look[which] for look in looks) for which in (0, 1)] for looks in (alone, under_attack))
    cells = [f"{name}: {scenario.text}", f"{cpu:.0%}", f"{rate_alone:.0f}", f"{rate:.0f}", f"{kept:.0%}", f"{p99_alone:.1f}",
             f"{p99:.1f}", f"{grown / 1024:.1f}", f"{most / 1024:.0f}", words(counts), words(attacked.refusals())]
    return f"| {' | '.join(cells)} |", problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("seconds", nargs="?", default="9")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    names = options.names or list(SCENARIOS)
    unknown = set(names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such attack: {' '.join(unknown)} (there are {' '.join(SCENARIOS)})")
    many_descriptors()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what ends servers and attackers
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(f"{machine.describe()}; {options.seconds} s each.\n\n{HEAD}")
    print(HEAD, end="", flush=True)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            place = pathlib.Path(folder) / name
            place.mkdir()
            with serving(pathlib.Path(options.binary).resolve(), False, None) as serve:
                row, found = attack(serve, place, name, int(options.seconds))
            problems += found
            print(row, flush=True)
            with TABLE.open("a") as table:
                table.write(row + "\n")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"the table is in {TABLE}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
