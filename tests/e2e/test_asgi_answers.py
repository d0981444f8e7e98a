"""send(): whole answers and pieces, their framing, what headers become, and clients that do not keep up."""

import email.utils
import itertools

import pytest
from applications.asgi_pattern import pattern
from raw_client import request
from server import eventually
from test_asgi_requests import is_resident_below, memory_kb, quiet
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

NAMES = map("a{}".format, itertools.count())  # of events, each used once
SIZES = [0, 1, 16384, 65536, 65537, 1_000_000]


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_answers:app")


@pytest.fixture(params=TRANSPORTS)
def peer(everywhere, request):
    with everywhere.connect(request.param) as connected:
        yield connected


def check_alive(peer):
    assert peer.ask(request("GET", "/whole?4")).body == pattern(4)


def check_end(peer, answer, version):
    """HTTP/1.0 without keep-alive ends with its answer."""
    if version == "1.0":
        assert peer.ended()
    else:
        assert not answer.closes
        check_alive(peer)


# --- framing ---


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("size", SIZES)
def test_whole(peer, size, version):
    answer = peer.ask(request("GET", f"/whole?{size}", version=version))
    assert (answer.status, answer.reason, answer.get("Content-Length")) == (200, "OK", str(size))
    assert answer.body == pattern(size)
    check_end(peer, answer, version)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("size", SIZES)
def test_one_message_without_a_length(peer, size, version):
    """All of it is there, so its length is known."""
    answer = peer.ask(request("GET", f"/bare?{size}", version=version))
    assert (answer.get("Content-Length"), answer.get("Transfer-Encoding")) == (str(size), None)
    assert answer.body == pattern(size)
    check_end(peer, answer, version)


@pytest.mark.parametrize("count, size", [(0, 0), (1, 1), (3, 7), (200, 10), (3, 65536), (20, 100_001)])
def test_pieces(peer, count, size):
    answer = peer.ask(request("GET", f"/pieces?{count},{size}"))
    assert answer.body == b"".join(pattern(size, number) for number in range(count))
    assert (answer.get("Transfer-Encoding") == "chunked") != (answer.get("Content-Length") is not None)
    assert answer.get("Transfer-Encoding") == "chunked" or count * size < 1_000_000, "that much is not kept back"
    check_alive(peer)


@pytest.mark.parametrize("count, size", [(0, 0), (3, 7), (20, 100_001)])
@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_pieces_for_http_1_0(peer, count, size, fields):
    """The end of the connection is the end of the body."""
    answer = peer.ask(request("GET", f"/pieces?{count},{size}", None, *fields, version="1.0"))
    assert answer.get("Transfer-Encoding") is None
    assert answer.body == b"".join(pattern(size, number) for number in range(count))
    assert answer.get("Content-Length") is not None or answer.closes or fields == ()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("count, size", [(1, 10), (7, 1000), (20, 100_001)])
def test_pieces_with_their_length(peer, count, size, version):
    answer = peer.ask(request("GET", f"/length?{count},{size}", version=version))
    assert (answer.get("Content-Length"), answer.get("Transfer-Encoding")) == (str(count * size), None)
    assert answer.body == b"".join(pattern(size, number) for number in range(count))
    check_end(peer, answer, version)


def test_empty_pieces_are_no_end(peer):
    assert peer.ask(request("GET", "/holes")).body == b"onetwo"
    check_alive(peer)


@pytest.mark.parametrize("path", ["/gradual", "/gradual-length"])
def test_a_piece_does_not_wait_for_the_next(everywhere, peer, path):
    name = next(NAMES)
    peer.send(request("GET", f"{path}?{name}"))
    head = peer.head()
    if path == "/gradual":
        assert peer.take(8) == b"3\r\none\r\n"
        everywhere.set(name)
        assert peer.body(head) == b"two"
    else:
        assert peer.take(3) == b"one"
        everywhere.set(name)
        assert peer.take(3) == b"two"
    check_alive(peer)


@pytest.mark.parametrize("path", ["/whole?1000", "/bare?1000", "/pieces?3,1000", "/length?3,1000", "/holes", "/large-buffer",
                                  "/pieces?200,65536"])
def test_head_requests(peer, path):
    """The head that a GET gets, as far as it is known, and nothing behind it."""
    with_body = peer.ask(request("GET", path))
    answer = peer.ask(request("HEAD", path))
    assert (answer.status, answer.body) == (200, b"") and not answer.closes
    assert answer.get("Content-Length") in (with_body.get("Content-Length"), None)
    if path in ("/whole?1000", "/length?3,1000"):
        assert answer.get("Content-Length") == with_body.get("Content-Length")
    check_alive(peer)


def test_bodies_of_other_types(peer):
    """They are the application's again when send() has returned."""
    assert peer.ask(request("GET", "/buffers")).body == b"bytearray memoryview own part"
    check_alive(peer)


def test_a_large_buffer_that_is_changed_afterwards(peer):
    answer = peer.ask(request("GET", "/large-buffer"))
    assert answer.body == pattern(8_000_000) + bytes(5)
    check_alive(peer)


def test_sent_by_tasks(peer):
    """Begun in that order, written in that order."""
    assert peer.ask(request("GET", "/unawaited")).body == b"0123456789"
    check_alive(peer)


# --- status ---


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299, 301, 302, 307, 400, 404, 405, 418, 451, 500, 503, 599])
def test_statuses(everywhere, status):
    with everywhere.connect() as peer:
        answer = peer.ask(request("GET", f"/status?{status},5"))
        assert (answer.status, answer.body) == (status, pattern(5)) and not answer.closes
        reasons = {200: "OK", 201: "Created", 302: "Found", 404: "Not Found", 503: "Service Unavailable"}
        assert status not in reasons or answer.reason == reasons[status]
        check_alive(peer)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_without_a_body(peer, status, method):
    answer = peer.ask(request(method, f"/status?{status},0", b"" if method == "POST" else None))
    assert (answer.status, answer.get("Transfer-Encoding"), answer.body) == (status, None, b"")
    assert status == 304 or answer.get("Content-Length") is None  # RFC 9110 section 8.6
    check_alive(peer)


@pytest.mark.parametrize("status", [204, 304])
def test_with_a_body_that_must_not_be(peer, status):
    """Dropped, or refused: never on the connection."""
    answer = peer.ask(request("GET", f"/status?{status},5"))
    assert answer.status in (status, 500)
    assert answer.status == 500 or answer.get("Transfer-Encoding") is None
    check_alive(peer)


# --- headers ---


def own(answer):
    return [(name.lower(), value) for name, value in answer.headers if name.lower().startswith(("x-", "set-"))]


@pytest.mark.parametrize("kind", ["list", "tuple", "generator"])
def test_headers_in_order_with_duplicates(peer, kind):
    answer = peer.ask(request("GET", f"/headers?{kind}"))
    assert own(answer) == [
        ("x-b", "1"), ("x-a", "2"), ("set-cookie", "a=1; Path=/"), ("x-b", "3"), ("set-cookie", "b=2"), ("x-empty", ""),
        ("x-latin", "caf\u00e9"), ("x-utf-8", "\u00e2\u0082\u00ac"), ("x-long", "v" * 5000)]
    check_alive(peer)


def test_headers_of_a_dictionary(peer):
    assert [name for name, _ in own(peer.ask(request("GET", "/headers?view")))][:3] == ["x-b0", "x-a1", "set-cookie2"]


@pytest.mark.parametrize("path", ["/whole?5", "/bare?5", "/pieces?2,5", "/status?204,0"])
def test_what_the_server_adds(peer, path):
    """A date, and nothing that would say what the body is."""
    answer = peer.ask(request("GET", path))
    assert email.utils.parsedate_to_datetime(answer.get("Date")).year > 2020
    known = {"date", "server", "content-length", "transfer-encoding", "connection"}
    assert {name.lower() for name, _ in answer.headers} <= known | ({"content-type"} if "pieces" in path else set())
    assert len(answer.all("Server")) <= 1


def test_what_the_application_says_itself(peer):
    answer = peer.ask(request("GET", "/own"))
    assert (answer.get("Date"), answer.get("Server")) == ("Thu, 01 Jan 1970 00:00:00 GMT", "mine")
    assert answer.get("Content-Length") == "2"


def test_transfer_encoding_is_the_servers(peer):
    answer = peer.ask(request("GET", "/coded"))
    assert answer.all("Transfer-Encoding") in ([], ["chunked"]) and answer.body == b"onetwo"
    assert (answer.get("Content-Length") == "6") == (answer.all("Transfer-Encoding") == [])
    check_alive(peer)


def test_transfer_encoding_for_http_1_0(peer):
    answer = peer.ask(request("GET", "/coded", version="1.0"))
    assert (answer.all("Transfer-Encoding"), answer.body) == ([], b"onetwo")


def test_connection_close(peer):
    answer = peer.ask(request("GET", "/closing"))
    assert answer.closes and answer.body == b"bye" and peer.ended()


# --- clients that do not keep up ---


def stalled(everywhere, name):
    """How many pieces were sent when no more are, while others are served."""
    counts = [-1]

    def still():
        counts.append(int(everywhere.ask(f"/sent?{name}").body))
        return counts[-1] > 0 and len(counts) > 10 and len(set(counts[-10:])) == 1

    eventually(still)
    return counts[-1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_slow_reader_holds_the_application_back(everywhere, transport):
    name, count, size = next(NAMES), 640, 100_000
    everywhere.ask("/pieces?20,100001", transport=transport)
    before = memory_kb(everywhere.pid())
    with everywhere.connect(transport, receive_buffer=4096) as peer:
        peer.send(request("GET", f"/flood?{name},{count},{size}"))
        head = peer.head()
        assert stalled(everywhere, name) < count / 2, "send() never waited"
        assert is_resident_below(everywhere.pid(), before + 8_000)
        assert peer.body(head) == b"".join(pattern(size, number) for number in range(count))
        assert int(everywhere.ask(f"/sent?{name}").body) == count
        check_alive(peer)


def test_slow_readers_together(everywhere):
    """Each has its own pace, and none holds up the others."""
    names = [next(NAMES) for _ in range(5)]
    peers = [everywhere.connect(receive_buffer=4096) for _ in names]
    try:
        for name, peer in zip(names, peers, strict=True):
            peer.send(request("GET", f"/flood?{name},200,65536"))
        expected = b"".join(pattern(65536, number) for number in range(200))
        assert all(stalled(everywhere, name) < 200 for name in names)
        for peer in reversed(peers):
            assert peer.answer().body == expected
    finally:
        for peer in peers:
            peer.socket.close()


def test_one_large_message_to_a_slow_reader(everywhere):
    with everywhere.connect(receive_buffer=4096) as peer:
        peer.send(request("GET", "/whole?32000000"))
        assert everywhere.ask("/whole?4").body == pattern(4)
        assert peer.answer().body == pattern(32_000_000)
        check_alive(peer)


# --- several at once ---


def test_many_wait_for_each_other(everywhere):
    name, count = next(NAMES), 60
    peers = [everywhere.connect(TRANSPORTS[number % 3]) for number in range(count)]
    try:
        for peer in peers:
            peer.send(request("GET", f"/meet?{name},{count}"))
        assert [peer.answer().body for peer in peers] == [name.encode()] * count
    finally:
        for peer in peers:
            peer.socket.close()


def test_the_answer_does_not_wait_for_the_application(everywhere, peer):
    """What is complete is with the client while the coroutine goes on; so is the next one."""
    name = next(NAMES)
    assert peer.ask(request("GET", f"/goes-on?{name}")).body == b"done"
    check_alive(peer)
    assert "worked on " + name not in everywhere.server.log
    everywhere.set(name)
    everywhere.server.wait_for(f"worked on {name}\n")


def test_pipelined_answers(peer):
    paths = ["/whole?5", "/bare?5", "/pieces?3,5", "/status?204,0", "/length?3,5"] * 10
    peer.send(b"".join(request("GET", path) for path in paths))
    for path in paths:
        assert len(peer.answer().body) == {"/pieces?3,5": 15, "/length?3,5": 15, "/status?204,0": 0}.get(path, 5)
    assert quiet(peer)
    check_alive(peer)
