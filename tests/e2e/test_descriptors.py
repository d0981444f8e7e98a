"""The look at descriptors that ends every test here: it finds what is kept, and only that."""

import socket

import descriptors
import pytest

KEEPER = """
import os, socket

kept = []

def app(environ, start_response):
    kind = environ["PATH_INFO"]
    if kind == "/file":
        kept.append(open("/dev/null"))
    elif kind == "/pipe":
        kept.append(os.pipe())
    elif kind == "/socket":
        kept.append(socket.socket())
    elif kind == "/connection":
        kept.append(socket.create_connection(("127.0.0.1", int(environ["QUERY_STRING"]))))
    elif kind == "/end":
        os._exit(7)
    elif kind == "/abandon":
        environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


@pytest.fixture
def keeper(application, serve, monkeypatch):
    """A server whose application keeps what it is asked to."""
    monkeypatch.setattr(descriptors, "PATIENCE", 0.5)
    return serve("app:app", "--workers", 1, "--graceful-timeout", "2s", "--working-dir", application(KEEPER))


def ends_with(server, complaint):
    with pytest.raises(AssertionError, match=complaint):
        server.stop()


@pytest.mark.parametrize("kind, count", [("file", 1), ("pipe", 2), ("socket", 1)])
def test_what_is_kept_is_found(keeper, kind, count):
    with keeper.get("/" + kind):
        pass
    ends_with(keeper, f"{count} more of kind {kind}: .*{kind if kind != 'file' else '/dev/null'}")


def test_what_a_later_worker_keeps_is_found(keeper):
    with pytest.raises(OSError), keeper.get("/end"):
        pass
    keeper.wait_for(r"worker 1 .*status 7")
    with keeper.get("/file"):
        pass
    ends_with(keeper, "more of kind file: .*/dev/null")


def test_a_connection_whose_other_end_has_gone_is_found(keeper):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with keeper.get(f"/connection?{listener.getsockname()[1]}"):
            pass
        other, _ = listener.accept()
        assert not descriptors.Descriptors(keeper.process.pid).growth()
        with other:
            assert not keeper._descriptors.growth()
    ends_with(keeper, "more of kind socket: socket:")


def test_clients_that_are_connected_are_no_leak(keeper):
    with socket.create_connection(("127.0.0.1", keeper.port)) as client:
        client.sendall(b"POST /abandon HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        with keeper.get("/"):
            pass
        assert not keeper._descriptors.growth()
        keeper.stop()


def test_who_says_so_may_keep(keeper):
    keeper.keeps = "that is what it is for"
    with keeper.get("/file"):
        pass
    keeper.stop()
