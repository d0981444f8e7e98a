"""Applications that break the rules of PEP 3333, or break down: the client gets a 500 and nothing of what went wrong, the log
the traceback under the request line, and the next request its answer."""

import http.client
import os
import re
import signal

import pytest
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="breaks the rules on purpose, to see limpet's own checks")

APPLICATION = r'''
import json, os, sys

TEXT = [("Content-Type", "text/plain")]


class Closing:
    """An iterable of a body that says when it was closed."""

    def __init__(self, pieces, fails=None):
        self.pieces, self.fails = iter(pieces), fails

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self):
        os.write(2, b"closed\n")
        if self.fails:
            raise self.fails


class OwnEnd(BaseException):
    pass


def answer(body=(b"ok",), status="200 OK", headers=TEXT):
    def application(environ, start_response):
        start_response(status, headers)
        return body() if callable(body) else body
    return application


def raises(exception):
    def application(environ, start_response):
        raise exception
    return application


def twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"ok"]


def never(environ, start_response):
    return [b"ok"]


def replaced(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise ValueError("on the way")
    except ValueError:
        start_response("503 Later", TEXT + [("X-Replaced", "yes")], sys.exc_info())
    return [b"sorry"]


def caught(environ, start_response):
    try:
        start_response("200 OK\n", TEXT)
    except ValueError:
        start_response("200 OK", TEXT)
    return [b"mended"]


def recursion(environ, start_response):
    return recursion(environ, start_response)


def deep(environ, start_response):
    data = []
    for _ in range(200_000):
        data = [data]
    return [json.dumps(data).encode()]


def memory(environ, start_response):
    import resource
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), unlimited[1]))
    try:
        return [bytearray(4 << 30)]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, unlimited)


def overflow(environ, start_response):
    return [[None] * (sys.maxsize // 4)]


def leave(environ, start_response):
    os._exit(7)


def pid(environ, start_response):
    start_response("200 OK", TEXT)
    return [str(os.getpid()).encode()]


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


PATHS = {
    "/twice": twice,
    "/never": never,
    "/replaced": replaced,
    "/caught": caught,
    "/system-exit": raises(SystemExit(3)),
    "/interrupt": raises(KeyboardInterrupt()),
    "/own-end": raises(OwnEnd("the end")),
    "/generator-exit": raises(GeneratorExit()),
    "/unprintable": raises(Unprintable()),
    "/text": answer(["text"]),
    "/text-itself": answer("text"),
    "/number": answer([7]),
    "/none": answer(None),
    "/first": answer(lambda: Closing([RuntimeError("at first"), b"x"])),
    "/middle": answer(lambda: Closing([b"one", b"two", RuntimeError("in the middle")])),
    "/exit-middle": answer(lambda: Closing([b"one", b"two", SystemExit(4)])),
    "/text-middle": answer(lambda: Closing([b"one", "two"])),
    "/close": answer(lambda: Closing([b"one"], RuntimeError("at the close"))),
    "/both": answer(lambda: Closing([RuntimeError("the cause")], RuntimeError("the consequence"))),
    "/header-newline": answer(headers=[("X-Bad", "a\r\nX-Injected: yes")]),
    "/header-name": answer(headers=[("X-Bad\r\nX-Injected", "a")]),
    "/header-nul": answer(headers=[("X-Bad", "a\0b")]),
    "/header-unicode": answer(headers=[("X-Bad", "price \u20ac")]),
    "/header-number": answer(headers=[("X-Bad", 7)]),
    "/header-list": answer(headers=[["X-Bad", "a"]]),
    "/header-alone": answer(headers=["X-Bad"]),
    "/headers-dict": answer(headers={"X-Bad": "a"}),
    "/header-colon": answer(headers=[("X-Bad:", "a")]),
    "/header-empty": answer(headers=[("", "a")]),
    "/hop-by-hop": answer(headers=[("Transfer-Encoding", "chunked")]),
    "/hop-connection": answer(headers=[("Connection", "keep-alive")]),
    "/headers-10000": answer(headers=[(f"X-{i}", "v") for i in range(10_000)]),
    "/header-long": answer(headers=[("X-Bad", "v" * 100_000)]),
    "/status-word": answer(status="OK"),
    "/status-empty": answer(status=""),
    "/status-newline": answer(status="200 OK\r\nX-Injected: yes"),
    "/status-nul": answer(status="200\0OK"),
    "/status-number": answer(status=200),
    "/status-bytes": answer(status=b"200 OK"),
    "/status-100": answer(status="100 Continue"),
    "/status-999": answer(status="999 Odd"),
    "/status-long": answer(status="2000 OK"),
    "/status-surrogate": answer(status="200 \udc80"),
    "/length-short": answer([b"four"], headers=[("Content-Length", "3")]),
    "/length-long": answer([b"four"], headers=[("Content-Length", "5")]),
    "/length-pieces": answer(lambda: Closing([b"one", b"two"]), headers=[("Content-Length", "100")]),
    "/length-word": answer(headers=[("Content-Length", "two")]),
    "/length-negative": answer(headers=[("Content-Length", "-2")]),
    "/length-huge": answer(headers=[("Content-Length", "9" * 40)]),
    "/length-twice": answer(headers=[("Content-Length", "2"), ("Content-Length", "3")]),
    "/recursion": recursion,
    "/deep": deep,
    "/memory": memory,
    "/overflow": overflow,
    "/memory-raised": raises(MemoryError()),
    "/leave": leave,
    "/pid": pid,
}


def app(environ, start_response):
    return PATHS.get(environ["PATH_INFO"], answer())(environ, start_response)
'''

# What is known before anything can have been sent: always a 500.
REFUSED = [
    ("/twice", "AssertionError: start_response was called a second time without exc_info"),
    ("/never", "RuntimeError: the application did not call start_response"),
    ("/system-exit", "SystemExit: 3"),
    ("/interrupt", "KeyboardInterrupt"),
    ("/own-end", "OwnEnd: the end"),
    ("/generator-exit", "GeneratorExit"),
    ("/unprintable", r"Unprintable: <exception str\(\) failed>"),
    ("/text", "TypeError: .* str, not bytes"),
    ("/text-itself", "TypeError: .* str, not bytes"),
    ("/number", "TypeError: .* int, not bytes"),
    ("/none", "TypeError: .*NoneType.*"),
    ("/first", "RuntimeError: at first"),
    ("/both", "RuntimeError: the cause"),
    ("/header-newline", r"ValueError: header value 'a\\r\\nX-Injected: yes' has control characters"),
    ("/header-name", "ValueError: header name .* has control characters"),
    ("/header-nul", "ValueError: header value .* has control characters"),
    ("/header-unicode", "ValueError: header value 'price \u20ac' has characters beyond latin-1"),
    ("/header-number", "TypeError: a header's value is a str, not int"),
    ("/header-list", "TypeError: a header is a tuple"),
    ("/header-alone", "TypeError: a header is a tuple"),
    ("/headers-dict", "TypeError: the headers are a list, not dict"),
    ("/header-colon", "ValueError: header name 'X-Bad:' is not a token"),
    ("/header-empty", "ValueError: header name '' is not a token"),
    ("/hop-by-hop", "ValueError: header 'Transfer-Encoding' is hop-by-hop"),
    ("/hop-connection", "ValueError: header 'Connection' is hop-by-hop"),
    ("/headers-10000", r"ValueError: the headers are too many: more than \d+ bytes"),
    ("/header-long", r"ValueError: the headers are too many: more than \d+ bytes"),
    ("/status-word", "ValueError: status 'OK' does not begin with three digits"),
    ("/status-empty", "ValueError: status '' does not begin with three digits"),
    ("/status-newline", r"ValueError: status '200 OK\\r\\nX-Injected: yes' has control characters"),
    ("/status-nul", "ValueError: status .* must be 200 to 599, then a space and a reason"),
    ("/status-number", "TypeError: the status is a str, not int"),
    ("/status-bytes", "TypeError: the status is a str, not bytes"),
    ("/status-100", "ValueError: status '100 Continue': must be 200 to 599"),
    ("/status-999", "ValueError: status '999 Odd': must be 200 to 599"),
    ("/status-long", "ValueError: status '2000 OK': must be 200 to 599"),
    ("/status-surrogate", "ValueError: status .* has characters beyond latin-1"),
    ("/length-short", ".*Content-Length"),
    ("/length-word", "ValueError: Content-Length is not one number"),
    ("/length-negative", "ValueError: Content-Length is not one number"),
    ("/length-huge", "ValueError: Content-Length is not one number"),
    ("/length-twice", "ValueError: Content-Length is not one number"),
    ("/recursion", "RecursionError: maximum recursion depth exceeded"),
    ("/deep", "RecursionError|Stack overflow"),
    ("/overflow", "MemoryError"),
    ("/memory-raised", "MemoryError"),
    pytest.param("/memory", "MemoryError", marks=pytest.mark.static),  # sanitizers need terabytes themselves
]
# What shows when a part of the answer may have gone out: a 500, or an answer that is seen to be cut short.
CUT = [
    ("/middle", "RuntimeError: in the middle"),
    ("/exit-middle", "SystemExit: 4"),
    ("/text-middle", "TypeError: .* str, not bytes"),
    ("/length-long", ".*Content-Length"),
]


@pytest.fixture
def server(application, serve):
    return serve("app:app", "--workers", 1, "--working-dir", application(APPLICATION))


def ask(server, path, connection=None):
    """(status, headers, body) of a GET; raises what http.client does for an answer that is cut short."""
    own = connection or http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    own.request("GET", path)
    response = own.getresponse()
    result = response.status, response.headers, response.read()
    if connection is None:
        own.close()
    return result


def check_log(server, path, logged):
    """The request line, then the traceback or at least its last line; said once."""
    server.wait_for(rf"error worker-1\[\d+\] wsgi: .*GET {path}\n(?:.*\n)*?(?:\w+\.)*(?:{logged})")
    assert len(re.findall(rf"(?:answering|the answer to) GET {path}\n", server.log)) <= 1


def check_unharmed(server):
    assert ask(server, "/")[0::2] == (200, b"ok")
    assert ask(server, "/pid")[2] == str(server.workers()[0]).encode()
    assert "has died" not in server.log and "exited" not in server.log, server.log


@pytest.mark.parametrize("path, logged", REFUSED)
def test_refused(server, path, logged):
    (worker,) = server.workers()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    status, headers, body = ask(server, path, connection)
    assert (status, body) == (500, b"500 Internal Server Error\n")
    assert not any(name.startswith("X-") for name in headers)
    check_log(server, path, logged)
    assert ask(server, "/", connection)[0::2] == (200, b"ok")  # also on the connection of the failure
    connection.close()
    check_unharmed(server)
    assert server.workers() == [worker]


@pytest.mark.parametrize("path, logged", CUT)
def test_never_looks_complete(server, path, logged):
    (worker,) = server.workers()
    try:
        status = ask(server, path)[0]
    except (http.client.HTTPException, ConnectionError):
        status = None
    assert status in (None, 500)
    check_log(server, path, logged)
    check_unharmed(server)
    assert server.workers() == [worker]


def test_pieces_short_of_the_announced_length_are_cut_short(server):
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "/length-pieces")
    server.wait_for("GET /length-pieces: the body ended after 6 of 100 bytes, connection closed")
    check_unharmed(server)


def test_start_response_fails_in_the_application(server):
    """PEP 3333: while the application is still running, so that it sees the exception, and the traceback its line."""
    ask(server, "/status-newline")
    server.wait_for(r'File ".*app.py", line \d+, in application\n +start_response\(status, headers\)')
    assert ask(server, "/caught")[0::2] == (200, b"mended")


def test_exc_info_replaces_what_was_not_sent(server):
    status, headers, body = ask(server, "/replaced")
    assert (status, headers["X-Replaced"], body) == (503, "yes", b"sorry")
    assert "Traceback" not in server.log


@pytest.mark.parametrize("path", ["/first", "/middle", "/text-middle", "/both", "/close"])
def test_closed_in_any_case(server, path):
    try:
        ask(server, path)
    except (http.client.HTTPException, ConnectionError):
        pass
    server.wait_for("closed\n")
    check_unharmed(server)
    assert server.log.count("closed\n") == 1


def test_failure_at_the_close_is_logged(server):
    """All of the body may have been sent by then."""
    try:
        assert ask(server, "/close")[0::2] in [(200, b"one"), (500, b"500 Internal Server Error\n")]
    except (http.client.HTTPException, ConnectionError):
        pass
    check_log(server, "/close", "RuntimeError: at the close")
    check_unharmed(server)


def test_exit_in_a_handler_ends_one_worker_alone(application, serve):
    server = serve("app:app", "--workers", 2, "--working-dir", application(APPLICATION))
    before = set(server.workers())
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(server, "/leave")
    gone = int(server.wait_for(r"worker \d+ \(pid (\d+)\) exited with status 7")[1])
    eventually(lambda: len(server.workers()) == 2)
    assert gone in before and before - {gone} < set(server.workers())
    (other,) = before - {gone}
    os.kill(other, signal.SIGKILL)
    server.wait_for(rf"pid {other}\) killed by SIGKILL")
    assert int(ask(server, "/pid")[2]) not in before, "the successor answers as well"


# --- wsgiref.validate: the server's side of PEP 3333 ---

VALIDATED = r'''
import wsgiref.validate


def walk(environ):
    """All the ways to read an input, one after the other."""
    body = environ["wsgi.input"]
    yield body.read(5)
    yield body.readline()
    yield body.readline(4)
    yield from body.readlines(1)
    for line in body:
        yield line
        break
    yield body.read(3)
    yield body.read(0)
    yield from body.readlines()
    yield body.read(10)


def inner(environ, start_response):
    pieces = list(walk(environ))
    environ["wsgi.errors"].write("an error\n")
    environ["wsgi.errors"].writelines(["and more\n"])
    environ["wsgi.errors"].flush()
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pieces", str(len(pieces)))])
    if environ["PATH_INFO"] == "/write":
        write(b"written: ")
    return iter(pieces)


app = wsgiref.validate.validator(inner)
'''
BODY = b"12345first\nfour and more\nl1\nl2\n" + b"".join(b"line %d\n" % i for i in range(1000)) + b"end"


@pytest.mark.parametrize("options", [[], ["--url-path-prefix", "/p"]])
@pytest.mark.parametrize("method, path, body, expected", [
    ("POST", "/a/b?q=1", BODY, BODY), ("POST", "/", b"", b""), ("POST", "/write", BODY, b"written: " + BODY),
    ("POST", "", BODY, BODY), ("GET", "/%20%C3%A4?", None, b""),
])
def test_wsgiref_validate(application, serve, options, method, path, body, expected):
    server = serve("app:app", "--workers", 1, *options, "--working-dir", application(VALIDATED))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    target = (options[1] if options else "") + path
    for chunked in (False, True):
        data, more = (iter([body]), {"encode_chunked": True}) if body and chunked else (body, {})
        connection.request(method, target or "/", data, {"Content-Type": "text/plain", "Cookie": "a=b"}, **more)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, expected), server.log
    server.wait_for("an error\nand more\n")
    assert "Traceback" not in server.log and "Warning" not in server.log


def test_every_bad_path_is_asked_for():
    asked = {item.values[0] if hasattr(item, "values") else item[0] for item in REFUSED + CUT}
    paths = set(re.findall(r'^    "(/[a-z0-9-]+)":', APPLICATION, re.MULTILINE))
    assert paths - asked == {"/replaced", "/caught", "/close", "/leave", "/length-pieces", "/pid"}
