"""A whole machine of some architecture, which QEMU plays: Debian's kernel, busybox, the files that it is given.

What a program sees there is a real kernel's, where qemu-user has system calls and /proc of its own. The machine has one
root in memory, starts in some seconds, runs the commands one after the other as root, and ends.
"""

import os
import pathlib
import re
import subprocess
import tempfile
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGETS = ("x86_64", "aarch64", "armv7", "riscv64")
# What plays it, and what its serial console is called. Never by KVM: inside another machine it may be there and start
# no kernel, and some seconds are all that it would save.
EMULATORS = {
    "x86_64": (["qemu-system-x86_64", "-M", "q35", "-cpu", "max"], "ttyS0"),
    # Pointers that are signed by the architecture's own cipher take QEMU half of its time.
    "aarch64": (["qemu-system-aarch64", "-M", "virt,gic-version=max", "-cpu", "max,pauth-impdef=on"], "ttyAMA0"),
    "armv7": (["qemu-system-arm", "-M", "virt", "-cpu", "max"], "ttyAMA0"),
    "riscv64": (["qemu-system-riscv64", "-M", "virt"], "ttyS0"),
}
# Marks on the console that no command writes.
MARK = "\x1e"
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
ip link set lo up
run() {{
    printf '{MARK}begin %s\\n' "$1"
    timeout -k 5 "$2" sh -c "$3" </dev/null 2>&1
    printf '\\n{MARK}end %s %d\\n' "$1" $?
}}
. /commands
printf '{MARK}over\\n'
poweroff -f
"""
# Seconds until its first command, and how often it is started for that: before the kernel has said a word QEMU's machine of
# RISC-V stays where it is at times.
START_TIMEOUT, STARTS = 300, 3
TAIL = 30  # lines of the console that are shown where something is wrong


class Board(NamedTuple):
    """What is played. architecture: one of TARGETS; pages: of the kernel, in bytes, where there is a choice; memory:
    MB; clock: the time of day that it starts with, as QEMU wants it."""

    architecture: str
    pages: int | None = None
    memory: int = 128
    processors: int = 2
    clock: str = "utc"


class Result(NamedTuple):
    """Of a command: its exit status and all it wrote."""

    status: int
    output: str


class Failure(Exception):
    """What the machine did not come to do, with the end of its console."""


class Run:
    """What a machine did that is over. console: all that was on it; results: {name: Result} of commands that ended;
    ending: why the others did not, None: all did."""

    def __init__(self, console, status, timeout):
        self.console = console.replace("\r", "")
        found = re.findall(rf"{MARK}begin (\S+)\n(.*?)\n?{MARK}end \1 (\d+)\n", self.console, re.S)
        self.results = {name: Result(int(code), output) for name, output, code in found}
        self.ending = None if f"{MARK}over\n" in self.console else self._why(status, timeout)

    def _why(self, status, timeout):
        panic = re.search(r"Kernel panic.*", self.console)
        over = f"it was not done within {timeout} s" if status == 124 else f"QEMU ended ({status})"
        why = panic[0] if panic else over
        begun = re.findall(rf"{MARK}begin (\S+)", self.console)
        return f"the machine died{f' in {begun[-1]!r}' if begun else ''}: {why}"

    def result(self, name):
        """The Result of a command; Failure if the machine did not live to its end."""
        if name not in self.results:
            raise Failure(f"{name!r} did not end: {self.ending}\n{self.tail()}")
        return self.results[name]

    def tail(self):
        """The last lines on the console."""
        return "\n".join(self.console.replace(MARK, "").splitlines()[-TAIL:])


def entry(path, mode, content=b""):
    """A file of an archive as the kernel unpacks it at its start (cpio, "newc"); mode: with its kind."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def write_archive(output, files):
    """files: {path there: path here, or (mode, bytes), or None for a folder}; the folders above come by themselves."""
    made = set()
    for path, source in sorted(files.items()):
        parents = [str(parent) for parent in reversed(pathlib.PurePath(path).parents) if str(parent) != "."]
        for folder in [*parents, *([path] if source is None else [])]:
            if folder not in made:
                output.write(entry(folder, 0o040755))
                made.add(folder)
        if isinstance(source, tuple):
            output.write(entry(path, 0o100000 | source[0], source[1]))
        elif source is not None:
            output.write(entry(path, 0o100755 if os.access(source, os.X_OK) else 0o100644,
                               pathlib.Path(source).read_bytes()))
    output.write(entry("TRAILER!!!", 0))


def root_files(kernel, commands, timeout):
    """What each machine has. commands: {name: line of shell}."""
    def quote(text):
        return "'" + text.replace("'", "'\\''") + "'"

    lines = "".join(f"run {name} {timeout} {quote(line)}\n" for name, line in commands.items())
    return {"init": (0o755, INIT.encode()), "commands": (0o644, lines.encode()), "bin/busybox": kernel / "busybox",
            "tmp": None, "dev": None, "proc": None, "sys": None, "root": None, "etc/passwd": (0o644, PASSWD),
            "etc/group": (0o644, GROUP), "etc/hosts": (0o644, b"127.0.0.1 localhost elsewhere\n")}


PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"


def play(command, log):
    """The exit status of QEMU; None where it was ended because no command had begun in time."""
    with log.open("wb") as output, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                                    stderr=subprocess.STDOUT) as process:
        try:
            try:
                return process.wait(START_TIMEOUT)
            except subprocess.TimeoutExpired:
                return process.wait() if f"{MARK}begin" in log.read_text(errors="replace") else None
        finally:
            process.terminate()


def boot(board, files, commands, timeout=600, each=300):
    """Start a machine with these files (see write_archive), let it run the commands ({name: line of shell}), and wait
    for its end: a Run. Seconds: timeout for all, each for a command."""
    script = [HERE / "kernel.sh", board.architecture, *([str(board.pages)] if board.pages else [])]
    kernel = pathlib.Path(subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    command, console = EMULATORS[board.architecture]
    with tempfile.TemporaryDirectory(prefix="machine-") as folder:
        archive, log = pathlib.Path(folder, "root.cpio"), pathlib.Path(folder, "console")
        with archive.open("wb") as output:
            write_archive(output, {**root_files(kernel, commands, each), **files})
        command = ["timeout", "--foreground", "-k", "5", str(timeout), *command, "-m", str(board.memory), "-smp",
                   str(board.processors), "-rtc", f"base={board.clock}", "-display", "none", "-serial", "stdio",
                   "-monitor", "none", "-nic", "none", "-no-reboot", "-kernel", kernel / "kernel", "-initrd", archive,
                   "-append", f"console={console} rdinit=/init quiet panic=-1"]
        for _ in range(STARTS):
            status = play(command, log)
            if status is not None:
                break
        return Run(log.read_text(errors="replace"), 124 if status is None else status, timeout)
