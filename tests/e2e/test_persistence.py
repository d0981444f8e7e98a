"""Several requests on one connection: pipelining, HTTP/1.0, when a connection is kept and when it is closed."""

import itertools

import pytest
from raw_client import Peer, chunked_request, request

pytestmark = pytest.mark.also_validated

APPLICATION = '''
import time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.3)
    elif path == "/unread":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [b"unread"]
    body = f"{environ['REQUEST_METHOD']} {path}|".encode() + environ["wsgi.input"].read()
    headers = [("Content-Type", "text/plain")]
    if path.startswith("/unknown"):
        start_response("200 OK", headers)
        return (piece for piece in [body[:3], body[3:]] * (20_000 if "long" in path else 1))
    start_response("200 OK", headers + [("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture(scope="module")
def server(serve_once):
    return serve_once(APPLICATION)


# (method, path, the bytes of the request, the body of the answer)
SERIES = [
    ("GET", "/1", request("GET", "/1"), b"GET /1|"),
    ("POST", "/2", request("POST", "/2", b"two"), b"POST /2|two"),
    ("HEAD", "/3", request("HEAD", "/3"), b""),
    ("PUT", "/4", chunked_request("PUT", "/4", [b"fo", b"ur" * 1000]), b"PUT /4|fo" + b"ur" * 1000),
    ("POST", "/slow", request("POST", "/slow", b"five"), b"POST /slow|five"),
    ("DELETE", "/6", request("DELETE", "/6"), b"DELETE /6|"),
    ("POST", "/7", request("POST", "/7", b""), b"POST /7|"),
    ("PATCH", "/unknown", request("PATCH", "/unknown", b"eight"), b"PATCH /unknown|eight"),
    ("POST", "/unread", request("POST", "/unread", b"GET /smuggled HTTP/1.1\r\n" * 500), b"unread"),
    ("OPTIONS", "/10", request("OPTIONS", "/10"), b"OPTIONS /10|"),
]


@pytest.mark.parametrize("segment", [None, 1000, 7])
def test_pipelined(server, segment):
    """Ten requests in one write, or cut where it hurts; the slow one in their middle is overtaken by none."""
    sent = b"".join(data for _, _, data, _ in SERIES)
    with Peer(server) as peer:
        if segment is None:
            peer.send(sent)
        else:
            peer.send(*(sent[i:i + segment] for i in range(0, len(sent), segment)))
        assert [peer.answer(method).body for method, *_ in SERIES] == [body for *_, body in SERIES]
        assert peer.ask(request("GET", "/more")).body == b"GET /more|"


def test_pipelined_beyond_what_is_buffered(server):
    """More requests than the connection's buffer holds, sent before the first answer is read."""
    with Peer(server) as peer:
        peer.send(b"".join(request("POST", f"/{i}", b"x" * 1000) for i in range(200)))
        for i in range(200):
            assert peer.answer().body == f"POST /{i}|".encode() + b"x" * 1000


def test_pipelined_behind_a_close(server):
    with Peer(server) as peer:
        peer.send(request("GET", "/1") + request("GET", "/2", None, "Connection: close") + request("GET", "/3"))
        assert peer.answer().body == b"GET /1|"
        last = peer.answer()
        assert last.body == b"GET /2|" and last.closes
        assert peer.ended()


def test_pipelined_behind_a_malformed_one(server):
    with Peer(server) as peer:
        peer.send(request("GET", "/1") + b"GET /2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + request("GET", "/3"))
        assert peer.answer().body == b"GET /1|"
        refused = peer.answer()
        assert refused.status == 400 and refused.closes
        assert peer.ended()


def test_client_that_has_no_more_to_send(server):
    """It closes its half behind its requests and still gets the answers."""
    with Peer(server) as peer:
        peer.send(request("GET", "/slow") + request("POST", "/2", b"two"))
        peer.socket.shutdown(1)
        assert [peer.answer().body, peer.answer().body] == [b"GET /slow|", b"POST /2|two"]
        assert peer.ended()


def test_1000_requests_over_one_connection(server):
    (worker,) = server.workers()
    with Peer(server) as peer:
        peer.ask(request("GET", "/first"))
        descriptors = server.descriptors(worker)
        for i in range(1000):
            answer = peer.ask(request("POST", f"/{i}", b"body") if i % 3 == 0 else request("GET", f"/{i}"))
            assert answer.body == (f"POST /{i}|body" if i % 3 == 0 else f"GET /{i}|").encode()
            assert not answer.closes
        # Those of connections that were there before may be gone by now.
        assert server.descriptors(worker) <= descriptors


@pytest.mark.parametrize("field", ["Connection: close", "connection: Close", "Connection: foo, close",
                                   "Connection: close, foo"])
@pytest.mark.parametrize("path", ["/known", "/unknown", "/unread"])
def test_close_is_honoured(server, field, path):
    with Peer(server) as peer:
        answer = peer.ask(request("POST", path, b"body", field))
        assert answer.status == 200 and answer.closes
        assert peer.ended()


@pytest.mark.parametrize("field", [(), ("Connection: keep-alive",), ("Connection: foo",)])
def test_kept_in_http_1_1(server, field):
    with Peer(server) as peer:
        for _ in range(3):
            assert not peer.ask(request("GET", "/", None, *field)).closes


# --- HTTP/1.0 ---


@pytest.mark.parametrize("path", ["/known", "/unknown"])
@pytest.mark.parametrize("fields", [(), ("Host: x",), ("Connection: close",), ("Connection: foo",)])
def test_http_1_0_is_closed(server, path, fields):
    with Peer(server) as peer:
        answer = peer.ask(request("POST", path, b"body", *fields, version="1.0"))
        assert answer.body == f"POST {path}|body".encode()
        assert answer.get("Transfer-Encoding") is None
        assert peer.ended()


def test_http_1_0_keeps_on_request(server):
    """As ab and old proxies ask for it; the answer says that it is so."""
    with Peer(server) as peer:
        for i in range(3):
            answer = peer.ask(request("POST", f"/{i}", b"body", "Connection: keep-alive", version="1.0"))
            assert answer.body == f"POST /{i}|body".encode()
            assert answer.get("Connection").lower() == "keep-alive" and answer.get("Content-Length")
        answer = peer.ask(request("GET", "/last", version="1.0"))
        assert answer.body == b"GET /last|" and peer.ended()


def test_http_1_0_cannot_keep_what_has_no_length(server):
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/unknown-and-long", None, "Connection: keep-alive", version="1.0"))
        assert answer.body == b"GET /unknown-and-long|" * 20_000 and answer.get("Transfer-Encoding") is None
        assert (answer.get("Connection") or "close").lower() == "close"
        assert peer.ended()


def test_http_1_0_head(server):
    with Peer(server) as peer:
        answer = peer.ask(request("HEAD", "/known", version="1.0"))
        assert answer.get("Content-Length") == str(len("HEAD /known|"))
        assert peer.ended()


def test_versions_take_turns_on_one_connection(server):
    with Peer(server) as peer:
        for number, version in enumerate(itertools.islice(itertools.cycle(["1.1", "1.0"]), 6)):
            answer = peer.ask(request("GET", f"/{number}", None, "Connection: keep-alive", version=version))
            assert answer.body == f"GET /{number}|".encode()
