"""Rows about one worker from the inside: memory, system calls, instructions, start-up."""

import os
import statistics
import time

import instructions as counting
import load
import machine
import servers
import syscalls
import table

CONNECTIONS = 64
BURST_CONNECTIONS = 512
SETTLE_SECONDS = 3  # without any request, for memory to be given back

# --- memory ---

MEMORY_AIM = table.at_most(2, "{} MB more")


def memory(session, card):
    """Resident size of a worker: before load, under it, and after a burst of connections that are closed again."""
    session.progress("memory")
    with servers.Server(session, "limpet", "hello") as server:
        worker = server.worker()
        before = machine.resident_mb(worker)
        with load.in_background(load.wrk, server, "/", CONNECTIONS):
            time.sleep(session.seconds / 2)
            under_load = machine.resident_mb(worker)
        with load.in_background(load.wrk, server, "/", BURST_CONNECTIONS):
            time.sleep(session.seconds / 2)
            in_burst = machine.resident_mb(worker)
        time.sleep(SETTLE_SECONDS)
        after = machine.resident_mb(worker)
    card.table("Resident size of a worker (hello), MB",
               ["before load", f"at {CONNECTIONS} connections", f"at {BURST_CONNECTIONS}",
                f"{SETTLE_SECONDS} s after these closed", "aim"],
               [[f"{before:.1f}", f"{under_load:.1f}", f"{in_burst:.1f}", f"{after:.1f}",
                 card.judge("memory after a burst", MEMORY_AIM, after - before)]])


# --- system calls ---

SYSCALLS_AIM = table.at_most(2.1, "{}")  # two of a request's own, and a share in the wait for many


def system_calls(session, card):
    """System calls a request of one worker under load."""
    session.progress("system calls")
    with servers.Server(session, "limpet", "hello") as server:
        tool, figures, counts = syscalls.count(server.worker(), lambda: load.wrk(server, "/", CONNECTIONS))
    each = {kind: calls / figures["requests"] for kind, calls in counts.items()}
    everything = sum(each.values())
    card.table(f"System calls a request, {CONNECTIONS} connections (counted by {tool})", ["all", "aim", *each],
               [[f"{everything:.2f}", card.judge("system calls", SYSCALLS_AIM, everything),
                 *(f"{calls:.3f}" for calls in each.values())]])


# --- instructions ---

def instructions(session, card):
    """Instructions a request in user space, by part; the most expensive functions if asked for."""
    session.progress("instructions")
    functions = counting.functions_of_a_request(session)
    total = sum(function.cost for function in functions)
    parts = {}
    for function in functions:
        parts[function.part] = parts.get(function.part, 0) + function.cost
    rows = [[part, f"{cost:,.0f}", f"{cost / total:.1%}"]
            for part, cost in sorted(parts.items(), key=lambda item: -item[1])]
    card.table(f"Instructions a request in user space, 13 bytes, {counting.CONNECTIONS} connections (callgrind)",
               ["part", "instructions", "share"], [["all", f"{total:,.0f}", "100%"], *rows])
    if session.functions:
        functions_table(session, card, functions, total)


def functions_table(session, card, functions, total, of=""):
    """The functions that cost most by themselves, and what each costs with all that it calls. of: added to the title."""
    most = sorted(functions, key=lambda function: -function.cost)[:session.functions]
    own = [function for function in functions if function.part.startswith(("bridge", "limpet")) and function.cost > 5]
    own = sorted(own, key=lambda function: -function.inclusive)[:session.functions]
    for title, chosen in (("The most expensive functions", most),
                          ("limpet's own functions, by what they cost with all that they call", own)):
        card.table(title + of, ["function", "part", "instructions", "share", "with what it calls"],
                   [[function.name, function.part, f"{function.cost:,.0f}", f"{function.cost / total:.1%}",
                     f"{function.inclusive:,.0f}"] for function in chosen])


# --- start-up ---

STARTS = 11
START_AIM = table.at_most(40, "{} ms")
IDLE_AIM = table.at_most(20, "{} MB")
BINARY_AIM = table.at_most(24, "{} MB")


def start_up(session, card):
    """From exec to the first 200, and the resident size of a worker that has answered once."""
    results = {contestant: [] for contestant in servers.HELLO_SERVERS}
    for number in range(STARTS):
        session.progress(f"start {number + 1} of {STARTS}")
        for contestant, rounds in results.items():
            server = servers.Server(session, *contestant)
            began = time.perf_counter()
            server.start()
            try:
                server.wait_until_ready()
                rounds.append((time.perf_counter() - began, machine.resident_mb(server.worker())))
            finally:
                server.stop()
    rows = []
    for (kind, _), rounds in results.items():
        milliseconds = statistics.median(took for took, _ in rounds) * 1000
        idle = statistics.median(mb for _, mb in rounds)
        ours = kind == "limpet"
        rows.append([servers.LABELS[kind],
                     f"{milliseconds:.0f}", card.judge("start-up", START_AIM, milliseconds) if ours else "",
                     f"{idle:.1f}", card.judge("idle worker", IDLE_AIM, idle) if ours else ""])
    card.table("Start-up and an idle worker (13 bytes)",
               ["server", "exec to first 200, ms", "aim", "resident MB", "aim"], rows)
    size, packed = (os.path.getsize(path) / 1e6 for path in (session.binary, session.packed("hello")))
    card.table("Size of the binary, MB", ["limpet", "aim", "hello packed"],
               [[f"{size:.1f}", card.judge("binary", BINARY_AIM, size), f"{packed:.1f}"]])
