"""Processes that are killed at any moment: whoever is left ends or serves, nothing stays behind that keeps a server from
starting in their place, and no client waits for nobody."""

import os
import signal
import socket
import threading
import time

import pytest
from server import eventually, session_of

SOURCE = """
import os, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.05)
    text = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
"""
SLOW_START = "import time\ntime.sleep(0.3)\n" + SOURCE


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def processes_of(session):
    """Pids of a server, whoever is whose child."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and session_of(pid) == session]


class Clients:
    """Some that ask all the time: answers counts what came whole; a connection that ends without one is nothing bad."""

    def __init__(self, port, count=3):
        self.answers, self.wrong, self._port, self._stop = 0, [], port, False
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a client waits for nobody"

    def _ask(self):
        while not self._stop:
            answer = b""
            try:
                with socket.create_connection(("127.0.0.1", self._port), 60) as peer:
                    peer.sendall(b"GET /slow HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
                    while piece := peer.recv(65536):
                        answer += piece
            except OSError:
                time.sleep(0.01)  # refused, or reset: it was killed
                continue
            if b"\r\n\r\n" in answer and answer.startswith(b"HTTP/1.1 200 ") and answer[-1:] != b"\n":
                self.answers += 1
            elif answer:
                self.wrong.append(answer)


def starts_again(serve, folder, port, *options):
    """Where one was killed another can serve at once."""
    server = serve("app:app", "--workers", 2, "--working-dir", folder, *options, port=port)
    with server.get("/") as response:
        assert response.status == 200
    server.stop()


@pytest.mark.parametrize("delay", [0, 0.03, 0.1, 0.2, 0.3, 0.4, 0.6])
def test_supervisor_killed_while_it_starts(serve, application, tmp_path, delay):
    folder, port = application(SLOW_START), free_port()
    options = ["--pid-file", tmp_path / "pid", "--control-socket", tmp_path / "control"]
    server = serve("app:app", "--workers", 2, "--working-dir", folder, *options, port=port, expect_start=False)
    time.sleep(delay)  # not to wait for anything: a moment of the start
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    eventually(lambda: not processes_of(server._session))
    starts_again(serve, folder, port, *options)


def test_supervisor_killed_under_load(serve, application, tmp_path):
    folder, port = application(SOURCE), free_port()
    options = ["--pid-file", tmp_path / "pid", "--control-socket", tmp_path / "control"]
    with Clients(port) as clients:
        for _ in range(3):
            before = clients.answers
            server = serve("app:app", "--workers", 2, "--working-dir", folder, *options, port=port)
            eventually(lambda: clients.answers > before + 5)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            eventually(lambda: not processes_of(server._session))
    assert not clients.wrong
    starts_again(serve, folder, port, *options)


@pytest.mark.parametrize("preload", [False, True])
def test_workers_killed_under_load(serve, application, preload):
    options = ["--preload"] if preload else []
    server = serve("app:app", "--workers", 2, "--working-dir", application(SOURCE), *options, port=free_port())

    def workers():
        """Those that answer, which are not all children where there is a template."""
        found = set()
        for _ in range(20):
            with server.get("/") as response:
                found.add(int(response.read()))
        return found

    with Clients(server.port) as clients:
        for _ in range(4):
            before = clients.answers
            eventually(lambda: clients.answers > before + 3)
            try:
                os.kill(min(workers()), signal.SIGKILL)
            except (OSError, ValueError):
                pass  # the connection of the one that asks was on it
    assert not clients.wrong
    with server.get("/") as response:
        assert response.status == 200


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
@pytest.mark.parametrize("delay", [0, 0.1, 0.4])
def test_supervisor_killed_while_it_changes(serve, application, tmp_path, number, delay):
    """Reading again, replacing its workers, upgrading: what is left of it serves or has ended, and lets others start."""
    folder, port = application(SLOW_START), free_port()
    options = ["--pid-file", tmp_path / "pid", "--control-socket", tmp_path / "control"]
    server = serve("app:app", "--workers", 2, "--working-dir", folder, *options, port=port)
    os.kill(server.process.pid, number)
    time.sleep(delay)  # a moment of the change
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()

    def settled():
        """All gone, or a successor that serves."""
        return not processes_of(server._session) or server.log.count(": serving app:app") > 1
    eventually(settled)
    if processes_of(server._session):
        with server.get("/") as response:
            assert response.status == 200
        successor = int((tmp_path / "pid").read_text())
        os.kill(successor, signal.SIGTERM)
        eventually(lambda: not processes_of(server._session))
    starts_again(serve, folder, port, *options)


def test_a_worker_killed_while_others_are_replaced(serve, application):
    server = serve("app:app", "--workers", 2, "--working-dir", application(SLOW_START), port=free_port())
    with Clients(server.port) as clients:
        for _ in range(3):
            server.process.send_signal(signal.SIGUSR1)
            for pid in server.workers()[-1:]:
                os.kill(pid, signal.SIGKILL)
            before = clients.answers
            eventually(lambda: clients.answers > before + 5)
    assert not clients.wrong
    server.keeps = "one that was killed may still be replaced"
