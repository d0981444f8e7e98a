"""wsgi.input: every way to read it does what the same call does to a file, however the body came and wherever it is."""

import io
import json
import os

import pytest
from raw_client import Peer, chunked_request, request

pytestmark = pytest.mark.also_validated

APPLICATION = '''
import json

def play(source, calls):
    """What each (method, arguments) gives; bytes as latin-1 text."""
    for name, arguments in calls:
        if name == "next":
            value = next(iter(source), b"")
        elif name == "iterate":
            value = list(source)
        else:
            value = getattr(source, name)(*arguments)
        yield [piece.decode("latin-1") for piece in value] if isinstance(value, list) else value.decode("latin-1")

def echo(source, size):
    while piece := source.read(size):
        yield piece

def app(environ, start_response):
    source = environ["wsgi.input"]
    if environ["PATH_INFO"] == "/unread":
        answer = b"unread"
    elif environ["PATH_INFO"] == "/echo":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return echo(source, int(environ["QUERY_STRING"]))
    else:
        answer = json.dumps([list(play(source, json.loads(environ["HTTP_X_CALLS"]))),
                             environ["wsgi.input_terminated"], environ.get("CONTENT_LENGTH")]).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
'''
play = {}
exec(APPLICATION, play)  # the same calls on io.BytesIO say what is expected

TEXT = b"12345first\nfour and more\n\n\nl1\r\nl2\n" + b"".join(b"line %d\n" % i for i in range(300)) + b"no end of line"
CALLS = {
    "read": [("read", [])],
    "read all": [("read", [-1])],
    "read none": [("read", [0]), ("read", [5]), ("read", [0])],
    "read pieces": [("read", [n]) for n in (1, 2, 1000, 1, 10_000, 10)],
    "read exactly": [("read", [len(TEXT)]), ("read", [1])],
    "read more": [("read", [10 ** 9])],
    "readline": [("readline", [])] * 320,
    "readline size": [("readline", [n]) for n in (3, 1, 100, 0, 5, 2, 1, 1, 100_000)],
    "readline all": [("readline", [-1])] * 8,
    "readlines": [("readlines", [])],
    "readlines hint": [("readlines", [n]) for n in (1, 5, 30, 0)],
    "readlines hints": [("readlines", [500])] * 8,
    "readlines big": [("readlines", [10 ** 9])],
    "iterate": [("iterate", [])],
    "next": [("next", [])] * 5,
    "all": [("read", [5]), ("readline", []), ("readline", [4]), ("readlines", [1]), ("next", []), ("read", [3]),
            ("readlines", []), ("read", [10])],
}
BEYOND = [("read", []), ("read", [10]), ("read", [-1]), ("readline", []), ("readline", [10]), ("readlines", []),
          ("next", []), ("iterate", []), ("readlines", [5])]
BODIES = {"text": TEXT, "empty": b"", "no line": b"x" * 5000, "lines only": b"\n" * 3000,
          "bytes": bytes(range(256)) * 20, "long lines": (b"y" * 20_000 + b"\n") * 5}


@pytest.fixture(scope="module", params=[("--body-buffer", "1M"), ("--body-buffer", "1k"), ("--body-buffer", "0")],
                ids=["memory", "spooled", "all spooled"])
def server(serve_once, request):
    return serve_once(APPLICATION, *request.param)


def send_both_ways(peer, target, body, *fields):
    """The answers to a body sent with its length, and in chunks."""
    yield peer.ask(request("POST", target, body, *fields))
    yield peer.ask(chunked_request("POST", target, [body[i:i + 700] for i in range(0, len(body), 700)], *fields))


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("body", BODIES)
def test_reads_like_a_file(server, calls, body):
    """And beyond the end there is nothing, however often somebody asks."""
    calls = CALLS[calls] + [("read", [])] + BEYOND * 2
    data = BODIES[body]
    # Files of different kinds do not agree on the line that reaches the hint exactly.
    expected = [list(play["play"](file, calls)) for file in (io.BytesIO(data), io.BufferedReader(io.BytesIO(data)))]
    with Peer(server) as peer:
        answers = send_both_ways(peer, "/", data, "X-Calls: " + json.dumps(calls))
        for answer in answers:
            got, terminated, told = answer.json()
            assert got in expected and (terminated, told) == (True, str(len(data)))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_no_body_at_all(server, method):
    calls = [("read", [])] + BEYOND
    with Peer(server) as peer:
        for fields in ((), ("Content-Length: 0",), ("Transfer-Encoding: chunked",)):
            data = request(method, "/", None, "X-Calls: " + json.dumps(calls), *fields)
            answer = peer.ask(data + (b"0\r\n\r\n" if "chunked" in str(fields) else b""))
            assert answer.status == 200
            if method != "HEAD":
                assert answer.json()[0] == list(play["play"](io.BytesIO(b""), calls))


@pytest.mark.parametrize("size", [1000, 65536, -1])
def test_read_while_answering(server, size):
    """By a generator, after the headers are decided."""
    data = os.urandom(300_000)
    with Peer(server) as peer:
        for answer in send_both_ways(peer, f"/echo?{size}", data):
            assert answer.status == 200 and answer.body == data


@pytest.mark.parametrize("size", [0, 10, 5_000, 2_000_000])
def test_unread(server, size):
    """What nobody read is no request: the next one on the connection is."""
    data = (b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" * (size // 36 + 1))[:size]
    with Peer(server) as peer:
        for answer in send_both_ways(peer, "/unread", data):
            assert answer.body == b"unread"
        for answer in send_both_ways(peer, "/", data[:100], 'X-Calls: [["read", [10]]]'):
            assert answer.json()[0] == [data[:10].decode()]
