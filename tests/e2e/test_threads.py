"""--blocking-threads: as many handlers at once in a worker, and none of them in another's way."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import struct

import pytest
from raw_client import Peer, request
from server import eventually
from test_flask import FLASK

APPLICATION = '''
import asyncio, collections, contextvars, hashlib, json, os, sqlite3, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 30  # seconds, after which what should have come is given up
TEXT = [("Content-Type", "text/plain")]
lock = threading.Lock()
barriers, events = {}, collections.defaultdict(threading.Event)
local, variable = threading.local(), contextvars.ContextVar("variable", default=None)
inside = most = 0


def say(text):
    os.write(2, f"{text}\\n".encode())


def meet(name, parties):
    """Wait until so many are here at the same time."""
    with lock:
        barrier = barriers.setdefault(name, threading.Barrier(int(parties)))
    return barrier.wait(PATIENCE)


def wait(name):
    with lock:
        event = events[name]
    say(f"waiting for {name}")
    if not event.wait(PATIENCE):
        raise TimeoutError(name)


class counted:
    """How many threads are in here at once, and the most there were."""

    def __enter__(self):
        global inside, most
        with lock:
            inside += 1
            most = max(most, inside)

    def __exit__(self, *_):
        global inside
        with lock:
            inside -= 1


class Closing:
    """Pieces, with something to do at the close."""

    def __init__(self, pieces, close):
        self.pieces, self.close = iter(pieces), close

    def __iter__(self):
        return self.pieces


def about_thread():
    thread = threading.current_thread()
    return {"name": thread.name, "id": threading.get_native_id(), "listed": thread in threading.enumerate()}


# --- What a path does: each gets the words behind it, and returns a body or a piece by piece of it ---

def do_meet(name, parties):
    meet(name, parties)
    return json.dumps(about_thread())

def do_wait(name):
    wait(name)
    return "waited"

def do_set(name):
    with lock:
        events[name].set()
    return "set"

def wait_for_file(name):
    say(f"waiting for {name}")
    end = time.monotonic() + PATIENCE
    while not os.path.exists(os.path.join(HERE, name)):
        assert time.monotonic() < end
        time.sleep(0.01)

def do_wait_for_file(name):
    wait_for_file(name)
    return "found"

def do_stream_until_file(name):
    yield b"first "
    wait_for_file(name)
    yield b"second"

def do_count():
    with counted():
        time.sleep(0.01)
    return str(most)

def do_count_pieces():
    for _ in range(5):
        with counted():
            time.sleep(0.002)
        yield b"x"
    yield str(most).encode()

def do_threads():
    return json.dumps(sorted(thread.name for thread in threading.enumerate()))

def do_stream(name):
    yield b"first "
    wait(name)
    yield b"second"

def do_close(name, kind):
    def close():
        wait(name)
        say(f"closed {name}")
    return Closing([b"whole ", b"answer"], close)

def do_raise(name, number, parties):
    meet(name, parties)
    raise ValueError(f"{name} {number}")

def do_keep(name, number, parties):
    """What a thread or a context keeps is not another request's."""
    before = getattr(local, "value", None), variable.get()
    local.value = number
    variable.set(number)
    meet(name, parties)
    return json.dumps([local.value, variable.get()])

def do_context(name, number, parties):
    """As frameworks do it that keep a context while they stream."""
    token = variable.set(number)
    for _ in range(3):
        meet(name, parties)
        assert variable.get() == number, f"{variable.get()} in the place of {number}"
        yield number.encode()
    variable.reset(token)

def do_context_alone(number):
    token = variable.set(number)
    for _ in range(20):
        assert variable.get() == number, f"{variable.get()} in the place of {number}"
        yield number.encode() * 50_000
    variable.reset(token)

def do_same_thread(name, parties):
    ids = [threading.get_ident()]
    def pieces():
        for _ in range(3):
            meet(name, parties)
            ids.append(threading.get_ident())
            yield b"x" * 100_000
    def close():
        ids.append(threading.get_ident())
        say(f"in {len(set(ids))} threads at {len(ids)} times")
    return Closing(pieces(), close)

def do_sql(name, number, parties):
    if not hasattr(local, "connection"):
        local.connection = sqlite3.connect(os.path.join(HERE, "data.sqlite"), timeout=PATIENCE)
    local.connection.execute("CREATE TABLE IF NOT EXISTS data(number INTEGER)")
    meet(name, parties)
    with local.connection:
        local.connection.execute("INSERT INTO data VALUES (?)", [int(number)])
    return str(local.connection.execute("SELECT sum(number) FROM data").fetchone()[0])

def do_sql_pieces():
    """A connection refuses every thread but its own."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE data(number INTEGER)")
    for number in range(10):
        connection.execute("INSERT INTO data VALUES (?)", [number])
        yield b"x" * 50_000
    yield str(connection.execute("SELECT sum(number) FROM data").fetchone()[0]).encode()
    connection.close()

def do_blocks(number):
    return Closing((bytes([i % 256]) * 65_536 for i in range(int(number))), lambda: say("closed blocks"))

def do_gone(name, kind):
    """An answer for somebody who has left."""
    wait(name)
    pieces = [b"x" * 10_000] * 100
    if kind == "list":
        return "x" * 100_000
    if kind == "raises":
        raise ValueError("nobody hears this")
    return Closing(iter(pieces), lambda: say(f"closed {name}"))

def do_recursion(name, parties, kind):
    meet(name, parties)
    def down(n):
        return n and 1 + down(n - 1)
    if kind == "python":
        return down(10 ** 7)
    if kind == "fits":
        return str(down(800) + json.loads("[" * 300 + "1" + "]" * 300).__repr__().count("["))
    nested = []
    for _ in range(300_000):
        nested = [nested]
    return json.dumps(nested)

def do_asyncio(name, parties):
    async def main():
        await asyncio.sleep(0)
        return "from a loop"
    meet(name, parties)
    return asyncio.run(main())

def do_subprocess(name, parties):
    meet(name, parties)
    return subprocess.run([sys.executable, "-c", "print(6 * 7)"], check=True, capture_output=True, text=True).stdout

def do_environ():
    return json.dumps({key: environ_of.value[key] for key in
                       ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once")})


environ_of = threading.local()


def app(environ, start_response):
    environ_of.value = environ
    action, *words = environ["PATH_INFO"].strip("/").split("/")
    body = globals()["do_" + action.replace("-", "_")](*words) if action else "hello"
    if not isinstance(body, str):
        length = [("Content-Length", "12")] if words[1:] == ["length"] else []
        start_response("200 OK", TEXT + length)
        return body
    start_response("200 OK", TEXT + [("Content-Length", str(len(body)))])
    return [body.encode()]
'''


@pytest.fixture
def folder(application):
    return application(APPLICATION)


@pytest.fixture
def serve_threads(serve, folder):
    """serve_threads(number of threads, *options) -> Server."""

    def start(threads, *options, workers=1):
        return serve("app:app", "--workers", workers, "--blocking-threads", threads, *options, "--working-dir", folder)

    return start


@pytest.fixture
def server(serve_threads):
    return serve_threads(8)


def get(server, path):
    """The answer to a GET on a connection of its own."""
    with Peer(server) as peer:
        return peer.ask(request("GET", path))


def body(server, path):
    answer = get(server, path)
    assert answer.status == 200, answer
    return answer.body.decode()


@contextlib.contextmanager
def at_once():
    """A function that starts a call in the background and gives its future; all must have ended by the end."""
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        yield pool.submit


def ask_together(server, paths, asking=body):
    """What the answers to these requests are, all of them sent at once."""
    with at_once() as start:
        return [future.result() for future in [start(asking, server, path) for path in paths]]


def tasks(server):
    """{id: name} of the threads of the only worker, as the system sees them."""
    (worker,) = server.workers()
    found = {}
    for task in os.listdir(f"/proc/{worker}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{worker}/task/{task}/comm") as file:
                found[int(task)] = file.read().strip()
    return found


def leave(peer):
    """Close it without a farewell."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


# --- How many at once ---


@pytest.mark.parametrize("threads", [2, 8, 40])
def test_handlers_overlap(serve_threads, threads):
    """Nobody passes the barrier unless all of them run at the same time; three times over."""
    server = serve_threads(threads)
    for turn in range(3):
        ids = {json.loads(seen)["id"] for seen in ask_together(server, [f"/meet/{turn}/{threads}"] * threads)}
        assert len(ids) == threads


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_never_more_than_that(serve_threads, threads):
    server = serve_threads(threads)
    counts = ask_together(server, ["/count"] * 60 + ["/count-pieces"] * 20)
    assert max(int(count.lstrip("x")) for count in counts) <= threads


def test_one_connection_is_one_after_the_other(server):
    """What is pipelined behind a request may depend on it."""
    with Peer(server) as peer:
        peer.send(request("GET", "/count") * 30)
        assert [peer.answer().body for _ in range(30)] == [b"1"] * 30


@pytest.mark.parametrize("threads, multithread", [(1, False), (2, True), (8, True)])
@pytest.mark.parametrize("workers, multiprocess", [(1, False), (2, True)])
def test_environ_tells_it(serve_threads, threads, multithread, workers, multiprocess):
    server = serve_threads(threads, workers=workers)
    assert json.loads(body(server, "/environ")) == {
        "wsgi.multithread": multithread, "wsgi.multiprocess": multiprocess, "wsgi.run_once": False}


# --- What blocks stops nobody else ---


def test_blocked_handler(serve_threads):
    server = serve_threads(2)
    with at_once() as start:
        blocked = start(body, server, "/wait/it")
        server.wait_for("waiting for it")
        assert ask_together(server, ["/"] * 50) == ["hello"] * 50
        assert not blocked.done()
        assert body(server, "/set/it") == "set"
        assert blocked.result() == "waited"


def test_seven_blocked_handlers(server):
    with at_once() as start:
        blocked = [start(body, server, f"/wait/{i}") for i in range(7)]
        for i in range(7):
            server.wait_for(f"waiting for {i}")
        assert ask_together(server, ["/"] * 50) == ["hello"] * 50
        for i in reversed(range(7)):
            assert body(server, f"/set/{i}") == "set"
            assert blocked[i].result() == "waited"


def test_all_of_them_blocked(serve_threads, folder):
    """What needs no handler is done all the same, and what needs one waits for it and is not lost."""
    server = serve_threads(2)
    with at_once() as start, Peer(server) as idle, Peer(server) as sending:
        assert idle.ask(request("GET", "/")).body == b"hello"
        blocked = [start(body, server, "/wait-for-file/go") for _ in range(2)]
        eventually(lambda: server.log.count("waiting for go") == 2)
        sending.send(request("POST", "/", b"x" * 3_000_000))  # is taken
        assert idle.ask(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400
        with Peer(server) as peer:
            assert peer.ask(request("POST", "/", None, "Content-Length: 99999999999")).status == 413
        waiting = [start(body, server, "/") for _ in range(20)]
        assert not any(future.done() for future in blocked + waiting)
        (folder / "go").touch()
        assert [future.result() for future in blocked] == ["found"] * 2
        assert [future.result() for future in waiting] == ["hello"] * 20
        assert sending.answer().body == b"hello"


def test_client_that_leaves_the_queue(serve_threads, folder):
    """Before its turn has come: nobody waits for it, and the others' turn comes."""
    server = serve_threads(1)
    with at_once() as start:
        blocked = start(body, server, "/wait-for-file/go")
        server.wait_for("waiting for go")
        for number in range(20):
            peer = Peer(server)
            peer.send(request("GET", "/"))
            leave(peer) if number % 2 else peer.socket.close()
        waiting = start(body, server, "/")
        (folder / "go").touch()
        assert (blocked.result(), waiting.result()) == ("found", "hello")


def test_generator_that_blocks(serve_threads):
    server = serve_threads(2)
    with Peer(server) as peer:
        peer.send(request("GET", "/stream/it"))
        head = peer.head()
        assert peer.until(b"first ") is not None  # out while the second piece is not there
        server.wait_for("waiting for it")
        assert ask_together(server, ["/"] * 50) == ["hello"] * 50
        assert body(server, "/set/it") == "set"
        assert head.get("Transfer-Encoding") == "chunked" and b"second" in peer.until(b"0\r\n\r\n")


@pytest.mark.parametrize("kind", ["chunked", "length"])
def test_close_that_blocks(serve_threads, kind):
    """It comes when the client has the whole answer, which waits for it no more than others do."""
    server = serve_threads(2)
    with Peer(server) as peer:
        answer = peer.ask(request("GET", f"/close/it/{kind}"))
        assert answer.body == b"whole answer"
        server.wait_for("waiting for it")
        assert "closed it" not in server.log
        assert ask_together(server, ["/"] * 50) == ["hello"] * 50
        assert body(server, "/set/it") == "set"
        server.wait_for("closed it")
        assert peer.ask(request("GET", "/")).body == b"hello"


# --- Threads come and go ---


def test_threads_start_on_demand_and_end(serve_threads):
    server = serve_threads(8, "--blocking-threads-idle-timeout", "3s")
    # It says that it serves before it has its second thread; the log has one, too.
    eventually(lambda: len(tasks(server)) >= 3)
    before = len(tasks(server))
    with Peer(server) as peer:
        for _ in range(200):
            assert peer.ask(request("GET", "/")).body == b"hello"
    # One that answers while another looks after the connections.
    few = before + 1
    assert len(tasks(server)) <= few, "nobody asked for two things at once"
    for turn in range(2):
        ask_together(server, [f"/meet/{turn}/8"] * 8)
        assert 8 <= len(tasks(server)) <= before + 8
        eventually(lambda: len(tasks(server)) <= few)
        # Python has forgotten them as well.
        assert len(json.loads(body(server, "/threads"))) <= few


def test_names(server):
    """Tools that show threads (top -H, py-spy, a traceback) shall say whose they are."""
    seen = [json.loads(text) for text in ask_together(server, ["/meet/here/8"] * 8)]
    names = [thread["name"] for thread in seen]
    assert len(set(names)) == 8, "each has its own"
    assert not any(name.startswith("Dummy-") for name in names), "threads that Python thinks are somebody else's"
    assert all(thread["listed"] for thread in seen)
    by_id = tasks(server)
    (worker,) = server.workers()
    comms = [by_id[thread["id"]] for thread in seen if thread["id"] != worker]
    assert len(comms) >= 7 and all(comms)
    assert by_id[worker] not in comms, "they look like the process"


ALONE = '''
import sqlite3, time
connection = sqlite3.connect(":memory:")  # refuses every thread but this one
inside = 0

def pieces():
    for _ in range(20):
        yield str(connection.execute("SELECT 1").fetchone()[0]).encode() * 50_000

def app(environ, start_response):
    global inside
    inside += 1
    try:
        assert inside == 1, "two at once"
        if environ["PATH_INFO"] == "/slow":
            time.sleep(0.005)
        body = pieces() if environ["PATH_INFO"] == "/pieces" else [
            str(connection.execute("SELECT 1").fetchone()[0]).encode()]
    finally:
        inside -= 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body
'''


def test_one_thread_is_always_the_same(application, serve):
    """What an application has made when it was loaded is its thread's, and there is no other."""
    server = serve("app:app", "--workers", 1, "--blocking-threads", 1, "--working-dir", application(ALONE))

    def visit(path):
        with Peer(server) as peer:
            for _ in range(20):
                assert peer.ask(request("GET", path)).body == b"1" * (1_000_000 if path == "/pieces" else 1)

    with at_once() as start:
        visits = [start(visit, path) for path in ["/slow", "/quick", "/pieces"] * 4]
        for each in visits:
            each.result()


# --- The end ---


@pytest.mark.parametrize("path, expected", [("/wait-for-file/go", "found"), ("/stream-until-file/go", "first second")])
def test_blocked_requests_are_finished_at_the_end(server, folder, path, expected):
    """Within the graceful time, and their clients get all of their answers."""
    with at_once() as start:
        blocked = [start(body, server, path) for _ in range(5)]
        eventually(lambda: server.log.count("waiting for go") == 5)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        assert not any(future.done() for future in blocked)
        (folder / "go").touch()
        assert [future.result() for future in blocked] == [expected] * 5
    assert server.stop() == 0


def test_deadline_ends_blocked_handlers(serve_threads):
    server = serve_threads(8, "--graceful-timeout", "300ms")
    peers = [Peer(server) for _ in range(8)]
    for number, peer in enumerate(peers):
        peer.send(request("GET", f"/wait/never-{number}"))
    for number in range(8):
        server.wait_for(f"waiting for never-{number}")
    assert server.stop() == 0
    for peer in peers:
        peer.socket.close()


# --- Each request by itself ---


def test_exceptions_at_once(server):
    for turn in range(5):
        answers = ask_together(server, [f"/raise/turn-{turn}/{i}/8" for i in range(8)], get)
        assert [(answer.status, answer.body) for answer in answers] == [(500, b"500 Internal Server Error\n")] * 8
        for number in range(8):
            # Whole, and behind the request it belongs to.
            server.wait_for(rf"exception while answering GET /raise/turn-{turn}/{number}/8\n"
                            rf"Traceback .*\n(?:  .*\n)+ValueError: turn-{turn} {number}\n")
    assert server.log.count("Traceback (most recent call last):") == 40
    assert ask_together(server, ["/meet/after/8"] * 8)


def test_thread_locals_and_contexts_are_apart(server):
    for turn in range(5):
        values = [f"{turn}-{i}" for i in range(8)]
        seen = ask_together(server, [f"/keep/{turn}/{value}/8" for value in values])
        assert [json.loads(text) for text in seen] == [[value, value] for value in values]


def test_contexts_of_generators_are_apart(server):
    """A token is good only in its context: call, pieces and close() of a request run in one."""
    for turn in range(3):
        values = [f"{turn}-{i}" for i in range(8)]
        answers = ask_together(server, [f"/context/{turn}/{value}/8" for value in values])
        assert answers == [value * 3 for value in values]
    assert "Traceback" not in server.log


def test_request_stays_in_its_thread(server):
    """From the call to close(): what belongs to a thread (a database connection, a lock) goes on working."""
    assert ask_together(server, ["/same-thread/here/8"] * 8) == ["x" * 300_000] * 8
    eventually(lambda: server.log.count("in 1 threads at 5 times") == 8)


def test_sqlite_connection_of_each_thread(server):
    server.keeps = "threads have connections to their database"
    for turn in range(3):
        sums = ask_together(server, [f"/sql/{turn}/{i}/8" for i in range(8)])
        assert max(map(int, sums)) == 28 * (turn + 1)
    assert ask_together(server, ["/sql-pieces"] * 16) == ["x" * 500_000 + "45"] * 16


@pytest.mark.parametrize("kind, outcome", [("python", "RecursionError"), ("json", "RecursionError|Stack overflow"),
                                           ("fits", None)])
def test_deep_recursion(server, kind, outcome):
    """Their stacks are as good as the main thread's, and their ends are seen."""
    answers = ask_together(server, [f"/recursion/{kind}/8/{kind}"] * 8, get)
    if outcome is None:
        assert [answer.body for answer in answers] == [b"1100"] * 8
        return
    assert [answer.status for answer in answers] == [500] * 8
    server.wait_for(outcome)
    assert ask_together(server, ["/meet/after/8"] * 8)
    assert "has died" not in server.log and "killed by" not in server.log


def test_event_loops_at_once(server):
    assert ask_together(server, ["/asyncio/here/8"] * 8) == ["from a loop"] * 8


def test_subprocesses_at_once(server):
    assert ask_together(server, ["/subprocess/here/8"] * 8) == ["42\n"] * 8


def test_context_of_one_generator(serve_threads):
    """Also when it is alone, whichever thread goes on with it."""
    server = serve_threads(8)
    for turn in range(10):
        assert body(server, f"/context-alone/{turn}") == f"{turn}" * 50_000 * 20
    assert "Traceback" not in server.log


def test_flask_streams_with_its_context(packed, debian_packages, serve, tmp_path):
    """stream_with_context() pushes and pops a context variable around the pieces."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/app.py").write_text('''
import threading
from flask import Flask, request, stream_with_context

app = Flask(__name__)
together = threading.Barrier(8)

@app.get("/<name>")
def page(name):
    def pieces():
        for _ in range(3):
            together.wait(30)
            yield request.view_args["name"] + " "
    return stream_with_context(pieces())
''')
    server = serve("--workers", 1, "--blocking-threads", 8,
                   binary=packed(tmp_path / "source", "--with", debian_packages(*FLASK), name="streams"))
    assert ask_together(server, [f"/{i}" for i in range(8)]) == [f"{i} " * 3 for i in range(8)]
    assert "Traceback" not in server.log


# --- Clients that come and go ---


def test_many_stream_while_others_abort(server):
    def abort(server, path):
        peer = Peer(server, receive_buffer=8192)
        peer.send(request("GET", path))
        peer.take(100_000)
        leave(peer)

    expected = b"".join(bytes([i % 256]) * 65_536 for i in range(100))
    for turn in range(1, 3):
        with at_once() as start:
            whole = [start(get, server, "/blocks/100") for _ in range(16)]
            for aborting in [start(abort, server, "/blocks/1000") for _ in range(16)]:
                aborting.result()
            assert all(future.result().body == expected for future in whole)
        eventually(lambda: server.log.count("closed blocks") == 32 * turn)
    assert "Traceback" not in server.log
    assert ask_together(server, ["/meet/after/8"] * 8)


def test_clients_that_do_not_read_hold_up_nobody(server):
    """More of them than there are threads, each with an answer that it does not take."""
    peers = [Peer(server, receive_buffer=4096) for _ in range(20)]
    for peer in peers:
        peer.send(request("GET", "/blocks/1000"))
        assert peer.head().status == 200
    assert ask_together(server, ["/"] * 50) == ["hello"] * 50
    for peer in peers:
        leave(peer)
    eventually(lambda: server.log.count("closed blocks") == 20)


@pytest.mark.parametrize("kind", ["list", "iterable", "raises"])
def test_client_that_leaves_while_its_handler_runs(server, kind):
    (worker,) = server.workers()
    body(server, "/")
    descriptors = server.descriptors(worker)
    for turn in range(3):
        names = [f"{turn}-{i}" for i in range(5)]
        for number, name in enumerate(names):
            peer = Peer(server)
            peer.send(request("GET", f"/gone/{name}/{kind}"))
            server.wait_for(f"waiting for {name}\n")
            leave(peer) if number % 2 else peer.socket.close()
        assert body(server, "/") == "hello"
        for name in names:
            assert body(server, f"/set/{name}") == "set"
            if kind == "iterable":
                server.wait_for(f"closed {name}\n")
    eventually(lambda: server.descriptors(worker) <= descriptors)
    assert ask_together(server, ["/meet/after/8"] * 8)
    assert server.workers() == [worker]


def test_clients_that_leave_at_once(server):
    """Hundreds, at every moment of a request's life."""
    (worker,) = server.workers()

    def come_and_go(number):
        for i in range(50):
            peer = Peer(server)
            data = request("GET", ("/", "/count", "/blocks/3", "/count-pieces")[i % 4]) * (1 + number % 3)
            peer.send(data[:len(data) - (i % 5 == 0)])
            leave(peer) if i % 2 else peer.socket.close()

    with at_once() as start:
        for future in [start(come_and_go, number) for number in range(10)]:
            future.result()
    assert ask_together(server, ["/meet/after/8"] * 8)
    assert server.workers() == [worker]
