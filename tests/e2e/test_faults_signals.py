"""Signals in a flood, which interrupt whatever call a process is in; and clocks that are far from where they usually are."""

import os
import signal
import socket
import subprocess
import threading

import pytest
from server import is_sanitized

SOURCE = """
import time

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    def pieces():
        for i in range(5):
            time.sleep(0.002)
            yield body[i::5]
    return pieces()

async def later(scope, receive, send):
    import asyncio
    if scope["type"] != "http":
        raise NotImplementedError
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for i in range(5):
        await asyncio.sleep(0.002)
        await send({"type": "http.response.body", "body": body[i::5], "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""
# What means nothing to a server: a child that did not end, a window, a process that goes on.
HARMLESS = [signal.SIGCHLD, signal.SIGWINCH, signal.SIGCONT, signal.SIGURG]
BODY = bytes(range(256)) * 400
REQUESTS = 20 if is_sanitized() else 60


class Storm:
    """Signals to these processes, as many as one thread can send."""

    def __init__(self, pids):
        self.sent, self._pids, self._stop = 0, pids, False
        self._thread = threading.Thread(target=self._send)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(60)

    def _send(self):
        pause = threading.Event()
        while not self._stop:
            for pid in self._pids:
                for number in HARMLESS:
                    os.kill(pid, number)
                    self.sent += 1
            pause.wait(0.0002)  # a storm, no flood that leaves nobody else the processor


def post(port, piece=1000):
    """The body of the answer to one that comes in many pieces."""
    with socket.create_connection(("127.0.0.1", port), 60) as peer:
        peer.sendall(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        for at in range(0, len(BODY), piece):
            peer.sendall(BODY[at:at + piece])
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer[:200]
    return body


@pytest.mark.parametrize("target, interface", [("app:app", "wsgi"), ("app:later", "asgi")])
def test_interrupted_all_the_time(serve, application, target, interface):
    server = serve(target, "--interface", interface, "--workers", 2, "--body-buffer", "16K", "--working-dir",
                   application(SOURCE))
    workers = server.workers()
    expected = b"".join(BODY[i::5] for i in range(5))
    with Storm([server.process.pid, *workers]) as storm:
        for _ in range(REQUESTS):
            assert post(server.port) == expected
    assert storm.sent > 100
    assert server.workers() == workers


def test_stopped_and_going_on_in_a_storm(serve, application):
    """The end of a server in the middle of it."""
    server = serve("app:app", "--workers", 2, "--working-dir", application(SOURCE))
    with Storm(server.workers()):
        assert post(server.port)
        server.process.send_signal(signal.SIGUSR1)
        assert post(server.port)
    server.stop()


# Nobody can change the time of day of one process alone; gates look that deadlines never ask for it (clock_gate.py).
@pytest.mark.skipif(subprocess.run(["unshare", "--time", "--monotonic", "1", "true"], capture_output=True).returncode != 0,
                    reason="needs a time namespace: root, and a kernel that has them")
@pytest.mark.parametrize("offset", [10 ** 9, 4 * 10 ** 9])
def test_machines_that_have_run_for_ages(serve, application, offset):
    """Three decades and more on the clocks that deadlines are told by."""
    server = serve("app:app", "--workers", 1, "--working-dir", application(SOURCE), prefix=[
        "unshare", "--time", "--monotonic", str(offset), "--boottime", str(offset), "--fork", "--kill-child"])
    assert post(server.port) == b"".join(BODY[i::5] for i in range(5))
    supervisor, = server.workers()  # unshare's child
    os.kill(supervisor, signal.SIGTERM)
    server.process.wait(60)
    server.wait_for("stopped")
