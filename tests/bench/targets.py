#!/usr/bin/python3
"""What the binary of each target is like: a Markdown table of size, start-up and memory.

    targets.py [--profile fast|release] [TARGET...]

Of the builds in build/ (./build.sh [--release] --target TARGET), all that are there unless some are named. Each is measured
in a machine of its processor that QEMU plays as a whole (tests/machines), with two processors and a real kernel: its times
are QEMU's, they compare targets and builds and do not say how fast a board is. This machine's own is measured here as well.
Start-up: from exec to the first answer of a packed hello, the median of --rounds; "version": of `version`, which starts no
Python. Resident: proportional (PSS), all processes of hello with one worker, --small, after 400 requests. Binaries lie in a
file system in memory in such a machine.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import machine
import servers
import small
import table

TARGETS = ("x86_64", "aarch64", "armv7", "riscv64")
REQUESTS = 400


def binary_of(target, profile):
    """The build of a target, where build.sh leaves it."""
    native = target == platform.machine()
    return servers.ROOT / "build" / (profile if native else f"{profile}-{target}") / "limpet"


def seconds_of(command):
    """How long a command takes."""
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def serve(packed, folder):
    """(seconds to the first answer, MB after the requests)."""
    command = [packed, "--port", "{port}", "--workers", "1", "--small"]
    began = time.monotonic()
    with small.Server(command, folder, None, 1) as server:
        started = time.monotonic() - began
        server.ask(REQUESTS)
        return started, sum(small.memory(pid)["PSS"] for pid in machine.process_tree(server.process.pid))


def measure(packed, folder, rounds):
    """(seconds of version, seconds to the first answer, MB): medians."""
    version = statistics.median(seconds_of([packed, "version"]) for _ in range(rounds))
    started, resident = zip(*(serve(packed, folder) for _ in range(rounds)))
    return version, statistics.median(started), statistics.median(resident)


def measure_in_machine(target, packed, rounds):
    """The same, measured in a machine of the target."""
    command = ["/packed", "python", "-B", "/tests/bench/targets.py", "--packed", "/packed", "--rounds", str(rounds)]
    return json.loads(small.run_in_machine(target, {"packed": packed}, command))


def rows_of(target, options, folder):
    """The rows of a target: where it was measured, its size, what was measured."""
    binary, packed = binary_of(target, options.profile), folder / f"hello-{target}"
    small.run_pack([small.PACKER], "hello", packed, "--base", binary)
    if target == platform.machine():
        yield "here", binary.stat().st_size, measure(packed, folder, options.rounds)
    yield "QEMU", binary.stat().st_size, measure_in_machine(target, packed, options.rounds)


def print_table(options, folder):
    """A row for each target and place."""
    wanted = options.targets or [name for name in TARGETS if binary_of(name, options.profile).exists()]
    print(f"{options.profile} builds; {machine.describe()}.\n")
    header = ["target", "where", "size, MB", "version, ms", "first answer, ms", "resident, MB"]
    print(table.row(header) + "\n|" + "---|" * len(header))
    for target in wanted:
        try:
            for where, size, (version, started, resident) in rows_of(target, options, folder):
                print(table.row([target, where, f"{size / 1e6:.1f}", f"{version * 1e3:.0f}", f"{started * 1e3:.0f}",
                                 f"{resident:.1f}"]), flush=True)
        except (small.Failure, OSError, subprocess.CalledProcessError) as failure:
            sys.exit(f"{target}: {failure}")


def main():
    """Print the table; 1 when a target cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("fast", "release"), default="release")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each (5)")
    parser.add_argument("--packed", metavar="FILE", type=pathlib.Path, help="print what is measured of it here, as JSON")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="targets-") as folder:
        if options.packed:
            print(json.dumps(measure(options.packed, pathlib.Path(folder), options.rounds)))
        else:
            print_table(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
