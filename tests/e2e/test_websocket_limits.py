"""WebSocket over TLS and unix sockets, and its limits: sizes, back-pressure, pings, the ends of servers and workers,
and many at once."""

import json
import resource
import shutil
import signal
import zlib

import pytest
from server import START_TIMEOUT, eventually
from tls_client import Pki, client_context, options_of
from websocket_client import (
    BINARY, COMPRESSED, CONTINUATION, PING, PONG, TEXT, UnixPeer, close_frame, cut, fragments, frame, open_websocket,
    upgrade)
from websocket_service import (
    APPLICATION, LIMIT, ending, grew_little, nobody_is_left, peak, said, status, worker)

pytestmark = pytest.mark.unvalidated(reason="an asynchronous application")

@pytest.fixture(scope="module")
def server(serve_once):
    """The application, by one worker, with messages of up to a megabyte."""
    return serve_once(APPLICATION.read_text(), "--ws-max-size", LIMIT)


@pytest.fixture
def start(serve, tmp_path):
    """start(*options) -> Server of the application, one worker."""
    folder = tmp_path / "application"
    folder.mkdir()
    shutil.copy(APPLICATION, folder / "app.py")
    return lambda *options, **more: serve("app:app", "--workers", 1, "--working-dir", folder, *options, **more)


# --- Other ways to the server ---

def test_over_tls(start, tmp_path):
    pki = Pki(tmp_path)
    server = start(*options_of(pki.local), "--ws-max-size", "8M")
    for version in ("TLSv1.2", "TLSv1.3"):
        context = client_context(pki, version)
        with open_websocket(server, f"/echo?{version}", context=context, extensions="permessage-deflate") as opened:
            for size in (0, 125, 16384, 16385, 3_000_000):
                opened.send_binary(bytes(size), 100_000)
                assert opened.event() == ("binary", bytes(size))
            assert opened.close(4000, b"over") == []
        assert said(server, version) == ending(4000, "over")
        with open_websocket(server, "/scope", context=context) as opened:
            assert json.loads(opened.event()[1])["scheme"] == "wss"
        with open_websocket(server, f"/wait?broken-{version}", context=context) as opened:
            opened.vanish()
        assert said(server, f"broken-{version}", '{.*"ended".*}')["code"] == 1006


def test_over_a_unix_socket(start, tmp_path):
    path = tmp_path / "socket"
    server = start("--listen", f"unix:{path}", port=None)
    with upgrade(UnixPeer(path), "/echo?unix") as opened:
        opened.send_text("x" * 100_000)
        assert opened.event() == ("text", "x" * 100_000)
        assert opened.close(4000) == []
    assert said(server, "unix") == ending(4000)


# --- Sizes ---

def refused_size(opened, *parts):
    """Whether these are too much."""
    opened.try_to_send(*parts)
    before, code, _ = opened.closed_by_server()
    return (before, code) == ([], 1009)


def test_largest_message(server):
    with open_websocket(server, "/echo") as opened:
        for fragment in (None, 1000):
            opened.send_binary(bytes(LIMIT), fragment)
            assert opened.event() == ("binary", bytes(LIMIT))
        assert opened.close() == []


@pytest.mark.parametrize("name, parts", [
    ("one", [frame(BINARY, bytes(LIMIT + 1))]),
    ("announced", [frame(BINARY, b"", length=LIMIT + 1, width=8)]),  # refused before it has come
    ("enormous", [frame(BINARY, b"", length=(1 << 63) - 1, width=8)]),
    ("fragments", [frame(TEXT, b"x" * LIMIT, fin=False), frame(CONTINUATION, b"x")]),
    ("many fragments", [frame(TEXT, b"", fin=False), frame(CONTINUATION, b"x" * 70000, fin=False) * 16])])
def test_too_large(server, name, parts):
    with open_websocket(server, f"/echo?too-large-{name.replace(' ', '-')}") as opened:
        assert refused_size(opened, *parts)
    assert said(server, f"too-large-{name.replace(' ', '-')}")["code"] == 1009


def test_a_bomb(server):
    """256 megabytes of zeros are a quarter of one compressed: they are not inflated, whatever they are sent in."""
    with open_websocket(server, "/echo?small", extensions="permessage-deflate") as opened:
        opened.send_binary(bytes(LIMIT))
        assert opened.event() == ("binary", bytes(LIMIT))
        assert opened.close() == []
    before = peak(server)
    packer, zeros = zlib.compressobj(9, wbits=-15), bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush(zlib.Z_SYNC_FLUSH)
    for name, size in (("frame", len(packed)), ("fragments", 100)):
        with open_websocket(server, f"/echo?bomb-{name}", extensions="permessage-deflate") as opened:
            assert refused_size(opened, b"".join(fragments(BINARY, cut(packed, size), rsv=COMPRESSED)))
        assert said(server, f"bomb-{name}")["code"] == 1009
    assert grew_little(server, before)


def test_any_size(start):
    server = start("--ws-max-size", 0)
    with open_websocket(server, "/echo") as opened:
        opened.send_binary(bytes(40 << 20), 1 << 20)
        assert opened.event() == ("binary", bytes(40 << 20))
        assert opened.close() == []


# --- Back-pressure ---

def test_a_client_that_reads_slowly(start):
    """send() waits for it, and what waits is not kept in memory."""
    server = start()
    with open_websocket(server, "/echo") as opened:
        opened.send_binary(bytes(1 << 20))
        assert opened.event() == ("binary", bytes(1 << 20))
    nobody_is_left(server)
    before = peak(server)
    with open_websocket(server, "/flood?flood", receive_buffer=1 << 16) as opened:
        assert said(server, "flood")["sent"] < 64
        assert status(server)["connected"] == 1  # others are served meanwhile
        for _ in range(256):
            assert opened.event() == ("binary", bytes(1 << 20))
        assert opened.event() == ("text", "end")
        assert opened.close() == []
    assert grew_little(server, before)


def test_an_application_that_does_not_receive(start):
    """Its client is held back."""
    server = start()
    before = peak(server)
    message = frame(BINARY, bytes(1 << 16))
    with open_websocket(server, "/hold") as opened:
        sent = 0
        opened.peer.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            while sent < 256 << 20:
                sent += opened.peer.socket.send(message[sent % len(message):])
        opened.peer.socket.settimeout(60)
        with open_websocket(server, "/release"):
            opened.send(message[sent % len(message):] + message * 256)
            opened.send_text("end")
            assert opened.event() == ("text", str((sent // len(message) + 257) << 16))
        assert opened.close() == []
    assert grew_little(server, before)


def test_what_was_sent_before_the_close_arrives(server):
    with open_websocket(server, "/much-and-close", receive_buffer=1 << 16) as opened:
        server.get().close()  # the application has come to its close as far as it can
        before, code, reason = opened.closed_by_server()
        assert before == [("binary", bytes(1 << 20))] * 16 and (code, reason) == (4000, "all")


def test_pings_whose_answers_are_not_read(start):
    """They are not gathered: the client is held back, or the newest ping alone is answered (RFC 6455 section 5.5.3)."""
    server = start()
    before = peak(server)
    pings = frame(PING, bytes(125)) * 1000
    with open_websocket(server, "/wait?pings", receive_buffer=1 << 16) as opened:
        opened.peer.socket.settimeout(1)
        sent = 0
        try:
            while sent < 128 << 20:
                sent += opened.peer.socket.send(pings[sent % len(pings):])
        except TimeoutError:
            pass
        assert status(server)["connected"] == 1
        assert grew_little(server, before)
        opened.vanish()
    nobody_is_left(server)


# --- Pings ---

def test_a_dead_client_is_noticed(start):
    server = start("--ws-ping-interval", "50ms", "--ws-ping-timeout", "50ms")
    with open_websocket(server, "/wait?dead") as opened:
        first = opened.event()
        assert first[0] == "ping"
        before, (_, code, _) = opened.events_until_close()  # without an answer to any of them
        assert (before, code) == ([], 1011) and opened.ended()
    assert said(server, "dead", '{.*"ended".*}')["code"] == 1011
    nobody_is_left(server)


def test_a_client_that_answers_stays(start):
    server = start("--ws-ping-interval", "20ms", "--ws-ping-timeout", "60s")
    with open_websocket(server, "/echo?alive") as opened:
        for _ in range(10):
            kind, payload = opened.event()
            assert kind == "ping"
            opened.send(frame(PONG, payload))
        opened.send_text("here")
        before = [opened.event()]
        while before[-1][0] == "ping":
            before.append(opened.event())
        assert before[-1] == ("text", "here")
        assert opened.close(4000) == []
    assert said(server, "alive") == ending(4000)


def test_no_pings(start):
    server = start("--ws-ping-interval", 0)
    with open_websocket(server, "/echo") as opened:
        opened.send_text("x")
        assert opened.event() == ("text", "x")
        assert opened.close() == []


# --- The server's end, and a worker's ---

def ended(server):
    """It has stopped, as it was told before: a second signal would cut short what it does."""
    server.process.wait(START_TIMEOUT)
    server.stop()


def test_stop(start):
    """Everybody is told: clients by 1001, the application by a disconnect, and its lifespan ends behind them."""
    server = start()
    opened = [open_websocket(server, f"/wait?stop-{number}") for number in range(5)]
    opened += [open_websocket(server, "/wait?stop-5", extensions="permessage-deflate")]
    opened[1].send(frame(TEXT, b"half", fin=False))
    opened[2].send(frame(TEXT, b"half of it")[:-3])
    for number in range(6):
        assert said(server, f"stop-{number}")["state"] == "open"
    server.process.send_signal(signal.SIGTERM)
    for each in opened:
        assert each.closed_by_server()[:2] == ([], 1001)
        each.peer.socket.close()
    ended(server)
    for number in range(6):
        assert said(server, f"stop-{number}", '{.*"ended".*}')["code"] == 1001
    server.wait_for("shut down with 0 connected")


def test_a_stop_while_much_is_sent(start):
    server = start("--graceful-timeout", "2s")
    with open_websocket(server, "/send-until-it-raises?stopped") as opened:
        assert opened.event() == ("binary", bytes(1000))
        server.process.send_signal(signal.SIGTERM)
        before, (_, code, _) = opened.events_until_close()
        assert code == 1001 and set(before) <= {("binary", bytes(1000))}
    ended(server)
    assert "OSError" in said(server, "stopped")["raised"]


def test_a_stop_with_a_client_that_does_not_answer(start):
    """It is not waited for longer than --graceful-timeout."""
    server = start("--graceful-timeout", "2s")
    with open_websocket(server, "/wait?silent") as opened:
        assert said(server, "silent")["state"] == "open"
        server.stop()
        assert opened.events_until_close()[1][1] == 1001
    assert said(server, "silent", '{.*"ended".*}')["code"] == 1001


def test_a_stop_with_an_application_that_goes_on(start):
    """It is given --graceful-timeout, and ended then."""
    server = start("--graceful-timeout", "2s")
    with open_websocket(server, "/stay?stays") as opened:
        server.process.send_signal(signal.SIGTERM)
        assert opened.closed_by_server()[:2] == ([], 1001)
        ended(server)
    assert said(server, "stays")["state"] == "staying"


def test_a_worker_that_is_replaced(start):
    """Its WebSockets end with 1001, and the next one is opened by its successor."""
    server = start("--workers-max-requests", 3)
    first = worker(server)
    with open_websocket(server, "/wait?replaced") as opened:
        eventually(lambda: worker(server) != first)
        before, code, _ = opened.closed_by_server()
        assert (before, code) == ([], 1001)
    assert said(server, "replaced", '{.*"ended".*}')["code"] == 1001


# --- Many ---

def test_a_thousand_at_once(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    nobody_is_left(server)
    opened = [open_websocket(server, "/echo") for _ in range(1000)]
    assert status(server)["connected"] == 1000
    for number, each in enumerate(opened):
        each.send_text(f"number {number}")
    for number, each in enumerate(opened):
        assert each.event() == ("text", f"number {number}")
    for number, each in enumerate(opened):
        if number % 3:
            each.send(close_frame(1000))
        else:
            each.vanish()
    for number, each in enumerate(opened):
        if number % 3:
            assert each.events_until_close() == ([], ("close", 1000, ""))
            each.peer.socket.close()
    nobody_is_left(server)
