"""Too much of everything where TLS is spoken: records that say nothing, handshakes that are never finished, handshakes that
take long. Others are served in the meantime, and all of it is given back."""

import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import ssl
import subprocess
import threading

import pytest
import tls_attacker as tls
from certificates import Authority
from server import eventually, is_sanitized

APPLICATION = """
import os

def application(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
VERSIONS = [pytest.param(ssl.TLSVersion.TLSv1_2, id="1.2"), pytest.param(ssl.TLSVersion.TLSv1_3, id="1.3")]
HALF_OPEN = 600 if is_sanitized() else 10000
SOURCES = [f"127.0.{i}.{j}" for i in range(1, 5) for j in range(1, 9)]
ENOUGH = 16 << 20  # bytes that no connection has to take which says nothing
SLACK = 12288      # KB of memory in which two floods may differ

pytestmark = pytest.mark.unvalidated("what is tested is below HTTP")


@pytest.fixture(scope="module")
def leaf_of(tmp_path_factory):
    """leaf_of(kind of key): of each kind there is one, since to make one takes long."""
    authority, leaves = Authority(tmp_path_factory.mktemp("authority")), {}

    def find(kind):
        if kind not in leaves:
            leaves[kind] = authority.issue("localhost", kind=kind)
        return leaves[kind]

    return find


@pytest.fixture
def serve_tls(serve, application, leaf_of):
    """serve_tls(kind of key, *options) -> Server of one worker."""

    def start(kind="ecdsa:P-256", *options):
        leaf = leaf_of(kind)
        return serve("app:application", "--working-dir", application(APPLICATION), "--workers", 1, "--tls-certificate",
                     leaf.chain, "--tls-key", leaf.key, *options)

    return start


def worker_of(server):
    """The pid that a request on a new connection is answered by."""
    with tls.Client(server.port) as client:
        status, body = client.ask(GET)
    assert status == 200
    return int(body)


def check(server, pid):
    assert worker_of(server) == pid
    assert not re.search(r"Z error ", server.log), server.log


# --- records ---

def is_cut_off(plain, block):
    """Whether the server has had enough of it. The connection is neither read nor closed here in the meantime."""
    for _ in range(ENOUGH // len(block)):
        try:
            plain.sendall(block)
        except ConnectionError:
            return True
    return False


@pytest.mark.parametrize("kind,payload", [
    pytest.param(tls.ALERT, bytes((tls.WARNING, tls.NO_RENEGOTIATION)), id="warning"),
    pytest.param(tls.CHANGE_CIPHER_SPEC, b"\1", id="change-cipher-spec"),
    pytest.param(tls.HANDSHAKE, b"", id="empty"), pytest.param(tls.ALERT, b"\0\0", id="no-alert")])
@pytest.mark.parametrize("with_hello", [False, True])
def test_flood_before_the_handshake(serve_tls, kind, payload, with_hello):
    server = serve_tls()
    pid = worker_of(server)
    with tls.connect(server.port) as plain:
        if with_hello:
            plain.sendall(tls.record(tls.HANDSHAKE, tls.client_hello()))
        assert is_cut_off(plain, tls.record(kind, payload) * (65536 // (5 + len(payload))))
    check(server, pid)


def test_flood_after_the_handshake(serve_tls):
    """What may come without being sealed, and may be ignored (RFC 8446 section 5), is not without an end."""
    server = serve_tls()
    pid = worker_of(server)
    with tls.Client(server.port) as client:
        assert is_cut_off(client.socket, tls.record(tls.CHANGE_CIPHER_SPEC, b"\1") * 10000)
    check(server, pid)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind,payload", [
    pytest.param(tls.ALERT, bytes((tls.WARNING, tls.NO_RENEGOTIATION)), id="warning"),
    pytest.param(tls.DATA, b"", id="empty"),
    pytest.param(tls.HANDSHAKE, tls.message(tls.CLIENT_HELLO, bytes(200)), id="hello")])
def test_flood_of_sealed_records(serve_tls, version, kind, payload):
    server = serve_tls()
    pid = worker_of(server)
    with tls.Client(server.port, version=version) as client:
        block = b"".join(client.seal(kind, payload) for _ in range(500 if is_sanitized() else 5000))
        with contextlib.suppress(ConnectionError):
            client.socket.sendall(block + client.seal(tls.DATA, GET))
        worker_of(server)
    check(server, pid)


def test_flood_of_key_updates(serve_tls):
    server = serve_tls()
    pid = worker_of(server)
    for asked in (0, 1):
        with tls.Client(server.port) as client:
            block = b""
            for _ in range(2000):
                block += client.seal(tls.HANDSHAKE, tls.message(tls.KEY_UPDATE, bytes((asked, ))))
                client.update_keys()
            with contextlib.suppress(ConnectionError):
                client.socket.sendall(block + client.seal(tls.DATA, GET))
            assert b"200 OK" not in client.rest()
    check(server, pid)


# --- handshakes that are never finished ---

@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(pid):
    """KB."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def nothing(port, source):
    return tls.connect(port, source=source)


def half_a_hello(port, source):
    plain = tls.connect(port, source=source)
    plain.sendall(tls.record(tls.HANDSHAKE, tls.client_hello())[:100])
    return plain


def unread_answer(port, source):
    plain = tls.connect(port, source=source)
    plain.sendall(tls.record(tls.HANDSHAKE, tls.client_hello()))
    return plain


@pytest.mark.long
@pytest.mark.parametrize("begin", [nothing, half_a_hello, unread_answer])
def test_half_open_handshakes(serve_tls, many_descriptors, begin):
    server = serve_tls()
    pid = worker_of(server)

    def flood(count):
        """The worker's memory while so many clients have begun."""
        opened = []
        with tls.Client(server.port) as steady:
            for number in range(count):
                opened.append(begin(server.port, SOURCES[number % len(SOURCES)]))
                if number % 100 == 0:
                    assert steady.ask(GET) == (200, str(pid).encode())
                if number % 1000 == 0:
                    assert worker_of(server) == pid
        memory = resident(pid)
        for plain in opened:
            plain.close()
        eventually(lambda: server.descriptors(pid) <= descriptors)
        return memory

    descriptors = server.descriptors(pid) + 2  # two connections that were kept open
    most = max(flood(HALF_OPEN // 5) for _ in range(3))
    flood(HALF_OPEN)
    # What the first of them have left free is used by the others: none of it is lost.
    assert is_sanitized() or resident(pid) < most + SLACK
    check(server, pid)


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_has_its_time(serve_tls, version):
    """Wherever it stops, the server closes it."""
    server = serve_tls()
    pid = worker_of(server)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(begin(server.port, None)) for begin in (nothing, half_a_hello, unread_answer)]
        client = stack.enter_context(tls.Client(server.port, version=version, start=False))
        client.socket.sendall(client.shake(until=1)[:-1])
        # One that has failed, and whose client does not mind.
        failed = stack.enter_context(tls.connect(server.port))
        failed.sendall(tls.record(tls.HANDSHAKE, b"\0\0\0\0"))
        for plain in [*waiting, client.socket, failed]:
            tls.rest(plain)  # or a timeout
    eventually(lambda: server.descriptors(pid) < 50)
    check(server, pid)


# --- handshakes that take long ---

def test_slow_handshakes_hold_nobody_up(serve_tls):
    """A connection that stands is answered long before all signatures are made that others wait for."""
    server = serve_tls("rsa:4096")
    count = 10 if is_sanitized() else 150
    with tls.Client(server.port) as steady, contextlib.ExitStack() as stack:
        pid = int(steady.ask(GET)[1])
        waiting = [stack.enter_context(unread_answer(server.port, None)) for _ in range(count)]
        for _ in range(3):
            assert steady.ask(GET) == (200, str(pid).encode())
        # As many as have their answer by now.
        answered = 0
        for plain in waiting:
            plain.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                answered += len(plain.recv(1)) > 0
        assert answered < count
        for plain in waiting:
            plain.settimeout(tls.TIMEOUT)
            plain.recv(1)  # each has its answer in the end
    check(server, pid)


def test_slow_handshakes_of_who_has_gone(serve_tls):
    """By a FIN, by a reset, by and by; all of it is given back."""
    server = serve_tls("rsa:4096")
    pid = worker_of(server)
    before = server.descriptors(pid)
    for number in range(60):
        plain = unread_answer(server.port, None)
        if number % 3 == 0:
            tls.reset(plain)
        elif number % 3 == 1:
            plain.close()
        else:
            plain.shutdown(socket.SHUT_WR)
            threading.Thread(target=tls.rest, args=(plain, ), daemon=True).start()
    check(server, pid)
    eventually(lambda: server.descriptors(pid) <= before + 1)


def test_stop_with_slow_handshakes_under_way(serve_tls):
    server = serve_tls("rsa:4096")
    worker_of(server)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(unread_answer(server.port, None))
        server.stop()


# --- what goes on in a process that the application has forked ---

FORKING = """
import os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/fork" and os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def children(pid):
    """Of all its threads."""
    lists = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def test_an_ended_handshake_is_forgotten(serve, application, leaf_of):
    """Also where a child of the application holds its socket, for which the kernel has events as before."""
    leaf = leaf_of("ecdsa:P-256")
    server = serve("app:application", "--working-dir", application(FORKING), "--workers", 1, "--backpressure", 4,
                   "--tls-certificate", leaf.chain, "--tls-key", leaf.key, "--graceful-timeout", 1)
    pid = worker_of(server)
    with tls.connect(server.port) as first, tls.connect(server.port) as second:
        for half_open in (first, second):
            half_open.sendall(tls.record(tls.HANDSHAKE, tls.client_hello())[:20])
        with tls.Client(server.port) as client:  # there is room for two handshakes: this ends the first
            assert client.ask(GET.replace(b" / ", b" /fork "))[0] == 200
        child, = children(pid)
        with tls.connect(server.port):
            worker_of(server)  # there is no room for this one without the second's, which the child has
        try:
            with contextlib.suppress(ConnectionError):
                second.sendall(b"more")
            before = cpu_ticks(pid)
            with pytest.raises(subprocess.TimeoutExpired):  # the time that it takes to see a worker spin
                subprocess.run(["tail", "-f", "/dev/null"], timeout=0.5)
            assert cpu_ticks(pid) - before < 25
            check(server, pid)
        finally:
            os.kill(child, signal.SIGKILL)
