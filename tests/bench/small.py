#!/usr/bin/python3
"""What servers keep in memory, all their processes together, on the way to small machines: Markdown tables.

    small.py [--binary PATH] [--runner COMMAND | --machine TARGET] [--requests N] [--applications NAME...] [--detail]
             [--no-peer]

hello, the notes and a Flask application, each packed, with one and two workers, with the default settings and with
--small; gunicorn with the same Flask application on Debian's Python beside them. Each server has answered some hundred
requests before it is looked at. Memory is read from /proc/PID/smaps_rollup: pages that several processes share
count once in the sum of shares (PSS), which is the memory that a machine has less while the server runs.

--runner: what runs the binary, as "qemu-aarch64-static". The figures are those of the emulator then: they include its
translated code and tables, and code of the binary that it reads.

--machine: another machine with a kernel of its own, as "aarch64", which QEMU plays as a whole (tests/machines): the
figures are that kernel's. Applications are packed here, by the limpet of this machine (build/fast), and measured
there, by this program (--packed). Binaries lie in a file system in memory there: what is read of them counts as shm
instead of file.
"""

import argparse
import http.client
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import machine
import servers
import table

NOTES = servers.ROOT / "apps/notes"
APPLICATIONS = {"hello": servers.APPLICATIONS["hello"], "notes": NOTES, "flask": servers.APPLICATIONS["flask"]}
KINDS = {"RSS": ("Rss",), "PSS": ("Pss",), "private": ("Private_Clean", "Private_Dirty"),
         "shared": ("Shared_Clean", "Shared_Dirty"), "anonymous": ("Pss_Anon",), "file": ("Pss_File",),
         "shm": ("Pss_Shmem",)}
SETTINGS = {"default": ("--no-small",), "--small": ("--small",), "--small --no-preload": ("--small", "--no-preload")}
START_TIMEOUT = 180  # seconds; an emulator takes its time
PACKER = servers.ROOT / "build/fast/limpet"  # for other machines
MACHINE_MEMORY, MACHINE_TIMEOUT = 512, 3600  # MB, seconds
MODULES = ("small", "targets", "machine", "servers", "table", "load", "peers")  # what a machine needs of these


class Failure(Exception):
    """What makes a measurement impossible, in words."""


def memory(pid):
    """MB of each of KINDS."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {name: int(size) / 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return {kind: sum(found.get(name, 0) for name in names) for kind, names in KINDS.items()}


class Server:
    """A server in a process tree of its own while the block runs. workers: how many are to serve before it counts."""

    def __init__(self, command, folder, environment, workers):
        """command: with {port} where the port belongs. folder: its working folder, where its log goes as well."""
        self.port = machine.free_port()
        self.workers = workers
        self.log = folder / f"log-{self.port}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(part).replace("{port}", str(self.port)) for part in command],
                                            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def ask(self, count):
        """So many requests, ten on each connection, which must all be answered."""
        for first in range(0, count, 10):
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            for _ in range(min(10, count - first)):
                client.request("GET", "/")
                answer = client.getresponse()
                answer.read()
                if answer.status != 200:
                    raise Failure(f"status {answer.status}\n{self.log.read_text()}")
            client.close()

    def wait(self):
        """Until it answers and has all its processes."""
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.ask(1)
                text = self.log.read_text()
                if " serving " in text or text.count("Booting worker") == self.workers:  # limpet's, gunicorn's word
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise Failure(f"does not serve:\n{self.log.read_text()}")

    def __enter__(self):
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(command, folder, options, environment=None, workers=1):
    """[(name, memory)] of all processes of a server that has answered the requests."""
    with Server(command, folder, os.environ | (environment or {}), workers) as server:
        server.ask(options.requests)
        return [(process_name(pid), memory(pid)) for pid in sorted(machine.process_tree(server.process.pid))]


def process_name(pid):
    """What the process calls itself, as far as it says more than its program."""
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    found = re.search(r"(supervisor|template|worker \d+|master|\bworker)", words)
    return found[1] if found else words[:40]


def flask_packages():
    """Folder of Flask and what it needs, of Debian's packages."""
    script = servers.ROOT / "tests/e2e/debian_packages.sh"
    return subprocess.run([script, *servers.FLASK], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def run_pack(packer, name, output, *options):
    """Have an application packed by a limpet; packer: its command, options: more of its pack's."""
    subprocess.run([*packer, "pack", APPLICATIONS[name], "--app", "app:app", *options, "--output", output],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pack(options, name, folder):
    """The application as a binary in the folder, where it is not there yet."""
    output = (options.packed or folder) / f"packed-{name}"
    if options.packed:
        return output
    packages = ["--with", flask_packages()] if name == "flask" else []
    packer = [PACKER] if options.machine else [*options.runner, options.binary]
    base = ["--base", options.binary] if options.machine else []
    run_pack(packer, name, output, *base, *packages)
    return output


def rows_of_limpet(options, folder):
    """(label, processes) of each server measured."""
    for name in options.applications:
        packed = pack(options, name, folder)
        for workers in (1, 2):
            for label, settings in SETTINGS.items():
                command = [*options.runner, packed, "--port", "{port}", "--workers", workers, "--writable", ".",
                           *settings, *options.options]
                environment = {"NOTES_DATABASE": str(folder / "notes.sqlite3")}
                yield ("limpet", label, name, workers), measure(command, folder, options, environment, workers)


def rows_of_peer(options, folder):
    """gunicorn, where it is installed."""
    if options.no_peer or shutil.which("gunicorn") is None or "flask" not in options.applications:
        return
    environment = {"PYTHONPATH": flask_packages(), "PYTHONDONTWRITEBYTECODE": "1"}
    for workers in (1, 2):
        for label, settings in (("default", ()), ("--preload", ("--preload",))):
            command = ["/usr/bin/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", workers, "--worker-class",
                       "gthread", "--threads", 4, *settings, "--chdir", APPLICATIONS["flask"], "app:app"]
            yield ("gunicorn", label, "flask", workers), measure(command, folder, options, environment, workers)


def print_row(options, key, processes):
    """A line for all processes together, and one for each of them."""
    total = [f"{sum(found[kind] for _, found in processes):.1f}" for kind in KINDS]
    print(table.row([*key, len(processes), *total]), flush=True)
    for name, found in processes if options.detail else ():
        print(table.row(["", "", name, "", "", *(f"{found[kind]:.1f}" for kind in KINDS)]), flush=True)


def run_in_machine(architecture, files, command):
    """What a command writes in a machine that QEMU plays, which has these files (guest.write_archive) beside MODULES;
    Failure if it does not come to its end."""
    sys.path.insert(0, str(servers.ROOT / "tests/machines"))
    import guest

    files = dict(files)
    for name in MODULES:
        path = pathlib.Path("tests/bench", name).with_suffix(".py")
        files[str(path)] = servers.ROOT / path
    files["etc/os-release"] = (0o644, b'PRETTY_NAME="a machine that QEMU plays"\n')
    run = guest.boot(guest.Board(architecture, memory=MACHINE_MEMORY), files, {"table": shlex.join(command)},
                     MACHINE_TIMEOUT, MACHINE_TIMEOUT)
    try:
        status, output = run.result("table")
    except guest.Failure as failure:
        raise Failure(str(failure)) from None
    if status != 0:
        raise Failure(f"exit status {status}\n{output}")
    return output


def measure_in_machine(options, folder):
    """Print what this program prints in a machine of another architecture."""
    files = {f"packed/packed-{name}": pack(options, name, folder) for name in options.applications}
    command = [f"/packed/packed-{options.applications[0]}", "python", "-B", "/tests/bench/small.py", "--packed", "/packed",
               "--no-peer", "--requests", str(options.requests), "--applications", *options.applications]
    command += ["--options", shlex.join(options.options)] if options.options else []
    command += ["--detail"] if options.detail else []
    print(run_in_machine(options.machine, files, command))


def measure_here(options, folder):
    """Print a row for each server."""
    runner = f", by {shlex.join(options.runner)}" if options.runner else ""
    what = options.packed or f"{options.binary.parent.name}/{options.binary.name}"
    print(f"{what} on {platform.machine()}{runner}, {machine.describe()}; MB after {options.requests} requests.\n")
    header = ["server", "settings", "application", "workers", "processes", *KINDS]
    print(table.row(header) + "\n|" + "---|" * len(header))
    for rows in (rows_of_limpet, rows_of_peer):
        for key, processes in rows(options, folder):
            print_row(options, key, processes)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", metavar="PATH", type=pathlib.Path,
                        help="the limpet to measure (build/release/limpet, build/release-TARGET/limpet)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--runner", metavar="COMMAND", type=shlex.split, default=[], help="what runs it")
    where.add_argument("--machine", metavar="TARGET", help="in such a machine, which QEMU plays")
    where.add_argument("--packed", metavar="FOLDER", type=pathlib.Path, help="has packed-hello, packed-notes, ...")
    parser.add_argument("--requests", metavar="N", type=int, default=400, help="before it is looked at (400)")
    parser.add_argument("--applications", nargs="+", choices=APPLICATIONS, default=list(APPLICATIONS))
    parser.add_argument("--options", metavar="TEXT", type=shlex.split, default=[], help="more options of limpet's")
    parser.add_argument("--detail", action="store_true", help="a line for each process, too")
    parser.add_argument("--no-peer", action="store_true", help="leave gunicorn out")
    options = parser.parse_args()
    release = f"release-{options.machine}" if options.machine else "release"
    options.binary = (options.binary or servers.ROOT / "build" / release / "limpet").resolve()
    if not options.packed and not os.access(options.binary, os.R_OK):
        parser.error(f"{options.binary} is not there: ./build.sh --release builds it")
    return options


def main():
    """Print the table; 1 when a server cannot be measured."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="small-") as folder:
        try:
            (measure_in_machine if options.machine else measure_here)(options, pathlib.Path(folder))
        except Failure as failure:
            sys.exit(str(failure))


if __name__ == "__main__":
    main()
