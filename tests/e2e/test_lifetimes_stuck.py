"""Applications that do not get on: with a request, and with being loaded. What the client of it gets, what the others
do, what the operator reads, and when the process is gone."""

import os
import pathlib
import re
import signal

import pytest
from raw_client import Peer, request
from server import eventually, is_sanitized
from steady_client import SteadyClient

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
# Long enough for a whole worker on a busy machine, and for one that hangs what a test waits for.
START_TIMEOUT = "15s" if is_sanitized() else "5s"

# path: the functions that the traceback of every thread has, innermost first
HANGING = {
    "/turn": ["turn_for_ever", "app"],
    "/sleep": ["sleep_for_ever", "app"],
    "/keep": ["match", "keep_the_lock", "app"],
    "/piece": ["hang_after_piece"],
    "/close": ["close"],
}
DUMP = r"where each thread of the application is:\n((?:(?:Current t|T)hread 0x\w+ .*\n(?:  .*\n)+\n?)+)"


@pytest.fixture
def start(serve):
    """start(*options) -> Server of applications/lifetimes.py with two workers that get a second for a request."""
    return lambda *options: serve("lifetimes:app", "--workers", 2, "--working-dir", APPLICATIONS, "--request-timeout",
                                  "1s", "--workers-kill-timeout", "1s", *options)


def peer_of_another(server, pid):
    """A connection to another worker than that, and its pid. Which worker a connection goes to is not ours to say."""
    for _ in range(1000):
        peer = Peer(server)
        other = int(peer.ask(request("GET", "/")).body)
        if other != pid:
            return peer, other
        peer.socket.close()
    raise AssertionError("one worker takes all connections")


def stuck_answer(peer, path):
    """What the client of such a request sees, checked: the answer's head, or None where there cannot be any."""
    peer.send(request("GET", path))
    if path == "/stop":
        assert peer.ended()
        return
    head = peer.head()
    if path == "/piece":
        assert head.status == 200 and peer.rest() == b"B\r\nfirst piece\r\n"  # cut: no last chunk
    elif path == "/close":
        assert head.status == 200 and peer.body(head) == b"all of it"
    else:
        assert head.status == 504 and head.closes and b"504" in peer.body(head) and peer.ended()


def functions_of(dump):
    """The functions of each thread in a dump, innermost first."""
    return [re.findall(r" in (\w+)$", thread, re.M) for thread in re.split(r"\n(?=(?:Current t|T)hread )", dump)]


@pytest.mark.parametrize("path", [*HANGING, "/stop"])
def test_stuck(start, path):
    server = start()
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: len(bodies) > 10)
        healthy = int(client.bodies[0])
        peer, stuck = peer_of_another(server, healthy)
        with peer:
            stuck_answer(peer, path)
        said = server.wait_for(rf"error .* worker \d \(pid {stuck}\) has worked on GET {path} for (\d\.\d) s, replacing it")
        assert float(said[1]) >= 1.0
        server.wait_for(rf"worker \d \(pid {stuck}\) (?:exited|killed)")
        eventually(lambda: len(server.workers()) == 2)
        count = len(client.bodies)
        client.wait_for(lambda bodies: len(bodies) > count + 10)
        assert set(client.bodies) == {str(healthy).encode()}
    assert healthy in server.workers() and server.log.count("replacing it") == 1
    assert len(re.findall(rf"worker \d \(pid {stuck}\) (?:exited|killed)", server.log)) == 1
    if path != "/stop":
        threads = functions_of(server.wait_for(DUMP)[1])
        assert HANGING[path] in threads and len(threads) >= 2, server.log
        assert f'{APPLICATIONS}/lifetimes.py", line' in server.log
        assert ("answered 504" in server.log) == (path not in ("/piece", "/close"))


def test_stopped_while_idle(serve):
    server = serve("lifetimes:app", "--workers", 1, "--working-dir", APPLICATIONS, "--request-timeout", "300ms",
                   "--workers-kill-timeout", "300ms")
    pid, = server.workers()
    os.kill(pid, signal.SIGSTOP)
    server.wait_for(rf"warning .* worker 1 \(pid {pid}\) was stopped by SIGSTOP")
    server.wait_for(rf"error .* worker 1 \(pid {pid}\) has been stopped for \d\.\d s, replacing it")
    server.wait_for(rf"worker 1 \(pid {pid}\) has not finished in time, killing it")
    server.wait_for(rf"worker 1 \(pid {pid}\) killed by SIGKILL")
    assert int(server.get().read()) != pid


def test_stopped_for_a_moment(serve):
    server = serve("lifetimes:app", "--workers", 1, "--working-dir", APPLICATIONS, "--request-timeout", "10s")
    pid, = server.workers()
    os.kill(pid, signal.SIGSTOP)
    server.wait_for(rf"worker 1 \(pid {pid}\) was stopped by SIGSTOP")
    os.kill(pid, signal.SIGCONT)
    server.wait_for(rf"worker 1 \(pid {pid}\) goes on")
    assert int(server.get().read()) == pid


def test_several_stuck_requests_are_one_replacement(start):
    server = start("--workers", 1)
    pid, = server.workers()
    with Peer(server) as one, Peer(server) as two, Peer(server) as three:
        for peer in (one, two, three):
            peer.send(request("GET", "/sleep"))
        assert [peer.answer().status for peer in (one, two, three)] == [504] * 3
    server.wait_for(rf"worker 1 \(pid {pid}\) exited with status 0")
    assert server.log.count("replacing it") == 1
    eventually(lambda: len(server.workers()) == 1)


def test_a_client_that_does_not_send_is_not_stuck(start):
    """The application reads a body that does not come: the client is waited for. What gives the worker a reason to
    give up others, an hour later, is no reason to give up this one."""
    server = start("--workers", 1, "--workers-kill-timeout", "0", "--graceful-timeout", "60s")
    pid, = server.workers()
    with Peer(server) as slow, Peer(server) as stuck:
        slow.send(request("POST", "/", None, "Content-Length: 4", "Expect: 100-continue"))
        assert slow.head().status == 100
        stuck.send(request("GET", "/sleep"))
        assert stuck.answer().status == 504
        # By now the first has been here for longer than that.
        slow.send(b"body")
        assert slow.answer().body == f"{pid}body".encode()
    server.stop()
    assert server.log.count("does not get on with it") == 1


# --- loading ---

MODULE = '''
import os, pathlib, time

TOLD = pathlib.Path(__file__).with_name("told").read_text()
if TOLD == "hang":
    time.sleep(1e9)
if TOLD == "fail":
    raise RuntimeError("failed as told")

def app(environ, start_response):
    body = TOLD.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def told(application):
    """The file that tells an application, when it is loaded, what to do."""
    file = application(MODULE, name="moody.py") / "told"
    file.write_text("one")
    return file


def serve_moody(serve, told, *options, **more):
    return serve("moody:app", "--workers", 2, "--working-dir", told.parent, "--workers-start-timeout", START_TIMEOUT,
                 *options, **more)


def test_an_application_that_hangs_at_start(run, told):
    told.write_text("hang")
    done = run("serve", "moody:app", "--port", 0, "--workers", 2, "--working-dir", told.parent,
               "--workers-start-timeout", "500ms")
    assert done.returncode == 1
    assert re.fullmatch(r"limpet: the application is not ready after 0\.5 s, killing it; give it more with "
                        r"--workers-start-timeout\n", done.stderr.splitlines(keepends=True)[-1]), done.stderr
    assert "Traceback" not in done.stderr


def test_an_application_that_fails_at_start(run, told):
    told.write_text("fail")
    done = run("serve", "moody:app", "--port", 0, "--workers", 2, "--working-dir", told.parent)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1 and "RuntimeError: failed as told" in done.stderr, done.stderr


def restart(server):
    server.process.send_signal(signal.SIGUSR1)


@pytest.mark.parametrize("mood, said", [
    ("hang", r"error .* worker 1 \(pid \d+\) is not ready after [\d.]+ s, killing it; give it more with "
             "--workers-start-timeout"),
    ("fail", "(?s)RuntimeError: failed as told.*error .* worker 1 cannot start: "),
])
def test_an_application_that_gets_worse(serve, told, mood, said):
    server = serve_moody(serve, told)
    before = server.workers()
    with SteadyClient(server) as client:
        told.write_text(mood)
        restart(server)
        server.wait_for(said)
        server.wait_for(rf"warning .* worker 1 \(pid ({before[0]}|{before[1]})\) goes on with what it has loaded")
        eventually(lambda: server.workers() == before)
        told.write_text("two")
        restart(server)
        server.wait_for(r"serving moody:app \(wsgi\) by new workers, after \d+\.\d\d s")
        count = len(client.bodies)
        client.wait_for(lambda bodies: b"two" in bodies[count:])
    assert set(client.bodies) == {b"one", b"two"}
    eventually(lambda: len(server.workers()) == 2 and not set(before) & set(server.workers()))
    assert server.log.count("replacing all workers") == 2
