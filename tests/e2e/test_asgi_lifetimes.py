"""Ends of workers with an event loop: replaced without a client that notices, stopped with requests under way."""

import itertools
import os
import pathlib
import re
import signal

import pytest
from raw_client import Peer, request
from server import eventually
from steady_client import SteadyClient

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")


@pytest.fixture
def start(serve):
    """start(*options) -> Server of applications/asgi_lifetimes.py, one worker."""
    return lambda *options, **more: serve("asgi_lifetimes:app", "--workers", 1, "--working-dir", APPLICATIONS, *options,
                                          **more)


@pytest.fixture
def gate(tmp_path):
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def begin(server, target, said="begins"):
    """A connection with that request under way."""
    peer = Peer(server)
    seen = len(server.log)
    peer.send(request("GET", target))
    if said:
        eventually(lambda: f"{said} " in server.log[seen:])
    return peer


def terminate(server):
    server.process.send_signal(signal.SIGTERM)
    server.wait_for("SIGTERM: stopping")


def finish(server):
    """Wait for the end of a stop that has begun: a second signal would cut it short."""
    server.process.wait(60)
    server.stop()


def runs(bodies):
    """How many requests each process has answered, one after the other."""
    return [len(list(group)) for _, group in itertools.groupby(bodies)]


def check_lifespans(server):
    """Every process that has started up has shut down."""
    started, ended = (sorted(re.findall(rf"^{word} (\d+)$", server.log, re.M)) for word in ("startup", "shutdown"))
    assert started == ended and started, server.log


# --- replaced ---


@pytest.mark.parametrize("options", [["--workers-max-requests", 20], ["--workers-lifetime", "150ms"],
                                     ["--workers-max-requests", 20, "--preload"]])
def test_replaced_under_a_client(start, options):
    server = start(*options)
    with SteadyClient(server) as client, SteadyClient(server):
        client.wait_for(lambda bodies: len(runs(bodies)) > 3)
    server.stop()
    check_lifespans(server)
    assert "Traceback" not in server.log


def test_max_requests_are_counted(start):
    server = start("--workers-max-requests", 20)
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: len(runs(bodies)) > 3)
    server.stop()
    assert set(re.findall(r"has answered (\d+) requests, replacing it", server.log)) == {"20"}
    assert min(runs(client.bodies)[:-1]) >= 20


def test_replaced_all_the_time(start):
    """USR1 again and again, while clients come and go."""
    server = start("--workers", 2)
    with SteadyClient(server) as client:
        for _ in range(3):
            before = server.workers()
            server.process.send_signal(signal.SIGUSR1)
            eventually(lambda: not set(before) & set(server.workers()) and len(server.workers()) == 2)
        count = len(client.bodies)
        client.wait_for(lambda bodies: len(bodies) > count + 5)
    server.stop()
    check_lifespans(server)


@pytest.mark.parametrize("target", ["/wait?go", "/stream?go"])
def test_a_request_stays_with_its_worker(start, target):
    """It ends where it began; lifespan's end comes behind it."""
    server = start()
    old, = server.workers()
    with begin(server, target, "begins" if "wait" in target else None) as peer, Peer(server) as kept:
        if "stream" in target:
            head = peer.head()
            assert peer.take(8) == b"3\r\none\r\n"
        assert kept.ask(request("GET", "/")).body == str(old).encode()
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for(rf"startup (?!{old}\b)\d+\n")
        server.wait_for("by new workers|replacing all workers")
        # A connection that was kept is taken along until its next answer.
        assert kept.ask(request("GET", "/set?go")).body == b"set"
        if "stream" in target:
            assert peer.body(head) == b"two"
        else:
            assert peer.answer().body == str(old).encode()
    server.wait_for(rf"shutdown {old}\n")
    eventually(lambda: server.workers() and old not in server.workers())
    server.stop()
    check_lifespans(server)


def test_reload_of_settings_changes_nothing(start):
    server = start()
    before = server.workers()
    with SteadyClient(server) as client:
        server.process.send_signal(signal.SIGHUP)
        count = len(client.bodies)
        client.wait_for(lambda bodies: len(bodies) > count + 20)
    assert server.workers() == before and "shutdown" not in server.log


def test_killed(start):
    """Another takes its place, and starts up."""
    server = start()
    pid, = server.workers()
    os.kill(pid, signal.SIGKILL)
    server.wait_for(rf"startup (?!{pid}\b)\d+\n")
    assert int(server.get().read()) != pid


# --- stopped ---


def test_stopped_with_a_request_under_way(start, gate):
    """It is answered; those that wait for a next one are closed."""
    server = start()
    with begin(server, f"/gate?{gate}") as peer, Peer(server) as idle:
        assert idle.ask(request("GET", "/")).status == 200
        terminate(server)
        assert idle.ended()
        gate.write_text("")
        assert peer.answer().body.isdigit()
    finish(server)
    order = [server.log.index(word) for word in ("begins", "ends", "shutdown ")]
    assert order == sorted(order)


def test_stopped_while_idle(start):
    server = start("--graceful-timeout", "60s")
    with Peer(server) as idle:
        assert idle.ask(request("GET", "/")).status == 200
        terminate(server)
        assert idle.ended()
    finish(server)
    check_lifespans(server)


@pytest.mark.parametrize("target", ["/forever", "/forever?begun"])
def test_a_request_that_never_ends(start, target):
    """Is cancelled near the end of that time, and can clean up; lifespan shutdown still runs."""
    server = start("--graceful-timeout", "3s")
    pid, = server.workers()
    with begin(server, target) as peer:
        terminate(server)
        if "begun" in target:
            head = peer.head()
            assert head.status == 200 and not peer.rest().endswith(b"0\r\n\r\n")
        else:
            try:
                assert peer.answer().status in (500, 503)
            except (EOFError, ConnectionError):
                pass
    finish(server)
    order = [server.log.index(f"{word} {pid}\n") for word in ("begins", "cancelled", "cleaned up", "shutdown")]
    assert order == sorted(order)
    assert "SIGKILL" not in server.log


def test_an_answer_to_being_cancelled(start):
    """It still goes out."""
    server = start("--graceful-timeout", "3s")
    with begin(server, "/hurry") as peer:
        terminate(server)
        assert peer.answer().body == b"in a hurry"
    finish(server)
    check_lifespans(server)


def test_one_that_will_not_be_cancelled(start):
    """Nobody waits for it longer than was said."""
    server = start("--graceful-timeout", "3s")
    with begin(server, "/stubborn") as peer:
        terminate(server)
        server.wait_for(r"goes on \d+\n")
        assert peer.answer().status == 503 and peer.ended()
    server.process.wait(60)
    server.stop(expected=server.process.returncode)


def test_many_that_never_end(start):
    server = start("--graceful-timeout", "3s")
    peers = [begin(server, "/forever") for _ in range(30)]
    terminate(server)
    finish(server)
    for peer in peers:
        peer.socket.close()
    assert server.log.count("cleaned up") == 30
    check_lifespans(server)


def test_tasks_left_behind(start):
    """They hold up no stop, and are cancelled at its end."""
    server = start("--graceful-timeout", "60s")
    assert server.get("/background").read() == b"left"
    server.stop()
    assert server.log.index("background ended") > server.log.index("shutdown ")


def test_all_tasks_cancelled_by_the_application(start):
    """Requests and lifespan among them: the server goes on."""
    server = start()
    with begin(server, "/forever") as peer:
        assert server.get("/cancel-all").read() == b"cancelled"
        server.wait_for("cleaned up")
        try:
            assert peer.answer().status in (500, 503)
        except EOFError:
            pass
    assert server.get().status == 200
    server.stop()


def test_a_second_signal_stops_at_once(start):
    server = start("--graceful-timeout", "1h")
    with begin(server, "/stubborn"):
        terminate(server)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping at once")
        server.process.wait(60)
    server.stop(expected=server.process.returncode)


def test_kept_connections_end_with_their_next_answer(start):
    """While the worker drains: closed, and said so."""
    server = start(environment={**os.environ, "HOOKS": "1"})
    old, = server.workers()
    with begin(server, "/wait?go") as held, Peer(server) as kept:
        assert kept.ask(request("GET", "/")).closes is False
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for(f"hook on_worker_stop {old}\n")
        kept.send(request("GET", "/set?go"))
        answer = kept.answer()
        assert answer.body == b"set"
        assert answer.closes and kept.ended()
        assert held.answer().body == str(old).encode()


def test_hooks(start, gate):
    server = start(environment={**os.environ, "HOOKS": "1"})
    pid, = server.workers()
    with begin(server, f"/gate?{gate}") as peer:
        terminate(server)
        server.wait_for(f"hook on_worker_stop {pid}\n")  # while the request goes on
        gate.write_text("")
        assert peer.answer().body == str(pid).encode()
    finish(server)
    order = [server.log.index(f"{word} {pid}\n") for word in
             ("hook on_worker_start", "startup", "hook on_worker_stop", "ends", "shutdown")]
    assert order == sorted(order)
