"""Logs that a server keeps in memory, and limpet logs, which shows them."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from server import SERVING, Server, eventually

APPLICATION = '''
import os

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("as asked")
    status = "404 Not Found" if path.startswith("/missing") else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
'''

TARGET = re.compile(r'"GET (\S+) HTTP/1\.1" (\d+)')


def targets(text):
    """The targets of the requests that these lines tell of."""
    return [match[1] for match in TARGET.finditer(text)]


class Logged:
    """A server that keeps lines in memory, and the command that reads them."""

    def __init__(self, run, limpet, server, path):
        self.run, self.limpet, self.server, self.path = run, limpet, server, path

    def call(self, *arguments):
        return self.run("logs", "--control-socket", self.path, *arguments)

    def logs(self, *arguments):
        done = self.call(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def ask(self, *paths):
        """The bodies of the answers, over one connection."""
        bodies = []
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as peer:
            answers = peer.makefile("rb")
            for path in paths:
                peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                length = None
                while (line := answers.readline().strip().lower()) != b"":
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                bodies.append(answers.read(length).decode())
        return bodies

    def wait_for(self, target):
        """A line is there once its request has ended, which its client may see before."""
        eventually(lambda: target in targets(self.logs()))


@pytest.fixture
def logged(application, serve, run, limpet, tmp_path):
    """logged(*options) -> Logged, with its access log in memory"""

    def start(*options):
        path = tmp_path / "ctl"
        server = serve("app:app", "--access-log", "memory", "--control-socket", path, "--workers", 1, "--working-dir",
                       application(APPLICATION), *options)
        return Logged(run, limpet, server, path)

    return start


class Follower:
    """limpet logs --follow, and what it has said so far."""

    def __init__(self, logged, *arguments):
        self.process = subprocess.Popen([logged.limpet, "logs", "-f", "--control-socket", logged.path, *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.output, self.errors = "", ""
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._read, args=("output", self.process.stdout), daemon=True),
                         threading.Thread(target=self._read, args=("errors", self.process.stderr), daemon=True)]
        for thread in self._threads:
            thread.start()

    def _read(self, name, stream):
        for line in iter(stream.readline, b""):
            with self._changed:
                setattr(self, name, getattr(self, name) + line.decode())
                self._changed.notify_all()

    def wait_for(self, text, name="output"):
        with self._changed:
            assert self._changed.wait_for(lambda: text in getattr(self, name), 60), (self.output, self.errors)

    def end(self, number=None):
        """Its exit status, once all it said is there."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        for thread in self._threads:
            thread.join(60)
        return status


@pytest.fixture
def follow():
    """follow(logged, *arguments) -> Follower, ended after the test"""
    with contextlib.ExitStack() as stack:
        def start(*arguments):
            follower = Follower(*arguments)
            stack.callback(follower.process.wait)
            stack.callback(follower.process.kill)
            return follower

        yield start


def test_requests(logged):
    site = logged()
    assert site.logs() == ""
    site.ask("/one", "/missing", "/two?x=1")
    site.wait_for("/two?x=1")
    assert targets(site.logs()) == ["/one", "/missing", "/two?x=1"]
    assert all(TARGET.search(line) for line in site.logs().splitlines())
    assert "GET" not in site.server.log


def test_log_and_access_log(application, limpet, run, tmp_path):
    """Both in memory, as they came; nothing is left for standard error."""
    path = tmp_path / "ctl"
    server = Server([limpet, "serve", "app:app", "--log", "memory", "--access-log=memory", "--control-socket", path,
                     "--workers", 1, "--port", 0, "--working-dir", application(APPLICATION)], expect_start=False)
    try:
        site = Logged(run, limpet, server, path)
        eventually(lambda: SERVING.search(site.call().stdout))
        server.url = SERVING.search(site.logs())["addresses"]
        site.ask("/one")
        site.wait_for("/one")
        assert run("ctl", "reload", "--control-socket", path).returncode == 0
        site.ask("/two")
        site.wait_for("/two")
        text = site.logs()
        at = [text.index(part) for part in ("serving app:app", '"GET /one ', "reading again", '"GET /two ')]
        assert at == sorted(at), text
        assert re.search(rf"^\S+ info supervisor\[{server.process.pid}\] supervisor: reading again", text, re.MULTILINE)
        assert targets(site.logs("--status", "2xx")) == ["/one", "/two"]
        assert "serving" not in site.logs("--status", "2xx")
        assert server.log == ""
    finally:
        server.stop()


def test_since(logged):
    site = logged()
    site.ask("/one")
    site.wait_for("/one")
    assert targets(site.logs("--since", "1h")) == ["/one"]
    eventually(lambda: site.logs("--since", "1s") == "")
    assert targets(site.logs("--since", "1h")) == targets(site.logs("--since", "0")) == ["/one"]


@pytest.mark.parametrize("status, expected", [
    ("404", ["/missing/1", "/missing/2"]), ("4xx", ["/missing/1", "/missing/2"]), ("200", ["/one"]),
    ("5xx", ["/raise"]), ("500", ["/raise"]), ("403", []), ("1xx", []),
])
def test_status(logged, status, expected):
    site = logged()
    site.ask("/missing/1", "/one", "/raise")
    site.wait_for("/raise")
    site.ask("/missing/2")
    site.wait_for("/missing/2")
    assert targets(site.logs("--status", status)) == expected
    assert len(site.logs("--status", status).splitlines()) == len(expected)


def test_follow(logged, follow):
    site = logged()
    site.ask("/one")
    follower = follow(site)
    follower.wait_for('"GET /one ')
    for target in ("/two", "/missing", "/three"):
        site.ask(target)
        follower.wait_for(f'"GET {target} ')
    assert follower.end(signal.SIGINT) == 0
    assert targets(follower.output) == ["/one", "/two", "/missing", "/three"] and follower.errors == ""


def test_follow_of_a_status(logged, follow):
    site = logged()
    follower = follow(site, "--status", "404", "--since", "1h")
    site.ask("/one", "/missing/1")
    follower.wait_for("/missing/1")
    site.ask("/two", "/missing/2")
    follower.wait_for("/missing/2")
    assert follower.end(signal.SIGINT) == 0
    assert targets(follower.output) == ["/missing/1", "/missing/2"]


def test_follow_goes_on_with_new_workers(logged, follow):
    site = logged()
    follower = follow(site)
    first = site.ask("/one")
    follower.wait_for('"GET /one ')
    assert site.run("ctl", "restart", "--control-socket", site.path).returncode == 0
    eventually(lambda: site.ask("/ask") != first)
    site.ask("/two")
    follower.wait_for('"GET /two ')
    assert follower.end(signal.SIGINT) == 0
    assert follower.errors == "" and targets(follower.output)[0] == "/one"


def test_follow_goes_on_with_a_new_server(logged, follow):
    site = logged()
    follower = follow(site)
    site.ask("/one")
    follower.wait_for('"GET /one ')
    site.server.process.send_signal(signal.SIGUSR2)
    site.server.follow()
    follower.wait_for("limpet: another server has taken over; what it has logged begins here\n", "errors")
    site.ask("/two")
    follower.wait_for('"GET /two ')
    assert follower.end(signal.SIGINT) == 0
    assert targets(follower.output) == ["/one", "/two"]


def test_follow_until_the_server_ends(logged, follow):
    site = logged()
    site.ask("/one")
    follower = follow(site)
    follower.wait_for('"GET /one ')
    site.server.stop()
    assert follower.end() == 1
    assert follower.errors == (f"limpet: the log ends here: no server answers on {site.path}: there is no such file; "
                               "is it running, with this --control-socket?\n")


def test_nobody_reads_on(logged):
    """As with "limpet logs -f | head -1": it ends without a word, and without a line to come."""
    site = logged()
    site.ask("/one")
    site.wait_for("/one")
    with subprocess.Popen([site.limpet, "logs", "-f", "--control-socket", site.path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert b"/one" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_nobody_reads_at_all(logged):
    site = logged()
    site.ask("/one")
    site.wait_for("/one")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([site.limpet, "logs", "--control-socket", site.path], stdout=writer,
                              stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_full_output(logged):
    site = logged()
    site.ask("/one")
    site.wait_for("/one")
    with open("/dev/full", "w") as full:
        done = subprocess.run([site.limpet, "logs", "--control-socket", site.path], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "limpet: cannot write the lines: No space left on device\n")


def test_the_latest_stay(logged):
    """64 KB have 256 places, each for one line of these."""
    site = logged("--log-memory", "64K")
    site.ask(*[f"/{number}" for number in range(1000)])
    site.wait_for("/999")
    assert targets(site.logs()) == [f"/{number}" for number in range(1000 - 256, 1000)]


def test_follow_tells_what_was_overwritten(logged, follow):
    site = logged("--log-memory", "64K")
    follower = follow(site)
    site.ask("/first")
    follower.wait_for('"GET /first ')
    follower.process.send_signal(signal.SIGSTOP)
    site.ask(*[f"/{number}" for number in range(1000)])
    site.wait_for("/999")
    follower.process.send_signal(signal.SIGCONT)
    follower.wait_for('"GET /999 ')
    assert follower.end(signal.SIGINT) == 0
    assert targets(follower.output) == ["/first", *[f"/{number}" for number in range(1000 - 256, 1000)]]
    assert follower.errors.startswith("limpet: lines were overwritten before they could be read: ")


def test_follow_under_load(logged, follow):
    """In memory that holds them, not one line is missed, by whichever worker it was written."""
    site = logged("--log-memory", "16M", "--workers", 3)
    follower = follow(site)
    expected = [[f"/{client}/{number}" for number in range(500)] for client in range(4)]
    threads = [threading.Thread(target=site.ask, args=paths) for paths in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for paths in expected:
        follower.wait_for(f'"GET {paths[-1]} ')
    assert follower.end(signal.SIGINT) == 0
    assert follower.errors == ""
    seen = targets(follower.output)
    assert sorted(seen) == sorted(path for paths in expected for path in paths)
    assert sorted(targets(site.logs())) == sorted(seen)
    for client, paths in enumerate(expected):
        assert [path for path in seen if path.startswith(f"/{client}/")] == paths


def test_what_a_killed_worker_wrote(logged):
    site = logged()
    pid = int(site.ask(*[f"/{number}" for number in range(50)], "/last")[-1])
    site.wait_for("/last")
    os.kill(pid, signal.SIGKILL)
    site.server.wait_for("killed by SIGKILL|SIGKILL")
    eventually(lambda: site.server.workers() not in ([], [pid]))
    site.ask("/after")
    site.wait_for("/after")
    assert targets(site.logs()) == [*[f"/{number}" for number in range(50)], "/last", "/after"]


def test_bytes_that_drive_terminals(logged):
    site = logged()
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=60) as peer:
        peer.sendall(b"GET /hostile HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     b"User-Agent: a\xc2\x9b31m\xff\t\x7fb\r\nReferer: \xe2\x82\xac\r\n\r\n")
        assert peer.makefile("rb").read().startswith(b"HTTP/1.1 ")
    site.wait_for("/hostile")
    line = site.logs().rstrip("\n")
    assert line.isprintable() and "/hostile" in line


def test_long_lines(logged):
    site = logged()
    path = "/" + "x" * 7000
    site.ask(path, "/short")
    site.wait_for("/short")
    assert targets(site.logs()) == [path, "/short"]


def test_no_memory(serve, run, application, tmp_path):
    path = tmp_path / "ctl"
    serve("app:app", "--control-socket", path, "--working-dir", application(APPLICATION))
    for arguments in ([], ["-f"]):
        done = run("logs", "--control-socket", path, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == ("limpet: the server keeps no log in memory; start it with --log memory or "
                               "--access-log=memory\n")


def test_nobody_is_there(run, tmp_path):
    path = tmp_path / "ctl"
    for arguments in ([], ["--follow"]):
        done = run("logs", "--control-socket", path, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (f"limpet: no server answers on {path}: there is no such file; is it running, with this "
                               "--control-socket?\n")


@pytest.mark.parametrize("arguments, text", [
    ([], "logs needs a server that was started with --control-socket PATH"),
    (["--status", "6xx", "--control-socket", "s"], "--status 6xx: must be a status (404) or a class of them (5xx)"),
    (["--since", "long", "--control-socket", "s"], "--since long: "),
    (["now", "--control-socket", "s"], 'unexpected argument "now"'),
])
def test_usage(run, arguments, text):
    done = run("logs", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr and done.stderr.count("\n") == 1
