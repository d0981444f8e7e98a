#!/usr/bin/python3
"""What the binary of each target is like: a Markdown table of size, start-up and memory.

    targets.py [--profile fast|release] [TARGET...]

Of the builds in build/ (./build.sh [--release] --target TARGET), all that are there unless some are named. Another machine's
is run by qemu (binfmt_misc, as ./build.sh test --target sets it up), so its times are qemu's: they say that it starts, not
how fast a board is. Start-up: from exec to the first answer of a packed hello, the median of --rounds; "version": of
`limpet version`, which starts no Python. Resident: proportional (PSS), all processes of hello with one worker, --small, after 400
requests; under qemu with what qemu itself and its translations take. --no-preload: preloaded applications do not serve by
qemu-user 7.2.
"""

import argparse
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
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def serve(packed, folder):
    """(seconds to the first answer, MB after the requests)."""
    command = [packed, "--port", "{port}", "--workers", "1", "--small", "--no-preload"]
    began = time.monotonic()
    with small.Server(command, folder, None, 1) as server:
        started = time.monotonic() - began
        server.ask(REQUESTS)
        return started, sum(small.memory(pid)["PSS"] for pid in machine.process_tree(server.process.pid))


def measure(target, binary, rounds):
    """A row of the table."""
    native = binary_of(platform.machine(), "fast")
    with tempfile.TemporaryDirectory(prefix="targets-") as temporary:
        folder = pathlib.Path(temporary)
        packed = folder / "hello"
        subprocess.run([native, "pack", servers.APPLICATIONS["hello"], "--app", "app:app", "--base", binary, "--output",
                        packed], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        version = statistics.median(seconds_of([binary, "version"]) for _ in range(rounds))
        started, resident = zip(*(serve(packed, folder) for _ in range(rounds)))
    return [target, "yes" if target == platform.machine() else "qemu", f"{binary.stat().st_size / 1e6:.1f}",
            f"{version * 1e3:.0f}", f"{statistics.median(started) * 1e3:.0f}", f"{statistics.median(resident):.1f}"]


def main():
    """Print the table; 1 when a target cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("fast", "release"), default="release")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each (5)")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    options = parser.parse_args()
    wanted = options.targets or [name for name in TARGETS if binary_of(name, options.profile).exists()]
    print(f"{options.profile} builds; {machine.describe()}.\n")
    header = ["target", "native", "size, MB", "version, ms", "first answer, ms", "resident, MB"]
    print(table.row(header) + "\n|" + "---|" * len(header))
    for target in wanted:
        try:
            print(table.row(measure(target, binary_of(target, options.profile), options.rounds)), flush=True)
        except (small.Failure, OSError, subprocess.CalledProcessError) as failure:
            sys.exit(f"{target}: {failure}")


if __name__ == "__main__":
    main()
