"""Expect: 100-continue (RFC 9110 section 10.1.1): the client is asked for its body when the application reads it, and
spared sending one that nobody wants."""

import concurrent.futures
import hashlib
import os
import subprocess

import pytest
from raw_client import Peer, chunked, request

pytestmark = pytest.mark.also_validated

APPLICATION = '''
import hashlib, json, os, threading

def read_some(source, path):
    """What of the body the path wants."""
    if path == "/all":
        return source.read()
    if path == "/threads":
        return read_in_threads(source)
    if path == "/pieces":
        return b"".join(iter(lambda: source.read(1000), b""))
    if path == "/lines":
        return b"".join(source)
    if path == "/some":
        return source.read(3)
    if path == "/nothing-of-it":
        return source.read(0)
    return b""

def later(source):
    """Reads when the answer is asked for."""
    yield hashlib.md5(source.read()).hexdigest().encode()

def early(source):
    """Answers before it reads."""
    yield b"begun "
    yield hashlib.md5(source.read()).hexdigest().encode()

def read_again_and_again(source):
    """As error handlers do that want to empty the connection."""
    for _ in range(3):
        try:
            source.read()
        except OSError as error:
            os.write(2, f"{type(error).__name__}: {error}\\n".encode())

def read_in_threads(source):
    """Reads in threads of its own; what one of them gets, and how much the others."""
    got = []
    threads = [threading.Thread(target=lambda: got.append(source.read(1000))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return b"".join(got)

def read_behind_the_back(source):
    """A thread that still waits when the handler returns."""
    def read():
        data = source.read()
        os.write(2, f"behind the back: {len(data)}\\n".encode())
    reader = threading.Thread(target=read)
    reader.start()
    source = getattr(source, "input", source)  # wsgiref.validate's
    while reader.is_alive() and hasattr(source, "end") and not source._lock.locked():
        pass

def app(environ, start_response):
    path, source = environ["PATH_INFO"], environ["wsgi.input"]
    os.write(2, f"called {path}\\n".encode())
    if path == "/again":
        read_again_and_again(source)
    elif path == "/behind":
        read_behind_the_back(source)
    headers = [("Content-Type", "text/plain")]
    if path in ("/later", "/early"):
        start_response("200 OK", headers)
        return (later if path == "/later" else early)(source)
    if path == "/raises":
        raise RuntimeError("before reading")
    if path == "/refuse":
        body, status = b"not for you", "403 Forbidden"
    else:
        data, status = read_some(source, path), "200 OK"
        body = json.dumps({"md5": hashlib.md5(data).hexdigest(), "size": len(data), "rest": len(source.read()),
                           "expect": environ.get("HTTP_EXPECT")} if path in ("/all", "/pieces", "/lines", "/threads") else
                          {"size": len(data)}).encode()
    start_response(status, headers + [("Content-Length", str(len(body)))])
    return [body]
'''
EXPECT = "Expect: 100-continue"


@pytest.fixture(scope="module")
def server(serve_once):
    return serve_once(APPLICATION, "--body-buffer", "64k", "--max-body-size", "50M")


def head(path, *fields, method="POST", version="1.1"):
    """The header section of a request whose body comes later."""
    return request(method, path, None, *fields, version=version)


def check_alive(peer):
    assert peer.ask(request("POST", "/all", b"next")).json()["size"] == 4


def check_end(peer, answer, body):
    """Behind an answer for which no body was asked: closed, or it stays and takes the body for what it is."""
    if answer.closes:
        assert peer.ended()
        return
    peer.send(body)
    check_alive(peer)


# --- The application reads ---


@pytest.mark.parametrize("path", ["/all", "/pieces", "/lines"])
@pytest.mark.parametrize("size", [1, 5000, 3_000_000])
def test_asked_for_when_it_is_read(server, path, size):
    data = os.urandom(size)
    with Peer(server) as peer:
        for expect in (EXPECT, "expect: 100-Continue"):
            peer.send(head(path, expect, f"Content-Length: {size}"))
            interim = peer.head()
            assert (interim.status, interim.reason) == (100, "Continue")
            assert interim.get("Content-Length") is interim.get("Transfer-Encoding") is None
            peer.send(data)
            seen = peer.answer().json()  # and no second 100
            assert (seen["size"], seen["rest"], seen["expect"].lower()) == (size, 0, "100-continue")
            check_alive(peer)


def test_in_chunks(server):
    """Asked for before the application is called, which is told the length."""
    with Peer(server) as peer:
        peer.send(head("/all", EXPECT, "Transfer-Encoding: chunked"))
        assert peer.head().status == 100
        seen = len(server.log)
        peer.send(chunked([b"first", b"second" * 1000]).removesuffix(b"0\r\n\r\n"))
        assert "called" not in server.log[seen:]
        peer.send(b"0\r\n\r\n")
        assert peer.answer().json()["size"] == 6005
        check_alive(peer)


def test_read_by_a_generator(server):
    with Peer(server) as peer:
        peer.send(head("/later", EXPECT, "Content-Length: 3"))
        assert peer.head().status == 100
        peer.send(b"abc")
        assert peer.answer().body == b"900150983cd24fb0d6963f7d28e17f72"
        check_alive(peer)


def test_some_of_it_is_read(server):
    """The rest is taken off the connection, or the connection is closed."""
    data = os.urandom(500_000)
    with Peer(server) as peer:
        peer.send(head("/some", EXPECT, f"Content-Length: {len(data)}"))
        assert peer.head().status == 100
        peer.send(data)
        answer = peer.answer()
        assert answer.json() == {"size": 3}
        if answer.closes:
            assert peer.ended()
        else:
            check_alive(peer)


def test_body_that_does_not_wait(server):
    """A client may send it at once, and then a 100 may be left out."""
    with Peer(server) as peer:
        for _ in range(10):
            peer.send(head("/all", EXPECT, "Content-Length: 3") + b"abc")
            answer = peer.head()
            if answer.status == 100:
                answer = peer.head()
            assert peer.body(answer) and answer.status == 200
        check_alive(peer)


def test_pipelined(server):
    """It is asked for when its turn has come."""
    with Peer(server) as peer:
        peer.send(request("POST", "/all", b"first") + head("/all", EXPECT, "Content-Length: 6"))
        assert peer.answer().json()["size"] == 5
        assert peer.head().status == 100
        peer.send(b"second" + request("POST", "/all", b"the third"))
        assert peer.answer().json()["size"] == 6
        assert peer.answer().json()["size"] == 9


def test_client_that_changes_its_mind(server):
    """It is asked for its body, and goes away."""
    for path in ("/all", "/some", "/later"):
        with Peer(server) as peer:
            peer.send(head(path, EXPECT, "Content-Length: 1000"))
            assert peer.head().status == 100
            peer.send(b"only some")
    with Peer(server) as peer:
        check_alive(peer)


def test_many_at_once(server):
    """However many of them a server lets read at once: all get their turn."""

    def upload(number):
        data = os.urandom(1000 + number)
        with Peer(server) as peer:
            peer.send(head("/all", EXPECT, f"Content-Length: {len(data)}"))
            assert peer.head().status == 100
            peer.send(data[:500])
            peer.send(data[500:])
            return peer.answer().json()["md5"] == hashlib.md5(data).hexdigest()

    with concurrent.futures.ThreadPoolExecutor(40) as clients:
        assert all(clients.map(upload, range(40)))


@pytest.mark.parametrize("size", [3, 3000, 300_000])
def test_read_in_threads_of_the_application(server, size):
    data = os.urandom(size)
    with Peer(server) as peer:
        peer.send(head("/threads", EXPECT, f"Content-Length: {size}"))
        assert peer.head().status == 100
        peer.send(data)
        seen = peer.answer().json()
        assert (seen["size"], seen["size"] + seen["rest"]) == (min(size, 3000), size)
        check_alive(peer)


def test_read_when_the_client_has_gone(server):
    """However often."""
    workers = server.workers()
    with Peer(server) as peer:  # its traceback comes behind those of the tests before
        assert peer.ask(head("/raises", "Content-Length: 0")).status == 500
    server.wait_for("RuntimeError: before reading\n")
    seen = len(server.log)
    with Peer(server) as peer:
        peer.send(head("/again", EXPECT, "Content-Length: 3"))
        assert peer.head().status == 100
    server.wait_for("(?s)" + "ConnectionResetError: the client has gone.*" * 3)
    with Peer(server) as peer:
        check_alive(peer)
    assert server.workers() == workers and "Traceback" not in server.log[seen:]


@pytest.mark.parametrize("sends", [True, False])
def test_read_while_the_handler_returns(server, sends):
    with Peer(server) as peer:
        peer.send(head("/behind", EXPECT, "Content-Length: 3"))
        assert peer.head().status == 100
        if sends:
            peer.send(b"abc")
            assert peer.answer().json() == {"size": 0}
            server.wait_for("behind the back: 3")
            check_alive(peer)
    with Peer(server) as peer:
        check_alive(peer)


# --- The application does not read ---


@pytest.mark.parametrize("path, status", [("/refuse", 403), ("/nothing", 200), ("/raises", 500)])
def test_final_answer_without_asking(server, path, status):
    with Peer(server) as peer:
        peer.send(head(path, EXPECT, "Content-Length: 5000"))
        answer = peer.answer()  # would be the 100
        assert answer.status == status
        check_end(peer, answer, b"x" * 5000)
    with Peer(server) as peer:
        check_alive(peer)


def test_body_sent_all_the_same(server):
    """By a client that has not seen the answer yet: its body is no request."""
    smuggled = b"POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" * 1000
    with Peer(server) as peer:
        peer.send(head("/refuse", EXPECT, f"Content-Length: {len(smuggled)}"))
        answer = peer.answer()
        assert answer.status == 403
        try:
            peer.send(smuggled)
        except (BrokenPipeError, ConnectionResetError):
            assert answer.closes
        if answer.closes:
            assert peer.ended()
        else:
            check_alive(peer)
    assert "called /smuggled" not in server.log


def test_answer_before_the_body_is_read(server):
    """Once the answer has begun there is no way to ask any more: never is a 100 in its middle."""
    with Peer(server) as peer:
        peer.send(head("/early", EXPECT, "Content-Length: 3"))
        answer = peer.head()
        assert answer.status == 200 and answer.get("Transfer-Encoding") == "chunked"
        peer.send(b"abc")
        try:
            body = peer.body(answer)
        except (EOFError, ConnectionResetError):
            return  # cut, which the client sees
        assert body in (b"begun 900150983cd24fb0d6963f7d28e17f72", b"begun d41d8cd98f00b204e9800998ecf8427e")


def test_head_request(server):
    with Peer(server) as peer:
        peer.send(head("/refuse", EXPECT, "Content-Length: 10", method="HEAD"))
        answer = peer.answer("HEAD")
        assert (answer.status, answer.body) == (403, b"")
        check_end(peer, answer, b"x" * 10)


# --- Limits ---


def test_too_long_a_body_is_not_asked_for(server):
    """RFC 9110 section 10.1.1: the refusal is the final answer; the application is not troubled."""
    with Peer(server) as peer:
        peer.send(head("/too-long", EXPECT, "Content-Length: 50000001000"))
        answer = peer.answer()
        assert answer.status == 413 and answer.closes
        assert peer.ended()
    assert "called /too-long" not in server.log


def test_too_long_in_chunks(server):
    with Peer(server) as peer:
        peer.send(head("/all", EXPECT, "Transfer-Encoding: chunked"))
        assert peer.head().status == 100
        try:
            for _ in range(60):
                peer.send(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
            assert peer.answer().status == 413
        except (ConnectionResetError, BrokenPipeError, EOFError):
            pass
    with Peer(server) as peer:
        check_alive(peer)


# --- Where it does not count ---


@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_not_for_http_1_0(server, fields):
    with Peer(server) as peer:
        peer.send(head("/all", EXPECT, "Content-Length: 3", *fields, version="1.0") + b"abc")
        assert peer.answer().json()["size"] == 3
        assert fields or peer.ended()


@pytest.mark.parametrize("method, fields", [("GET", ()), ("POST", ("Content-Length: 0",)), ("DELETE", ())])
def test_not_without_a_body(server, method, fields):
    with Peer(server) as peer:
        for _ in range(2):
            peer.send(head("/all", EXPECT, *fields, method=method))
            assert peer.answer().json()["size"] == 0
        check_alive(peer)


@pytest.mark.parametrize("value", ["200-ok", "100-continue, other", "other=1", "", "100-continued", "100"])
def test_unknown_expectation(server, value):
    """417 or passed over, a server may choose; nobody hangs."""
    with Peer(server) as peer:
        peer.send(head("/all", f"Expect: {value}", "Content-Length: 3") + b"abc")
        answer = peer.head()
        if answer.status == 100:
            answer = peer.head()
        answer = answer._replace(body=peer.body(answer))
        assert answer.status == 417 or answer.json()["size"] == 3
        if answer.closes:
            assert peer.ended()
        else:
            check_alive(peer)


# --- By curl, which waits for the 100 as long as it is told to ---


def curl(server, path, file):
    """(status, bytes sent, answer) of an upload for which curl waits an hour to be asked."""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "60", "--expect100-timeout", "3600", "-H", EXPECT, "-T", file,
         "-w", "\n%{http_code} %{size_upload}", server.url + path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    body, _, told = done.stdout.rpartition("\n")
    status, sent = told.split()
    return int(status), int(sent), body


@pytest.mark.parametrize("path", ["/all", "/pieces"])
def test_curl_is_asked(server, tmp_path, path):
    (tmp_path / "big.bin").write_bytes(os.urandom(20_000_000))
    status, sent, body = curl(server, path, tmp_path / "big.bin")
    assert (status, sent) == (200, 20_000_000) and '"size": 20000000' in body


def test_curl_is_spared(server, tmp_path):
    (tmp_path / "big.bin").write_bytes(bytes(20_000_000))
    assert curl(server, "/refuse", tmp_path / "big.bin") == (403, 0, "not for you")
