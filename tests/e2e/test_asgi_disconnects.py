"""Clients that go away: http.disconnect, OSError from send() (HTTP 2.4), and what is left of them."""

import itertools
import socket

import pytest
from raw_client import request
from server import eventually
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

NAMES = map("d{}".format, itertools.count())  # of requests, each used once
TOLD = r"{'type': 'http.disconnect'}"


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_disconnects:app")


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


def begin(everywhere, transport, path, name, **options):
    """A connection with that request under way."""
    peer = everywhere.connect(transport, **options)
    peer.send(request("GET", f"{path}?{name}"))
    return peer


def reset(peer):
    """Close it without a farewell."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.socket.close()


def close(peer):
    peer.socket.close()


def goodbye(peer):
    """It ends its own half."""
    plain = peer.socket.detach() if hasattr(peer.socket, "unwrap") else None
    if plain is not None:  # TLS below: without its farewell
        peer.socket = socket.socket(fileno=plain)
    peer.socket.shutdown(socket.SHUT_WR)


WAYS = [close, reset, goodbye]


def check_quiet(everywhere, seen):
    """The server goes on, and has nothing to complain of."""
    assert everywhere.ask("/ok").body == b"ok"
    log = everywhere.server.log[seen:]
    assert "Traceback" not in log and " error " not in log and " warning " not in log, log


# --- receive() ---


@pytest.mark.parametrize("way", WAYS)
def test_waiting_for_it(everywhere, transport, way):
    name, seen = next(NAMES), len(everywhere.server.log)
    tasks = int(everywhere.ask("/tasks").body)
    peer = begin(everywhere, transport, "/listen", name)
    everywhere.server.wait_for(f"listens {name}\n")
    way(peer)
    everywhere.server.wait_for(f"told {name} {TOLD} {TOLD}\n")
    peer.socket.close()
    eventually(lambda: int(everywhere.ask("/tasks").body) <= tasks)
    if way is not goodbye:  # where it has only said that, an answer is owed
        check_quiet(everywhere, seen)


def test_many_wait(everywhere):
    names = [next(NAMES) for _ in range(60)]
    peers = [begin(everywhere, TRANSPORTS[number % 3], "/listen", name) for number, name in enumerate(names)]
    for name in names:
        everywhere.server.wait_for(f"listens {name}\n")
    for peer in peers:
        peer.socket.close()
    for name in names:
        everywhere.server.wait_for(f"told {name} {TOLD}")


def test_answered_while_it_listens(everywhere, transport):
    """The end of the answer ends the waiting; the connection stays."""
    name, seen = next(NAMES), len(everywhere.server.log)
    with begin(everywhere, transport, "/answer", name) as peer:
        assert peer.answer().body == b"answer"
        everywhere.server.wait_for(f"told {name} {TOLD}\n")
        assert peer.ask(request("GET", "/ok")).body == b"ok"
    check_quiet(everywhere, seen)


# --- send() ---


@pytest.mark.parametrize("way", [close, reset])
def test_after_it_was_told(everywhere, transport, way):
    """send() raises what it shall, at the latest with the body."""
    name = next(NAMES)
    peer = begin(everywhere, transport, "/listen-and-send", name)
    everywhere.server.wait_for(f"listens {name}\n")
    way(peer)
    everywhere.server.wait_for(rf"refused {name} \w+\n")
    assert f"sent {name}" not in everywhere.server.log


@pytest.mark.parametrize("way", [close, reset])
def test_in_the_middle_of_an_answer(everywhere, transport, way):
    """What send() has raised is no error of the application that lets it pass."""
    name, seen = next(NAMES), len(everywhere.server.log)
    peer = begin(everywhere, transport, "/flood", name)
    assert peer.head().status == 200
    way(peer)
    everywhere.server.wait_for(f"ended {name}\n")
    check_quiet(everywhere, seen)


def test_caught_and_tried_again(everywhere, transport):
    name, seen = next(NAMES), len(everywhere.server.log)
    peer = begin(everywhere, transport, "/flood-until", name)
    assert peer.head().status == 200
    peer.socket.close()
    everywhere.server.wait_for(f"then {name} http.disconnect http.disconnect\n")
    for number in range(3):
        assert f"caught {name} {number} True\n" in everywhere.server.log
    check_quiet(everywhere, seen)


def test_held_back_by_one_that_leaves(everywhere, transport):
    name, seen = next(NAMES), len(everywhere.server.log)
    peer = begin(everywhere, transport, "/held", name, receive_buffer=4096)
    everywhere.server.wait_for(f"sends {name}\n")
    assert everywhere.ask("/ok").body == b"ok"
    peer.socket.close()
    everywhere.server.wait_for(f"woken {name}\n")
    assert f"sent {name}\n" not in everywhere.server.log
    check_quiet(everywhere, seen)


@pytest.mark.parametrize("way", [close, reset])
def test_listening_beside_a_stream(everywhere, transport, way):
    name, seen = next(NAMES), len(everywhere.server.log)
    peer = begin(everywhere, transport, "/stream", name)
    head = peer.head()
    assert head.status == 200 and peer.take(9) == b"4\r\ntick\r\n"
    way(peer)
    everywhere.server.wait_for(f"ended {name} NoneType CancelledError\n")
    check_quiet(everywhere, seen)


# --- who does not ask ---


@pytest.mark.parametrize("way", [close, reset])
def test_work_is_done(everywhere, transport, way):
    """Nobody is cancelled because a client has gone."""
    name, seen = next(NAMES), len(everywhere.server.log)
    peer = begin(everywhere, transport, "/work", name)
    everywhere.server.wait_for(f"works {name}\n")
    way(peer)
    assert everywhere.ask("/ok").body == b"ok"
    everywhere.set(name)
    everywhere.server.wait_for(f"has worked {name}\n")
    check_quiet(everywhere, seen)


@pytest.mark.parametrize("name_of", ["plain", "unix"])
def test_half_closed_clients_get_their_answer(everywhere, name_of):
    """printf ... | nc: there is nothing more to be said, but something to be heard."""
    name = next(NAMES)
    with begin(everywhere, name_of, "/work", name) as peer:
        peer.socket.shutdown(socket.SHUT_WR)
        everywhere.server.wait_for(f"works {name}\n")
        everywhere.set(name)
        assert peer.answer().body == b"work " + name.encode()
        assert peer.ended()


@pytest.mark.parametrize("name_of", ["plain", "unix"])
def test_half_closed_before_anything_was_read(everywhere, name_of):
    with everywhere.connect(name_of) as peer:
        peer.send(request("GET", "/ok"))
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.answer().body == b"ok" and peer.ended()


def test_the_next_in_line_is_not_lost_with_it(everywhere, transport):
    """A client that goes has asked twice: the first is told, nothing of it stays."""
    name = next(NAMES)
    peer = everywhere.connect(transport)
    peer.send(request("GET", f"/listen?{name}") + request("GET", "/ok"))
    everywhere.server.wait_for(f"listens {name}\n")
    peer.socket.close()
    everywhere.server.wait_for(f"told {name} {TOLD}")
    assert everywhere.ask("/ok").body == b"ok"


# --- what is left ---


@pytest.mark.parametrize("path", ["/listen", "/flood", "/stream"])
def test_nothing_is_left(everywhere, path):
    """No descriptor, no task."""
    pid = everywhere.pid()
    before, tasks = everywhere.server.descriptors(pid), int(everywhere.ask("/tasks").body)
    for number in range(30):
        peer = begin(everywhere, TRANSPORTS[number % 3], path, next(NAMES))
        if path != "/listen":
            assert peer.head().status == 200
        (reset if number % 2 else close)(peer)
    eventually(lambda: int(everywhere.ask("/tasks").body) <= tasks)
    eventually(lambda: everywhere.server.descriptors(pid) <= before)
    assert everywhere.pid() == pid
