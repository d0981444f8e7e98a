"""Several applications in one server: which of them gets a request, what it is told of its prefix, and that none is in
another's way; WSGI beside WSGI, and WSGI in threads beside ASGI in the event loop."""

import concurrent.futures
import hashlib
import json
import os
import signal

import pytest
from raw_client import Peer, chunked_request, request
from server import eventually
from test_mistakes import check

WSGI = '''
import contextvars, hashlib, json, threading

variable = contextvars.ContextVar("variable", default="unset")
gate = threading.Event()
closed = []


class Pieces:
    """A body that is made in pieces, each of which says in which thread."""

    def __init__(self, count):
        self.threads, self.left = set(), count

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.get_ident())
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return b"%07d\\n" % self.left * 1000

    def close(self):
        self.threads.add(threading.get_ident())
        closed.append((self.left, len(self.threads)))


def upload(environ):
    digest, size = hashlib.md5(), 0
    while data := environ["wsgi.input"].read(65536):
        digest.update(data)
        size += len(data)
    return {"size": size, "md5": digest.hexdigest()}


def answer(environ):
    path = environ["PATH_INFO"]
    if path == "/upload":
        return upload(environ)
    if path == "/wait":
        print("WSGI waits", flush=True)
        gate.wait(60)
    if path == "/open":
        gate.set()
    if path == "/set":
        variable.set(environ["SCRIPT_NAME"])
    if path == "/closed":
        return closed
    return {"kind": "wsgi", "script_name": environ["SCRIPT_NAME"], "path_info": path, "raw": environ["REQUEST_URI"],
            "thread": threading.current_thread().name, "variable": variable.get(),
            "multithread": environ["wsgi.multithread"]}


def app(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise ZeroDivisionError("of the WSGI application")
    if environ["PATH_INFO"].startswith("/pieces/"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Pieces(int(environ["PATH_INFO"][8:]))
    body = json.dumps(answer(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"other {environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]
'''
ASGI = '''
import hashlib, json, threading
import wsgis


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                print("lifespan is over", flush=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"].endswith("/boom"):
        raise ZeroDivisionError("of the ASGI application")
    print("ASGI has begun", flush=True)
    digest, size, more = hashlib.md5(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        digest.update(message.get("body", b""))
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"].endswith("/open"):
        wsgis.gate.set()
    body = json.dumps({"kind": "asgi", "root_path": scope["root_path"], "path": scope["path"], "size": size,
                       "thread": threading.current_thread().name, "md5": digest.hexdigest()}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
'''
MOUNTED = ["--mount", "/w=wsgi:wsgis:app"]
LARGE = os.urandom(300_000) * 10


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wsgis.py").write_text(WSGI)
    (tmp_path / "asgis.py").write_text(ASGI)
    return tmp_path


@pytest.fixture
def start(serve, folder):
    """start(target, *options) -> Server with one worker."""
    return lambda target, *options: serve(target, "--workers", 1, "--working-dir", folder, *options)


@pytest.fixture
def mixed(start):
    """mixed(*options) -> Server of the ASGI application, with the WSGI one below /w."""
    return lambda *options: start("asgis:app", *MOUNTED, *options)


def ask(server, target="/"):
    with Peer(server) as peer:
        return peer.ask(request("GET", target))


def told(server, target="/"):
    return ask(server, target).json()


# --- Which application ---

# Target, script name, path, whether it is the ASGI one.
PLACES = [
    ("/", "", "/", "target"), ("/x?q=/w/", "", "/x", "target"), ("/wx", "", "/wx", "target"), ("/W/x", "", "/W/x", "target"),
    ("/x/w", "", "/x/w", "target"), ("//w/x", "", "//w/x", "target"), ("/%2577/x", "", "/%77/x", "target"),
    ("/w", "/w", "", "w"), ("/w/", "/w", "/", "w"), ("/w?q", "/w", "", "w"), ("/w/x/y", "/w", "/x/y", "w"),
    ("/%77/x", "/w", "/x", "w"), ("/w%2Fx", "/w", "/x", "w"), ("/w/%2e%2e/x", "/w", "/../x", "w"),
    ("/w/../x", "/w", "/../x", "w"),
    ("http://host/w/x", "/w", "/x", "w"), ("/w/dee", "/w", "/dee", "w"), ("/w/deeper", "/w", "/deeper", "w"),
    ("/w/deep", "/w/deep", "", "deep"), ("/w/deep/x", "/w/deep", "/x", "deep"), ("/w%2fdeep%2fx", "/w/deep", "/x", "deep"),
    ("/%77/de%65p/", "/w/deep", "/", "deep"), ("/w//deep", "/w", "//deep", "w"), ("/w/%64eep", "/w/deep", "", "deep"),
]
DEEP = ["--mount", "/w/deep=wsgis:other"]


@pytest.mark.unvalidated(reason="paths that wsgiref.validate does not take")
def test_longest_prefix(start):
    server = start("wsgis:app", *DEEP, *MOUNTED)
    assert "serving wsgis:app (wsgi), wsgis:other (wsgi) at /w/deep, wsgis:app (wsgi) at /w on " in server.log
    for target, script_name, path, which in PLACES:
        answer = ask(server, target)
        if which == "deep":
            assert answer.body.decode() == f"other {script_name}|{path}", target
        else:
            shown = answer.json()
            assert (shown["script_name"], shown["path_info"], shown["raw"]) == (script_name, path, target)


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_longest_prefix_beside_asgi(mixed):
    server = mixed(*DEEP, "--mount", "/a=asgi:asgis:app")
    for target, script_name, path, which in [*PLACES, ("/a", "/a", "", "target"), ("/%61%2fx", "/a", "/x", "target")]:
        answer = ask(server, target)
        if which == "deep":
            assert answer.body.decode() == f"other {script_name}|{path}", target
        elif which == "w":
            shown = answer.json()
            assert (shown["script_name"], shown["path_info"], shown["raw"]) == (script_name, path, target)
        else:
            shown = answer.json()
            assert (shown["kind"], shown["root_path"], shown["path"]) == ("asgi", script_name, script_name + path), target


@pytest.mark.unvalidated(reason="the target is ASGI")
@pytest.mark.parametrize("target", ["wsgis:app", "asgis:app"])
def test_below_the_path_prefix(start, target):
    server = start(target, *MOUNTED, "--url-path-prefix", "/top")
    assert told(server, "/top/w/x")["script_name"] == "/top/w"
    assert told(server, "/t%6Fp%2Fw/x")["path_info"] == "/x"
    shown = told(server, "/top/x")
    assert shown.get("script_name", shown.get("root_path")) == "/top"
    for path in ("/", "/w", "/w/x", "/topw", "/w/top"):
        assert ask(server, path).status == 404, path
    assert told(server, "/top/w")["path_info"] == ""  # no harm came of these


def test_settings_from_everywhere(serve, run, folder):
    (folder / "limpet.toml").write_text('mount = ["/t=wsgis:other", "/u=wsgis:other"]')
    server = serve("wsgis:app", "--working-dir", folder, "--config", folder / "limpet.toml")
    assert server.get("/u/x").read() == b"other /u|/x"
    server = serve("wsgis:app", "--working-dir", folder,
                   environment={**os.environ, "LIMPET_MOUNT": "/e=wsgis:other /f=wsgis:app"})
    assert server.get("/e").read() == b"other /e|"
    done = run("pack", folder, "--app", "wsgis:app", "-o", folder / "packed", "--mount", "/p=wsgis:other")
    assert done.returncode == 0, done.stderr
    done = run("check", binary=folder / "packed")
    assert (done.stdout, done.stderr) == ("ok: wsgi wsgis:app, wsgis:other (wsgi) at /p\n", "")
    assert serve(binary=folder / "packed").get("/p/x").read() == b"other /p|/x"


@pytest.mark.parametrize("mount, why", [
    ("/m=missing:app", "--mount /m: there is no module 'missing'; it was looked for in "),
    ("/m=wsgis:nothing", "--mount /m: module 'wsgis' has no 'nothing'$"),
    ("/m=./nowhere", "--mount /m: ./nowhere: there is no such folder or file$"),
    ("/m=wsgi:asgis:app", "--mount /m: asgis:app is an ASGI application, not WSGI; give /m=asgi:asgis:app$"),
])
def test_bad_applications(run, folder, mount, why):
    done = run("check", "wsgis:app", "--mount", "/w=wsgis:app", "--mount", mount, cwd=folder)
    assert done.stdout == ""
    check(done, 1, f"^limpet: {why}")


def test_application_that_cannot_be_imported(run, folder):
    (folder / "broken.py").write_text("1 / 0")
    done = run("check", "wsgis:app", "--mount", "/m=broken:app", cwd=folder)
    assert done.returncode == 1 and 'broken.py", line 1' in done.stderr and "<frozen limpet" not in done.stderr
    assert done.stderr.splitlines()[-1] == ("limpet: --mount /m: broken:app: the application failed to import (traceback "
                                            "above): ZeroDivisionError: division by zero")


def test_two_folders_with_a_module_of_one_name(run, folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "app.py").write_text("def app(environ, start_response): pass\n")
    check(run("check", "./one", "--mount", "/two=./two", cwd=folder), 1,
          f"^limpet: --mount /two: {folder}/two: its module 'app' has the name of one that is served already, "
          f"{folder}/one/app.py; rename one of them, or put both into packages$")
    (folder / "two" / "app.py").rename(folder / "two" / "second.py")
    done = run("check", "./one", "--mount", "/two=./two/second.py", "--mount", "/again=./one", cwd=folder)
    assert done.stdout == "ok: wsgi app:app, second:app (wsgi) at /two, app:app (wsgi) at /again\n", done.stderr


# --- Beside each other ---


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_threads(mixed):
    server = mixed("--process-name", "shop")
    assert told(server)["thread"] == "MainThread"
    names = {told(server, "/w")["thread"] for _ in range(20)}
    assert names and all(name.startswith("shop-") for name in names)


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_one_thread_for_all_of_it(mixed):
    server = mixed("--blocking-threads", 1, "--blocking-threads-idle-timeout", "10ms")
    shown = [told(server, "/w") for _ in range(20)]
    assert len({one["thread"] for one in shown}) == 1 and shown[0]["thread"] != "MainThread"
    assert not shown[0]["multithread"]
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        assert {one["thread"] for one in clients.map(lambda _: told(server, "/w"), range(50))} == {shown[0]["thread"]}


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_slow_handlers_hold_up_nobody(mixed):
    """What waits is let go by requests that come later: a server that holds these up never answers."""
    server = mixed("--blocking-threads", 4)
    with concurrent.futures.ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(told, server, "/w/wait") for _ in range(3)]
        for _ in range(50):
            assert told(server)["kind"] == "asgi"
            assert told(server, "/w")["kind"] == "wsgi"
        assert not any(one.done() for one in waiting)
        told(server, "/open")
        assert [one.result(60)["path_info"] for one in waiting] == ["/wait"] * 3


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_more_slow_handlers_than_threads(mixed):
    server = mixed("--blocking-threads", 2)
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        waiting = [clients.submit(told, server, "/w/wait") for _ in range(7)]
        waiting.append(clients.submit(told, server, "/w/x"))
        for _ in range(20):
            assert told(server)["kind"] == "asgi"
        told(server, "/open")
        assert all(one.result(60)["kind"] == "wsgi" for one in waiting)


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_bodies_in_pieces(mixed):
    """All of one in the same thread, also when its client takes its time."""
    server = mixed()
    with Peer(server, receive_buffer=4096) as slow:
        slow.send(request("GET", "/w/pieces/1000"))
        head = slow.head()
        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            sizes = clients.map(lambda count: len(ask(server, f"/w/pieces/{count}").body), range(40))
            assert list(sizes) == [8000 * count for count in range(40)]
        assert told(server)["kind"] == "asgi"
        body = slow.body(head)
    assert body == b"".join(b"%07d\n" % left * 1000 for left in range(999, -1, -1))
    eventually(lambda: len(told(server, "/w/closed")) == 41)
    assert {tuple(one) for one in told(server, "/w/closed")} == {(-1, 1)}


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_client_that_goes_while_pieces_come(mixed):
    server = mixed()
    with Peer(server, receive_buffer=4096) as peer:
        peer.send(request("GET", "/w/pieces/100000"))
        peer.take(10000)
    eventually(lambda: told(server, "/w/closed"))
    (left, threads), = told(server, "/w/closed")
    assert left > 0 and threads == 1
    assert told(server)["kind"] == "asgi"


@pytest.mark.unvalidated(reason="the target is ASGI")
@pytest.mark.parametrize("path", ["/w/upload", "/upload"])
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_uploads(mixed, path, coding):
    server = mixed("--body-buffer", "64k")
    for body in (b"", b"x" * 65536, b"y" * 65537, LARGE):
        sent = request("POST", path, body) if coding == "length" else chunked_request("POST", path, [body[:99], body[99:]])
        with Peer(server) as peer:
            shown = peer.ask(sent).json()
        assert (shown["size"], shown["md5"]) == (len(body), hashlib.md5(body).hexdigest())


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_body_that_is_asked_for(mixed):
    """Expect: 100-continue, read by a thread while the loop answers others."""
    server = mixed()
    with Peer(server) as peer:
        peer.send(request("POST", "/w/upload", None, "Content-Length: 5", "Expect: 100-continue"))
        assert peer.head().status == 100
        assert (told(server)["kind"], told(server, "/w")["kind"]) == ("asgi", "wsgi")
        peer.send(b"hello")
        assert peer.answer().json() == {"size": 5, "md5": hashlib.md5(b"hello").hexdigest()}


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_failures_are_their_own(mixed):
    server = mixed()
    for _ in range(5):
        assert ask(server, "/w/boom").status == 500
        assert told(server)["kind"] == "asgi"
        assert ask(server, "/boom").status == 500
        assert told(server, "/w")["kind"] == "wsgi"
    lines = [f"ZeroDivisionError: of the {kind} application" for kind in ("WSGI", "ASGI")]
    for line in lines:
        server.wait_for_count(line, 5)
    server.stop()
    assert [server.log.count(line) for line in lines] == [5, 5]


@pytest.mark.unvalidated(reason="the target is ASGI")
@pytest.mark.parametrize("target", ["wsgis:app", "asgis:app"])
def test_contexts(start, target):
    server = start(target, *MOUNTED, "--mount", "/v=wsgis:app", "--blocking-threads", 1)
    for _ in range(3):
        assert told(server, "/w/set")["variable"] == "/w"
        assert told(server, "/v/set")["variable"] == "/v"
        assert told(server, "/w")["variable"] == told(server, "/v")["variable"] == "unset"


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_many_at_once(mixed):
    server = mixed("--blocking-threads", 8)

    def visit(number):
        with Peer(server) as peer:
            for step in range(20):
                if (number + step) % 2:
                    assert peer.ask(request("GET", "/x")).json()["kind"] == "asgi"
                else:
                    assert peer.ask(request("GET", "/w/x")).json()["kind"] == "wsgi"
        return True

    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        assert all(clients.map(visit, range(64)))


@pytest.mark.unvalidated(reason="the target is ASGI")
def test_stop_waits_for_threads(mixed):
    server = mixed()
    with concurrent.futures.ThreadPoolExecutor(1) as clients, Peer(server) as opener:
        opener.send(request("POST", "/open", None, "Content-Length: 5"))
        server.wait_for("ASGI has begun")
        waiting = clients.submit(ask, server, "/w/wait")
        server.wait_for("WSGI waits")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("SIGTERM: stopping")
        opener.send(b"hello")
        assert opener.answer().json()["kind"] == "asgi"
        assert waiting.result(60).json()["path_info"] == "/wait"
    server.process.wait(60)  # a second signal would stop it at once
    assert server.stop() == 0
    assert "lifespan is over" in server.log


# --- With other options ---


@pytest.mark.unvalidated(reason="the target is ASGI")
@pytest.mark.parametrize("target", ["wsgis:app", "asgis:app"])
def test_preload(serve, folder, target):
    server = serve(target, *MOUNTED, "--preload", "--workers", 2, "--working-dir", folder)
    for _ in range(20):
        assert told(server, "/w/x")["path_info"] == "/x"
        assert told(server)["kind"] in target
    assert ask(server, "/w/upload").status == 200


@pytest.mark.unvalidated(reason="the sources change")
@pytest.mark.parametrize("target", ["wsgis:app", "asgis:app"])
def test_reload(serve, folder, tmp_path_factory, target):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    source = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b%r]\n"
    (elsewhere / "mounted.py").write_text(source % "one")
    server = serve(target, "--mount", f"/m={elsewhere}/mounted.py", "--reload", "--working-dir", folder)
    assert server.get("/m").read() == b"one"
    (elsewhere / "mounted.py").write_text(source % "second")
    eventually(lambda: server.get("/m").read() == b"second")
    (folder / "wsgis.py").write_text(WSGI.replace('"kind": "wsgi"', '"kind": "changed"'))
    (folder / "asgis.py").write_text(ASGI.replace('"kind": "asgi"', '"kind": "changed"'))
    eventually(lambda: json.loads(server.get("/").read())["kind"] == "changed")
    assert server.get("/m").read() == b"second"
