"""The event loop of a worker is asyncio's own: whatever applications do with one, beside the requests that it serves."""

import ast
import itertools
import os
import signal

import pytest
from raw_client import request
from server import eventually, is_sanitized
from test_asgi_requests import is_resident_below, memory_kb

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

NAMES = map("l{}".format, itertools.count())  # of events, each used once


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_loop:app")


@pytest.fixture
def fresh(serve_everywhere):
    """One that this test may spoil."""
    return serve_everywhere("asgi_loop:app")


def see(everywhere, target):
    answer = everywhere.ask(target)
    assert answer.status == 200, everywhere.server.log[-3000:]
    return ast.literal_eval(answer.body.decode())


# --- what it is ---


def test_facts(everywhere):
    seen = see(everywhere, "/facts")
    expected = dict.fromkeys(seen, True)
    expected["closed"] = expected["debug"] = False
    assert seen == expected


@pytest.mark.parametrize("target, expected", [
    ("/processes", [300_000, 0, (b"out\n", b"err\n"), 7, -9, list(range(10))]),
    ("/signals", [[14, 14], True, False]),
    ("/streams", [50_005] * 4),
    ("/sockets", [2_000_000, b"y", True, False, True, b"through a pipe"]),
    ("/datagrams", b"a datagram"),
    ("/executors", ["for the thread", 3, True, "raised", 20, ("127.0.0.1", 80)]),
    ("/threadsafe", [100, True]),
    ("/groups", [[0, 1, 2], (1, 1), "timeout", "wait_for", (True, False), [1, 2]]),
    ("/order", ["eager", "here", "lazy", "callback", "eager again", "lazy again"]),
    ("/own_handler", ["division by zero"]),
    ("/misuse", [True] * 4),
    ("/run_in_thread", True),
    ("/ask_oneself", 20),
    ("/generator_dropped", "closed"),
    ("/primitives", [5, 45]),
    ("/many_tasks", 5000 * 4999 // 2),
])
def test_used(everywhere, target, expected):
    """Twice, since much is made at its first use."""
    seen = len(everywhere.server.log)
    for _ in range(2):
        assert see(everywhere, target) == expected
    assert "Traceback" not in everywhere.server.log[seen:] and " warning " not in everywhere.server.log[seen:]


def test_used_by_many_at_once(everywhere):
    targets = ["/processes", "/streams", "/sockets", "/executors", "/groups", "/threadsafe", "/primitives"] * 3
    peers = [everywhere.connect() for _ in targets]
    for peer, target in zip(peers, targets, strict=True):
        peer.send(request("GET", target))
    for peer, target in zip(peers, targets, strict=True):
        assert peer.answer().status == 200, target
        peer.socket.close()


def test_timers(everywhere):
    order, none_early, _ = see(everywhere, "/timers")
    assert order == [0, 0.0001, 0.005, 0.01, 0.02, 0.03] and none_early


def test_timers_are_not_rounded_up_by_much(everywhere):
    """At best, in twenty tries: less than what a clock of whole milliseconds twice over would add."""
    assert see(everywhere, "/idle_timers") < 5


def test_no_task_is_left(everywhere):
    before = see(everywhere, "/tasks")
    for target in ("/streams", "/groups", "/primitives"):
        see(everywhere, target)
    eventually(lambda: see(everywhere, "/tasks") <= before)


def test_descriptors(everywhere):
    pid = everywhere.pid()
    for target in ("/processes", "/streams", "/sockets", "/datagrams", "/signals"):
        see(everywhere, target)
    before = everywhere.server.descriptors(pid)
    for target in ("/processes", "/streams", "/sockets", "/datagrams", "/signals"):
        see(everywhere, target)
    eventually(lambda: everywhere.server.descriptors(pid) <= before)


# --- context variables ---


def test_context_is_the_requests_own(everywhere):
    """Also on one connection, one behind the other."""
    with everywhere.connect() as peer:
        for name in ("one", "two", "three"):
            seen = ast.literal_eval(peer.ask(request("GET", f"/context?{name}")).body.decode())
            assert seen == ["unset", name, name, name]
        peer.send(b"".join(request("GET", f"/context?{number}") for number in range(10)))
        for number in range(10):
            assert ast.literal_eval(peer.answer().body.decode())[0] == "unset"


def test_context_of_requests_side_by_side(everywhere):
    peers = [everywhere.connect() for _ in range(5)]
    for number, peer in enumerate(peers):
        peer.send(request("GET", f"/context_held?c{number}"))
        everywhere.server.wait_for(f"held c{number}\n")
    everywhere.set("release")
    for number, peer in enumerate(peers):
        assert ast.literal_eval(peer.answer().body.decode()) == ["unset", f"c{number}"]
        peer.socket.close()


# --- fairness ---


def test_a_busy_task_lets_others(everywhere):
    """asyncio.sleep(0) again and again: requests, timers and threads have their turn."""
    name = next(NAMES)
    with everywhere.connect() as peer:
        peer.send(request("GET", f"/spin?{name}"))
        everywhere.server.wait_for(f"spins {name}\n")
        assert see(everywhere, "/timers")[0] and see(everywhere, "/threadsafe") == [100, True]
        with everywhere.connect("tls") as other:
            assert other.ask(request("GET", "/ok")).body == b"ok"
        everywhere.set(name)
        assert peer.answer().body == b"True"


# --- what goes wrong in it ---


@pytest.mark.parametrize("target, said", [
    ("/uncaught_task", "RuntimeError: of a task that nobody awaits"),
    ("/uncaught_callback", "RuntimeError: of a callback"),
])
def test_uncaught(everywhere, target, said):
    """Logged with its traceback, and nothing else happens."""
    pid, seen = everywhere.pid(), len(everywhere.server.log)
    assert see(everywhere, target) == "left"
    eventually(lambda: said in everywhere.server.log[seen:])
    log = everywhere.server.log[seen:]
    assert "Traceback" in log and "asgi_loop.py" in log and ", in fail\n" in log
    assert see(everywhere, "/own_handler") and everywhere.pid() == pid


def test_exit_in_a_callback(fresh):
    """It cannot be passed on to anybody: the worker goes on, or another takes its place."""
    with fresh.connect() as peer:
        peer.send(request("GET", "/uncaught_exit"))
        try:
            assert peer.answer().status in (200, 500)
        except (EOFError, ConnectionResetError):
            pass
    fresh.server.wait_for("SystemExit: 9")
    assert fresh.ask("/ok").body == b"ok"


def test_stopped_by_the_application(fresh):
    """A loop that is to serve is no application's to stop."""
    pid = fresh.pid()
    for _ in range(3):
        assert see(fresh, "/stop") == "stopped"
    assert see(fresh, "/ask_oneself") == 20 and fresh.pid() == pid
    fresh.server.stop()


# --- settings ---


def test_debug_mode(serve_everywhere, tmp_path):
    """PYTHONASYNCIODEBUG, as the application's environment has it."""
    (tmp_path / "env").write_text("PYTHONASYNCIODEBUG=1\n")
    debugged = serve_everywhere("asgi_loop:app", "--env-files", tmp_path / "env")
    assert see(debugged, "/facts")["debug"] is True
    assert see(debugged, "/groups")[0] == [0, 1, 2] and see(debugged, "/streams")
    assert see(debugged, "/slow_callback") == "slow"
    debugged.server.wait_for(r"[Ee]xecuting .* took \d\.\d+ seconds")
    assert debugged.ask("/ok").body == b"ok"


# --- the end ---


def test_generators_are_closed_at_the_end(fresh):
    assert see(fresh, "/generator_left") == 1
    assert "generator closed" not in fresh.server.log
    fresh.server.stop()
    assert "generator closed\n" in fresh.server.log and "Traceback" not in fresh.server.log


def test_a_thread_finishes_at_a_graceful_stop(fresh, tmp_path):
    """And its request is answered."""
    os.mkfifo(tmp_path / "gate")
    with fresh.connect() as peer:
        peer.send(request("GET", f"/in_executor?{tmp_path}/gate"))
        fresh.server.wait_for("thread waits\n")
        fresh.server.process.send_signal(signal.SIGTERM)
        fresh.server.wait_for("SIGTERM: stopping")
        (tmp_path / "gate").write_text("")
        assert peer.answer().body == b"'from the thread'"
    fresh.server.process.wait(60)
    fresh.server.stop()


@pytest.mark.skipif(is_sanitized(), reason="it has its own idea of memory")
def test_a_loop_that_has_worked_a_lot_has_not_grown(everywhere):
    pid = everywhere.pid()
    for _ in range(3):
        see(everywhere, "/many_tasks")
    before = memory_kb(pid)
    for _ in range(5):
        see(everywhere, "/many_tasks")
    assert is_resident_below(pid, before + 10_000)
