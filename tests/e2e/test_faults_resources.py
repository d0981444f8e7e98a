"""What a machine runs out of: descriptors, room for bodies, a disk that can be written to. Who asks too much is refused,
everybody else is served, and when there is more again, all is as before."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
from raw_client import Peer, request
from server import eventually

SOURCE = """
import os

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/open":
        with open("/dev/null"):
            pass
    text = str(len(body)).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]

async def later(scope, receive, send):
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        size, more = size + len(message["body"]), message["more_body"]
    text = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(text)).encode())]})
    await send({"type": "http.response.body", "body": text})
"""
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
MOUNTS = ("unshare", "--mount", "--propagation", "private")
needs_root = pytest.mark.skipif(subprocess.run([*MOUNTS, "true"], capture_output=True).returncode != 0,
                                reason="needs to mount: root, and a kernel or container that lets it")


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), 60)


def ask(peer, text=GET):
    """The status of the answer to a request, 0: the connection was closed instead."""
    try:
        peer.sendall(text)
    except OSError:
        pass  # refused before all was sent: the answer may be here all the same
    answer = b""
    try:
        while b"\r\n\r\n" not in answer and (piece := peer.recv(65536)):
            answer += piece
    except ConnectionResetError:
        pass
    return int(answer.split(b" ", 2)[1]) if answer else 0


def post(server, size):
    with connect(server) as peer:
        return ask(peer, b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)


# --- descriptors ---

@pytest.mark.parametrize("target, interface", [("app:app", "wsgi"), ("app:later", "asgi")])
def test_many_more_clients_than_descriptors(serve, application, target, interface):
    """All of them get their turn, as those before them leave."""
    server = serve(target, "--interface", interface, "--workers", 1, "--working-dir", application(SOURCE),
                   prefix=["prlimit", "--nofile=48:48"])
    waiting = [connect(server) for _ in range(120)]
    for peer in waiting:
        peer.sendall(GET)
    server.wait_for("a connection cannot be accepted: out of descriptors")
    for peer in waiting:
        assert b" 200 OK\r\n" in peer.recv(65536)
        peer.close()
    worker, = server.workers()
    with connect(server) as peer:
        assert ask(peer) == 200
    assert server.workers() == [worker]


def test_an_application_without_descriptors(serve, application):
    """Its failure is its own: a request that needs none is answered."""
    server = serve("app:app", "--workers", 1, "--working-dir", application(SOURCE), prefix=["prlimit", "--nofile=48:48"])
    peers = []
    for _ in range(60):
        peers.append(connect(server))
    server.wait_for("a connection cannot be accepted: out of descriptors")
    assert ask(peers[0], b"GET /open HTTP/1.1\r\nHost: here\r\n\r\n") in (200, 500)
    assert ask(peers[1]) == 200
    for peer in peers:
        peer.close()
    eventually(lambda: server.get("/open").status == 200)


@pytest.mark.static  # others load libraries first
def test_limits_with_which_no_server_can_start(limpet, application):
    """One line, no crash, and no server that waits for workers which it cannot have. The line says so, but where Python's
    import takes a folder that it cannot open for an empty one."""
    for limit in range(3, 12):
        done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", limpet, "serve", "app:app", "--workers", "1", "--port", "0",
                               "--working-dir", application(SOURCE)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, (limit, done.returncode, done.stderr)
        said = r"limpet: (?:[^\n]*No file descriptors available|there is no module 'app'; [^\n]*)\n"
        assert re.fullmatch(said, done.stderr), (limit, done.stderr)


# --- disks ---

class Disk:
    """A small file system that only the server has, as its /tmp; and the server in its namespace."""

    def __init__(self, serve, folder, *options):
        script = 'set -e; mount -t tmpfs -o size=512k none /tmp; exec "$0" "$@"'
        self.server = serve(*options, "--working-dir", folder,
                            prefix=(*MOUNTS, "sh", "-c", script))

    def run(self, *command):
        subprocess.run(["nsenter", "-t", str(self.server.process.pid), "-m", *command], check=True)

    def path(self, name):
        """A file on it, as the test sees it."""
        return pathlib.Path(f"/proc/{self.server.process.pid}/root/tmp/{name}")


@pytest.fixture
def disk(request, serve):
    # Not below the /tmp that the server will not see.
    folder = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp", prefix="limpet-faults-"))
    (folder / "app.py").write_text(SOURCE)
    options = ["app:app" if request.param == "wsgi" else "app:later", "--interface", request.param, "--workers", 1,
               "--body-buffer", "16K"]
    yield lambda *more: Disk(serve, folder, *options, *more)
    shutil.rmtree(folder)


@needs_root
@pytest.mark.parametrize("disk", ["wsgi"], indirect=True)  # an event loop takes bodies as they come
def test_no_room_for_a_body(disk):
    """It is refused, and the next one that finds room is not."""
    server = disk().server
    assert post(server, 100 << 10) == 200
    assert post(server, 2 << 20) == 507
    assert post(server, 100 << 10) == 200
    server.wait_for("No space left on device")
    with connect(server) as peer:
        assert ask(peer) == 200


@needs_root
@pytest.mark.parametrize("disk", ["wsgi"], indirect=True)
def test_no_room_for_a_body_that_was_asked_for(disk):
    """Its application waits for it (Expect: 100-continue), and fails; its client is told, on a connection that stays."""
    server = disk().server
    worker, = server.workers()
    with Peer(server) as peer:
        for size, status in (100 << 10, 200), (2 << 20, 507), (100 << 10, 200):
            peer.send(request("POST", "/", None, "Expect: 100-continue", f"Content-Length: {size}"))
            assert peer.head().status == 100
            peer.send(b"x" * size)
            assert peer.answer().status == status
    server.wait_for("No space left on device")
    server.wait_for("OSError: there is no room for the body, the client is told so")
    assert server.workers() == [worker]
    assert post(server, 100 << 10) == 200


@needs_root
@pytest.mark.parametrize("disk", ["wsgi", "asgi"], indirect=True)
def test_a_disk_that_becomes_read_only(disk):
    """Large bodies are refused, small requests served, and logs that are open already go on."""
    place = disk("--access-log", "/tmp/access.log")
    server = place.server
    assert post(server, 1000) == 200
    # Over it, as what is open for writing keeps its own from becoming so.
    place.run("sh", "-c", "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp")
    status = post(server, 100 << 10)
    assert status == 200 or status >= 500 or status == 0
    assert post(server, 1000) == 200
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("--access-log stays as it was: .*the file system is read-only")
    assert post(server, 1000) == 200
    place.run("umount", "/tmp")
    assert post(server, 100 << 10) == 200
    eventually(lambda: place.path("access.log").read_text().count("POST / ") >= 4)
    server.stop()
