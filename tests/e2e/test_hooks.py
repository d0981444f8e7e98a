"""limpet.hooks: what an application registers is called at its time, in its place, and what it raises is seen."""

import os
import re
import signal
import threading
import urllib.request

import pytest
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="is about what happens beside requests")

KINDS = ["on_start", "on_worker_start", "on_worker_stop", "on_stop", "post_fork"]


# --- Without a server ---

@pytest.fixture
def python(run):
    """The output of a source, which must succeed in silence."""

    def run_source(source, *arguments):
        done = run("python", "-c", source, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run_source


@pytest.mark.parametrize("kind", KINDS)
def test_called_in_order_as_often_as_registered(python, kind):
    assert python("from limpet import hooks\n"
                  "import sys\n"
                  "register = getattr(hooks, sys.argv[1])\n"
                  "@register\n"
                  "def one(): print('one')\n"
                  "two = register(lambda: print('two'))\n"
                  "assert register(one) is one and two is not None\n"
                  "print(hooks._has(sys.argv[1]), sum(map(hooks._has, hooks._hooks)))\n"
                  "hooks._run(sys.argv[1])", kind) == "True 1\none\ntwo\none\n"


def test_without_any(python):
    assert python("from limpet import hooks\n"
                  "for name in hooks._hooks: print(name, hooks._has(name), hooks._run(name))"
                  ) == "".join(f"{kind} False None\n" for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_can_be_called(python, kind):
    assert python("from limpet import hooks\n"
                  "import sys\n"
                  "for value in (None, 'text', 7):\n"
                  "    try: getattr(hooks, sys.argv[1])(value)\n"
                  "    except TypeError as error: print(error)\n"
                  "print(hooks._has(sys.argv[1]))", kind).splitlines() == [
        f"{kind} takes a callable, not {name}" for name in ("NoneType", "str", "int")] + ["False"]


def test_registered_but_never_called_where_nothing_serves(python):
    assert python("from limpet import hooks\nfor name in hooks._hooks: getattr(hooks, name)(lambda: print(name))") == ""


@pytest.mark.parametrize("kind", ["on_start", "on_worker_start", "post_fork"])
def test_a_failure_that_counts(python, kind):
    assert python("from limpet import hooks\n"
                  "import sys\n"
                  "register = getattr(hooks, sys.argv[1])\n"
                  "register(lambda: print('one'))\n"
                  "register(lambda: 1 / 0)\n"
                  "register(lambda: print('two'))\n"
                  "try: hooks._run(sys.argv[1])\n"
                  "except ZeroDivisionError: print('failed')", kind) == "one\nfailed\n"


@pytest.mark.parametrize("kind", ["on_worker_stop", "on_stop"])
@pytest.mark.parametrize("raised", ["ValueError('told so')", "SystemExit(3)", "KeyboardInterrupt()"])
def test_a_failure_that_keeps_nobody_from_going_on(run, kind, raised):
    done = run("python", "-c",
               "from limpet import hooks\n"
               f"register = hooks.{kind}\n"
               "@register\n"
               f"def own(): raise {raised}\n"
               "register(lambda: print('two'))\n"
               f"hooks._run('{kind}')")
    assert (done.returncode, done.stdout) == (0, "two\n")
    name = re.escape(raised.replace("('", ": ").replace("')", "").replace("(3)", ": 3").removesuffix("()"))
    assert re.fullmatch(rf"limpet: a hook of {kind} failed:\nTraceback \(most recent call last\):\n"
                        rf'  File "<string>", line 4, in own\n(.*\n)*{name}\n', done.stderr), done.stderr


def test_in_a_thread(python):
    assert python("from limpet import hooks\n"
                  "import threading\n"
                  "hooks.on_worker_stop(lambda: print(threading.current_thread().name))\n"
                  "hooks._run_in_thread('on_worker_stop')\n"
                  "print(threading.active_count())") == "limpet-hooks\n1\n"


def test_packed(packed, run, application):
    """pack finds nothing missing, and the packed binary has the module."""
    folder = application("from limpet import hooks\nhooks.on_start(print)\n" + "def app(e, s): s('200 OK', []); return []")
    binary = packed(folder, name="hooked")
    assert run("python", "-c", "import app; print(app.hooks._has('on_start'))", binary=binary).stdout == "True\n"
    assert run("check", binary=binary).returncode == 0


# --- In a server ---

APPLICATION = '''
import os, sys, threading, time

from limpet import hooks

PLACE = os.environ["PLACE"]
FAILS = os.environ.get("FAILS", "").split()


def say(what):
    """A line that all processes of the server append to the same file."""
    fd = os.open(PLACE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{what} {os.getpid()}\\\\n".encode())
    os.close(fd)


def hook(name):
    def call():
        say(name)
        if name == "on_worker_stop":
            say(threading.current_thread().name)
        if name in FAILS:
            raise RuntimeError(f"{name} failed as told")
    getattr(hooks, name)(call)
    getattr(hooks, name)(lambda: say(f"{name}-again"))


for name in ("on_start", "on_worker_start", "on_worker_stop", "on_stop", "post_fork"):
    hook(name)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        say("slow-begun")
        # Ends when the worker's hook has been called, which must not wait for this.
        while f"on_worker_stop-again {os.getpid()}" not in open(PLACE).read():
            time.sleep(0.01)
        say("slow-ended")
    say("answered")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''.replace("\\\\n", "\\n")


@pytest.fixture
def start(application, serve, tmp_path):
    """start(*options, fails=) -> server of the application above. place: its file."""

    def start_server(*options, fails="", **more):
        environment = os.environ | {"PLACE": str(tmp_path / "said"), "FAILS": fails}
        return serve("app:app", *options, "--working-dir", application(APPLICATION), environment=environment, **more)

    start_server.place = tmp_path / "said"
    return start_server


def said(start):
    """[(what, pid)] in the order in which it was said."""
    return [(what, int(pid)) for what, pid in map(str.split, start.place.read_text().splitlines())]


def pids_that_said(lines, what):
    return [pid for said, pid in lines if said == what]


def test_counts_and_order(start):
    server = start("--workers", 2)
    workers = server.workers()
    assert server.get().status == 200
    server.stop()
    lines = said(start)
    order = [what for what, _ in lines]
    assert order[:2] == ["on_start", "on_start-again"] and order[-2:] == ["on_stop", "on_stop-again"]
    for what in ("on_start", "on_start-again", "on_stop", "on_stop-again"):
        assert order.count(what) == 1
    for what in ("on_worker_start", "on_worker_start-again", "on_worker_stop", "on_worker_stop-again"):
        assert len(pids_that_said(lines, what)) == len(set(pids_that_said(lines, what))) == 2
    assert set(workers) >= set(pids_that_said(lines, "on_worker_start")) == set(pids_that_said(lines, "on_worker_stop"))
    answering, = pids_that_said(lines, "answered")
    assert lines.index(("on_worker_start-again", answering)) < lines.index(("answered", answering)) \
        < lines.index(("on_worker_stop", answering))
    assert order.count("limpet-hooks") == 2
    assert "post_fork" not in order


def test_on_worker_stop_does_not_wait_for_requests(start):
    server = start("--workers", 1)
    answers = []
    client = threading.Thread(target=lambda: answers.append(urllib.request.urlopen(server.url + "/slow", timeout=60).read()))
    client.start()
    # Only a request that has been taken up is certain of its answer.
    eventually(lambda: "slow-begun" in start.place.read_text())
    server.stop()
    client.join()
    assert answers == [b"ok"]
    order = [what for what, _ in said(start)]
    assert order.index("on_worker_stop") < order.index("slow-ended") < order.index("answered") < order.index("on_stop")


@pytest.mark.parametrize("kind", ["on_start", "on_worker_start"])
def test_a_start_that_fails(start, kind):
    server = start("--workers", 2, fails=kind, expect_start=False)
    assert server.process.wait(60) == 1
    server.wait_for(rf"Traceback \(most recent call last\):\n  File .*app\.py.*\n(.*\n)*RuntimeError: {kind} failed as told")
    server.wait_for(f"a hook of {kind} failed")
    order = [what for what, _ in said(start)]
    assert f"{kind}-again" not in order
    assert server.log.count("Traceback") == 1  # the other worker was not tried


@pytest.mark.parametrize("kind", ["on_worker_stop", "on_stop"])
def test_a_stop_that_fails(start, kind):
    server = start("--workers", 1, fails=kind)
    assert server.get().status == 200
    server.stop(expected=0)
    assert re.search(rf"limpet: a hook of {kind} failed:\nTraceback .*\n(.*\n)*RuntimeError: {kind} failed as told\n",
                     server.log)
    order = [what for what, _ in said(start)]
    assert order.count(f"{kind}-again") == 1 and order[-1] == "on_stop-again"


def test_a_worker_that_is_replaced(start):
    server = start("--workers", 1)
    first, = server.workers()
    os.kill(first, signal.SIGKILL)
    server.wait_for(rf"worker 1 \(pid {first}\) killed by SIGKILL")
    assert server.get().status == 200
    server.stop()
    lines = said(start)
    assert len(pids_that_said(lines, "on_start")) == 1 and len(pids_that_said(lines, "on_stop")) == 1
    assert len(pids_that_said(lines, "on_worker_start")) == 2
    assert first not in pids_that_said(lines, "on_worker_stop")


def test_a_stop_that_all_processes_are_told_of(start):
    # As systemd does (KillMode=control-group), and kill with a group.
    server = start("--workers", 3)
    assert server.get().status == 200
    workers = server.workers()
    for pid in (server.process.pid, *workers):
        os.kill(pid, signal.SIGTERM)
    server.process.wait(60)
    server.stop()
    order = [what for what, _ in said(start)]
    assert order.count("on_worker_stop") == 3 and order.count("on_stop") == 1 and order[-1] == "on_stop-again"


def test_preload(start):
    server = start("--workers", 2, "--preload")
    assert server.get().status == 200
    server.stop()
    lines = said(start)
    assert len(pids_that_said(lines, "on_start")) == len(pids_that_said(lines, "on_stop")) == 1
    forked = pids_that_said(lines, "post_fork")
    assert len(forked) == 2 and set(forked) == set(pids_that_said(lines, "on_worker_start"))
    for pid in forked:
        own = [what for what, of in lines if of == pid and what in ("post_fork", "on_worker_start")]
        assert own == ["post_fork", "on_worker_start"]
