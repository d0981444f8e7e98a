"""The chunked coding of request bodies: where chunks are cut, extensions, trailers."""

import contextlib
import json
import select

import pytest
from raw_client import Peer, chunked, chunked_request, request

pytestmark = pytest.mark.also_validated

APPLICATION = '''
import json

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    answer = json.dumps({"body": body.decode("latin-1"), "environ": shown}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
'''
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module", params=[(), ("--body-buffer", "1k")], ids=["memory", "spooled"])
def server(serve_once, request):
    return serve_once(APPLICATION, *request.param)


def seen(answer):
    assert answer.status == 200, answer
    shown = json.loads(answer.body)
    return shown["body"].encode("latin-1"), shown["environ"]


def check_alive(peer, target="/next"):
    """The next request on the connection is the one that was sent."""
    body, environ = seen(peer.ask(request("POST", target, b"plain")))
    assert (body, environ["PATH_INFO"], environ["CONTENT_LENGTH"]) == (b"plain", target, "5")
    assert "HTTP_TRANSFER_ENCODING" not in environ


@pytest.mark.parametrize("pieces", [
    [], [b"x"], [b"x"] * 300, [b"a" * 4095, b"b" * 4097], [b"x" * 100_000],
    [SMUGGLED, b"\r\n", b"0\r\n\r\n" + SMUGGLED],
])
@pytest.mark.parametrize("segment", [None, 4096, 11])
def test_pieces(server, pieces, segment):
    data = chunked_request("POST", "/", pieces)
    with Peer(server) as peer:
        size = segment if segment and len(data) < 30_000 else len(data)
        peer.send(*(data[i:i + size] for i in range(0, len(data), size)))
        body, environ = seen(peer.answer())
        assert body == b"".join(pieces)
        assert environ["CONTENT_LENGTH"] == str(len(body)) and "HTTP_TRANSFER_ENCODING" not in environ
        check_alive(peer)


@pytest.mark.parametrize("extension", [
    b";", b";name", b";name=value", b";a=1;b=2", b';quoted="a;b\\"c"', b" ;name=value", b"; name = value",
    b";" + b"x" * 1000,
])
def test_extensions_are_ignored_or_refused(server, extension):
    """RFC 9112 section 7.1.1: a recipient ignores extensions it does not know. Never is anything else made of them."""
    pieces = [b"first", b"second" * 500]
    with Peer(server) as peer:
        answer = peer.ask(chunked_request("POST", "/", pieces, extension=extension))
        if answer.status == 400:
            assert b" " in extension or len(extension) > 100 or extension == b";", "a good extension was refused"
            assert answer.closes and peer.ended()
            return
        assert seen(answer)[0] == b"".join(pieces)
        check_alive(peer)


@pytest.mark.parametrize("size", [b"3", b"03", b"000000003"])
def test_forms_of_a_size(server, size):
    with Peer(server) as peer:
        data = request("POST", "/", None, "Transfer-Encoding: chunked") + size
        data += b"\r\nabc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"
        assert seen(peer.ask(data))[0] == b"abc" + b"0123456789" * 2
        check_alive(peer)


@pytest.mark.parametrize("body", [
    b"x\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n", b"3\r\nabcd\r\n0\r\n\r\n",
    b"ffffffffffffffffff\r\nabc", b"10000000000000000\r\nabc", b"\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nBad trailer\r\n\r\n", b"3\r\nabc\r\n0\r\nX: y\n\r\n",
], ids=repr)
def test_malformed(server, body):
    """Refused, or closed without an answer; what follows is never taken for a request."""
    with Peer(server) as peer:
        peer.send(request("POST", "/", None, "Transfer-Encoding: chunked") + body + SMUGGLED)
        try:
            rest = peer.rest()
        except ConnectionResetError:
            rest = b""
        assert rest == b"" or rest.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
        assert rest.count(b"HTTP/1.1 ") <= 1
    with Peer(server) as peer:
        check_alive(peer)


# --- Trailers ---

HARMLESS = [b"X-Trailer: told later\r\n", b"X-One: 1\r\nX-Two: 2\r\n", b"X-Trailer: " + b"x" * 2000 + b"\r\n"]
DANGEROUS = [
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Host: evil.example\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Connection: close\r\n", b"Authorization: Basic eA==\r\n",
    b"Cookie: session=stolen\r\n", b"Content-Type: text/evil\r\n", b"X-Forwarded-For: 9.9.9.9\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\n", b"X-Early: and late\r\n", b"Host: a\r\nHost: b\r\n", b"\xff: y\r\n", b"X_Real_IP: 1\r\n",
]
FIELDS = ("Trailer: X-Trailer", "Content-Type: text/plain", "X-Early: early", "Cookie: a=b")


@pytest.mark.parametrize("trailers", HARMLESS + DANGEROUS, ids=lambda lines: repr(lines[:40]))
@pytest.mark.parametrize("pieces", [[], [b"some", b"body" * 1000]], ids=["empty", "body"])
def test_trailers_do_not_count(server, trailers, pieces):
    """The application sees the environ that it would without them, and the next request is what it is."""
    with Peer(server) as peer:
        _, expected = seen(peer.ask(chunked_request("POST", "/", pieces, *FIELDS)))
        answer = peer.ask(chunked_request("POST", "/", pieces, *FIELDS, trailers=trailers))
        if answer.status == 400:
            assert trailers not in HARMLESS
            assert answer.closes and peer.ended()
            return
        body, environ = seen(answer)
        assert body == b"".join(pieces)
        assert environ == expected
        check_alive(peer)


def test_trailers_of_pipelined_requests(server):
    with Peer(server) as peer:
        peer.send(b"".join(chunked_request("POST", f"/{i}", [b"body", b"%d" % i], trailers=b"X-Leaked: %d\r\n" % i)
                           + request("GET", f"/{i}/get") for i in range(10)))
        for i in range(10):
            for target, expected in ((f"/{i}", b"body%d" % i), (f"/{i}/get", b"")):
                body, environ = seen(peer.answer())
                assert (body, environ["PATH_INFO"]) == (expected, target)
                assert "HTTP_X_LEAKED" not in environ


@pytest.mark.parametrize("line", [b"X-%07d: y\r\n", b"X-%07d: " + b"y" * 200_000 + b"\r\n"], ids=["many", "long"])
def test_endless_trailers_are_refused(server, line):
    with Peer(server) as peer:
        peer.send(request("POST", "/", None, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for i in range(100_000):
                peer.send(b"".join(line % j for j in range(i * 10, i * 10 + 10)))
                if select.select([peer.socket], [], [], 0)[0]:
                    break
            else:
                raise AssertionError("nobody stops them")
        answer = peer.answer()
        assert answer.status == 431 and answer.closes
    with Peer(server) as peer:
        check_alive(peer)


def test_limit_holds_in_chunks(application, serve):
    server = serve("app:app", "--workers", 1, "--max-body-size", 1000, "--working-dir", application(APPLICATION))
    with Peer(server) as peer:
        assert seen(peer.ask(chunked_request("POST", "/", [b"x" * 100] * 10)))[0] == b"x" * 1000
        peer.send(request("POST", "/", None, "Transfer-Encoding: chunked") + chunked([b"x" * 100] * 11))
        try:
            assert peer.answer().status == 413
        except (EOFError, ConnectionResetError):
            pass  # closed without an answer
    with Peer(server) as peer:
        check_alive(peer)
