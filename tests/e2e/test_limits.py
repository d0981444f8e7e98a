"""What clients may take, in time and size: each limit at its edge, over all transports; who is refused harms nobody."""

import concurrent.futures
import contextlib
import re
import select
import subprocess
import time

import pytest
from metrics_reader import Metrics
from raw_client import chunked, request
from server import eventually, is_sanitized
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="not about the application")

SIZES = ["--max-request-line", 200, "--max-header-size", 1000, "--max-headers", 10]
LINE_MAX, HEADER_MAX, HEADERS_MAX = 200, 1000, 10
INTERFACES = ["wsgi", "asgi"]
PACE = 4 if is_sanitized() else 1  # of clients and of limits in time


@pytest.fixture(scope="module", params=INTERFACES)
def interface(request):
    return request.param


def start(serve_everywhere, interface, *options):
    threads = ["--blocking-threads", 8] if interface == "wsgi" else []
    return serve_everywhere(f"limits_app:{interface}", "--interface", interface, *threads, *options,
                            "--metrics", "127.0.0.1:0")


def times(header, body, keep_alive, send):
    limits = {"header": header, "body": body, "keep-alive": keep_alive, "send": send}
    return [word for name, limit in limits.items() for word in (f"--{name}-timeout", f"{limit * PACE}s")]


@pytest.fixture(scope="module")
def hasty(serve_everywhere, interface):
    """Gives nobody more than a second."""
    return start(serve_everywhere, interface, *times(1, 1, 1, 1))


@pytest.fixture(scope="module")
def strict(serve_everywhere, interface):
    """Takes no more than a little."""
    return start(serve_everywhere, interface, *SIZES)


@pytest.fixture(scope="module")
def usual(serve_everywhere):
    """Without any of the options."""
    return start(serve_everywhere, "wsgi")


@contextlib.contextmanager
def connected(everywhere, **options):
    """A connection over each transport."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(everywhere.connect(transport, **options)) for transport in TRANSPORTS]


@contextlib.contextmanager
def counted(everywhere, **expected):
    """That many more of these, by what stands between the braces of their series."""
    names = {"expired": "limpet_connections_expired_total", "rejected": "limpet_http_rejected_total"}
    metrics = Metrics(everywhere.server)
    before = metrics.read()
    yield

    def has_them():
        now = metrics.read()
        return all(now[series] == before[series] + count for series, count in wanted.items())

    wanted = {}
    for what, (label, count) in expected.items():
        key = "phase" if what == "expired" else "reason"
        wanted[f'{names[what]}{{{key}="{label}"}}'] = count
    eventually(has_them)


def works(everywhere):
    for transport in TRANSPORTS:
        assert everywhere.ask("/", transport=transport).body == b"ok"


def is_refused(peer, status):
    answer = peer.answer()
    assert answer.status == status and answer.closes, answer
    assert peer.ended()


def is_readable(peer):
    return select.select([peer.socket], [], [], 0)[0]


# --- time ---


def test_nothing_is_said(hasty):
    """There is no request to answer: who opens connections in advance is to find them closed, not answered."""
    with counted(hasty, expired=("header", 3), rejected=("timeout", 0)), connected(hasty) as peers:
        for peer in peers:
            assert peer.rest() == b""
    works(hasty)


@pytest.mark.parametrize("begun", [b"GE", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Part: 1"])
def test_a_header_section_that_does_not_end(hasty, begun):
    with counted(hasty, expired=("header", 3), rejected=("timeout", 3)), connected(hasty) as peers:
        for peer in peers:
            peer.send(begun)
        for peer in peers:
            is_refused(peer, 408)
    hasty.server.wait_for(r"header section not sent in time")
    works(hasty)


def test_a_header_section_that_trickles(hasty):
    """Each byte comes in time, all of them do not."""
    with connected(hasty) as peers:
        waiting = list(peers)
        for peer in peers:
            peer.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        end = time.monotonic() + 60
        while waiting and time.monotonic() < end:
            for peer in waiting:
                if not is_readable(peer):
                    peer.send(b"x")
            time.sleep(0.1)
            waiting = [peer for peer in waiting if not is_readable(peer)]
        assert not waiting
        for peer in peers:
            assert peer.answer().status == 408
            assert peer.ended()
    works(hasty)


def test_the_second_request_of_a_connection_trickles(hasty):
    with connected(hasty) as peers:
        for peer in peers:
            peer.send(request("GET", "/") + b"GET /sec")  # behind the first in the same piece
            assert peer.answer().body == b"ok"
        for peer in peers:
            is_refused(peer, 408)


@pytest.mark.parametrize("framing", ["length", "chunked", "chunk-size", "trailers"])
def test_a_body_that_pauses(hasty, framing):
    head = request("POST", "/measure", None, *(
        ["Content-Length: 100"] if framing == "length" else ["Transfer-Encoding: chunked"]))
    begun = {"length": b"x" * 50, "chunked": b"40\r\n" + b"x" * 10, "chunk-size": b"4\r\nabcd\r\n1",
             "trailers": b"4\r\nabcd\r\n0\r\nX-Trailer: 1\r\n"}[framing]
    with counted(hasty, expired=("body", 3), rejected=("timeout", 3)), connected(hasty) as peers:
        for peer in peers:
            peer.send(head, begun)
        for peer in peers:
            is_refused(peer, 408)
    hasty.server.wait_for(r"request body not sent in time")
    works(hasty)


def test_a_body_that_was_asked_for_and_does_not_come(hasty):
    with counted(hasty, expired=("body", 3), rejected=("timeout", 3)), connected(hasty) as peers:
        for peer in peers:
            peer.send(request("POST", "/measure", None, "Content-Length: 5", "Expect: 100-continue"))
            assert peer.head().status == 100
        for peer in peers:
            is_refused(peer, 408)
    works(hasty)


def test_an_idle_connection_is_closed_without_a_word(hasty):
    with counted(hasty, expired=("keep_alive", 3), rejected=("timeout", 0)), connected(hasty) as peers:
        for peer in peers:
            assert peer.ask(request("GET", "/")).body == b"ok"
        for peer in peers:
            assert peer.ended()


def test_a_client_that_reads_nothing(hasty, interface):
    series = 'limpet_connections_expired_total{phase="send"}'
    metrics = Metrics(hasty.server)
    before = metrics.value(series)
    with counted(hasty, expired=("send", 3), rejected=("timeout", 0)), \
            connected(hasty, receive_buffer=16384) as peers:
        for peer in peers:
            peer.send(request("GET", "/large?1600"))
        eventually(lambda: metrics.value(series) == before + 3)
        hasty.server.wait_for(r"answer not taken in time \(--send-timeout\)")
        for peer in peers:
            with contextlib.suppress(OSError):  # a reset
                assert len(peer.rest()) < 1600 * 65536
    works(hasty)


def unsent(port):
    """Bytes that the kernel holds of what the server on this port has written and has not been able to send yet."""
    sockets = subprocess.run(["ss", "-tinH", "state", "established", f"sport = :{port}"], capture_output=True, text=True,
                             check=True).stdout
    return sum(map(int, re.findall(r" notsent:(\d+)", sockets)))


def test_the_kernel_holds_little_for_a_client_that_reads_nothing(hasty):
    port = hasty.port("plain")
    with hasty.connect("plain", receive_buffer=4096) as peer:
        peer.send(request("GET", "/large?1600"))
        eventually(lambda: unsent(port) > 0)
        seen = []
        eventually(lambda: seen.append(unsent(port)) or seen[-1] == 0)  # until it is given up
    # What may wait, and the piece that goes beyond it. Of 4 MB, which a socket may have.
    assert max(seen) < (256 + 128) << 10


def trickle_header(peer):
    for part in [b"GET / HTTP/1.1\r\n", b"Ho", b"st: x\r\n", b"\r\n"]:
        peer.send(part)
        time.sleep(0.05)
    assert peer.answer().body == b"ok"


def trickle_body(peer):
    """Longer than the pause that it may make."""
    peer.send(request("POST", "/measure", None, "Content-Length: 20"))
    for _ in range(20):
        peer.send(b"x")
        time.sleep(0.2 * PACE)
    assert peer.answer().body == b"20"


def wait_for_the_application(peer):
    assert peer.ask(request("GET", f"/slow?{3 * PACE}")).body == b"slow"
    assert peer.ask(request("GET", "/")).body == b"ok"


def be_held_back(peer):
    body = b"x" * (1 << 20)
    assert peer.ask(request("POST", f"/held?{3 * PACE}", body)).body == b"%d" % len(body)


def be_asked_for_the_body(peer):
    peer.send(request("POST", f"/held?{3 * PACE}", None, "Content-Length: 5", "Expect: 100-continue"))
    assert peer.head().status == 100
    peer.send(b"12345")
    assert peer.answer().body == b"5"


def read_slowly(peer):
    """Never as much as makes room for the server to go on, for longer than it waits."""
    count, total, tail = 400, 0, b""
    peer.send(request("GET", f"/large?{count}", None, "Connection: close"))
    end = time.monotonic() + 4 * PACE
    while data := peer.socket.recv(65536):
        total, tail = total + len(data), (tail + data)[-5:]
        time.sleep(0.1 if time.monotonic() < end else 0)
    assert total > count * 65536 and tail == b"0\r\n\r\n"


def ask_now_and_then(path):
    def ask(peer):
        for _ in range(16):
            assert peer.ask(request("GET", path)).status == 200
            time.sleep(0.2 * PACE)
    return ask


STEADY = {"header": trickle_header, "body": trickle_body, "application": wait_for_the_application,
          "held": be_held_back, "continue": be_asked_for_the_body, "reading": read_slowly,
          "requests": ask_now_and_then("/"), "own requests": ask_now_and_then("/health/live")}


@pytest.fixture(scope="module")
def patient(serve_everywhere, interface):
    """Gives two seconds; what is steady has more in all."""
    return start(serve_everywhere, interface, *times(2, 2, 2, 2), "--blocking-threads", 24)


def test_who_goes_on_slowly_is_served(patient):
    def client(way, transport):
        with patient.connect(transport, receive_buffer=16384 if way == "reading" else None) as peer:
            STEADY[way](peer)

    with concurrent.futures.ThreadPoolExecutor(len(STEADY) * len(TRANSPORTS)) as pool:
        clients = {(way, transport): pool.submit(client, way, transport) for way in STEADY for transport in TRANSPORTS}
        failed = {who: error for who, done in clients.items() if (error := done.exception(timeout=120)) is not None}
    assert not failed, failed


def test_no_limits_at_all(serve_everywhere):
    """Nobody is closed who would be with the shortest ones."""
    everywhere = start(serve_everywhere, "wsgi", *times(0, 0, 0, 0))
    with connected(everywhere) as silent, connected(everywhere) as idle:
        for peer in idle:
            assert peer.ask(request("GET", "/")).body == b"ok"
        time.sleep(1.5)
        for peer in [*silent, *idle]:
            assert peer.ask(request("GET", "/")).body == b"ok"


def test_many_requests_on_one_connection(patient):
    for transport in TRANSPORTS:
        with patient.connect(transport) as peer:
            for _ in range(300):
                assert peer.ask(request("GET", "/")).body == b"ok"
            peer.send(request("GET", "/") * 50 + request("POST", "/measure", b"12345") * 50)
            assert [peer.answer().body for _ in range(100)] == [b"ok"] * 50 + [b"5"] * 50


def test_a_body_that_is_too_long_while_nobody_reads_it(serve_everywhere):
    """In chunks, the application has enough for now, and all of it stands in the buffer of one connection."""
    everywhere = start(serve_everywhere, "asgi", "--max-body-size", "140k", "--workers", 1)
    server = everywhere.server
    everywhere.ask("/", transport="plain")
    worker, = server.workers()
    before = server.descriptors(worker)
    for _ in range(5):
        with everywhere.connect("plain") as peer, contextlib.suppress(OSError):
            peer.send(request("POST", "/held?1", None, "Transfer-Encoding: chunked"), (b"400\r\n" + b"x" * 1024 + b"\r\n") * 170)
            peer.rest()
    eventually(lambda: server.descriptors(worker) <= before)
    works(everywhere)


# --- sizes ---


def line(size, method="GET"):
    return f"/{'x' * (size - len(f'{method} / HTTP/1.1'))}"


def fields(size, count):
    """Field lines of that many bytes in all; the first is Host: x."""
    lines = ["Host: x"] + [f"X-{i}: " for i in range(count - 1)]
    lines[-1] += "x" * (size - sum(len(text) + 2 for text in lines))
    return lines


def with_fields(lines, target="/", body=b"", method="GET"):
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + body


PIECES = {"at once": lambda data: [data], "in two": lambda data: [data[:-3], data[-3:]],
          "in small pieces": lambda data: [data[i:i + 7] for i in range(0, len(data), 7)]}


def passes(everywhere, data, pieces="at once", body=b"ok"):
    for transport in TRANSPORTS:
        with everywhere.connect(transport) as peer:
            peer.send(*PIECES[pieces](data))
            assert peer.answer().body == body
            assert peer.ask(request("GET", "/")).body == b"ok"


def fails(everywhere, status, data, reason, pieces="at once"):
    with counted(everywhere, rejected=(reason, len(TRANSPORTS))):
        for transport in TRANSPORTS:
            with everywhere.connect(transport) as peer:
                with contextlib.suppress(OSError):  # closed before all of it was sent
                    peer.send(*PIECES[pieces](data))
                is_refused(peer, status)
    works(everywhere)


@pytest.mark.parametrize("method", ["GET", "BREW"])
@pytest.mark.parametrize("pieces", PIECES)
def test_request_line(strict, pieces, method):
    passes(strict, request(method, line(LINE_MAX, method)), pieces)
    fails(strict, 414, request(method, line(LINE_MAX + 1, method)), "target_too_long", pieces)
    strict.server.wait_for(r"request line longer than --max-request-line allows")


@pytest.mark.parametrize("begun", [b"GET /", b"BREW /", b"", b"GET / HTTP/1.1 "])
def test_a_request_line_that_never_ends(strict, begun):
    is_malformed = begun.endswith(b" ")
    fails(strict, 400 if is_malformed else 414, begun + b"x" * 100000,
          "malformed" if is_malformed else "target_too_long")


@pytest.mark.parametrize("pieces", PIECES)
def test_header_size(strict, pieces):
    passes(strict, with_fields(fields(HEADER_MAX, 5)), pieces)
    fails(strict, 431, with_fields(fields(HEADER_MAX + 1, 5)), "headers_too_large", pieces)
    strict.server.wait_for(r"header section beyond --max-header-size or --max-headers")


def test_a_header_section_that_never_ends(strict):
    fails(strict, 431, with_fields(["Host: x", "X: " + "x" * 100000]), "headers_too_large")
    fails(strict, 431, with_fields(["Host: x", *["X: y"] * 20000]), "headers_too_large")


@pytest.mark.parametrize("pieces", PIECES)
def test_number_of_headers(strict, pieces):
    passes(strict, with_fields(fields(500, HEADERS_MAX)), pieces)
    fails(strict, 431, with_fields(fields(500, HEADERS_MAX + 1)), "headers_too_large", pieces)


def trailers(size, count):
    """Of that many bytes and lines in all, header section included; a chunked request."""
    head = with_fields(["Host: x", "Transfer-Encoding: chunked"], "/measure", method="POST")
    before = len("Host: x\r\nTransfer-Encoding: chunked\r\n")
    lines = [f"X-{i}: " for i in range(count - 2)]
    lines[-1] += "x" * (size - before - sum(len(text) + 2 for text in lines))
    return head + chunked([b"body"], trailers="".join(text + "\r\n" for text in lines).encode())


@pytest.mark.parametrize("pieces", PIECES)
def test_trailers_count_as_headers(strict, pieces):
    passes(strict, trailers(HEADER_MAX, 5), pieces, b"4")
    passes(strict, trailers(500, HEADERS_MAX), pieces, b"4")
    fails(strict, 431, trailers(HEADER_MAX + 1, 5), "headers_too_large", pieces)
    fails(strict, 431, trailers(500, HEADERS_MAX + 1), "headers_too_large", pieces)


def test_pipelined_requests_at_the_limit(strict):
    """What comes behind a request does not count as its own."""
    data = request("GET", line(LINE_MAX)) + with_fields(fields(HEADER_MAX, HEADERS_MAX))
    for transport in TRANSPORTS:
        with strict.connect(transport) as peer:
            peer.send(data * 10)
            assert [peer.answer().body for _ in range(20)] == [b"ok"] * 20
            peer.send(data + request("GET", line(LINE_MAX + 1)))
            assert [peer.answer().body for _ in range(2)] == [b"ok"] * 2
            is_refused(peer, 414)


def test_the_usual_sizes(usual):
    passes(usual, request("GET", line(8192)))
    fails(usual, 414, request("GET", line(8193)), "target_too_long")
    passes(usual, with_fields(fields(32768, 100), line(8192)))
    fails(usual, 431, with_fields(fields(32769, 100)), "headers_too_large")
    fails(usual, 431, with_fields(fields(4000, 101)), "headers_too_large")
    fails(usual, 414, b"x" * 1000000, "target_too_long")


def test_arguments_take_no_more_than_their_line(usual):
    target = "/?" + "&a" * ((8192 - len("GET /? HTTP/1.1")) // 2)
    passes(usual, with_fields(fields(32768, 100), target))


def test_large_sizes(serve_everywhere):
    everywhere = start(serve_everywhere, "asgi", "--max-request-line", "100k", "--max-header-size", "300k",
                       "--max-headers", 1000)
    passes(everywhere, with_fields(fields(300 * 1024, 1000), line(100 * 1024)), "in two")
    fails(everywhere, 414, request("GET", line(100 * 1024 + 1)), "target_too_long")
    fails(everywhere, 431, with_fields(fields(300 * 1024 + 1, 1000)), "headers_too_large")
