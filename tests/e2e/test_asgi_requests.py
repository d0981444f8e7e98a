"""receive(): bodies in one and in many pieces, uploads that are held back, 100 Continue, limits, pipelining."""

import ast
import hashlib
import itertools
import os
import pathlib
import re
import select
import socket
import ssl
import threading

import pytest
from raw_client import chunked, chunked_request, request
from server import eventually, is_sanitized
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

EXPECT = "Expect: 100-continue"
NAMES = map("e{}".format, itertools.count())  # of events, each used once
SIZES = [0, 1, 1000, 16384, 16385, 100_000, 1_000_000]


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_requests:app", "--max-body-size", "100M", "--body-buffer", "64k")


@pytest.fixture(params=TRANSPORTS)
def peer(everywhere, request):
    with everywhere.connect(request.param) as connected:
        yield connected


def digest(data):
    return f"{len(data)} {hashlib.md5(data).hexdigest()}".encode()


def check_alive(peer):
    assert peer.ask(request("POST", "/digest", b"next")).body == digest(b"next")


def check_end(peer):
    """Closed, however; nothing has come before."""
    try:
        assert peer.rest() == b""
    except OSError:
        pass


def check_messages(answer, body):
    """They are what the specification says, and the body together."""
    seen = ast.literal_eval(answer.body.decode())
    for types, message in seen:
        assert types == {"type": "str", "body": "bytes", "more_body": "bool"} and message["type"] == "http.request"
    assert [message["more_body"] for _, message in seen] == [True] * (len(seen) - 1) + [False]
    assert b"".join(message["body"] for _, message in seen) == body
    return len(seen)


# --- whole bodies ---


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_bodies(peer, coding):
    for size in SIZES:
        data = os.urandom(size)
        whole = chunked_request("POST", "/messages", [data[:7], data[7:5000], data[5000:]]) \
            if coding == "chunked" else request("POST", "/messages", data)
        count = check_messages(peer.ask(whole), data)
        assert count <= 1 + size // 1000, "the pieces are not tiny"
    check_alive(peer)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "POST"])
@pytest.mark.parametrize("fields", [(), ("Content-Length: 0",), ("Transfer-Encoding: chunked",)])
def test_no_body(peer, method, fields):
    """One message, that was all."""
    if method == "HEAD" and fields:
        pytest.skip("the answer cannot be seen")
    for _ in range(2):
        end = b"0\r\n\r\n" if "Transfer-Encoding: chunked" in fields else b""
        answer = peer.ask(request(method, "/messages", None, *fields) + end, method)
        if method != "HEAD":
            assert check_messages(answer, b"") == 1
    check_alive(peer)


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PUT", "X-OWN"])
def test_body_of_any_method(peer, method):
    assert check_messages(peer.ask(request(method, "/messages", b"abc")), b"abc") == 1
    assert check_messages(peer.ask(chunked_request(method, "/messages", [b"a", b"bc"])), b"abc")
    check_alive(peer)


def test_body_of_a_head_request(peer):
    answer = peer.ask(request("HEAD", "/steps?head", b"abc"))
    assert (answer.get("Content-Length"), answer.body) == ("3", b"")
    check_alive(peer)


@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_http_1_0(peer, fields):
    assert check_messages(peer.ask(request("POST", "/messages", b"abc", *fields, version="1.0")), b"abc") == 1
    assert fields or peer.ended()


def test_byte_by_byte(peer):
    peer.send(*(bytes([byte]) for byte in request("POST", "/digest", b"0123456789")))
    assert peer.answer().body == digest(b"0123456789")
    peer.send(*(bytes([byte]) for byte in chunked_request("POST", "/digest", [b"01", b"2345"], extension=b";x=y")))
    assert peer.answer().body == digest(b"012345")
    check_alive(peer)


def test_trailers_of_a_request_are_no_body(peer):
    answer = peer.ask(chunked_request("POST", "/messages", [b"abc"], trailers=b"X-Sum: 1\r\n"))
    assert check_messages(answer, b"abc")
    check_alive(peer)


# --- streaming ---


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_a_piece_comes_before_the_next_is_sent(everywhere, peer, coding):
    name = next(NAMES)
    in_chunks = coding == "chunked"
    fields = ["Transfer-Encoding: chunked"] if in_chunks else ["Content-Length: 9"]
    parts = [b"3\r\n%s\r\n" % part if in_chunks else part for part in (b"one", b"two", b"end")]
    peer.send(request("POST", f"/steps?{name}", None, *fields))
    for part, so_far in zip(parts, ["one", "onetwo", "onetwoend"], strict=True):
        peer.send(part)
        everywhere.server.wait_for(f"so far {name} {so_far}\n")
    if in_chunks:
        peer.send(b"0\r\n\r\n")
    assert peer.answer().body == b"onetwoend"


def test_a_receive_that_was_given_up_takes_nothing(everywhere, peer):
    seen = len(everywhere.server.log)
    peer.send(request("POST", "/cancelled", None, "Content-Length: 6"))
    eventually(lambda: "given up" in everywhere.server.log[seen:])
    peer.send(b"abcdef")
    assert peer.answer().body == b"abcdef"
    assert peer.ask(request("POST", "/cancelled", b"there already")).body == b"there already"
    check_alive(peer)


def test_receive_in_moments(peer):
    """Time limits that end, again and again, while the body comes."""
    data = os.urandom(200_000)
    peer.send(request("POST", "/timed", None, f"Content-Length: {len(data)}"))
    peer.send(*(data[i:i + 10_000] for i in range(0, len(data), 10_000)))
    assert peer.answer().body == data


def test_receive_behind_the_end(everywhere, peer):
    """Waits until the answer is complete, then tells of the end."""
    name = next(NAMES)
    seen = len(everywhere.server.log)
    peer.send(request("POST", f"/after?{name}", b"abc"))
    everywhere.set(name)
    assert peer.answer().body == b"answered"
    eventually(lambda: "after the answer" in everywhere.server.log[seen:])
    told = everywhere.server.log[seen:]
    assert "before the answer False\n" in told
    assert "after the answer {'type': 'http.disconnect'} {'type': 'http.disconnect'}\n" in told
    check_alive(peer)


# --- larger than memory ---


def memory_kb(pid, name="VmRSS"):
    return int(re.search(rf"{name}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def is_resident_below(pid, kilobytes):
    """Sanitizers keep what was freed for a while: whether it is so is judged without them."""
    return is_sanitized() or memory_kb(pid) < kilobytes


def fill(connection, data, limit):
    """Send until nothing more is taken for a while, or limit bytes were sent. Returns how many were sent."""
    sent = 0
    connection.setblocking(False)
    while sent < limit:
        try:
            sent += connection.send(data[sent % len(data):][:limit - sent])
        except (BlockingIOError, socket.timeout):
            if not select.select([], [connection], [], 0.3)[1]:
                break
    connection.settimeout(60)
    return sent


@pytest.mark.parametrize("route", ["/held", "/first"])
@pytest.mark.parametrize("transport", ["plain", "unix"])
def test_a_slow_application_holds_the_client_back(everywhere, transport, route):
    name, limit = next(NAMES), 64 << 20
    data = os.urandom(1 << 20)
    before = memory_kb(everywhere.pid())
    with everywhere.connect(transport) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        peer.send(request("POST", f"{route}?{name}", None, f"Content-Length: {limit}"))
        sent = fill(peer.socket, data, limit)
        assert sent < limit / 2, "everything was taken from it"
        assert is_resident_below(everywhere.pid(), before + 16_000)
        assert everywhere.ask("/ok").body == b"ok"  # others are served
        everywhere.set(name)
        md5 = hashlib.md5()
        for _ in range(limit // len(data)):
            md5.update(data)
        peer.send(data[sent % len(data):])
        for _ in range((limit - sent) // len(data)):
            peer.send(data)
        assert peer.answer().body == f"{limit} {md5.hexdigest()}".encode()
        check_alive(peer)


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_upload_larger_than_what_is_kept(everywhere, peer, coding):
    """Neither in memory nor in a file."""
    check_alive(peer)
    data, count = os.urandom(1 << 20), 16 if is_sanitized() else 48
    pid = everywhere.pid()
    before, files = memory_kb(pid), everywhere.server.descriptors(pid)
    fields = ["Transfer-Encoding: chunked"] if coding == "chunked" else [f"Content-Length: {count << 20}"]
    peer.send(request("POST", "/digest", None, *fields))
    md5 = hashlib.md5()
    for _ in range(count):
        peer.send(b"100000\r\n" + data + b"\r\n" if coding == "chunked" else data)
        md5.update(data)
    assert everywhere.server.descriptors(pid) <= files
    peer.send(b"0\r\n\r\n" if coding == "chunked" else b"")
    assert peer.answer().body == f"{count << 20} {md5.hexdigest()}".encode()
    assert is_resident_below(pid, before + 12_000)
    check_alive(peer)


# --- 100 Continue ---


def quiet(peer):
    """Nothing has come so far, but what TLS has for itself."""
    peer.socket.setblocking(False)
    try:
        peer.take(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    finally:
        peer.socket.settimeout(60)
    return False


@pytest.mark.parametrize("coding", ["Content-Length: 6", "Transfer-Encoding: chunked"])
def test_asked_for_when_it_is_received(everywhere, coding):
    name = next(NAMES)
    body = chunked([b"abc", b"def"]) if "chunked" in coding else b"abcdef"
    with everywhere.connect() as peer:
        seen = len(everywhere.server.log)
        peer.send(request("POST", f"/held?{name}", None, EXPECT, coding))
        eventually(lambda: "called /held" in everywhere.server.log[seen:])
        assert everywhere.ask("/ok").body == b"ok" and quiet(peer)
        everywhere.set(name)
        interim = peer.head()
        assert (interim.status, interim.get("Content-Length")) == (100, None)
        peer.send(body)
        assert peer.answer().body == digest(b"abcdef")
        check_alive(peer)


def test_asked_for_once(peer):
    for _ in range(2):
        peer.send(request("POST", "/digest", None, EXPECT, "Content-Length: 6"))
        assert peer.head().status == 100
        peer.send(b"abc")
        peer.send(b"def")
        assert peer.answer().body == digest(b"abcdef")
    check_alive(peer)


def test_not_asked_for(peer):
    peer.send(request("POST", "/refuse", None, EXPECT, "Content-Length: 5000"))
    answer = peer.answer()
    assert (answer.status, answer.body) == (401, b"not for you")
    if answer.closes:
        assert peer.ended()
    else:
        peer.send(b"x" * 5000)
        check_alive(peer)


def test_body_that_does_not_wait(peer):
    peer.send(request("POST", "/digest", None, EXPECT, "Content-Length: 3") + b"abc")
    answer = peer.head()
    if answer.status == 100:
        answer = peer.head()
    assert peer.body(answer) == digest(b"abc")
    check_alive(peer)


def test_expectation_of_http_1_0(peer):
    answer = peer.ask(request("POST", "/digest", b"abc", EXPECT, version="1.0"))
    assert answer.body == digest(b"abc") and peer.ended()


# --- limits ---


@pytest.mark.parametrize("fields", [(), (EXPECT,)])
def test_too_long_a_body_that_is_announced(everywhere, peer, fields):
    """Refused before the application is called."""
    seen = len(everywhere.server.log)
    peer.send(request("POST", "/told", None, f"Content-Length: {101 << 20}", *fields))
    answer = peer.answer()
    assert answer.status == 413 and answer.closes
    assert "called /told" not in everywhere.server.log[seen:]


def test_too_long_a_body_in_chunks(serve_everywhere):
    """Cut: the application learns that the rest does not come."""
    everywhere = serve_everywhere("asgi_requests:app", "--max-body-size", "100k")
    for transport in TRANSPORTS:
        seen = len(everywhere.server.log)
        with everywhere.connect(transport) as peer:
            try:
                peer.send(request("POST", "/digest", None, "Transfer-Encoding: chunked"))
                for _ in range(64):
                    peer.send(b"2000\r\n" + b"x" * 8192 + b"\r\n")
                status = peer.answer().status
            except (OSError, EOFError):
                status = None
            assert status in (413, None)
        eventually(lambda: "cut after" in everywhere.server.log[seen:])
        assert int(re.search(r"cut after (\d+)", everywhere.server.log[seen:])[1]) <= 100 << 10
        assert everywhere.ask("/digest", b"next", method="POST").body == digest(b"next")
    assert "Traceback" not in everywhere.server.log


def test_body_of_just_that_length(serve_everywhere):
    everywhere = serve_everywhere("asgi_requests:app", "--max-body-size", "100k")
    data = os.urandom(100 << 10)
    with everywhere.connect() as peer:
        assert peer.ask(request("POST", "/digest", data)).body == digest(data)
        assert peer.ask(chunked_request("POST", "/digest", [data[:50_000], data[50_000:]])).body == digest(data)
        assert peer.ask(request("POST", "/digest", data + b"x")).status == 413


# --- bodies that end too early ---


@pytest.mark.parametrize("how", ["closed", "half closed", "reset"])
@pytest.mark.parametrize("coding", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cut_by_the_client(everywhere, transport, coding, how):
    name, seen = next(NAMES), len(everywhere.server.log)
    with everywhere.connect(transport) as peer:
        peer.send(request("POST", f"/cut?{name}", None, coding), b"3\r\nabc\r\n")
        everywhere.server.wait_for(f"has some of {name}\n")
        if how == "half closed":
            peer.socket.shutdown(socket.SHUT_WR)
            everywhere.server.wait_for(f"told of {name} http.disconnect\n")
        elif how == "reset" and transport != "unix":
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    everywhere.server.wait_for(f"told of {name} http.disconnect\n")
    assert everywhere.ask("/ok").body == b"ok"
    assert "Traceback" not in everywhere.server.log[seen:] and " error " not in everywhere.server.log[seen:]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cut_at_once(everywhere, transport):
    """By clients that are gone before anybody looks: called or not, no application takes that for a body."""
    seen = len(everywhere.server.log)
    for _ in range(20):
        with everywhere.connect(transport) as peer:
            peer.send(request("POST", "/digest", None, "Content-Length: 100") + b"abc")
    assert everywhere.ask("/digest", b"next", method="POST").body == digest(b"next")
    assert "Traceback" not in everywhere.server.log[seen:] and " error " not in everywhere.server.log[seen:]


@pytest.mark.parametrize("broken", [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"-3\r\nabc\r\n", b"ffffffffffffffffff\r\n"])
def test_chunks_that_are_none(everywhere, peer, broken):
    """An application that was called is told that there is no end."""
    name, seen = next(NAMES), len(everywhere.server.log)
    everywhere.set(name)
    peer.send(request("POST", f"/held?{name}", None, "Transfer-Encoding: chunked"), b"2\r\nok\r\n" + broken)
    try:
        assert peer.answer().status in (400, 413)
    except (EOFError, ConnectionResetError):
        pass
    assert everywhere.ask("/ok").body == b"ok"
    if "called /held" in everywhere.server.log[seen:]:
        eventually(lambda: "cut after" in everywhere.server.log[seen:])


# --- answers before the body is read ---


@pytest.mark.parametrize("path", ["/refuse", "/refuse-later"])
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_refused_while_it_is_coming(everywhere, peer, path, coding):
    """The answer comes while most of the body is still to be sent."""
    smuggled = request("GET", "/smuggled") * 500
    if coding == "chunked":
        peer.send(request("POST", path, None, "Transfer-Encoding: chunked") + b"ff000\r\n" + smuggled)
    else:
        peer.send(request("POST", path, None, f"Content-Length: {50 << 20}") + smuggled)
    answer = peer.answer()
    assert answer.status == 401
    try:
        peer.send(smuggled)
    except OSError:
        assert answer.closes
    if answer.closes:
        check_end(peer)
    peer.socket.close()
    assert everywhere.ask("/ok").body == b"ok"
    assert "called /smuggled" not in everywhere.server.log


def test_refused_and_all_of_it_sent(everywhere, peer):
    """By a client that writes everything before it reads."""
    done = threading.Event()
    data = b"x" * (4 << 20)

    def upload():
        try:
            peer.send(request("POST", "/refuse", data))
        except OSError:
            pass
        done.set()

    thread = threading.Thread(target=upload)
    thread.start()
    thread.join(60)
    assert done.is_set(), "it never came to read"
    try:
        assert peer.answer().status == 401
    except OSError:
        pass  # what was not read makes the kernel throw the answer away
    assert everywhere.ask("/ok").body == b"ok"


def test_a_small_body_that_is_not_received_keeps_the_connection(peer):
    for _ in range(5):
        answer = peer.ask(request("POST", "/refuse", b"small body"))
        assert answer.status == 401 and not answer.closes
    check_alive(peer)


# --- pipelining ---


def test_pipelined(peer):
    """In their order, one at a time."""
    requests = [request("POST", "/digest", b"x" * size) for size in range(0, 2000, 100)]
    peer.send(b"".join(requests) + chunked_request("POST", "/digest", [b"ab", b"c"]) + request("GET", "/ok"))
    for size in range(0, 2000, 100):
        assert peer.answer().body == digest(b"x" * size)
    assert peer.answer().body == digest(b"abc")
    assert peer.answer().body == b"ok"


def test_the_next_waits_for_the_one_before(everywhere, peer):
    first, second = next(NAMES), next(NAMES)
    peer.send(request("GET", f"/wait?{first}") + request("GET", f"/wait?{second}") + request("GET", "/ok"))
    everywhere.server.wait_for(f"called /wait {first}\n")
    everywhere.set(second)
    assert quiet(peer)
    everywhere.set(first)
    assert [peer.answer().body for _ in range(3)] == [first.encode(), second.encode(), b"ok"]


def test_a_next_request_is_neither_body_nor_end(everywhere, peer):
    """receive() behind the end of a body, while more comes on the connection."""
    name = next(NAMES)
    seen = len(everywhere.server.log)
    peer.send(request("POST", f"/after?{name}", b"abc") + request("POST", "/digest", b"next"))
    everywhere.set(name)
    assert peer.answer().body == b"answered"
    assert peer.answer().body == digest(b"next")
    eventually(lambda: "before the answer False\n" in everywhere.server.log[seen:])


def test_many_at_once(everywhere):
    """All of them have begun before the first of them ends."""
    name, count = next(NAMES), 60
    peers = [everywhere.connect(TRANSPORTS[number % 3]) for number in range(count)]
    try:
        seen = len(everywhere.server.log)
        for peer in peers:
            peer.send(request("POST", f"/held?{name}", b"x" * 1000))
        eventually(lambda: everywhere.server.log[seen:].count("called /held") == count)
        everywhere.set(name)
        assert [peer.answer().body for peer in peers] == [digest(b"x" * 1000)] * count
    finally:
        for peer in peers:
            peer.socket.close()
