"""Memory that runs out, at each allocation in turn: a server starts or says in a line why not; a request is answered, refused or
cut, and the next one is served; no process crashes or waits for ever."""

import re
import socket
import time

import pytest
from tortured import CRASH, OTHERS, SERVING, SUPERVISOR, Torment

SOURCE = """
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body) + 2))])
    return [b"ok", body]

async def later(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    if scope["type"] != "http":
        raise NotImplementedError
    body, more = b"ok", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for i in range(0, len(body), 1000):
        await send({"type": "http.response.body", "body": body[i:i + 1000], "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""
KINDS = {"supervisor": SUPERVISOR, "worker": OTHERS}
WSGI = ["app:app", "--workers", "1", "--log-level", "info"]
ASGI = ["app:later", "--interface", "asgi", "--workers", "1"]
END_WITHIN = 20  # seconds


@pytest.fixture
def torment(binary, tmp_path):
    (tmp_path / "app.py").write_text(SOURCE)
    return lambda options: Torment(binary, tmp_path, options)


def get(port, text=b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"):
    """All of an answer; b"": the connection was cut."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), END_WITHIN) as peer:
            peer.sendall(text)
            while piece := peer.recv(65536):
                answer += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    except TimeoutError:
        return b"waits for ever"
    return answer


def check_served(server):
    """A worker may have been lost, whose place another takes: connections that are lost with it are answered again."""
    end = time.monotonic() + END_WITHIN
    while b" 200 OK\r\n" not in get(server.port):
        assert time.monotonic() < end, server.log


def wait_until_known(server):
    """Whether it serves, else it has ended."""
    with server._changed:
        assert server._changed.wait_for(lambda: server._ended or ": serving " in server.log, END_WITHIN), server.log
    return ": serving " in server.log


def start_with(torment, kind, victim):
    """A start with that allocation failing: what is wrong with how it went; None where there was no such allocation."""
    torment.orders.clear(kind, victim)
    server = torment.start(expect_start=False)
    try:
        serves = wait_until_known(server)
        failed = torment.orders.failed
        if serves:
            if SERVING.search(server.log):  # where there was memory to say where
                server._wait_until_serving()
                check_served(server)
            server.stop()
        else:
            assert server.process.wait(END_WITHIN) in (1, 2), f"status {server.process.returncode}"
            assert re.search(r"^limpet: .*\S\n", server.log, re.MULTILINE), "it does not say why"
        assert not CRASH.search(server.log), "it crashed"
    except AssertionError as error:
        return f"{victim} ({torment.orders.place(torment.binary)}): {error}\n{server.log}"
    finally:
        server.keeps = "it has had its share"
        server.kill()
    return "" if failed else None


@pytest.mark.parametrize("options", [WSGI, ASGI], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("kind", KINDS)
def test_start(torment, kind, options, step):
    tried, wrong, victim = torment(options), [], 1
    while (found := start_with(tried, KINDS[kind], victim)) is not None:
        if found:
            wrong.append(found)
        victim += step
    print(f"{(victim - 1) // step} starts")
    assert not wrong, f"{len(wrong)} of {(victim - 1) // step}:\n" + "\n".join(wrong)


POST = b"POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000
CHUNKS = b"POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + \
    b"1000\r\n" + b"y" * 4096 + b"\r\n0\r\n\r\n"
SOCKET = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + b"\x81\x82\0\0\0\0hi" + b"\x88\x82\0\0\0\0\x03\xe8"


@pytest.mark.parametrize("options, text, good", [
    (WSGI, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 "), (WSGI, POST, b"HTTP/1.1 200 "),
    (WSGI, CHUNKS, b"HTTP/1.1 200 "), (ASGI, POST, b"HTTP/1.1 200 "), (ASGI, CHUNKS, b"HTTP/1.1 200 "),
    (ASGI, SOCKET, b"HTTP/1.1 101 ")], ids=["get", "post", "chunks", "async-post", "async-chunks", "websocket"])
def test_requests(torment, options, text, good, step):
    tried = torment([*options, "--body-buffer", "16K"])
    orders = tried.orders
    server = tried.start()
    server.keeps = "memory that was refused may have kept some"
    worker, = server.workers()
    ahead, done = 1, 0
    try:
        while True:
            failed = orders.failed
            orders.fail(OTHERS, ahead)
            answer = get(server.port, text)
            orders.relent()
            where = f"allocation {ahead} ({orders.place(tried.binary)}): {answer[:200]!r}\n{server.log}"
            assert not answer or answer.startswith((good, b"HTTP/1.1 100 ", b"HTTP/1.1 4", b"HTTP/1.1 5")), where
            check_served(server)
            assert server.workers() == [worker], where
            assert not CRASH.search(server.log), where
            if orders.failed == failed:
                break
            ahead, done = ahead + step, done + 1
        print(f"{done} requests")
        assert done > 0
        server.stop()
    finally:
        server.kill()
