"""Answers that do not wait for the request's body: they reach clients that go on sending, and those get no more room
and time than they need."""

import select
import shutil
import subprocess

import pytest
from raw_client import request
from server import eventually
from tls_client import client_context
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="not about the application")

MAX_BODY = 2 << 20
SIZE = 3 << 20
LINGER_BYTES = 64 << 20  # that are thrown away at most
LINGER_MAX = 256  # connections
STATUS = {"wsgi": 413, "asgi": 401, "rsgi": 401}


@pytest.fixture(scope="module", params=STATUS)
def interface(request):
    return request.param


@pytest.fixture(scope="module")
def everywhere(serve_everywhere, interface):
    # WSGI applications are called with the whole body: theirs is the refusal of one that is too large.
    limit = ["--max-body-size", MAX_BODY] if interface == "wsgi" else []
    return serve_everywhere(f"early_answers:{interface}", "--interface", interface, *limit)


@pytest.fixture
def small(serve_everywhere):
    """A server that is the test's own."""
    return serve_everywhere("early_answers:wsgi", "--max-body-size", MAX_BODY)


def connect(everywhere, transport):
    """In TLS 1.2 nothing comes between the handshake and the answer."""
    return everywhere.connect(transport, context=client_context(everywhere.pki, "TLSv1.2"))


def head(size):
    return request("POST", "/refuse", None, f"Content-Length: {size}")


def begin(peer, size=SIZE):
    """Send the head and a little of the body, and wait until the answer is there; it is not read."""
    peer.send(head(size), b"x" * 1000)
    assert select.select([peer.socket], [], [], 60)[0], "no answer before all of the body"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_sends_everything_before_it_reads(everywhere, interface, transport):
    with connect(everywhere, transport) as peer:
        begin(peer)
        for _ in range(1000, SIZE - 1000, 1000):
            peer.send(b"x" * 1000)
        answer = peer.answer()
        assert answer.status == STATUS[interface] and answer.closes
        assert peer.rest() == b""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_sends_it_in_one_go(everywhere, interface, transport):
    with connect(everywhere, transport) as peer:
        peer.send(head(SIZE) + b"x" * SIZE)
        answer = peer.answer()
        assert answer.status == STATUS[interface]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_never_stops_is_cut(everywhere, transport):
    piece, sent = b"x" * (1 << 20), 0
    with connect(everywhere, transport) as peer:
        begin(peer, 1 << 30)
        with pytest.raises(OSError):
            while sent < 4 * LINGER_BYTES:
                peer.send(piece)
                sent += len(piece)
    assert everywhere.ask("/ok").status in (200, 401)


def test_curl_has_the_answer(everywhere, interface, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    upload = tmp_path / "upload"
    with open(upload, "wb") as file:
        file.truncate(30 << 20)
    url = f"http://127.0.0.1:{everywhere.port('plain')}/refuse"
    for _ in range(5):
        done = subprocess.run(["curl", "-sS", "-H", "Expect:", "-T", upload, "-w", " %{http_code}", url],
                              capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout.split()[-1]) == (0, str(STATUS[interface])), done


def test_nothing_stays_of_clients_that_go(everywhere):
    assert everywhere.ask("/ok").status in (200, 401)
    pid = everywhere.pid()
    before = everywhere.server.descriptors(pid)
    for _ in range(20):
        with connect(everywhere, "plain") as peer:
            begin(peer)
    eventually(lambda: everywhere.server.descriptors(pid) <= before)


def test_nothing_stays_of_clients_that_wait(small):
    """They neither send nor close: their time runs out."""
    pid = small.pid()
    before = small.server.descriptors(pid)
    with connect(small, "plain") as peer:
        begin(peer)
        assert peer.answer().status == 413
        eventually(lambda: small.server.descriptors(pid) <= before)


def test_more_than_there_is_room_for(small):
    """The oldest go first."""
    pid, more = small.pid(), 20
    before = small.server.descriptors(pid)
    peers = []
    try:
        for _ in range(LINGER_MAX + more):
            peers.append(connect(small, "plain"))
            begin(peers[-1])
            assert small.server.descriptors(pid) <= before + LINGER_MAX + 1
        peers[-1].send(b"x" * (SIZE - 1000))
        assert peers[-1].answer().status == 413
    finally:
        for peer in peers:
            peer.socket.close()


def test_a_worker_that_ends_waits_for_none_of_them_long(small):
    """And what they were answered stays theirs."""
    with connect(small, "plain") as silent, connect(small, "plain") as peer:
        begin(silent)
        begin(peer)
        peer.send(b"x" * (SIZE - 1000))
        assert small.server.stop() == 0
        assert (peer.answer().status, silent.answer().status) == (413, 413)
