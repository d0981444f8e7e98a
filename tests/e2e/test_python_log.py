"""What applications print, log and raise is in the server's log: as records of the worker, with the id of the request that
was worked on, in text and in JSON."""

import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess

import pytest
from raw_client import Peer
from server import eventually
from serving import serving
from websocket_client import upgrade

APPLICATIONS = pathlib.Path(__file__).parent / "applications"
TARGETS = {"wsgi": "python_log:app", "asgi": "python_log:async_app", "rsgi": "python_log:rsgi_app"}
Record = collections.namedtuple("Record", "level role module text request")
LINE = re.compile(r"\S+Z (\w+) (\S+?)\[\d+\] (\S+): (.*?)(?: request=(\S+))?")
OWN_ID = re.compile(r"[0-9a-f]{32}")


def records(server):
    """All that are complete."""
    found = []
    for line in server.records.splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            item = json.loads(line)
            found.append(Record(item["level"], item["role"], item["module"], item["message"], item.get("request")))
        elif match := LINE.fullmatch(line.removesuffix("\n")):
            found.append(Record(*match.groups()))
    return found


def of(server, request):
    """The lines of a request's records: (level, module, line) each."""
    return [(record.level, record.module, line) for record in records(server) if record.request == request
            for line in record.text.splitlines()]


def ask(server, path, request=None):
    """The body of the answer to a GET with that id."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers={"X-Request-ID": request} if request else {})
    body = connection.getresponse().read()
    connection.close()
    return body.decode()


@pytest.fixture(scope="module", params=["text", "json"])
def log_format(request):
    return request.param


@pytest.fixture(scope="module")
def servers(log_format, limpet, tmp_path_factory):
    """servers(interface) -> Server."""
    started = {}

    def get(interface):
        if interface not in started:
            started[interface] = start(TARGETS[interface], "--working-dir", APPLICATIONS, "--workers", 1,
                                       "--blocking-threads", 8, "--log-format", log_format)
        return started[interface]

    with serving(limpet, False, tmp_path_factory.mktemp) as start:
        yield get


@pytest.fixture(params=TARGETS)
def server(servers, request):
    return servers(request.param)


@pytest.fixture
def wsgi(servers):
    return servers("wsgi")


@pytest.fixture(params=["asgi", "rsgi"])
def asynchronous(servers, request):
    return servers(request.param)


@pytest.fixture
def name(request):
    """An id of a request that no other test has."""
    return re.sub(r"[^\w]+", "-", request.node.name)


# --- What is written ---


def written(name):
    """What of() says of /streams."""
    return [("info", "stdout", f"to stdout {name}"), ("info", "stderr", f"to stderr {name}"), ("info", "stdout", "several"),
            ("info", "stdout", "lines"), ("info", "stdout", "one line"), ("info", "stdout", "flushed"),
            ("info", "stdout", "unended")]


def test_streams(server, name):
    assert ask(server, "/streams", name) == name
    eventually(lambda: ("info", "stdout", "unended") in of(server, name))
    assert of(server, name) == written(name)
    assert {record.role for record in records(server) if record.request == name} == {"worker-1"}


def test_outside_of_requests(server):
    eventually(lambda: any((record.module, record.text, record.request) == ("stdout", "imported None", None)
                           for record in records(server)))


def test_ids_of_our_own(server):
    first, second = ask(server, "/"), ask(server, "/")
    assert OWN_ID.fullmatch(first) and OWN_ID.fullmatch(second) and first != second


def test_garbage(server, name):
    ask(server, "/garbage", name)
    eventually(lambda: ("info", "stdout", "30%") in of(server, name))
    lines = [line for _, _, line in of(server, name)]
    assert not any(ord(character) < 32 and character != "\t" for line in lines for character in line) or \
        server.records.startswith("{"), "JSON tells them, escaped"
    assert "bytes" in lines and "10%" in lines and "20%" in lines
    assert any("caf\u00e9 \U0001f600" in line and "surrogate \\udcff" in line for line in lines)
    assert "\x1b" not in server.records and "\0" not in server.records


def test_huge_lines(server, name):
    ask(server, "/huge", name)
    eventually(lambda: ("info", "stdout", "line 999") in of(server, name))
    lines = [line for _, _, line in of(server, name)]
    assert [line for line in lines if line.startswith("line ")] == [f"line {number}" for number in range(1000)]
    assert any(line.startswith("<h") for line in lines) and any(line.endswith("h>") for line in lines)
    assert sum(line.count("h") for line in lines) < 20_000, "its middle is left out"
    assert max(map(len, server.records.splitlines())) <= 16 * 1024


def test_traceback_of_a_failure(server, name):
    """One record in JSON; each of its lines has the request's id in text."""
    ask(server, "/fail", name)
    eventually(lambda: ("error", "traceback", "LookupError: nothing there") in of(server, name))
    lines = [line for level, module, line in of(server, name) if (level, module) == ("error", "traceback")]
    assert lines[0] == "Traceback (most recent call last):" and any("python_log.py" in line for line in lines)
    assert any(level == "error" and "exception while answering GET /fail" in line for level, _, line in of(server, name))
    texts = [record.text for record in records(server) if record.request == name and record.module == "traceback"]
    assert len(texts) == (1 if server.records.startswith("{") else len(lines))


def test_tracebacks(server, name):
    ask(server, "/tracebacks", name)
    eventually(lambda: len(of(server, name)) > 10 and "dividing" in server.records)

    def texts(module):
        return [record.text for record in records(server) if (record.request, record.module) == (name, module)]

    for module in ("stderr", "shop.cart"):
        eventually(lambda: "\n".join(texts(module)).rstrip().endswith("ZeroDivisionError: division by zero"))
    printed, logged = texts("stderr"), texts("shop.cart")
    assert logged[0].startswith("it does not divide")
    if server.records.startswith("{"):
        assert len(printed) == 1 and len(logged) == 1, "a traceback is one record"
        eventually(lambda: any(record.module == "stderr" and record.text.startswith("Traceback") and not record.request
                               for record in records(server)))
    assert {record.level for record in records(server) if record.request == name} == {"error"}


def test_what_the_interpreter_writes(server, name):
    ask(server, "/unraisable", name)
    ask(server, "/warn", f"{name}-2")
    eventually(lambda: any("ValueError: in __del__" in line for _, _, line in of(server, name)))
    eventually(lambda: any("UserWarning: that is old" in line for _, _, line in of(server, f"{name}-2")))
    assert {module for _, module, _ in of(server, name)} == {"stderr"}


def test_interface_of_the_streams(server):
    assert eval(ask(server, "/interface")) == [True] * 12


def test_wrappers_of_the_streams(server, name):
    ask(server, "/wrappers", name)
    eventually(lambda: ("info", "stdout", "to the end") in of(server, name))
    assert [line for _, _, line in of(server, name)] == ["wrapped", "detached", "a codec's", "lines", "of a list",
                                                         "to the end"]
    eventually(lambda: "\npast the log\n" in server.records)


def test_a_line_without_an_end_at_the_end(serve):
    server = serve(TARGETS["wsgi"], "--working-dir", APPLICATIONS)
    eventually(lambda: "stdout: a thread's last words\n" in server.records)
    assert "worker's last words" not in server.records
    server.stop()
    assert "stdout: the worker's last words\n" in server.records


def test_errors_of_wsgi(wsgi, name):
    ask(wsgi, "/errors", name)
    eventually(lambda: of(wsgi, name) == [("info", "stderr", f"to wsgi.errors {name}")])


def test_forked_children_write_too(wsgi, name):
    ask(wsgi, "/fork", name)
    eventually(lambda: ("info", "stdout", f"forked {name}") in of(wsgi, name))


FORKING = """
import asyncio, os, sys
def work(how):
    print("begun", end=" ")
    child = os.fork()
    if child:
        print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return
    print("child", os.getpid(), end="")
    if how == "text":
        sys.exit("a reason")
    if how == "raise":
        raise LookupError("in the child")
    if how != "return":
        sys.exit(int(how))
def app(environ, start_response):
    how = environ["PATH_INFO"][1:]
    if not how.startswith("body-"):
        work(how)
    start_response("200 OK", [])
    return body(how.removeprefix("body-")) if how.startswith("body-") else [b"answered"]
def body(how):
    work(how)
    yield b"answered"
async def step(how):
    if how == "callback":
        done = asyncio.Event()
        asyncio.get_running_loop().call_soon(lambda: (work("3"), done.set()))
        await done.wait()
    else:
        work("return" if how == "wait" else how)
        if how == "wait":
            await asyncio.sleep(0)
async def async_app(scope, receive, send):
    await step(scope["path"][1:])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})
async def rsgi_app(scope, protocol):
    await step(scope.path[1:])
    protocol.response_str(200, [], "answered")
"""
CHILDREN = [("0", 0), ("3", 3), ("-1", 255), ("text", 1), ("raise", 1), ("return", 0)]


@pytest.mark.parametrize("interface", TARGETS)
def test_forked_children_end_where_they_come_out_of_the_application(serve_once, interface, name):
    """A second worker would answer on the parent's connection, and go on serving."""
    server = serve_once(f"{FORKING}app = {TARGETS[interface].partition(':')[2]}\n", "--interface", interface)
    extra = [(f"body-{how}", status) for how, status in CHILDREN] if interface == "wsgi" else [("wait", 1)]
    for how, status in CHILDREN + extra:
        mine = f"{name}-{how}"
        assert ask(server, f"/{how}", mine) == "answered"
        eventually(lambda: ("info", "stdout", f"begun status {status}") in of(server, mine))
        lines = [line for _, _, line in of(server, mine)]
        assert any(re.fullmatch(r"child \d+", line) for line in lines), lines
        assert ("a reason" in lines) == (how.endswith("text"))
        assert ("LookupError: in the child" in lines) == (how.endswith("raise"))
    assert ("waits in the worker's event loop" in server.records) == (interface != "wsgi")
    told = re.findall(r"worker-1\[(\d+)\] stdout: child (\d+)", server.records)
    assert len(told) == len(CHILDREN + extra) and all(record == own for record, own in told)
    server.stop()
    assert " with status 0 after " in server.records and "killing" not in server.records


@pytest.mark.parametrize("interface", ["asgi", "rsgi"])
def test_forked_children_end_in_callbacks_of_the_loop(serve_once, interface, name):
    server = serve_once(f"{FORKING}app = {TARGETS[interface].partition(':')[2]}\n", "--interface", interface)
    assert ask(server, "/callback", name) == "answered"
    eventually(lambda: "begun status 3" in server.records)


# --- logging ---


def test_logging_without_configuration(server, name):
    ask(server, "/log", name)
    eventually(lambda: ("error", "shop.cart", "and another") in of(server, name))
    assert of(server, name)[:3] == [("warning", "shop.cart", "careful, friend"), ("error", "shop.cart", "a line"),
                                    ("error", "shop.cart", "and another")]


def test_handlers(server, name):
    ask(server, "/handlers", name)
    eventually(lambda: ("error", "ours", "at critical") in of(server, name))
    assert of(server, name)[:5] == [
        ("info", "stderr", "WARNING:     as uvicorn does"), ("info", "ours", "at info"), ("warning", "ours", "at warning"),
        ("error", "ours", "at error"), ("error", "ours", "at critical")]


def test_debug_records(serve, name):
    server = serve(TARGETS["wsgi"], "--working-dir", APPLICATIONS, "--log-level", "debug")
    ask(server, "/handlers", name)
    eventually(lambda: ("debug", "ours", "at debug") in of(server, name))


def test_dict_config(serve_once, name):
    server = serve_once("""
import logging, logging.config
logging.config.dictConfig({"version": 1, "handlers": {"log": {"class": "limpet.LogHandler", "formatter": "short"}},
    "formatters": {"short": {"format": "<%(message)s>"}}, "root": {"handlers": ["log"], "level": "INFO"}})
def app(environ, start_response):
    logging.getLogger("a.b").info("configured")
    start_response("200 OK", [])
    return []
""")
    ask(server, "/", name)
    eventually(lambda: of(server, name) == [("info", "a.b", "<configured>")])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(port):
    """Whether somebody serves there."""
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("level", ["warning", "error"])
def test_stderr_is_shown_at_every_level(serve, level, name):
    """As a traceback there may be all that is told of a failure; stdout is for information."""
    port = free_port()
    server = serve(TARGETS["wsgi"], "--working-dir", APPLICATIONS, "--log-level", level, port=port, expect_start=False)
    server.url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(port))
    ask(server, "/streams", name)
    eventually(lambda: of(server, name))
    assert of(server, name) == [(level, "stderr", f"to stderr {name}")]


def test_logging_is_not_imported_for_it(serve_once):
    server = serve_once("""
import sys
def app(environ, start_response):
    start_response("200 OK", [])
    return [str([name for name in ("logging", "traceback", "limpet.log_handler") if name in sys.modules]).encode()]
""")
    assert ask(server, "/") == "[]"


# --- Whose request it is ---


def test_generator(wsgi, name):
    ask(wsgi, "/generator", name)
    eventually(lambda: ("info", "stdout", f"closed {name}") in of(wsgi, name))
    assert of(wsgi, name) == [("info", "stdout", f"{what} {name}") for what in ("first piece", "second piece", "closed")]


def test_threads_of_a_request(wsgi, name):
    ask(wsgi, "/threads", name)
    eventually(lambda: ("info", "stdout", f"run: to_thread {name}") in of(wsgi, name))
    assert [line for _, _, line in of(wsgi, name)] == [f"{what} {name}" for what in
                                                       ("thread in a copy", "run", "run: to_thread")]
    assert any((record.text, record.request) == ("plain thread None", None) for record in records(wsgi))


def test_concurrent_requests(wsgi, name):
    """Eight threads; each line has its own request's id, none is torn."""
    def one(number):
        ask(wsgi, "/streams", f"{name}-{number}")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(64)))
    for number in range(64):
        mine = f"{name}-{number}"
        eventually(lambda: ("info", "stdout", "unended") in of(wsgi, mine))
        assert of(wsgi, mine) == written(mine)


WORK = ["at first", "later", "gathered", "gathered: to_thread", "task", "task: to_thread", "of a group",
        "of a group: to_thread", "called soon", "behind the answer", "long behind it", "in the background"]


def test_tasks_of_requests(asynchronous, name):
    """Many at once, in one thread; also behind the answer, when the request is over."""
    def one(number):
        assert ask(asynchronous, "/work", f"{name}-{number}") == f"{name}-{number}"

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(32)))
    for number in range(32):
        mine = f"{name}-{number}"
        eventually(lambda: len(of(asynchronous, mine)) >= len(WORK))
        assert sorted(line for _, _, line in of(asynchronous, mine)) == sorted(f"{what} {mine}" for what in WORK)


def test_behind_the_answer(asynchronous, name):
    ask(asynchronous, "/", name)
    eventually(lambda: of(asynchronous, name) == [("info", "stdout", f"behind the answer {name}")])


def test_websocket(asynchronous, name):
    with upgrade(Peer(asynchronous), fields=[f"X-Request-ID: {name}"]) as client:
        client.send_text("hello")
        client.events_until_close()
    eventually(lambda: len(of(asynchronous, name)) == 2)
    assert [line for _, _, line in of(asynchronous, name)] == [f"accepted {name}", f"received {name}"]


def test_nothing_of_it_in_limpet_python(run):
    done = run("python", "-c", "import limpet, sys; print(limpet.request_id(), type(sys.stdout).__name__, limpet.LogHandler)")
    assert done.stdout == "None TextIOWrapper <class 'limpet.log_handler.LogHandler'>\n", done.stderr


# --- A log that nobody reads ---


DYING = """
import builtins
class Dying:
    def __init__(self, name):
        self.name = name
    def __del__(self):
        print("died:", self.name)
here, builtins.late = Dying("here"), Dying("late")
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"answered"]
"""


def test_what_objects_print_as_the_interpreter_ends(serve_once):
    server = serve_once(DYING)
    assert ask(server, "/") == "answered"
    server.stop()
    assert "stdout: died: here\n" in server.records and "stdout: died: late\n" in server.records
    assert "Exception ignored" not in server.records


def test_a_full_pipe_holds_up_no_stop(limpet, tmp_path):
    """Also what objects print when the interpreter ends, and Python's own streams would be back."""
    (tmp_path / "app.py").write_text(DYING)
    port = free_port()
    reading, writing = os.pipe()
    process = subprocess.Popen([limpet, "serve", "app:app", "--port", str(port), "--working-dir", tmp_path,
                                "--workers", "1"], stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE)
    try:
        eventually(lambda: answers(port))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"answered"
        connection.close()
        mine = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
        with open(mine, "wb", buffering=0) as pipe:
            while pipe.write(b"x" * 4096) is not None:
                pass
        process.terminate()
        log = process.stderr.read().decode()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        os.close(reading)
        os.close(writing)
    assert "stdout: died: here\n" in log
    assert "killing it" not in log, "the worker has ended by itself"


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_stopped_pipe_holds_up_no_request(limpet, interface, tmp_path):
    """The application prints without end; what finds no room is lost, and requests are answered."""
    (tmp_path / "app.py").write_text("""
import threading
def print_for_ever():
    while True:
        print("noise " * 20)
threading.Thread(target=print_for_ever, daemon=True).start()
def wsgi(environ, start_response):
    print("a request " * 100)
    start_response("200 OK", [])
    return [b"answered"]
async def asgi(scope, receive, send):
    print("a request " * 100)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})
""")
    port = free_port()
    process = subprocess.Popen([limpet, "serve", f"app:{interface}", "--port", str(port), "--working-dir", tmp_path,
                                "--interface", interface], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    try:
        eventually(lambda: answers(port))
        for _ in range(200):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"answered"
            connection.close()
        process.terminate()
        # What is read now was written before the pipe was full, and at the end.
        log = process.stderr.read().decode()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert "noise noise" in log
