"""Processes and CPUs: what belongs to a server, what it used, and what else ran on the machine."""

import contextlib
import os
import pathlib
import re
import socket

TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """What makes a row impossible, in words for whoever runs the benchmark."""


def free_port():
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    """Pids of the direct children; none of a process that has gone."""
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def process_tree(pid):
    """The pid and those of all below it."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children(found[-1])
    return found


def cpu_seconds(pids):
    """utime + stime of these processes."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mb(pid):
    """VmRSS."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def memory_mb(pid, kind):
    """What smaps_rollup says of a process: "Pss" (its share of what several have), "Private_Dirty", ..."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{kind}:\s+(\d+)", text, re.M)[1]) / 1024


def switches(pid):
    """How often a process has been given a processor."""
    return sum(int(count) for count in re.findall(r"ctxt_switches:\s+(\d+)",
                                                  pathlib.Path(f"/proc/{pid}/status").read_text()))


def machine_seconds():
    """CPU seconds that all processes used (user, nice, system) since the machine started; interrupts apart."""
    user, nice, system = pathlib.Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / TICKS


def describe():
    """What the figures were taken on, in one line."""
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return (f"{os.cpu_count()} CPUs ({model[1] if model else os.uname().machine}), {system[1] if system else 'Linux'}, "
            f"kernel {os.uname().release}")


@contextlib.contextmanager
def pinned(cpus):
    """This process keeps to these CPUs while the block runs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
