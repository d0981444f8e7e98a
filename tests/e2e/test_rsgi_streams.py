"""RSGI over HTTP, where time comes in: streams, back-pressure, clients that leave."""

import re
import socket
import struct

import pytest
from raw_client import Peer, request
from server import eventually
from test_rsgi import APPLICATIONS, open_gate, seen

BUFFERED = 16 << 20  # bytes; more than the kernel, the server and we hold together


@pytest.fixture
def server(serve):
    return serve("rsgi_calls:app", "--workers", 1, "--interface", "rsgi", "--working-dir", APPLICATIONS)


@pytest.fixture
def peer(server):
    with Peer(server) as connected:
        yield connected


def test_stream(peer):
    answer = peer.ask(request("GET", "/stream"))
    assert answer.body.decode() == "one twö three four"
    assert peer.ask(request("HEAD", "/stream")).body == b""
    assert peer.ask(request("GET", "/stream")).status == 200


def test_stream_of_a_known_length(peer):
    answer = peer.ask(request("GET", "/stream-announced?10"))
    assert (answer.body, answer.get("Content-Length")) == (b"0123456789", "10")
    assert answer.get("Transfer-Encoding") is None


def test_stream_that_is_too_short(server):
    with Peer(server) as peer:
        peer.send(request("GET", "/stream-announced?5"))
        with pytest.raises(EOFError):
            peer.answer()


def test_pieces_leave_at_once(peer, server):
    peer.send(request("GET", "/stream-gated"))
    assert peer.head().get("Transfer-Encoding") == "chunked"
    assert peer.until(b"\r\n") == b"6" and peer.take(8) == b"first \r\n"
    open_gate(server, "stream")
    assert peer.until(b"\r\n") == b"6" and peer.take(8) == b"second\r\n"
    open_gate(server, "end")
    assert peer.take(5) == b"0\r\n\r\n"
    assert peer.ask(request("GET", "/text")).status == 200


def test_stream_ends_with_its_transport(peer, server):
    peer.send(request("GET", "/stream-of-task"))
    head = peer.head()
    open_gate(server, "task")
    assert peer.body(head) == b"begun by a task"
    assert peer.ask(request("GET", "/stream-dropped")).body == b"all"
    assert "dropped" not in seen(server)
    open_gate(server, "dropped")
    eventually(lambda: "dropped" in seen(server))
    assert peer.ask(request("GET", "/stream-dropped-elsewhere")).body == b"all"


def test_failure_in_a_stream_cuts_it(server):
    with Peer(server) as peer:
        peer.send(request("GET", "/fail-streaming"))
        peer.head()
        assert peer.until(b"\r\n") == b"5" and peer.take(7) == b"begun\r\n"
        open_gate(server, "fail")
        assert peer.ended()
    server.wait_for("rsgi: exception while answering GET /fail-streaming\n")
    server.wait_for("\nValueError: in the middle")


def test_slow_client_holds_back_the_application(server):
    with Peer(server, receive_buffer=4096) as peer:
        peer.send(request("GET", "/endless"))
        peer.head()
        before, now = -1, 0
        while before != now:  # until the application waits
            before, now = now, seen(server)["sent"]
        assert 0 < now < BUFFERED
        for _ in range(4):
            size = int(peer.until(b"\r\n"), 16)
            peer.take(size + 2)
        left = BUFFERED
        while left > 0:  # it goes on as the client takes it
            size = int(peer.until(b"\r\n"), 16)
            peer.take(size + 2)
            left -= size
        eventually(lambda: seen(server)["sent"] >= BUFFERED)
    eventually(lambda: "closed" in seen(server))
    assert seen(server)["closed"][1] is True
    server.stop()
    assert "Traceback" not in server.log


def test_slow_application_holds_back_the_client(server):
    body = b"x" * BUFFERED
    with Peer(server) as peer:
        message = request("POST", "/read-slowly", body)
        peer.socket.setblocking(False)
        sent, refused = 0, 0
        while sent < len(message) and refused < 50:
            try:
                sent += peer.socket.send(message[sent:sent + 65536])
                refused = 0
            except BlockingIOError:
                refused += 1
                seen(server)  # the server has had its turn meanwhile
        assert sent < len(message)
        peer.socket.settimeout(60)
        open_gate(server, "read")
        peer.send(message[sent:])
        assert peer.answer().json() == len(body)


def reset(peer):
    """Close so that the other side is told at once."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


@pytest.mark.parametrize("leave", [reset, lambda peer: peer.socket.close(),
                                   lambda peer: peer.socket.shutdown(socket.SHUT_WR)], ids=["reset", "close", "half"])
def test_disconnect(server, leave):
    with Peer(server) as peer:
        peer.send(request("GET", "/disconnect"))
        seen(server)
        leave(peer)
        eventually(lambda: seen(server).get("disconnect") == "in the request")
    server.stop()
    assert not re.search("Traceback|error", server.log)


def test_disconnect_behind_the_answer(server):
    """An answer is no disconnection, nor is another request on the connection."""
    with Peer(server) as peer:
        assert peer.ask(request("GET", "/disconnect-behind")).body == b"answered"
        assert peer.ask(request("GET", "/text")).status == 200
        assert seen(server)["behind"] == "answered"
    eventually(lambda: seen(server)["behind"] == "gone")


def test_disconnect_that_is_cancelled(peer):
    assert peer.ask(request("GET", "/disconnect-cancelled")).body == b"cancelled"
    assert peer.ask(request("GET", "/text")).status == 200


def test_stop_cancels_what_does_not_end(serve):
    server = serve("rsgi_calls:app", "--workers", 1, "--interface", "rsgi", "--graceful-timeout", 3,
                   "--working-dir", APPLICATIONS)
    with Peer(server) as waiting, Peer(server) as streaming:
        waiting.send(request("GET", "/disconnect"))
        streaming.send(request("GET", "/stream-gated"))
        streaming.head()
        assert streaming.take(11) == b"6\r\nfirst \r\n"
        server.process.terminate()
        assert waiting.answer().status == 503
        assert streaming.ended()
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log


def test_stop_waits_for_a_stream(server):
    with Peer(server) as peer:
        peer.send(request("GET", "/stream-gated"))
        head = peer.head()
        open_gate(server, "stream")
        open_gate(server, "end")
        server.process.terminate()
        assert peer.body(head) == b"first second"
    assert server.process.wait(60) == 0
