"""The head and the framing of answers: without a body, of unknown length, in the application's order."""

import re
import urllib.parse

import pytest
from raw_client import Peer, request

pytestmark = pytest.mark.also_validated

APPLICATION = '''
from urllib.parse import parse_qs

class Closing:
    """Pieces of a body that is not a list, so that nobody knows its length."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)

    def __iter__(self):
        return self.pieces

ORDER = [("X-Z", "1"), ("Set-Cookie", "a=1; Path=/; HttpOnly"), ("X-A", "2"), ("Set-Cookie", "b=2"), ("x-z", "3"),
         ("Set-Cookie", "c=3; Expires=Thu, 01 Jan 2032 00:00:00 GMT"), ("Link", "<a>, <b>"),
         ("X-Latin", "caf\\u00e9"), ("X-Quoted", 'a "b" \\\\c')]

def app(environ, start_response):
    asked = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    status = asked.get("status", ["200 OK"])[0]
    headers = [] if status[:3] in ("204", "304") else [("Content-Type", "text/plain")]
    if "length" in asked:
        headers.append(("Content-Length", asked["length"][0]))
    if "order" in asked:
        headers += ORDER
    if "value" in asked:
        headers.append(("X-Value", asked["value"][0]))
    if "date" in asked:
        headers += [("Date", "Thu, 01 Jan 2032 00:00:00 GMT"), ("Server", "mine")]
    pieces = [piece.encode() for piece in asked.get("piece", [])] * int(asked.get("times", ["1"])[0])
    start_response(status, headers)
    return Closing(pieces) if "stream" in asked else pieces
'''


@pytest.fixture(scope="module")
def server(serve_once):
    return serve_once(APPLICATION)


def check_alive(peer):
    assert peer.ask(request("GET", "/?piece=next&length=4")).body == b"next"


# --- Without a body ---


@pytest.mark.parametrize("body", ["", "&piece=abc&piece=def", "&piece=abc&stream=1"])
@pytest.mark.parametrize("method, status", [("HEAD", "200 OK"), ("HEAD", "404 Not Found"), ("GET", "304 Not Modified"),
                                            ("HEAD", "304 Not Modified"), ("POST", "304 Not Modified")])
@pytest.mark.parametrize("length", ["", "&length=0", "&length=6", "&length=5000000000"])
def test_length_without_a_body(server, method, status, length, body):
    """What the application says is told (RFC 9110 section 8.6), whether it gave a body along or not; none is sent."""
    with Peer(server) as peer:
        answer = peer.ask(request(method, f"/?status={status.replace(' ', '+')}{length}{body}"), "HEAD")
        assert (answer.status, answer.body) == (int(status[:3]), b"")
        told = answer.get("Content-Length")
        if length:
            assert told == length.partition("=")[2]
        elif method == "GET" or method == "POST" or "stream" in body:
            assert told is None
        else:
            assert told in (None, str(3 * body.count("piece")))
        assert answer.get("Transfer-Encoding") in (None, "chunked") and not (told and answer.get("Transfer-Encoding"))
        check_alive(peer)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize("rest", ["", "&length=0", "&piece=abc", "&piece=abc&stream=1", "&piece=abc&length=3"])
def test_204(server, method, rest):
    with Peer(server) as peer:
        answer = peer.ask(request(method, "/?status=204+No+Content" + rest))
        assert (answer.status, answer.get("Content-Length"), answer.get("Transfer-Encoding")) == (204, None, None)
        check_alive(peer)


def test_head_of_many_answers_in_a_row(server):
    with Peer(server) as peer:
        peer.send(b"".join(request("HEAD", f"/?length={i}&piece=x") for i in range(50)))
        assert [peer.answer("HEAD").get("Content-Length") for _ in range(50)] == [str(i) for i in range(50)]
        check_alive(peer)


@pytest.mark.parametrize("path", ["/?piece=abc", "/?piece=abc&stream=1", "/", "/?stream=1"])
def test_http_1_0_without_a_body(server, path):
    for method, status in (("HEAD", "200+OK"), ("GET", "204+No+Content"), ("GET", "304+Not+Modified")):
        with Peer(server) as peer:
            answer = peer.ask(request(method, f"{path}{'&' if '?' in path else '?'}status={status}", version="1.0"))
            assert answer.get("Transfer-Encoding") is None
            assert peer.ended()


# --- Unknown length ---


@pytest.mark.parametrize("pieces", [[], [b"one"], [b"one", b"two"], [b"", b"one", b""], [b"x" * 3000] * 2])
def test_unknown_length(server, pieces):
    """A length where all of it came quickly, else chunked; the connection is kept."""
    path = "/?stream=1" + "".join(f"&piece={piece.decode()}" for piece in pieces)
    with Peer(server) as peer:
        for _ in range(3):
            answer = peer.ask(request("GET", path))
            assert answer.body == b"".join(pieces) and not answer.closes
            coding, length = answer.get("Transfer-Encoding"), answer.get("Content-Length")
            assert coding == "chunked" or (length == str(len(b"".join(pieces))) and coding is None)
    with Peer(server) as peer:
        answer = peer.ask(request("GET", path, version="1.0"))
        assert answer.body == b"".join(pieces) and answer.get("Transfer-Encoding") is None
        assert peer.ended()


def test_unknown_length_and_close(server):
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/?stream=1&piece=one&piece=two", None, "Connection: close"))
        assert answer.body == b"onetwo" and answer.closes
        assert peer.ended()


def test_announced_length_of_a_stream(server):
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/?stream=1&piece=one&piece=two&length=6"))
        assert (answer.body, answer.get("Content-Length"), answer.get("Transfer-Encoding")) == (b"onetwo", "6", None)
        check_alive(peer)


def test_no_chunk_is_empty_before_the_end(server):
    """An empty piece must not become the last chunk."""
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/?stream=1&piece=&piece=one&piece=&piece=two&piece=&times=50000"))
        assert answer.get("Transfer-Encoding") == "chunked" and answer.body == b"onetwo" * 50000
        check_alive(peer)


# --- Headers ---


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("body", ["&piece=x&length=1", "&piece=x&stream=1", "&piece=x"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_order_and_duplicates(server, version, body, method):
    with Peer(server) as peer:
        answer = peer.ask(request(method, "/?order=1" + body, version=version))
    # The server's own fields may stand anywhere between them.
    own = ("date", "server", "connection", "content-length", "content-type", "transfer-encoding")
    assert [(name, value) for name, value in answer.headers if name.lower() not in own] == [
        ("X-Z", "1"), ("Set-Cookie", "a=1; Path=/; HttpOnly"), ("X-A", "2"), ("Set-Cookie", "b=2"), ("x-z", "3"),
        ("Set-Cookie", "c=3; Expires=Thu, 01 Jan 2032 00:00:00 GMT"), ("Link", "<a>, <b>"),
        ("X-Latin", "caf\u00e9"), ("X-Quoted", 'a "b" \\c')]


@pytest.mark.unvalidated(reason="the validator refuses tabs")
@pytest.mark.parametrize("value", ["a\tb", "a  b", 'a, b;c="d"', "\u00a0\u00ff", "x" * 8000, "%41", ":", "0"],
                         ids=lambda text: repr(text[:9]))
def test_value_comes_as_it_is(server, value):
    with Peer(server) as peer:
        quoted = urllib.parse.quote(value, safe="")
        assert peer.ask(request("GET", f"/?piece=x&value={quoted}")).get("X-Value") == value


def test_date(server):
    """RFC 9110 section 6.6.1: an origin server with a clock sends one; the application's own takes its place."""
    with Peer(server) as peer:
        date = peer.ask(request("GET", "/?piece=x")).get("Date")
        assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
        answer = peer.ask(request("GET", "/?piece=x&date=1"))
        assert answer.get("Date") == "Thu, 01 Jan 2032 00:00:00 GMT" and answer.get("Server") == "mine"


@pytest.mark.parametrize("status", [
    "200 OK", "201 Created", "206 Partial Content", "299 Own", "302 Found", "401 Unauthorized", "404 Not Found",
    "405 Method Not Allowed", "418 I'm a teapot", "451 No", "500 Oops", "503 Service Unavailable", "599 Last"])
def test_status(server, status):
    with Peer(server) as peer:
        answer = peer.ask(request("GET", f"/?piece=x&status={status.replace(' ', '+')}"))
        assert (answer.status, answer.body) == (int(status[:3]), b"x")
        check_alive(peer)
