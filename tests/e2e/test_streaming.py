"""Answers in pieces: generators, back-pressure, close(), write(), exc_info, files sent by the kernel (PEP 3333)."""

import hashlib
import http.client
import os
import re
import socket

import pytest
from server import eventually

pytestmark = pytest.mark.also_validated

STREAMER = '''
import io, os, sys, tempfile, threading

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "big.bin")
closed = []
asked_on = threading.Event()

class Closing:
    """An iterable that says when it was closed."""

    def __init__(self, pieces, name):
        self.pieces, self.name = iter(pieces), name

    def __iter__(self):
        return self.pieces

    def close(self):
        os.write(2, f"closed {self.name}\\n".encode())

def endless():
    while True:
        yield b"x" * 10000

def failing():
    yield b"begun"
    raise ValueError("in the middle")

def failing_first():
    raise ValueError("at the very start")
    yield b"never"

def gradual():
    yield b"one "
    asked_on.wait(30)
    yield b"two"

def changing_its_mind(start_response, headers):
    yield b"begun"
    try:
        raise KeyError("too late")
    except KeyError:
        start_response("500 Oops", headers, sys.exc_info())
    yield b"never"

def app(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/late-error":
        start_response("200 OK", headers)
        return changing_its_mind(start_response, headers)
    if path == "/early-error":
        def replaced():
            try:
                raise KeyError("early")
            except KeyError:
                start_response("503 Replaced", headers, sys.exc_info())
            yield b"replaced"
        start_response("200 OK", headers)
        return replaced()
    if path == "/late-start":
        def late():
            start_response("200 OK", headers)
            yield b"late"
        return late()
    if path == "/write":
        write = start_response("200 OK", headers)
        write(b"written ")
        write(b"twice ")
        return [b"and returned"]
    if path.startswith("/file"):
        file = open(FILE, "rb") if path == "/file" else io.BytesIO(b"in memory" * 10000)
        if environ["QUERY_STRING"]:
            file.seek(int(environ["QUERY_STRING"]))
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](file, 4096)
    if path == "/empty-file":
        start_response("200 OK", headers + [("Content-Length", "0")])
        return environ["wsgi.file_wrapper"](io.BytesIO())
    if path == "/announced":
        start_response("200 OK", headers + [("Content-Length", environ["QUERY_STRING"])])
        return Closing([b"12345", b"67890"], "announced")
    if path == "/go-on":
        asked_on.set()
    start_response("200 OK", headers)
    return Closing({"/endless": endless, "/failing": failing, "/failing-first": failing_first,
                    "/pieces": lambda: [b"", b"one ", b"", b"two"], "/nothing": lambda: [],
                    "/gradual": gradual, "/many": lambda: [b"m" * 1000] * 1000, "/go-on": lambda: [],
                    "/text": lambda: ["text"]}[path](), path)
'''

SIZE = 3_000_000


@pytest.fixture
def folder(application):
    folder = application(STREAMER)
    (folder / "big.bin").write_bytes(os.urandom(SIZE))
    return folder


@pytest.fixture
def server(folder, serve):
    return serve("app:app", "--workers", 1, "--working-dir", folder)


def get(server, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def test_many_pieces_are_chunked_and_closed(server):
    response, body = get(server, "/many")
    assert (body, response.headers["Transfer-Encoding"]) == (b"m" * 1_000_000, "chunked")
    server.wait_for("closed /many")


def test_few_quick_pieces_have_a_length(server):
    """All of the body is there before the header section goes out."""
    response, body = get(server, "/pieces")
    assert (body, response.headers["Content-Length"], response.headers["Transfer-Encoding"]) == (b"one two", "7", None)
    server.wait_for("closed /pieces")


def test_a_piece_does_not_wait_for_the_next(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/gradual")
    response = connection.getresponse()
    assert (response.read(4), response.headers["Transfer-Encoding"]) == (b"one ", "chunked")
    get(server, "/go-on")
    assert response.read() == b"two"
    connection.close()
    server.wait_for("closed /gradual")


def test_an_empty_file_in_memory(server):
    response, body = get(server, "/empty-file")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", "0")


def test_announced_length_is_kept(server):
    response, body = get(server, "/announced?10")
    assert (body, response.headers["Content-Length"], response.headers["Transfer-Encoding"]) == (
        b"1234567890", "10", None)
    server.wait_for("closed announced")


def test_too_short_a_body_cuts_the_connection(server):
    with pytest.raises(http.client.IncompleteRead):
        get(server, "/announced?11")
    server.wait_for("the body ended after 10 of 11 bytes, connection closed")


def test_too_long_a_body_is_dropped_and_told(server):
    assert get(server, "/announced?7")[1] == b"1234567"
    server.wait_for("the body is longer than the 7 bytes announced")


def test_no_pieces_at_all(server):
    response, body = get(server, "/nothing")
    assert (body, response.headers["Content-Length"]) == (b"", "0")


def test_first_piece_decides_before_anything_is_sent(server):
    response, _ = get(server, "/failing-first")
    assert response.status == 500
    server.wait_for("ValueError: at the very start")
    server.wait_for("closed /failing-first")
    assert "exception while answering GET /failing-first" in server.log


def test_failure_in_the_middle_cuts_the_connection(server):
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server, "/failing")
    assert caught.value.partial == b"begun"
    server.wait_for("ValueError: in the middle")
    server.wait_for("closed /failing")
    assert "exception in the middle of the answer to GET /failing" in server.log
    assert get(server, "/pieces")[1] == b"one two"


@pytest.mark.unvalidated(reason="breaks the rules on purpose")
def test_text_is_refused(server):
    assert get(server, "/text")[0].status == 500
    server.wait_for("the application yielded str, not bytes")


def test_exc_info_before_the_first_piece_replaces_the_answer(server):
    response, body = get(server, "/early-error")
    assert (response.status, body) == (503, b"replaced")


def test_exc_info_afterwards_is_raised(server):
    with pytest.raises(http.client.IncompleteRead):
        get(server, "/late-error")
    server.wait_for("KeyError: 'too late'")


def test_start_response_by_the_generator_itself(server):
    assert get(server, "/late-start")[1] == b"late"


def test_write(server):
    assert get(server, "/write")[1] == b"written twice and returned"


def test_slow_client_holds_the_generator_back(server):
    (worker,) = server.workers()
    get(server, "/pieces")
    before = resident_kb(worker)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
        peer.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(100_000)
        # Others are served meanwhile, however long it goes on.
        for _ in range(50):
            assert get(server, "/pieces")[1] == b"one two"
        assert resident_kb(worker) < before + 20_000
        assert "closed /endless" not in server.log
    server.wait_for("closed /endless")


def test_head_closes_without_reading(server):
    response, body = get(server, "/endless", "HEAD")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", None)
    server.wait_for("closed /endless")


def test_http_1_0_gets_the_pieces_and_the_end(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
        peer.sendall(b"GET /pieces HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.endswith(b"\r\n\r\none two") and b"chunked" not in answer


@pytest.mark.unvalidated(reason="the validator's iterator hides wsgi.file_wrapper")
@pytest.mark.parametrize("offset", [0, 1, 2_999_999, SIZE])
def test_file_is_sent_from_where_it_stands(server, folder, offset):
    expected = (folder / "big.bin").read_bytes()[offset:]
    response, body = get(server, f"/file?{offset}")
    assert hashlib.md5(body).digest() == hashlib.md5(expected).digest()
    assert response.headers["Content-Length"] == str(len(expected))


@pytest.mark.unvalidated(reason="the validator's iterator hides wsgi.file_wrapper")
def test_file_for_head_has_its_length(server):
    response, body = get(server, "/file", "HEAD")
    assert (body, response.headers["Content-Length"]) == (b"", str(SIZE))


def test_file_like_object_that_is_no_file(server):
    assert get(server, "/file-like?3")[1] == (b"in memory" * 10000)[3:]


def test_files_leave_no_descriptors(server):
    (worker,) = server.workers()
    get(server, "/file")
    before = server.descriptors(worker)
    for _ in range(50):
        get(server, "/file")
        get(server, "/file", "HEAD")
    eventually(lambda: server.descriptors(worker) <= before)


def test_download_abandoned_half_way(server):
    (worker,) = server.workers()
    get(server, "/file")
    before = server.descriptors(worker)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
            peer.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
            peer.recv(1000)
    eventually(lambda: server.descriptors(worker) <= before)
