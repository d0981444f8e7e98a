"""Whether a server lives and takes requests, asked by whoever watches over it: also where the application answers
nothing any more."""

import os
import signal

import pytest
from metrics_reader import Metrics
from raw_client import Peer, request
from server import eventually
from test_metrics import HERE, SOURCES, WSGI, Waiting
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

LIVE, READY = "/health/live", "/health/ready"


@pytest.fixture(params=SOURCES)
def start(request, application, serve):
    """start(*options) -> Server of either application, one worker."""

    def start_one(*options, workers=1):
        folder = application(SOURCES[request.param])
        server = serve("app:app", "--workers", workers, "--working-dir", folder, *options)
        server.folder, server.interface = folder, request.param
        return server

    return start_one


def ask(server, path, method="GET"):
    """The answer on a connection of its own."""
    with Peer(server) as peer:
        return peer.ask(request(method, path))


def test_well(start):
    server = start()
    for path in (LIVE, READY, f"{READY}?verbose=1"):
        answer = ask(server, path)
        assert (answer.status, answer.body, answer.get("Cache-Control")) == (200, b"ok\n", "no-store")
        assert answer.get("Content-Type") == "text/plain; charset=utf-8"
        head = ask(server, path, "HEAD")
        assert (head.status, head.body, head.get("Content-Length")) == (200, b"", "3")
    refused = ask(server, LIVE, "POST")
    assert refused.status == 405 and refused.get("Allow") == "GET, HEAD"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_on_each_listener(serve_everywhere, transport):
    everywhere = serve_everywhere("lifetimes:app")
    assert everywhere.ask(READY, transport=transport).body == b"ok\n"


def test_other_paths(start):
    server = start("--health-live", "/alive", "--health-ready", "/internal/ready")
    assert ask(server, "/alive").body == ask(server, "/internal/ready").body == b"ok\n"
    for target in ("/%61live", "http://localhost/alive", "HTTP://other:1/alive?x", "/internal/%72eady"):
        assert ask(server, target).body == b"ok\n"
    for path in (LIVE, READY, "/alive/", "/alivee", "/alive%2f", "//alive"):
        assert ask(server, path).body == b""  # the application's


def test_off(start):
    server = start("--health-live", "off", "--health-ready=off", *HERE)
    for path in (LIVE, READY, "/off", "off"):
        assert ask(server, path).status in (200, 400) and ask(server, path).body != b"ok\n"
    assert Metrics(server).ask(LIVE).status == 404


def test_bad_path(application, run):
    done = run("serve", "app:app", "--working-dir", application(WSGI), "--health-ready", "ready")
    assert done.returncode == 2 and 'must begin with "/"' in done.stderr and "--health-ready" in done.stderr


def test_all_threads_are_stuck(start):
    """As many requests as the application takes at once, and more."""
    server = start("--blocking-threads", 2, *HERE)
    metrics = Metrics(server)
    with Waiting(server, 5):
        server.wait_for("it waits")
        if server.interface == "wsgi":
            eventually(lambda: metrics.value('limpet_worker_requests_queued{worker="1"}') == 3)
        for path in (LIVE, READY):
            assert ask(server, path).status == 200
            assert metrics.ask(path).status == 200


def test_the_lock_is_kept(application, serve):
    """A call of C that lets no other thread of Python run, for years."""
    server = serve("lifetimes:app", "--workers", 1, "--working-dir",
                   os.path.join(os.path.dirname(__file__), "applications"), "--request-timeout", "3s",
                   "--workers-kill-timeout", "1s")
    with Peer(server) as peer:
        peer.send(request("GET", "/keep"))
        while peer.socket.gettimeout() and not server.log.count("has worked on"):
            assert ask(server, LIVE).status == ask(server, READY).status == 200
    server.stop(crashes=True)


def begun(server):
    """A connection with a request for readiness that lacks its last line: it is not closed as idle."""
    peer = Peer(server)
    peer.send(request("GET", READY)[:-2])
    return peer


def test_not_ready_while_it_stops(start):
    server = start()
    with Waiting(server), begun(server) as peer, begun(server) as other:
        server.wait_for("it waits")
        # Both have been read as far as they go: a request behind them on another connection has.
        assert ask(server, READY).status == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping|SIGTERM")
        eventually(lambda: not listens(server))
        peer.send(b"\r\n")
        answer = peer.answer()
        assert (answer.status, answer.body) == (503, b"no requests are taken\n")
        other.send(b"\r\n")
        assert other.answer().status == 503
    server.process.wait(60)


def listens(server):
    try:
        with Peer(server):
            return True
    except ConnectionRefusedError:
        return False


def test_ready_while_workers_are_replaced(start):
    server = start(workers=2)
    server.process.send_signal(signal.SIGUSR1)
    looks = 0
    while "serving app:app" not in server.log.partition("replac")[2] or looks < 10:
        assert ask(server, READY).status == 200
        looks += 1


SLOW_START = '''
import os

os.write(2, b"it is loaded\\n")
with open("loads") as loads:
    loads.read()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b""]
'''


def test_nobody_answers_before_it_serves(application, serve):
    """Who asks while the application is loaded has no answer, or waits: never one that it is ready."""
    folder = application(SLOW_START)
    os.mkfifo(folder / "loads")
    server = serve("app:app", "--workers", 1, "--working-dir", folder, "--port", 0, port=None, expect_start=False)
    server.wait_for("it is loaded")
    assert "serving" not in server.log
    (folder / "loads").write_text("")
    found = server.wait_for(r"serving app:app \(wsgi\) on http://127.0.0.1:(\d+)")
    server.url = f"http://127.0.0.1:{found[1]}"
    assert ask(server, READY).status == 200
