"""ASGI applications that break the rules, or break down: the client gets a 500 and nothing of what went wrong, or an answer
that is seen to be cut; the log the traceback under the request line; every other request its answer."""

import itertools
import os
import pathlib
import re

import pytest
from raw_client import request
from server import eventually
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
NAMES = map("m{}".format, itertools.count())  # of requests, each used once

# What is seen before anything can have been sent: a 500. path: the last line of the traceback
REFUSED = {
    "/body-first": "RuntimeError: ",
    "/unknown": "(?:ValueError|RuntimeError): .*http.response.begin",
    "/websocket": "(?:ValueError|RuntimeError): .*websocket.accept",
    "/no-type": "(?:KeyError|ValueError|TypeError|RuntimeError): .*type",
    "/type-number": "(?:ValueError|TypeError|RuntimeError): ",
    "/none": "TypeError: .*NoneType",
    "/text": "TypeError: .*str",
    "/list": "TypeError: .*list",
    "/start-twice": "RuntimeError: ",
    "/status-missing": "(?:KeyError|ValueError|TypeError): .*status",
    "/status-text": "TypeError: .*status.*str",
    "/status-float": "TypeError: .*status.*float",
    "/status-none": "TypeError: .*status.*NoneType",
    "/status-99": "ValueError: .*status.*99",
    "/status-100": "ValueError: .*status.*100",
    "/status-101": "ValueError: .*status.*101",
    "/status-1000": "ValueError: .*status.*1000",
    "/status-negative": "ValueError: .*status.*-1",
    "/status-huge": "(?:ValueError|OverflowError): ",
    "/headers-number": "TypeError: .*int",
    "/headers-none": "TypeError: .*",
    "/header-three": "(?:TypeError|ValueError): .*",
    "/header-one": "(?:TypeError|ValueError): .*",
    "/header-text": "TypeError: .*str",
    "/header-text-value": "TypeError: .*str",
    "/header-number": "TypeError: .*int",
    "/header-newline": "ValueError: .*control characters",
    "/header-lf": "ValueError: .*control characters",
    "/header-cr": "ValueError: .*control characters",
    "/header-nul": "ValueError: .*control characters",
    "/header-name": "ValueError: .*(?:control characters|token)",
    "/header-colon": "ValueError: .*token",
    "/header-blank": "ValueError: .*token",
    "/header-empty": "ValueError: .*token",
    "/header-latin": "ValueError: .*token",
    "/header-long": r"ValueError: .*too many: more than \d+ bytes",
    "/headers-10000": r"ValueError: .*too many: more than \d+ bytes",
    "/length-word": "ValueError: Content-Length is not one number",
    "/length-negative": "ValueError: Content-Length is not one number",
    "/length-huge": "ValueError: Content-Length is not one number",
    "/length-twice": "ValueError: Content-Length is not one number",
    "/length-short": "(?:RuntimeError|ValueError): .*Content-Length",
    "/body-text": "TypeError: .*str",
    "/body-none": "TypeError: .*NoneType",
    "/body-list": "TypeError: .*list",
    "/raises": "RuntimeError: at first",
    "/raises-after-start": "RuntimeError: behind the start",
    "/system-exit": "SystemExit: 3",
    "/interrupt": "KeyboardInterrupt",
    "/own-end": "(?:asgi_mistakes.)?OwnEnd: the end",
    "/generator-exit": "GeneratorExit",
    "/stop-iteration": "RuntimeError: coroutine raised StopIteration",
    "/memory-raised": "MemoryError",
    "/unprintable": r"(?:asgi_mistakes.)?Unprintable: <exception str\(\) failed>",
    "/os-error": "ConnectionResetError: of a database",
    "/group": r"  \| ExceptionGroup: unhandled errors in a TaskGroup \(2 sub-exceptions\)|ExceptionGroup: unhandled",
    "/recursion": "RecursionError: maximum recursion depth exceeded",
    "/odd-await": "RuntimeError: Task got bad yield: 'no future'",
}
# Nothing is raised, and nothing was answered: a 500, and a line.
UNANSWERED = ["/silent", "/start-only"]
# A part of the answer may have gone out: cut, so that it never looks complete.
CUT = {
    "/middle": "RuntimeError: in the middle",
    "/middle-length": "RuntimeError: in the middle",
    "/middle-text": "TypeError: .*str",
    "/middle-exit": "SystemExit: 4",
    "/middle-start": "RuntimeError: ",
    "/pieces-short": ".*Content-Length|.*bytes announced|.*of 10 bytes",
    "/length-long": ".*Content-Length|.*of 3 bytes",
    "/middle-silent": "",
}


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_mistakes:app")


@pytest.fixture(params=TRANSPORTS)
def peer(everywhere, request):
    with everywhere.connect(request.param) as connected:
        yield connected


def check_log(everywhere, seen, path, last):
    """The request line, then the traceback with the application's file; said once."""
    heading = re.compile(rf"error worker-1\[\d+\] \S+ .*GET {path}\n")
    eventually(lambda: re.search(rf"{heading.pattern}(?:.*\n)*?(?:\w+\.)*(?:{last})", everywhere.server.log[seen:]))
    assert len(heading.findall(everywhere.server.log[seen:])) == 1, everywhere.server.log[seen:]


def check_unharmed(everywhere, pid):
    """The same worker answers others."""
    assert everywhere.ask("/ok").body == b"ok"
    assert int(everywhere.ask("/pid").body) == pid == everywhere.pid()


def ask_beside(everywhere, ask):
    """What ask() returns while another request is in the middle of its answer, which is unharmed."""
    name = next(NAMES)
    with everywhere.connect() as other:
        other.send(request("GET", f"/hold?{name}"))
        head = other.head()
        assert other.take(8) == b"3\r\none\r\n"
        result = ask()
        everywhere.set(name)
        assert other.body(head) == b"two"
        assert other.ask(request("GET", "/ok")).body == b"ok"
    return result


@pytest.mark.parametrize("path", REFUSED)
def test_refused(everywhere, path):
    pid, seen = everywhere.pid(), len(everywhere.server.log)
    with everywhere.connect() as peer:
        answer = ask_beside(everywhere, lambda: peer.ask(request("GET", path)))
        assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
        assert not any(name.lower().startswith("x-") for name, _ in answer.headers)
        check_log(everywhere, seen, path, REFUSED[path])
        assert "asgi_mistakes.py" in everywhere.server.log[seen:]
        assert answer.closes or peer.ask(request("GET", "/ok")).body == b"ok"
    check_unharmed(everywhere, pid)


@pytest.mark.parametrize("path", ["/raises", "/raises-after-start", "/header-newline", "/silent"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_refused_everywhere(peer, path, version):
    answer = peer.ask(request("GET", path, version=version))
    assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
    if version == "1.0" or answer.closes:
        assert peer.ended()
    else:
        assert peer.ask(request("GET", "/ok")).body == b"ok"


@pytest.mark.parametrize("path", UNANSWERED)
def test_not_answered(everywhere, path):
    pid, seen = everywhere.pid(), len(everywhere.server.log)
    answer = ask_beside(everywhere, lambda: everywhere.ask(path))
    assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
    eventually(lambda: re.search(rf"error worker-1\[\d+\] .*GET {path}\b", everywhere.server.log[seen:]))
    check_unharmed(everywhere, pid)


@pytest.mark.parametrize("path", ["/raises", "/silent"])
def test_head_and_bodies(everywhere, peer, path):
    """Of requests that fail."""
    answer = peer.ask(request("HEAD", path))
    assert (answer.status, answer.body) == (500, b"")
    if answer.closes:
        assert peer.ended()
        return
    answer = peer.ask(request("POST", path, b"body"))
    assert answer.status == 500
    assert answer.closes or peer.ask(request("GET", "/ok")).body == b"ok"


def ask_cut(peer, path, version):
    """The status of an answer that must not look complete: None where it was cut."""
    try:
        answer = peer.ask(request("GET", path, version=version))
    except (EOFError, OSError, ValueError):  # over TLS an end without a farewell
        return None
    return answer.status


@pytest.mark.parametrize("path", CUT)
def test_never_looks_complete(everywhere, peer, path):
    pid, seen = everywhere.pid(), len(everywhere.server.log)
    assert ask_beside(everywhere, lambda: ask_cut(peer, path, "1.1")) in (None, 500)
    check_log(everywhere, seen, path, CUT[path])
    check_unharmed(everywhere, pid)


def test_cancelled_by_itself(everywhere, peer):
    """No error of anybody's, but no answer either."""
    pid = everywhere.pid()
    answer = ask_beside(everywhere, lambda: peer.ask(request("GET", "/cancelled")))
    assert answer.status in (500, 503)
    assert ask_beside(everywhere, lambda: ask_cut(peer, "/middle-cancelled", "1.1")) in (None, 500, 503)
    check_unharmed(everywhere, pid)


@pytest.mark.parametrize("path", ["/middle-length", "/pieces-short"])
def test_never_looks_complete_for_http_1_0(peer, path):
    """Where there is a length; without one the end of the connection is all that there is."""
    assert ask_cut(peer, path, "1.0") in (None, 500)


def test_longer_than_announced(everywhere, peer):
    """What is too much never goes out; the application is told."""
    pid, seen = everywhere.pid(), len(everywhere.server.log)
    peer.send(request("GET", "/pieces-long"))
    try:
        answer = peer.answer()
    except (EOFError, OSError):
        answer = None
    if answer and answer.status == 200:
        assert answer.body in (b"okok"[:3], b"ok")
        assert not answer.closes and peer.ask(request("GET", "/ok")).body == b"ok" or peer.ended()
    else:
        assert answer is None or answer.status == 500
    check_log(everywhere, seen, "/pieces-long", "(?:RuntimeError|ValueError): .*Content-Length")
    check_unharmed(everywhere, pid)


# --- what an application can mend ---


def test_caught(everywhere, peer):
    """The exception is raised where the mistake is, and leaves the answer as it was."""
    seen = len(everywhere.server.log)
    assert peer.ask(request("GET", "/caught")).body == b"mended"
    eventually(lambda: everywhere.server.log[seen:].count("refused ") == 3)
    told = re.findall(r"refused (\w+) (.+)\n", everywhere.server.log[seen:])
    assert [name for name, _ in told][:2] == ["RuntimeError", "TypeError"] and len(told) == 3
    assert "Traceback" not in everywhere.server.log[seen:]


def test_sent_after_the_end(everywhere, peer):
    """HTTP 2.5: ignored. Raised at most, and never seen by a client."""
    seen = len(everywhere.server.log)
    assert peer.ask(request("GET", "/after-the-end")).body == b"done"
    eventually(lambda: re.search(r"(?:refused|ignored) after the end", everywhere.server.log[seen:]))
    assert peer.ask(request("GET", "/ok")).body == b"ok"


def test_a_send_that_is_not_awaited(everywhere, peer):
    """Is none, whatever Python says to it; or it is one."""
    answer = peer.ask(request("GET", "/not-awaited"))
    assert answer.status in (200, 500)
    assert answer.closes or peer.ask(request("GET", "/ok")).body == b"ok"


# --- others ---


def test_no_answer(everywhere, peer):
    """It takes as long as the client has patience."""
    name, seen = next(NAMES), len(everywhere.server.log)
    peer.send(request("GET", f"/never?{name}"))
    everywhere.server.wait_for(f"never answers {name}\n")
    assert everywhere.ask("/ok").body == b"ok"
    peer.socket.close()
    everywhere.server.wait_for(f"was left {name}\n")
    assert everywhere.ask("/ok").body == b"ok" and f"/never?{name}" not in everywhere.server.log[seen:]


def test_a_loop_that_stands_still(everywhere, tmp_path):
    """After a second there is a line, and where it stands."""
    os.mkfifo(tmp_path / "gate")
    seen = len(everywhere.server.log)
    with everywhere.connect() as peer:
        peer.send(request("GET", f"/block?{tmp_path}/gate"))
        eventually(lambda: "blocks\n" in everywhere.server.log[seen:])
        eventually(lambda: re.search(r"warning worker-1\[\d+\] .*(?:\n.*)*?line \d+,? in block\b", everywhere.server.log[seen:]))
        (tmp_path / "gate").write_text("")
        assert peer.answer().body == b"unblocked"
    assert everywhere.ask("/ok").body == b"ok"


def test_left_behind(everywhere):
    """Goes on when the request has ended; what it raises is logged when nobody can fetch it any more."""
    name = next(NAMES)
    assert everywhere.ask(f"/background?{name}").body == b"answered"
    everywhere.set(name)
    everywhere.server.wait_for(f"left behind {name}\n")
    assert everywhere.ask("/forget").body == b"forgotten"
    everywhere.server.wait_for(f"RuntimeError: nobody waits for {name}\n")
    assert everywhere.ask("/ok").body == b"ok"


def test_exit_in_a_handler_ends_one_worker_alone(serve_everywhere):
    everywhere = serve_everywhere("asgi_mistakes:app")
    pid = everywhere.pid()
    with everywhere.connect() as peer:
        peer.send(request("GET", "/leave"))
        assert peer.ended()
    everywhere.server.wait_for(rf"worker 1 \(pid {pid}\) exited with status 7 .*in GET /leave")
    assert int(everywhere.ask("/pid").body) != pid


@pytest.mark.parametrize("name, said", [
    ("blunt", "TypeError: "),
    ("nothing", "TypeError: "),
    ("sleepy", "RuntimeError: raised by the call itself"),
])
def test_no_coroutine(serve_everywhere, name, said):
    """What is no ASGI application, but was said to be one."""
    everywhere = serve_everywhere(f"asgi_mistakes:{name}", "--interface", "asgi")
    for _ in range(2):
        seen = len(everywhere.server.log)
        assert everywhere.ask("/path").status == 500
        eventually(lambda: re.search(rf"GET /path\n(?:.*\n)*?{said}", everywhere.server.log[seen:]))


def test_arguments_that_do_not_fit(run):
    """Seen before anything is served."""
    done = run("serve", "asgi_mistakes:few", "--interface", "asgi", "--port", 0, "--workers", 1, "--working-dir",
               APPLICATIONS)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "asgi_mistakes:few does not take the arguments" in done.stderr.splitlines()[-1], done.stderr
