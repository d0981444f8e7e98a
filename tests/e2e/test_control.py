"""limpet status and ctl over a control socket: what a server does, and what it can be told while it serves."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading

import pytest
from server import Server, eventually

APPLICATION = '''
import os

def app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        os.write(2, b"wait has begun\\n")
        with open("gate") as gate:
            gate.read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"first"]
'''


class Controlled:
    """A server with a control socket, and the commands that ask it."""

    def __init__(self, run, server, path, folder):
        self.run, self.server, self.path, self.folder = run, server, path, folder

    def call(self, *arguments):
        return self.run(*arguments, "--control-socket", self.path)

    def ctl(self, *words):
        done = self.call("ctl", *words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def table(self):
        done = self.call("status")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def status(self):
        done = self.call("status", "--json")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)

    def serving(self):
        """Pids of the workers that serve."""
        return {worker["pid"] for worker in self.status()["workers"] if worker["state"] == "serving"}

    def say(self, data):
        """What comes back for these bytes until the server closes, which need not have read them all."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(str(self.path))
            with contextlib.suppress(ConnectionError):
                peer.sendall(data)
            with contextlib.suppress(ConnectionError):
                while piece := peer.recv(65536):
                    answer += piece
        return answer


@pytest.fixture
def control(application, serve, run, tmp_path):
    """control(*options) -> Controlled"""

    def start(*options):
        path, folder = tmp_path / "ctl", application(APPLICATION)
        server = serve("app:app", "--control-socket", path, "--working-dir", folder, *options)
        return Controlled(run, server, path, folder)

    return start


class Waiting:
    """A request that the application answers when it is let go."""

    def __init__(self, controlled, target):
        self._gate = controlled.folder / "gate"
        self.body = None
        os.mkfifo(self._gate)
        self._thread = threading.Thread(target=self._ask, args=(controlled.server, target))
        self._thread.start()
        controlled.server.wait_for("wait has begun")

    def _ask(self, server, target):
        with server.get(target) as response:
            self.body = response.read()

    def let_go(self):
        if self._thread.is_alive():
            self._gate.write_text("")
            self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.let_go()


def test_table(control):
    controlled = control("--workers", 2)
    server = controlled.server
    lines = controlled.table().splitlines()
    assert lines[0].startswith("limpet ") and f"(pid {server.process.pid}), serving, up " in lines[0]
    assert lines[1:4] == ["application  wsgi app:app", f"listening    {server.url}",
                          "workers      2 of 2 serving, 0 replaced, 0 died"]
    assert lines[5].split() == ["WORKER", "PID", "STATE", "AGE", "REQUESTS", "BUSY/THREADS", "CONNECTIONS", "MEMORY",
                                "DOING"]
    assert {int(line.split()[1]) for line in lines[6:]} == set(server.workers())
    assert [line.split()[2] for line in lines[6:]] == ["serving", "serving"]


def test_json(control):
    controlled = control("--workers", 2)
    server, status = controlled.server, controlled.status()
    assert (status["pid"], status["state"], status["application"]) == (server.process.pid, "serving", "wsgi app:app")
    assert status["listening"] == server.url
    assert (status["workers_wanted"], status["workers_replaced"], status["workers_died"]) == (2, 0, 0)
    assert 0 <= status["uptime_seconds"] < 600
    assert sorted(worker["number"] for worker in status["workers"]) == [1, 2]
    assert {worker["pid"] for worker in status["workers"]} == set(server.workers())
    for worker in status["workers"]:
        assert worker["state"] == "serving" and worker["doing"] == [] and not worker["successor"]
        assert 0 <= worker["age_seconds"] < 600
        assert worker["resident_bytes"] > 1 << 20


def test_texts_of_any_bytes(application, serve, run, tmp_path):
    """A path may hold all of them: what a terminal takes for orders, and what is no UTF-8."""
    path = tmp_path / os.fsdecode(b'a"\\\xff\x1b]0;x\x07\xc2\x9b\xc3\xa9\xed\xa0\x80.sock')
    server = serve("app:app", "--uds", path, "--control-socket", tmp_path / "ctl", "--workers", 1, "--working-dir",
                   application(APPLICATION), port=None)
    controlled = Controlled(run, server, tmp_path / "ctl", None)
    expected = f'unix:{tmp_path}/a"\\\ufffd\x1b]0;x\x07\x9b\xe9\ufffd\ufffd\ufffd.sock'
    assert controlled.status()["listening"] == expected
    assert controlled.call("status", "--json").stdout.rstrip("\n").isprintable()
    table = controlled.table()
    assert f'listening    unix:{tmp_path}/a"\\??]0;x????????.sock\n' in table
    assert table.replace("\n", "").isascii() and table.replace("\n", "").isprintable()


def test_requests_are_counted(control):
    controlled = control("--workers", 1)
    for _ in range(5):
        with controlled.server.get() as response:
            assert response.read() == b"first"
    eventually(lambda: controlled.status()["workers"][0]["requests"] == 5)


def test_what_a_worker_does(control):
    controlled = control("--workers", 1)
    with Waiting(controlled, '/wait?x="\\%0a') as waiting:
        eventually(lambda: controlled.status()["workers"][0]["doing"])
        worker = controlled.status()["workers"][0]
        assert [request["line"] for request in worker["doing"]] == ['GET /wait?x="\\%0a']
        assert (worker["busy"], worker["connections"]) == (1, 1)
        eventually(lambda: controlled.status()["workers"][0]["doing"][0]["running_seconds"]
                   > worker["doing"][0]["running_seconds"])
        assert '  GET /wait?x="\\%0a (' in controlled.table()
    assert waiting.body == b"first"
    eventually(lambda: controlled.status()["workers"][0]["doing"] == [])


def test_a_death_is_counted(control):
    controlled = control("--workers", 1)
    pid = controlled.server.workers()[0]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: controlled.serving() not in (set(), {pid}))
    assert controlled.status()["workers_died"] == 1


def test_scale(control):
    controlled = control("--workers", 1)
    first = controlled.server.workers()
    controlled.ctl("scale", 3)
    eventually(lambda: len(controlled.serving()) == 3)
    assert len(controlled.server.workers()) == 3 and set(first) <= set(controlled.server.workers())
    assert controlled.status()["workers_wanted"] == 3
    controlled.ctl("scale", 1)
    eventually(lambda: len(controlled.server.workers()) == 1)
    assert "workers      1 of 1 serving" in controlled.table()
    with controlled.server.get() as response:
        assert response.status == 200


def test_restart(control):
    controlled = control("--workers", 2)
    first = set(controlled.server.workers())
    controlled.ctl("restart")

    def all_are_new():
        with controlled.server.get() as response:  # there is always somebody who answers
            assert response.status == 200
        pids = controlled.server.workers()
        return len(pids) == 2 and first.isdisjoint(pids)

    eventually(all_are_new)
    eventually(lambda: controlled.status()["workers_replaced"] == 2)
    assert controlled.status()["workers_died"] == 0


def test_reload(control):
    """What it reads again needs no new worker."""
    controlled = control("--workers", 2)
    first = controlled.server.workers()
    assert controlled.ctl("reload") == "reading again what can change while workers go on\n"
    controlled.server.wait_for("info supervisor.* reading again what can change while workers go on")
    with controlled.server.get() as response:
        assert response.read() == b"first"
    assert controlled.server.workers() == first and controlled.status()["workers_replaced"] == 0


def test_restart_of_what_has_changed(control):
    controlled = control("--workers", 2)
    source, first = controlled.folder / "app.py", set(controlled.server.workers())
    source.write_text(APPLICATION.replace("first", "second"))
    controlled.ctl("restart")
    controlled.server.wait_for(r"serving app:app \(wsgi\) by new workers")

    def body():
        with controlled.server.get() as response:
            return response.read()

    eventually(lambda: first.isdisjoint(controlled.server.workers()))  # these may take connections until they have gone
    assert body() == b"second"
    source.write_text("raise RuntimeError('told so')")
    controlled.ctl("restart")
    controlled.server.wait_for("told so")
    controlled.server.wait_for("goes on with what it has loaded")
    assert body() == b"second"


def test_stop(control):
    controlled = control("--workers", 1)
    with Waiting(controlled, "/wait") as waiting:
        controlled.ctl("stop")
        assert controlled.status()["state"] == "stopping"
    assert waiting.body == b"first"
    assert controlled.server.process.wait(60) == 0
    assert not controlled.path.exists()


def test_the_file(control):
    controlled = control("--workers", 1)
    mode = controlled.path.lstat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    for pid in controlled.server.workers():
        held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        listening = socket_inodes(controlled.path)
        assert listening and not any(f"socket:[{inode}]" in held for inode in listening)
    controlled.server.stop()
    assert not controlled.path.exists()


def socket_inodes(path):
    """The inodes of the sockets that are bound to a path."""
    with open("/proc/net/unix", errors="replace") as file:  # others have names of any bytes
        return [fields[6] for fields in map(str.split, file) if len(fields) > 7 and fields[7] == str(path)]


@pytest.mark.parametrize("data", [
    b"\n", b"hello\n", b"stop now\n", b"STOP\n", b"stop\r\n", b"stop\nstop\n", b"\0\n", b"\xff\xfe\n", b"status\n",
    b"scale\n", b"scale 0\n", b"scale -1\n", b"scale 100000\n", b"scale 1x\n", b"x" * 256 + b"\n", b"x" * 100000,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=lambda data: repr(data[:20]))
def test_garbage(control, data):
    controlled = control("--workers", 1)
    answer = controlled.say(data)
    assert answer.startswith(b"error ") and answer.endswith(b"\n") and answer.count(b"\n") == 1
    assert answer[:-1].isascii() and answer[:-1].decode().isprintable()
    controlled.server.wait_for("warning .* control: a request on the control socket is refused: ")
    assert controlled.status()["state"] == "serving"


def test_many_clients(control):
    controlled = control("--workers", 1)
    before = controlled.server.descriptors()
    peers = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for peer in peers:
        peer.settimeout(30)
        peer.connect(str(controlled.path))
    for peer in peers[::2]:  # these go without an answer, half of them without a question
        if peer in peers[::4]:
            peer.sendall(b"status json\n")
        peer.close()
    for peer in peers[1::2]:
        peer.sendall(b"status json\n")
    for peer in peers[1::2]:
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
        assert answer.startswith(b"ok\n{")
        peer.close()
    eventually(lambda: controlled.server.descriptors() == before)


def test_a_packed_binary_finds_its_socket(application, packed, serve, run, tmp_path):
    path = tmp_path / "ctl"
    binary = packed(application(APPLICATION), "--control-socket", str(path), name="shop")
    server = serve(binary=binary)
    done = run("status", "--json", binary=binary)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert (status["name"], status["pid"]) == ("shop", server.process.pid)
    assert run("ctl", "stop", binary=binary).returncode == 0
    assert server.process.wait(60) == 0


def test_a_file_and_a_variable_name_the_socket(control, run, tmp_path):
    controlled = control("--workers", 1)
    file = tmp_path / "shop.toml"
    file.write_text(f'control-socket = "{controlled.path}"\nport = 9000\nlisten = [":1", ":2"]\n')
    assert run("status", "--config", file).returncode == 0
    environment = os.environ | {"LIMPET_CONTROL_SOCKET": str(controlled.path)}
    assert run("status", env=environment).returncode == 0


def test_a_socket_in_use(control, run, limpet):
    controlled = control("--workers", 1)
    second = Server([limpet, "serve", "app:app", "--port", 0, "--control-socket", controlled.path, "--working-dir",
                     controlled.folder], expect_start=False)
    assert second.process.wait(60) == 1
    second.wait_for(f"cannot open the control socket {controlled.path}: in use by another process; "
                    "choose another with --control-socket")
    second.stop(expected=1)
    assert controlled.status()["state"] == "serving"


def test_a_socket_that_was_left_behind(control, run, limpet, serve):
    controlled = control("--workers", 1)
    controlled.server.kill()
    assert controlled.path.exists()
    done = controlled.call("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"limpet: no server answers on {controlled.path}: the one that made this socket has "
                           "ended\n")
    serve("app:app", "--control-socket", controlled.path, "--working-dir", controlled.folder, "--workers", 1)
    assert controlled.status()["state"] == "serving"


def test_nobody_is_there(run, tmp_path):
    path = tmp_path / "ctl"
    for arguments in (["status"], ["ctl", "stop"]):
        done = run(*arguments, "--control-socket", path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (f"limpet: no server answers on {path}: there is no such file; is it running, with "
                               "this --control-socket?\n")


@pytest.mark.parametrize("arguments, text", [
    (["status"], "status needs a server that was started with --control-socket PATH"),
    (["ctl", "stop"], "ctl needs a server that was started with --control-socket PATH"),
    (["ctl"], "nothing to do"),
    (["ctl", "relaod"], 'did you mean "reload"?'),
    (["ctl", "scale", "many"], "the number of workers must be between 1 and 512"),
    (["ctl", "scale", "1", "2"], 'unexpected argument "2"'),
])
def test_usage(run, arguments, text):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def test_an_answer_that_cannot_be_written(control):
    controlled = control("--workers", 1)
    with open("/dev/full", "w") as full:
        done = subprocess.run([controlled.server.process.args[0], "status", "--control-socket", controlled.path],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "cannot write the answer" in done.stderr
