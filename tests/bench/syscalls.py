"""System calls of a process while a load is on it: counted in the kernel by perf, which hardly slows the process, or by
strace where there are no trace points for perf (it makes every call ten times as long, which shows in how many requests
a wake-up finds)."""

import pathlib
import re
import signal
import subprocess
import time

import machine

KINDS = {"read": ("recvfrom", "recvmsg", "read", "readv"),
         "write": ("sendto", "sendmsg", "write", "writev", "sendfile"),
         "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"), "futex": ("futex",)}
OTHERS = "others"
TRACE_POINTS = pathlib.Path("/sys/kernel/tracing/events/syscalls")
ATTACH_SECONDS = 1  # neither tool says when it has attached to all threads


def perf_command(pid):
    """perf for the calls of KINDS that this kernel has, and for all together."""
    names = [f"syscalls:sys_enter_{name}" for names in KINDS.values() for name in names
             if (TRACE_POINTS / f"sys_enter_{name}").exists()]
    return ["perf", "stat", "-x", ",", "-e", ",".join(["raw_syscalls:sys_enter", *names]), "-p", str(pid)]


def perf_counts(report):
    """{system call: times} from perf's lines "times,,syscalls:sys_enter_NAME,..."; "" is all."""
    return {name: int(calls) for calls, name in
            re.findall(r"^(\d+),,(?:syscalls:sys_enter_|raw_syscalls:sys_enter)(\w*),", report, re.MULTILINE)}


def strace_counts(report):
    """The same from strace's table of percents, seconds, microseconds, calls, perhaps errors, and names."""
    counts = {name: int(calls) for calls, name in
              re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", report, re.MULTILINE)}
    counts[""] = counts.pop("total", 0)
    return counts


def attached(command, work):
    """(what work() returned, the report of the command that was attached while it ran)."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(ATTACH_SECONDS)
    result = work()
    process.send_signal(signal.SIGINT)
    return result, process.communicate(timeout=30)[1]


def count(pid, work):
    """(tool, what work() returned, {kind of call: times}) of the process while work() runs."""
    if TRACE_POINTS.is_dir():
        tool = "perf"
        result, report = attached(perf_command(pid), work)
        counts = perf_counts(report)
    else:
        tool = "strace"
        result, report = attached(["strace", "-c", "-f", "-p", str(pid)], work)
        counts = strace_counts(report)
    if not counts.get(""):
        raise machine.Failure(f"{tool} counted no system call:\n{report}")
    kinds = {kind: sum(counts.get(name, 0) for name in names) for kind, names in KINDS.items()}
    return tool, result, kinds | {OTHERS: counts[""] - sum(kinds.values())}
