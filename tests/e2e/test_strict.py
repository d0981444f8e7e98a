"""What RFC 9110 and RFC 9112 want refused, and what they do not: raw bytes in, each answer, what the application saw, and what
comes of the connection. raw_cases.py has the cases; strict_http.md says who refuses what."""

import json
import re

import pytest
from metrics_reader import Metrics
from raw_cases import CASES
from raw_client import Peer, request
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="the validator wants a path to begin with a slash")

WSGI = '''
import json

RECORDS = []

def app(environ, start_response):
    target = environ["RAW_URI"]
    if target == "/records":
        body = json.dumps(RECORDS).encode()
        RECORDS.clear()
    else:
        content = environ["wsgi.input"].read().decode("latin-1")
        fields = {key[5:].lower().replace("_", "-"): value for key, value in environ.items() if key.startswith("HTTP_")}
        RECORDS.append([environ["REQUEST_METHOD"], target, content, fields])
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else target.encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
'''
ASGI = '''
import json

RECORDS = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    target = scope["raw_path"].decode("latin-1")
    if target == "/records":
        body = json.dumps(RECORDS).encode()
        RECORDS.clear()
    else:
        content = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return  # it never came as a whole
            content += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = scope["query_string"].decode("latin-1")
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        RECORDS.append([scope["method"], target, content.decode("latin-1"), fields, query])
        body = b"" if scope["method"] == "HEAD" else target.encode("latin-1")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
'''
PROBE = b"GET /probe HTTP/1.1\r\nHost: x\r\n\r\n"
ABSOLUTE = re.compile(r"^[A-Za-z]+://[^/?]*")


class Subject:
    """A server, and a connection on which it is asked what its application has seen."""

    def __init__(self, server, interface):
        self.server, self.interface, self._peer = server, interface, None

    def records(self):
        """What the application has seen since the last time."""
        if self._peer is None:
            self._peer = Peer(self.server)
        return self._peer.ask(request("GET", "/records")).json()


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def subject(serve_once, request):
    options = ["--interface", request.param]
    return Subject(serve_once({"wsgi": WSGI, "asgi": ASGI}[request.param], *options), request.param)


def exchange(server, case, parts):
    """(statuses, the probe's answer or None): what comes of these parts of the case's bytes."""
    with Peer(server, timeout=20) as peer:
        statuses = []
        try:
            peer.send(*parts)
            if case.stays:
                peer.send(PROBE)
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused before its end
        if case.ends:
            peer.socket.shutdown(1)
        methods = [one.method for one in case.seen]
        try:
            while not case.stays or len(statuses) < len(case.statuses):
                statuses.append(peer.answer(methods[len(statuses)] if len(statuses) < len(methods) else "GET").status)
            return tuple(statuses), peer.answer().body
        except EOFError:
            return tuple(statuses), None


def expected_records(case, interface):
    """What the application says of a case: ASGI has path and query, without what is before them."""
    out = []
    for one in case.seen:
        target, query = one.target, None
        if interface == "asgi":
            target, _, query = ABSOLUTE.sub("", target).partition("?")
            target = target or "/"
        out.append((one.method, target, one.body.decode("latin-1"), dict(one.fields), query))
    return out


def check(subject, case, parts):
    statuses, probed = exchange(subject.server, case, parts)
    seen = [(*record, None)[:5] for record in subject.records()]
    assert statuses == case.statuses
    assert probed == (b"/probe" if case.stays else None)
    if case.stays:
        assert seen.pop()[:3] == ("GET", "/probe", "")
    assert len(seen) == len(case.seen), seen
    for (method, target, body, fields, query), (*expected, query_expected) in zip(seen, expected_records(case, subject.interface)):
        assert [method, target, body, query] == [*expected[:3], query_expected]
        assert expected[3].items() <= fields.items()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_whole(subject, case):
    check(subject, case, [case.data])


SAMPLE = [case for number, case in enumerate(CASES) if number % 5 == 0 and len(case.data) < 600]


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.id)
def test_byte_by_byte(subject, case):
    """Where the bytes are cut changes nothing."""
    check(subject, case, [case.data[i:i + 1] for i in range(len(case.data))])


@pytest.mark.parametrize("case", CASES[2::5], ids=lambda case: case.id)
def test_in_two_pieces(subject, case):
    for cut in {len(case.data) // 2, case.data.find(b"\n") + 1, case.data.find(b"\r") + 1}:
        check(subject, case, [case.data[:cut], case.data[cut:]])


# --- What is told of it ---

TOLD = [
    ("method", b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", "other", r"method not supported: CONNECT"),
    ("target", b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", "malformed", r"malformed request: form of the request target"),
    ("framing", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "malformed",
     r"malformed request: ambiguous content length"),
    ("chunk", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "malformed",
     r"malformed request: chunked malformed"),
    ("garbage", b"\x16\x03\x01\x02\x00\r\n", "malformed", r"malformed request"),
    ("coding", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: br\r\n\r\n", "transfer_coding", r"transfer coding not known: unsupported tr encoding"),
    ("lf", b"GET / HTTP/1.1\r\nHost: x\n\r\n", "malformed", r"malformed request: bare lf in header"),
    ("value", b"GET / HTTP/1.1\r\nHost: x\r\nX: \x01\r\n\r\n", "malformed", r"malformed request: control character in a field"),
    ("version", b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "version", r"HTTP version not known"),
]


@pytest.mark.parametrize("data, reason, line", [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_is_logged_and_counted(serve, application, data, reason, line):
    """The first of its kind at once, with the client's address."""
    server = serve("app:app", "--workers", 1, "--working-dir", application(WSGI), "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    with Peer(server) as peer:
        assert peer.ask(data, "GET").status in (400, 501, 505)
        assert peer.ended()
    server.wait_for(line + r"[^\n]*: client=127\.0\.0\.1")
    name = f'limpet_http_rejected_total{{reason="{reason}"}}'
    eventually(lambda: metrics.read()[name] == 1)
    with Peer(server) as peer:
        assert peer.ask(request("GET", "/records")).json() == []


def test_answer_reaches_a_client_that_still_sends(subject):
    """What is refused closes the connection with bytes of the client's on their way: no reset takes the answer back."""
    with Peer(subject.server) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + b"x" * 3_000_000)
        answer = peer.answer()
        assert answer.status == 400 and answer.closes
        assert peer.ended()
