"""Requests and answers over TLS: bodies of many sizes both ways, pieces that do not fit into records, time limits, the
end of connections."""

import hashlib
import http.client
import os
import pathlib
import signal
import socket
import ssl

import pytest
from applications.over_tls import pattern
from raw_client import chunked_request, request
from server import eventually, is_sanitized
from tls_client import Pki, TlsPeer, client_context, handshake, options_of

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
SOURCE = (APPLICATIONS / "over_tls.py").read_text()
RECORD = 16384  # bytes of data, at most
SIZES = [0, 1, RECORD - 1, RECORD, RECORD + 1, 4 * RECORD - 1, 4 * RECORD, 4 * RECORD + 1, 1 << 20]
LARGE = 20 << 20


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(pki, serve_once):
    return serve_once(SOURCE, *options_of(pki.local))


@pytest.fixture(scope="module", params=["TLSv1.2", "TLSv1.3"])
def context(request, pki):
    return client_context(pki, request.param)


@pytest.fixture
def peer(server, context):
    with TlsPeer(server, context) as connected:
        yield connected


@pytest.fixture
def gate(tmp_path):
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


@pytest.fixture
def start(serve, pki):
    return lambda *options: serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, *options_of(pki.local),
                                  *options)


# --- bodies ---


def test_bodies_of_requests(peer):
    """All on one connection."""
    for size in SIZES:
        answer = peer.ask(request("POST", "/echo", pattern(size)))
        assert answer.status == 200 and answer.body == pattern(size), size


def test_bodies_of_answers(peer):
    for size in SIZES:
        answer = peer.ask(request("GET", f"/download?{size}"))
        assert answer.status == 200 and answer.body == pattern(size), size


def test_large_body_up(peer):
    body = pattern(LARGE)
    answer = peer.ask(request("POST", "/digest", body))
    assert answer.body.decode() == f"{LARGE} {hashlib.sha256(body).hexdigest()}"


def test_large_body_to_a_slow_reader(server, context):
    """One whose kernel takes little, so that most of what is written has to wait; others are served meanwhile."""
    with TlsPeer(server, context, receive_buffer=4096) as slow:
        slow.send(request("GET", f"/download?{LARGE}"))
        head = slow.head()
        received = slow.take(100_001)
        peer, _ = handshake(server, context)
        peer.socket.close()
        received += slow.take(LARGE - len(received))
        assert int(head.get("Content-Length")) == LARGE and received == pattern(LARGE)
        assert slow.ask(request("GET", "/download?5")).body == pattern(5)


def test_chunked_request(peer):
    pieces = [pattern(size) for size in (1, RECORD - 1, RECORD, RECORD + 1, 100_000)]
    assert peer.ask(chunked_request("POST", "/echo", pieces)).body == b"".join(pieces)
    assert peer.ask(request("GET", "/download?3")).body == pattern(3)


@pytest.mark.parametrize("count, size", [(0, 0), (1, 1), (1000, 1), (3, RECORD), (20, RECORD + 1), (7, 100_000)])
def test_generators(peer, count, size):
    answer = peer.ask(request("GET", f"/generate?{count},{size}"))
    assert answer.body == pattern(size) * count
    assert peer.ask(request("GET", "/download?3")).body == pattern(3)


@pytest.mark.parametrize("size", [0, 1, RECORD + 1, 5 << 20])
def test_files(peer, tmp_path, size):
    (tmp_path / "file").write_bytes(pattern(size))
    for _ in range(2):
        assert peer.ask(request("GET", f"/file?{tmp_path}/file")).body == pattern(size)


def test_file_to_a_slow_reader(server, context, tmp_path):
    (tmp_path / "file").write_bytes(pattern(LARGE))
    with TlsPeer(server, context, receive_buffer=4096) as slow:
        slow.send(request("GET", f"/file?{tmp_path}/file"))
        slow.head()
        assert slow.take(LARGE) == pattern(LARGE)
        assert slow.ask(request("GET", "/download?5")).body == pattern(5)


def test_head(peer):
    answer = peer.ask(request("HEAD", "/download?100000"))
    assert answer.get("Content-Length") == "100000" and answer.body == b""
    assert peer.ask(request("GET", "/download?1")).body == pattern(1)


def test_expect(peer):
    head = request("POST", "/echo", None, "Expect: 100-continue", "Content-Length: 20000")
    assert peer.ask(head, "HEAD").status == 100
    peer.send(pattern(20000))
    assert peer.answer().body == pattern(20000)


def test_too_large_a_body(start, context):
    server = start("--max-body-size", "1000")
    with TlsPeer(server, context) as peer:
        peer.send(request("POST", "/echo", None, "Content-Length: 200000"), pattern(5000))
        assert peer.answer("POST").status == 413


# --- records ---


def test_pipelined_requests_in_one_record(peer):
    sizes = [10, 20000, 0, 1]
    peer.send(b"".join(request("GET", f"/download?{size}") for size in sizes))
    assert [peer.answer("GET").body for _ in sizes] == [pattern(size) for size in sizes]


def test_many_pipelined_requests_over_records(peer):
    """More than a record takes, cut anywhere. The answers wait in the sockets until all is sent: OpenSSL's connections
    are for one thread at a time."""
    count = 600
    data = b"".join(request("POST", "/echo", b"%d" % number) for number in range(count))
    for at in range(0, len(data), 1009):
        peer.socket.sendall(data[at:at + 1009])
    assert [peer.answer("POST").body for _ in range(count)] == [b"%d" % number for number in range(count)]


def test_records_of_one_byte(peer):
    """Each in a segment of its own, as far as the kernel lets us; and all in one."""
    data = request("POST", "/echo", pattern(300), "X-Filler: " + "f" * 200)
    peer.send(*(data[at:at + 1] for at in range(len(data))))
    assert peer.answer("POST").body == pattern(300)


def test_many_records_in_one_segment(server, context):
    """What was read from the socket at once is more than one record, and is not forgotten between two reads."""
    incoming, outgoing = Bio(server, context), request("POST", "/echo", pattern(3000))
    with incoming:
        for at in range(0, len(outgoing), 7):
            incoming.tls.write(outgoing[at:at + 7])
        incoming.flush()
        assert incoming.read_until(pattern(3000)).startswith(b"HTTP/1.1 200")


def test_record_that_comes_by_and_by(server, context):
    """Each byte of the encrypted record in a segment of its own."""
    with Bio(server, context) as peer:
        peer.tls.write(request("GET", "/download?77"))
        data = peer.outgoing.read()
        for at in range(len(data)):
            peer.socket.sendall(data[at:at + 1])
        assert peer.read_until(pattern(77)).startswith(b"HTTP/1.1 200")


def test_handshake_that_comes_by_and_by(server, context):
    with Bio(server, context, piece=1) as peer:
        peer.tls.write(request("GET", "/download?77"))
        peer.flush()
        assert peer.read_until(pattern(77)).startswith(b"HTTP/1.1 200")


def test_damaged_record(server, context):
    """The connection ends with an alert (bad_record_mac), the server goes on."""
    with Bio(server, context) as peer:
        peer.tls.write(request("GET", "/download?5"))
        data = bytearray(peer.outgoing.read())
        data[-1] ^= 1
        peer.socket.sendall(data)
        with pytest.raises(OSError) as failure:
            peer.read_until(pattern(5))
        assert failure.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"
    handshake(server, context)[0].socket.close()


def test_plain_bytes_in_the_middle(server, context):
    with TlsPeer(server, context) as peer:
        raw = peer.socket.detach()
        with socket.socket(fileno=raw) as plain:
            plain.settimeout(60)
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b"".join(iter(lambda: plain.recv(4096), b""))
    assert b"HTTP/" not in data
    handshake(server, context)[0].socket.close()


class Bio:
    """A TLS connection whose encrypted bytes the test has in its hands. piece: bytes of a segment in the handshake."""

    def __init__(self, server, context, piece=1 << 20):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.socket = socket.create_connection(("127.0.0.1", server.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._again = ssl.SSLWantReadError
        while not self._shake():
            self.flush(piece)
            self._receive()
        self.flush(piece)

    def _shake(self):
        try:
            self.tls.do_handshake()
        except self._again:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self, piece=1 << 20):
        data = self.outgoing.read()
        for at in range(0, len(data), piece):
            self.socket.sendall(data[at:at + piece])

    def _receive(self):
        data = self.socket.recv(1 << 16)
        assert data, "the server closed"
        self.incoming.write(data)

    def read_until(self, end):
        data = b""
        while not data.endswith(end):
            try:
                data += self.tls.read(1 << 16)
            except self._again:
                self._receive()
        return data


# --- connections ---


def test_kept_connection(server, pki):
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=60, context=client_context(pki))
    for size in (1, 100_000, 7):
        connection.request("POST", "/echo", pattern(size))
        assert connection.getresponse().read() == pattern(size)
        kept = connection.sock
        assert kept is not None
    connection.close()


def test_end_is_told(server, context):
    """RFC 8446 section 6.1: without close_notify an answer without a length could have been cut short by anybody."""
    with TlsPeer(server, context) as peer:
        assert peer.ask(request("GET", "/download?5", None, "Connection: close")).body == pattern(5)
        peer.socket.suppress_ragged_eofs = False
        assert peer.socket.recv(1) == b""


def test_client_that_closes_its_half(server, context):
    """It has said all, and waits for the answer."""
    with Bio(server, context) as peer:
        peer.tls.write(request("GET", "/download?200000"))
        peer.flush()
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.read_until(pattern(200000)).startswith(b"HTTP/1.1 200")


def test_client_that_goes_in_the_middle(server, context):
    with TlsPeer(server, context, receive_buffer=4096) as peer:
        peer.send(request("GET", f"/download?{LARGE}"))
        peer.head()
    worker, = server.workers()
    eventually(lambda: established(server) == 0)
    handshake(server, context)[0].socket.close()
    assert server.workers() == [worker]


def established(server):
    """How many connections the server's side has that are not closed."""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    return sum(int(row[1].rpartition(":")[2], 16) == server.port and row[3] in ("01", "08") for row in rows)


def test_request_timeout(start, context, gate):
    server = start("--request-timeout", "300ms")
    with TlsPeer(server, context) as peer:
        try:
            answer = peer.ask(request("GET", f"/forever?{gate}"))
        finally:
            gate.write_text("")
        assert answer.status == 504


# --- the end of the server ---


def test_idle_connections_end_at_a_stop(start, context):
    server = start()
    with handshake(server, context)[0] as idle, TlsPeer(server, context) as new:
        server.process.send_signal(signal.SIGTERM)
        assert idle.ended() and new.ended()
        assert server.process.wait(60) == 0


def test_busy_connection_is_answered_at_a_stop(start, context, gate):
    server = start()
    with TlsPeer(server, context) as peer:
        peer.send(request("GET", f"/wait?{gate}"))
        server.wait_for("it waits")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("requests under way have")
        gate.write_text("")
        answer = peer.answer("GET")
        assert answer.body == b"firstlater"
        assert peer.ended()
    assert server.process.wait(60) == 0


def test_handshake_under_way_does_not_hold_up_a_stop(start):
    server = start("--graceful-timeout", "60s")
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(bytes.fromhex("16030100ff010000fb0303"))
        eventually(lambda: established(server) == 1)
        server.process.send_signal(signal.SIGTERM)
        peer.settimeout(30)
        assert peer.recv(100) in (b"", b"\x15\x03\x03\0\2\2\x5a")
    assert server.process.wait(30) == 0


def test_memory_after_many_connections(server, context):
    """A leak of a kilobyte a connection would show."""
    worker, = server.workers()

    def resident():
        with open(f"/proc/{worker}/statm") as file:
            return int(file.read().split()[1]) * 4096

    def connect(count):
        for _ in range(count):
            handshake(server, context)[0].socket.close()
        eventually(lambda: established(server) == 0)

    connect(50)
    before, descriptors = resident(), server.descriptors(worker)
    connect(250)
    eventually(lambda: server.descriptors(worker) == descriptors)
    assert is_sanitized() or resident() - before < 250_000
