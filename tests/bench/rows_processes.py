"""Rows about the processes of a server: the supervisor at rest, and what workers share with --preload."""

import time

import load
import machine
import servers
import table

WORKERS = 4
CONNECTIONS = 64
QUIET_SECONDS = 10

# --- the supervisor ---

PRIVATE_AIM = table.at_most(4, "{} MB")
WAKES_AIM = table.at_most(1, "{} a second")


def supervisor(session, card):
    """What it has for itself, and how often it wakes, while nothing is asked of the server; with limits to watch."""
    session.progress("supervisor")
    limits = ("--workers-max-rss", "200M", "--request-timeout", "30s", "--workers-lifetime", "1h")
    rows = []
    for label, options in (("default settings", ()), (" ".join(limits), limits)):
        with servers.Server(session, "limpet", "hello", workers=WORKERS, options=options) as server:
            pid = server.process.pid
            time.sleep(1)  # what belongs to the start is over
            before = machine.switches(pid)
            time.sleep(QUIET_SECONDS)
            wakes = (machine.switches(pid) - before) / QUIET_SECONDS
            private = machine.memory_mb(pid, "Private_Dirty")
        rows.append([label, f"{private:.2f}", card.judge(f"supervisor's memory, {label}", PRIVATE_AIM, private),
                     f"{wakes:.2f}", card.judge(f"supervisor's wakes, {label}", WAKES_AIM, wakes)])
    card.table(f"The supervisor of {WORKERS} idle workers",
               ["options", "private MB", "aim", "wakes a second", "aim"], rows)


# --- workers of one image ---


def preload(session, card):
    """Memory of all processes of a server, each page counted once (Pss), and the time until all workers serve."""
    rows = []
    for application in ("hello", "flask"):
        for label, options in (("each loads", ()), ("--preload", ("--preload",))):
            session.progress(f"preload: {application}, {label}")
            began = time.perf_counter()
            with servers.Server(session, "limpet", application, cpus=None, workers=WORKERS, options=options) as server:
                took = time.perf_counter() - began
                idle = total_mb(server)
                load.wrk(server, "/", CONNECTIONS, cpus="0,1")
                after = total_mb(server)
            rows.append([application, label, f"{took * 1000:.0f}", f"{idle:.1f}", f"{after:.1f}"])
    card.table(f"{WORKERS} workers that load the application each, or share it",
               ["application", "workers", "until all serve, ms", "MB of all at rest", "MB of all after load"], rows)


def total_mb(server):
    """Of the server's processes together."""
    return sum(machine.memory_mb(pid, "Pss") for pid in machine.process_tree(server.process.pid))
