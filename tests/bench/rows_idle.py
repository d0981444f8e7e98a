"""Rows about connections that are kept and do nothing: what each costs, and what it costs the busy ones."""

import contextlib
import http.client
import resource
import socket
import time

import load
import machine
import servers
import table
from rows_load import BUSY_CONNECTIONS, HELLO_BYTES, interleaved

IDLE_CONNECTIONS = 10000
WARM_CONNECTIONS = 200  # come before anything is measured
SPARE_DESCRIPTORS = 1000
LIMPET_OPTIONS = ["--backpressure", str(2 * IDLE_CONNECTIONS), "--keep-alive-timeout", "0"]
CONTESTANTS = [("limpet", "hello"), ("nginx", "hello")]
OPTIONS = {"limpet": LIMPET_OPTIONS, "nginx": []}
MEMORY_AIM = table.at_most(5, "{} KB")
CPU_AIM = table.at_most(0.1, "{}%")
BUSY_AIM = table.at_least(95, "{}%")


@contextlib.contextmanager
def room_for_descriptors():
    """For either end of each connection; servers inherit it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE_CONNECTIONS + SPARE_DESCRIPTORS
    if before[1] != resource.RLIM_INFINITY and before[1] < needed:
        raise machine.Failure(f"{needed} open files are needed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def idle_connections(port, count):
    """So many that have had an answer each."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            peer.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = http.client.HTTPResponse(peer)
            answer.begin()
            answer.read()
        yield


def one_server(session, kind, application):
    """Memory and CPU for the idle ones, and requests a second of the busy ones without and beside them. nginx closes
    idle connections after 75 s, which is longer than this takes."""
    figures = {}
    with servers.Server(session, kind, application, options=OPTIONS[kind]) as server:
        load.check(server, "/", HELLO_BYTES)
        with idle_connections(server.port, WARM_CONNECTIONS):
            pass
        figures["alone"] = load.wrk(server, "/", BUSY_CONNECTIONS)["rate"]
        before = machine.memory_mb(server.worker(), "Pss")
        with idle_connections(server.port, IDLE_CONNECTIONS):
            figures["each"] = (machine.memory_mb(server.worker(), "Pss") - before) * 1024 / IDLE_CONNECTIONS
            used, began = machine.cpu_seconds([server.worker()]), time.monotonic()
            time.sleep(session.seconds)
            figures["cpu"] = (machine.cpu_seconds([server.worker()]) - used) / (time.monotonic() - began) * 100
            figures["beside"] = load.wrk(server, "/", BUSY_CONNECTIONS)["rate"]
    return figures


def idle(session, card):
    """10,000 kept connections without requests beside 64 that are busy."""
    with room_for_descriptors():
        results = interleaved(session, CONTESTANTS, lambda kind, application: one_server(session, kind, application))
    rows = []
    for (kind, _), rounds in results.items():
        each, cpu, alone, beside = (table.median(rounds, name) for name in ("each", "cpu", "alone", "beside"))
        share = table.median([{"share": figures["beside"] / figures["alone"] * 100} for figures in rounds], "share")
        ours = kind == "limpet"
        rows.append([servers.LABELS[kind], f"{each:.2f}", card.judge("idle memory", MEMORY_AIM, each) if ours else "",
                     f"{cpu:.2f}%", card.judge("idle CPU", CPU_AIM, cpu) if ours else "", f"{alone:,.0f}",
                     f"{beside:,.0f}", f"{share:.1f}%",
                     card.judge("busy beside idle", BUSY_AIM, share) if ours else ""])
    card.table(f"{IDLE_CONNECTIONS:,} idle connections, 1 worker on CPU 0",
               ["server", "KB of the worker each", "aim", "CPU, all idle", "aim", f"requests/s, {BUSY_CONNECTIONS} busy",
                "beside the idle ones", "of that", "aim"], rows)
