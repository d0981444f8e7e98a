"""Rows about one worker with an asynchronous application from the inside: memory of what waits, system calls,
instructions and allocations."""

import contextlib
import http.client
import resource
import socket
import time

import instructions as counting
import load
import machine
import peers
import rows_inside
import servers
import syscalls
import table
import websocket
from rows_async import OURS, PEERS, label

# --- memory ---

WEBSOCKETS = 10_000
WARMING = 500
HELD = 1000
MARGIN = 2000  # descriptors besides
SETTLE_SECONDS = 2
KINDS = [OURS, *PEERS]


def ask(server, path):
    """The body of an answer."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def running(session, kind, application):
    """A server that may have so many connections."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < WEBSOCKETS + MARGIN:
        raise machine.Failure(f"a process may have only {limit} descriptors (ulimit -Hn): {WEBSOCKETS + MARGIN} are needed")
    options = ("--backpressure", str(WEBSOCKETS + MARGIN // 2)) if kind == "limpet" else ()
    return servers.Server(session, kind, application, cpus=None, options=options,
                          wrapper=["prlimit", f"--nofile={limit}"])


def growth_kb(server, work, count):
    """KB that the worker has more for each of so many, while work() is a context that holds them."""
    worker = server.worker()
    before = machine.resident_mb(worker)
    with work:
        time.sleep(SETTLE_SECONDS)
        return (machine.resident_mb(worker) - before) * 1024 / count


def idle_websockets(session, kind, application):
    """(KB for each idle WebSocket, KB of the application's tasks with the scopes in them)"""
    with running(session, kind, application) as server:
        with websocket.idle(server, WARMING):
            pass
        time.sleep(SETTLE_SECONDS)
        each = growth_kb(server, websocket.idle(server, WEBSOCKETS), WEBSOCKETS)
    with running(session, kind, application) as server:
        ask(server, f"/tasks?{WARMING}")
        tasks = growth_kb(server, made(server), WEBSOCKETS)
    return each, tasks


@contextlib.contextmanager
def made(server):
    """The tasks without connections, as long as the server runs."""
    ask(server, f"/tasks?{WEBSOCKETS}")
    yield


@contextlib.contextmanager
def held(server, count):
    """So many requests that the application does not answer while the block runs."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
                   for _ in range(count)]
        for peer in waiting:
            peer.sendall(b"GET /hold HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        yield
        ask(server, "/release")
        for peer in waiting:
            peer.recv(4096)


def blocks(server):
    """Of memory that Python's objects have, in the process that answers."""
    return int(ask(server, "/blocks"))


def waiting_request(session, kind, application):
    """(KB, blocks of Python's objects) for each request that waits."""
    with running(session, kind, application) as server:
        with held(server, WARMING):
            time.sleep(SETTLE_SECONDS)
        before = blocks(server)
        with held(server, HELD):
            time.sleep(SETTLE_SECONDS)
            objects = (blocks(server) - before) / HELD
    with running(session, kind, application) as server:
        with held(server, WARMING):
            time.sleep(SETTLE_SECONDS)
        return growth_kb(server, held(server, HELD), HELD), objects


def idle(session, card):
    """What a WebSocket costs that nothing is said on, and a request that waits."""
    rows = []
    for kind, application in KINDS:
        session.progress(f"idle WebSockets: {kind}")
        each, tasks = idle_websockets(session, kind, application)
        kb, objects = waiting_request(session, kind, application)
        rows.append([label(kind, application), f"{each:.2f}", f"{tasks:.2f}", f"{each - tasks:.2f}", f"{kb:.2f}",
                     f"{objects:.1f}"])
    session.note(f"asynchronous peers: {peers.versions()}")
    card.table(f"Resident KB for each of {WEBSOCKETS:,} idle WebSockets, and of {HELD:,} requests that wait, in one worker",
               ["server", "KB a WebSocket", "of it: task, coroutine, scope", "above these", "KB a waiting request",
                "Python's blocks a waiting request"], rows)


# --- system calls ---

COUNTED = [OURS, ("limpet", "rsgi"), ("uvicorn", "asgi")]
SYSCALLS_AIM = table.at_most(2.1, "{}")


def system_calls(session, card):
    """System calls a request of one worker under load."""
    rows, columns, tool = [], [], None
    for kind, application in COUNTED:
        session.progress(f"system calls: {kind}, {application}")
        with servers.Server(session, kind, application) as server:
            tool, figures, counts = syscalls.count(server.worker(),
                                                   lambda: load.wrk(server, "/", rows_inside.CONNECTIONS))
        each = {name: calls / figures["requests"] for name, calls in counts.items()}
        everything, columns = sum(each.values()), list(each)
        ours = kind == "limpet"
        rows.append([label(kind, application), f"{everything:.2f}",
                     card.judge(f"system calls ({application})", SYSCALLS_AIM, everything) if ours else "",
                     *(f"{calls:.3f}" for calls in each.values())])
    card.table(f"System calls a request of an asynchronous application, {rows_inside.CONNECTIONS} connections (counted "
               f"by {tool})", ["server", "all", "aim", *columns], rows)


# --- instructions ---

def instructions(session, card):
    """Instructions a request in user space by part, for ASGI and for RSGI; the most expensive functions if asked for."""
    costs, totals, allocations = {}, [], []
    for number, application in enumerate(("asgi", "rsgi")):
        session.progress(f"instructions: {application}")
        functions = counting.functions_of_a_request(session, application)
        totals.append(sum(function.cost for function in functions))
        allocations.append(sum(function.calls for function in functions if counting.ALLOCATES.match(function.name)))
        for function in functions:
            costs.setdefault(function.part, [0, 0])[number] += function.cost
        if session.functions:
            rows_inside.functions_table(session, card, functions, totals[-1], f" ({application.upper()})")
    rows = [[part, *(f"{cost:,.0f}" for cost in pair)] for part, pair in sorted(costs.items(), key=lambda item: -item[1][0])]
    card.table(f"Instructions a request in user space, 13 bytes, {counting.CONNECTIONS} connections (callgrind)",
               ["part", "ASGI", "RSGI"], [["all", *(f"{total:,.0f}" for total in totals)], *rows,
                                          ["(Python's allocations)", *(f"{count:.1f}" for count in allocations)]])
