"""What a client with a kept connection sees of its worker's replacement."""

import os
import signal
import socket

import pytest
from raw_client import Peer, request
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATION = '''
import os

def pieces():
    yield b"first, "
    with open("gate") as gate:
        gate.read()
    yield b"last"

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces() if environ["PATH_INFO"] == "/pieces" else [str(os.getpid()).encode()]
'''


@pytest.fixture
def folder(application):
    folder = application(APPLICATION)
    os.mkfifo(folder / "gate")
    return folder


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.long)], ids=["short", "long"])
def test_replaced_in_the_middle_of_an_answer(serve, folder, long):
    """Its head has not announced the end of the connection, so the next request is answered there, too, even
    if others that were idle meanwhile have been closed."""
    server = serve("app:app", "--workers", 1, "--working-dir", folder)
    (worker,) = server.workers()
    with Peer(server) as peer, Peer(server) as idle:
        idle.ask(request("GET", "/"))
        peer.send(request("GET", "/pieces"))
        with open(folder / "gate", "w"):  # opens once the application waits
            peer.socket.recv(1, socket.MSG_PEEK)  # the head is on its way
            descriptors = server.descriptors(worker)
            server.process.send_signal(signal.SIGUSR1)
            eventually(lambda: server.descriptors(worker) < descriptors)  # it listens no more
            if long:
                idle.ended()
        answer = peer.answer()
        assert (answer.body, answer.closes) == (b"first, last", False)
        answer = peer.ask(request("GET", "/"))
        assert (answer.body, answer.closes) == (b"%d" % worker, True)
