"""Lifespan 2.0: startup before the first request, shutdown behind the last one, in every worker, and what fails in them."""

import ast
import os
import pathlib
import re
import signal

import pytest
from raw_client import Peer, request
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")


@pytest.fixture
def start(serve):
    """start(mood, *options) -> Server of applications/asgi_lifespan.py, one worker."""

    def start_in(mood="", *options, environment=(), **more):
        return serve("asgi_lifespan:app", "--workers", 1, "--working-dir", APPLICATIONS, *options,
                     environment={**os.environ, "MOOD": mood, **dict(environment)}, **more)

    return start_in


def ask(server, target):
    with Peer(server) as peer:
        return peer.ask(request("GET", target))


def see(server):
    return ast.literal_eval(ask(server, "/show").body.decode())


def finish(server):
    """Wait for the end of a stop that has begun: a second signal would cut it short."""
    server.process.wait(60)
    server.stop()


def order(log, *words):
    """The places of these words, which are there once each and in this order."""
    places = [log.index(word) for word in words]
    assert places == sorted(places), log
    assert all(log.count(word) == 1 for word in words), log


# --- as it should be ---


def test_from_start_to_end(start):
    server = start()
    seen = see(server)
    assert seen["loop"] and seen["keys"] == ["loop", "pid", "ticker", "ticks"] and seen["of"] == seen["pid"]
    assert ask(server, "/ticks").body == b"ticked"
    server.stop()
    pid = seen["pid"]
    order(server.log, f"scope ['asgi', 'state', 'type'] {{'version': '3.0', 'spec_version': '2.0'}} {{}} {pid}\n",
          f"told {{'type': 'lifespan.startup'}} {pid}\n", "serving asgi_lifespan:app",
          f"told {{'type': 'lifespan.shutdown'}} {pid}\n", f"ticker ended {pid}\n", f"shut down {pid}\n")
    assert "Traceback" not in server.log and " warning " not in server.log and " error " not in server.log


def test_not_ready_before_startup_has_ended(start, tmp_path):
    os.mkfifo(tmp_path / "gate")
    server = start("slow start", environment={"GATE": str(tmp_path / "gate")}, expect_start=False)
    server.wait_for("in startup")
    assert "serving" not in server.log
    (tmp_path / "gate").write_text("")
    server._wait_until_serving()
    assert see(server)["loop"]


def test_start_that_takes_too_long(run, tmp_path):
    os.mkfifo(tmp_path / "gate")
    done = run("serve", "asgi_lifespan:app", "--port", 0, "--workers", 1, "--working-dir", APPLICATIONS,
               "--workers-start-timeout", "1s", env={**os.environ, "MOOD": "slow start", "GATE": str(tmp_path / "gate")})
    assert done.returncode == 1 and "--workers-start-timeout" in done.stderr.splitlines()[-1], done.stderr


def test_each_worker_has_its_own(start):
    server = start("", "--workers", 2)
    pids = set(server.workers())
    assert len(pids) == 2
    server.stop()
    for pid in pids:
        order(server.log, f"told {{'type': 'lifespan.startup'}} {pid}\n", f"told {{'type': 'lifespan.shutdown'}} {pid}\n",
              f"shut down {pid}\n")


def test_shutdown_behind_the_last_request(start, tmp_path):
    os.mkfifo(tmp_path / "gate")
    server = start()
    with Peer(server) as peer:
        peer.send(request("GET", f"/wait?{tmp_path}/gate"))
        server.wait_for("request begins")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("SIGTERM: stopping")
        assert "lifespan.shutdown" not in server.log
        (tmp_path / "gate").write_text("")
        assert peer.answer().body == b"waited"
    finish(server)
    order(server.log, "request begins", "request ends", "told {'type': 'lifespan.shutdown'}", "shut down")


def test_a_shutdown_that_takes_its_time(start, tmp_path):
    """The server waits for it."""
    os.mkfifo(tmp_path / "gate")
    server = start("slow end", environment={"GATE": str(tmp_path / "gate")})
    server.process.send_signal(signal.SIGTERM)
    server.wait_for("told {'type': 'lifespan.shutdown'}")
    assert server.process.poll() is None
    (tmp_path / "gate").write_text("")
    finish(server)
    assert "shut down" in server.log


@pytest.mark.parametrize("signals", [[signal.SIGUSR1], [signal.SIGUSR1, signal.SIGUSR1]])
def test_workers_that_are_replaced(start, signals):
    server = start()
    for number in signals:
        before, = server.workers()
        server.process.send_signal(number)
        server.wait_for(rf"shut down {before}\n")
        eventually(lambda: server.workers() and before not in server.workers())
        after = see(server)
        assert after["pid"] != before and after["of"] == after["pid"]
        order(server.log, f"told {{'type': 'lifespan.startup'}} {after['pid']}\n",
              f"told {{'type': 'lifespan.shutdown'}} {before}\n")


def test_preload(start):
    """Workers alone have a loop, not the template."""
    server = start("", "--preload", "--workers", 2)
    seen = see(server)
    assert seen["loop"] and seen["of"] == seen["pid"]
    started = {int(pid) for pid in re.findall(r"told {'type': 'lifespan.startup'} (\d+)", server.log)}
    assert len(started) == 2 and seen["pid"] in started
    server.stop()
    assert {int(pid) for pid in re.findall(r"shut down (\d+)", server.log)} == started
    assert "Traceback" not in server.log


RELOADED = '''
import os
NUMBER = {number}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        os.write(2, b"startup %d\\n" % NUMBER)
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        os.write(2, b"shutdown %d\\n" % NUMBER)
        return await send({{"type": "lifespan.shutdown.complete"}})
    await send({{"type": "http.response.start", "status": 200}})
    await send({{"type": "http.response.body", "body": b"%d" % NUMBER}})
'''


def test_reload(serve, application):
    folder = application(RELOADED.format(number=1))
    server = serve("app:app", "--reload", "--working-dir", folder)
    assert ask(server, "/").body == b"1"
    application(RELOADED.format(number=2))
    server.wait_for("shutdown 1\n")
    eventually(lambda: ask(server, "/").body == b"2")
    server.stop()
    order(server.log, "startup 1\n", "startup 2\n", "shutdown 1\n", "shutdown 2\n")


def test_hooks_around_it(start):
    server = start(environment={"HOOKS": "1"})
    pid = see(server)["pid"]
    server.stop()
    order(server.log, f"hook on_worker_start {pid}", f"told {{'type': 'lifespan.startup'}} {pid}",
          f"told {{'type': 'lifespan.shutdown'}} {pid}")
    order(server.log, "hook on_start", "serving", "hook on_worker_stop", "hook on_stop")


# --- what fails at startup ---


@pytest.mark.parametrize("mood, message", [("fails", "no such database"), ("fails without a word", "startup")])
def test_startup_failed(run, mood, message):
    """The server does not start, and says what the application said."""
    done = run("serve", "asgi_lifespan:app", "--port", 0, "--workers", 1, "--working-dir", APPLICATIONS,
               env={**os.environ, "MOOD": mood})
    assert done.returncode == 1 and "serving" not in done.stderr
    assert message in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("lifespan.startup'") == 1, "tried once"


@pytest.mark.parametrize("mood", ["raises", "returns"])
def test_goes_on_without(start, mood):
    """An exception at startup: no lifespan, no events, no state."""
    server = start(mood)
    seen = see(server)
    assert seen["keys"] == [] and ask(server, "/ok").body == b"ok"
    server.stop()
    assert "lifespan.shutdown" not in server.log


def test_an_exit_at_startup(run):
    """Is meant."""
    done = run("serve", "asgi_lifespan:app", "--port", 0, "--workers", 1, "--working-dir", APPLICATIONS,
               env={**os.environ, "MOOD": "exits"})
    assert done.returncode != 0 and "SystemExit: 5" in done.stderr and "serving" not in done.stderr, done.stderr


def test_a_new_worker_whose_startup_fails(serve, application):
    """The old one goes on."""
    folder = application(RELOADED.format(number=1))
    server = serve("app:app", "--workers", 1, "--working-dir", folder)
    before = server.workers()
    failing = RELOADED.format(number=2).replace(
        '"lifespan.startup.complete"}', '"lifespan.startup.failed", "message": "not any more"}')
    application(failing)
    server.process.send_signal(signal.SIGUSR1)
    server.wait_for(r"worker 1 cannot start: .*not any more")
    server.wait_for(rf"worker 1 \(pid {before[0]}\) goes on with what it has loaded")
    assert ask(server, "/").body == b"1"
    eventually(lambda: server.workers() == before)


# --- what fails between ---


@pytest.mark.parametrize("mood", ["returns after startup", "cancelled"])
def test_a_lifespan_that_ends_early(start, mood):
    """Requests go on; there is nobody to tell of the end."""
    server = start(mood)
    assert see(server)["loop"] and ask(server, "/ticks").body == b"ticked"
    server.stop()
    assert "lifespan.shutdown" not in server.log


def test_a_lifespan_that_dies(start):
    server = start("dies")
    assert ask(server, "/set?die").status == 200
    server.wait_for("RuntimeError: the lifespan has died\n")
    assert see(server)["loop"]
    server.stop()
    assert "lifespan.shutdown" not in server.log


def test_startup_completed_twice(start):
    server = start("twice")
    server.wait_for(r"refused \w+")
    assert see(server)["loop"]
    server.stop()
    assert "shut down" in server.log


# --- what fails at shutdown ---


@pytest.mark.parametrize("mood, said", [
    ("raises at the end", "RuntimeError: raised at shutdown"),
    ("bad end", r"error .*could not say goodbye"),
])
def test_shutdown_failed(start, mood, said):
    """Is said, and changes nothing."""
    server = start(mood)
    assert see(server)["loop"]
    server.stop()
    assert re.search(said, server.log), server.log


def test_tasks_of_the_lifespan_are_ended(start):
    server = start("leaves its ticker")
    assert ask(server, "/ticks").body == b"ticked"
    server.stop()
    order(server.log, "shut down", "ticker ended")
    assert "was destroyed but it is pending" not in server.log


def test_a_shutdown_that_never_ends(start):
    """Ends with the time that a stop has."""
    server = start("hangs at the end", "--graceful-timeout", "2s")
    server.process.send_signal(signal.SIGTERM)
    server.wait_for("hangs")
    server.process.wait(60)
    assert "shut down" not in server.log
    server.stop(expected=server.process.returncode)


def test_receive_behind_the_end_never_returns(start):
    server = start("receives again")
    server.stop()
    assert "shut down" in server.log and "again" not in server.log
