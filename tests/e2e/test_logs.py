"""Where log lines go: --log, --log-format, the targets of --access-log; files that are turned, targets that are slow,
full or gone."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
from logged import Visitors, requests_in, serving_by, text_of
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, other users")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SOURCE = """
import ctypes, os

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/libc":
        libc = ctypes.CDLL(None)
        libc.write(2, b"from a library\\n", 15)
    if path == "/pid":
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


@pytest.fixture
def folder():
    """A folder for logs, which everybody may enter, as any user's worker enters its application's."""
    with tempfile.TemporaryDirectory(prefix="limpet-logs-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture
def site(folder):
    """The folder of the application."""
    path = folder / "site"
    path.mkdir(mode=0o755)
    (path / "app.py").write_text(SOURCE)
    return path


@pytest.fixture
def start(serve, site):
    """start(*options, log=None, **Server options) -> Server with two workers. log: where its log goes, a file or a
    function that gives the text."""

    def start_server(*options, log=None, workers=2, **server_options):
        server = serve("app:app", "--workers", workers, *options, "--working-dir", site, expect_start=log is None,
                       **server_options)
        if log is None:
            return server
        return serving_by(server, log if callable(log) else lambda: text_of(log))

    return start_server


def to(path):
    """A prefix by which standard output goes to that file, or FIFO."""
    return ("sh", "-c", 'exec "$0" "$@" >"$LOG_TO"'), {**os.environ, "LOG_TO": str(path)}


# --- targets ---


def test_standard_error_is_the_standard(start, folder):
    prefix, environment = to(folder / "output")
    server = start(prefix=prefix, environment=environment)
    server.get("/")
    server.stop()
    assert text_of(folder / "output") == ""
    for line in server.log.splitlines():
        assert re.fullmatch(TIME + r" (info|warning) (supervisor|worker-\d)\[\d+\] \w+: .*", line)


def test_standard_output(start, folder):
    prefix, environment = to(folder / "output")
    server = start("--log", "stdout", prefix=prefix, environment=environment, log=folder / "output")
    server.stop()
    assert server.log == "" and "supervisor: stopped\n" in text_of(folder / "output")


def test_both_streams(start, folder):
    prefix, environment = to(folder / "output")
    server = start("--access-log=stdout", prefix=prefix, environment=environment)
    server.get("/asked")
    server.stop()
    assert requests_in(text_of(folder / "output")) == {"/asked": 1}
    assert "/asked" not in server.log.replace("last GET /asked", "")


def test_no_log(folder, serve, site):
    server = serve("app:app", "--log", "off", "--access-log", folder / "access", "--uds", folder / "socket",
                   "--working-dir", site, expect_start=False, port=None)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
        eventually(lambda: client.connect_ex(str(folder / "socket")) == 0)
        client.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    server.stop()
    assert server.log == "" and requests_in(text_of(folder / "access")) == {"/quiet": 1}


def test_file(start, folder):
    log = folder / "server.log"
    server = start("--log", log, log=log)
    assert log.stat().st_mode & 0o777 == 0o640
    server.get("/libc")
    eventually(lambda: "\nfrom a library\n" in text_of(log))
    server.stop()
    assert server.log == "", "all of it is in the file"
    assert "supervisor: stopped\n" in text_of(log)


def test_file_is_appended_to(start, folder):
    log = folder / "server.log"
    log.write_text("before\n")
    start("--log", log, log=log).stop()
    assert text_of(log).startswith("before\n20")


@pytest.mark.static  # the sanitizers report crashes themselves
def test_crash_is_in_the_file(start, folder):
    log = folder / "server.log"
    server = start("--log", log, log=log, workers=1)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSEGV)
    eventually(lambda: f"(pid {worker}) killed by SIGSEGV" in text_of(log))
    assert re.search(rf"error worker-1\[{worker}\] crash: SIGSEGV sent by process \d+", text_of(log))
    server.stop(crashes=True)


def test_failed_start_is_told_in_both(serve, site, folder):
    log = folder / "server.log"
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = serve("app:app", "--log", log, "--working-dir", site, expect_start=False,
                       port=taken.getsockname()[1])
        assert server.process.wait(60) == 1
        server.stop(expected=1)
    assert server.log.startswith("limpet: cannot listen on ") and "in use" in server.log
    assert " error supervisor[" in text_of(log) and ": cannot listen on " in text_of(log)


def test_upgrade_keeps_the_streams(start, folder):
    """The new process has standard output as the old one was started with it, not the log."""
    log = folder / "server.log"
    prefix, environment = to(folder / "output")
    server = start("--log", log, "--access-log=stdout", prefix=prefix, environment=environment, log=log)
    server.get("/one")
    before = server.process
    before.send_signal(signal.SIGUSR2)
    eventually(lambda: before.poll() is not None)
    pid = int(re.search(r"supervisor: pid (\d+) serves in our place", text_of(log))[1])
    server.get("/two")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: f"supervisor[{pid}] supervisor: stopped\n" in text_of(log))
    assert requests_in(text_of(folder / "output")) == {"/one": 1, "/two": 1}


# --- files that are turned ---


def hang_up(server):
    server.process.send_signal(signal.SIGHUP)


def turn(server, path, number, ask=hang_up):
    """Rename a log and have the server open a new one. Returns the old one."""
    old = path.with_name(f"{path.name}.{number}")
    path.rename(old)
    ask(server)
    eventually(path.exists)
    return old


@pytest.mark.parametrize("options", [(), ("--preload", )], ids=["", "preload"])
def test_no_line_is_lost_when_files_are_turned(start, folder, options):
    log, access = folder / "server.log", folder / "access.log"
    server = start("--log", log, "--access-log", access, *options, log=log)
    olds = []
    with Visitors(server) as visitors:
        for number in range(5):
            visitors.more()
            olds.append(turn(server, access, number))
            eventually(lambda: requests_in(text_of(access)))
    server.stop()
    texts = [text_of(path) for path in [*olds, access]]
    assert requests_in(*texts) == dict.fromkeys(visitors.answered, 1)
    assert len(set(visitors.answered)) == len(visitors.answered)


def test_all_processes_turn_the_log(start, folder):
    log = folder / "server.log"
    server = start("--log", log, log=log, workers=1)
    old = turn(server, log, 1)
    server.get("/libc")  # standard error of the worker is the new file, once it has heard of it
    eventually(lambda: server.get("/libc") and "from a library" in text_of(log))
    server.stop()
    assert "supervisor: stopped\n" in text_of(log) and "stopped" not in text_of(old)
    assert "reading again what can change" in text_of(old)


def test_reload_over_the_control_socket(start, folder, run):
    log, control = folder / "server.log", folder / "control"
    server = start("--log", log, "--control-socket", control, log=log)
    turn(server, log, 1, lambda server: run("ctl", "--control-socket", control, "reload", check=True))
    server.stop()
    assert "supervisor: stopped\n" in text_of(log)


def test_workers_to_come_have_the_new_file(start, folder):
    log, access = folder / "server.log", folder / "access.log"
    server = start("--log", log, "--access-log", access, "--preload", log=log, workers=1)
    before = int(server.get("/pid").read())
    eventually(lambda: requests_in(text_of(access)) == {"/pid": 1})
    turn(server, access, 1)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: f"(pid {before}) killed by SIGKILL" in text_of(log))
    after = int(server.get("/pid").read())
    assert after != before
    eventually(lambda: requests_in(text_of(access)) == {"/pid": 1})


def test_file_that_cannot_be_opened_again(start, folder):
    log, access = folder / "server.log", folder / "access.log"
    server = start("--log", log, "--access-log", access, log=log)
    server.get("/one")
    old = access.with_name("access.log.1")
    access.rename(old)
    access.mkdir()
    hang_up(server)
    eventually(lambda: f"log: --access-log stays as it was: cannot open {access}: it is a folder" in text_of(log))
    server.get("/two")
    eventually(lambda: requests_in(text_of(old)) == {"/one": 1, "/two": 1})
    access.rmdir()
    hang_up(server)
    eventually(access.exists)
    eventually(lambda: server.get("/three") and "/three" in text_of(access))


@needs_root
def test_other_users_write_where_root_alone_may(start, folder):
    logs = folder / "logs"
    logs.mkdir(mode=0o700)
    log, access = logs / "server.log", logs / "access.log"
    server = start("--log", log, "--access-log", access, "--user", "nobody", log=log)
    worker = int(server.get("/pid").read())
    assert os.stat(f"/proc/{worker}").st_uid == 65534
    eventually(lambda: "/pid" in text_of(access))
    old = turn(server, access, 1)
    eventually(lambda: server.get("/new") and "/new" in text_of(access))
    server.stop()
    assert "/pid" in text_of(old) and access.stat().st_uid == 0


# --- whole lines ---


def test_no_line_is_torn(start, folder):
    """Four workers write into one file, and into one pipe."""
    path = "/" + "{number}-{thread}-" * 30 + "end"
    fifo, lines = folder / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: lines.extend(open(fifo)), daemon=True)
    reader.start()
    prefix, environment = to(fifo)
    server = start("--access-log=stdout", prefix=prefix, environment=environment, workers=4)
    with Visitors(server, count=8, path=path, each=400) as visitors:
        pass
    server.stop()
    reader.join(60)
    assert requests_in(*lines) == dict.fromkeys(visitors.answered, 1) and len(lines) == 8 * 400

    access = folder / "access"
    server = start("--access-log", access, workers=4)
    with Visitors(server, count=8, path=path, each=400) as visitors:
        pass
    server.stop()
    assert requests_in(*text_of(access).splitlines()) == dict.fromkeys(visitors.answered, 1)
    assert text_of(access).count("\n") == 8 * 400


# --- targets that take nothing ---

LONG = "/{number}-{thread}-" + "x" * 200


def test_reader_that_has_stopped(start, folder):
    """Requests go on; what finds no room is counted and told, and writing goes on with the reader."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    prefix, environment = to(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        server = start("--access-log=stdout", prefix=prefix, environment=environment, workers=1)
        with Visitors(server, count=2, path=LONG, each=3500) as visitors:
            pass
        assert len(visitors.answered) == 7000
        server.wait_for(r"warning worker-1\[\d+\] log: lines of the access log are dropped, \d+ so far: its target")
        os.set_blocking(reading, True)
        text = []
        reader = threading.Thread(target=lambda: text.append(open(reading, closefd=False).read()))
        reader.start()
        dropped = int(server.wait_for(r"log: (\d+) lines of the access log dropped")[1])
        server.get("/again")
        server.stop()
        reader.join(60)
        paths = requests_in(text[0])
        assert paths.pop("/again") == 1
        assert sum(paths.values()) == 7000 - dropped and set(paths) <= set(visitors.answered)
    finally:
        os.close(reading)


def test_end_with_a_reader_that_has_stopped(start, folder):
    """What is left is lost: the server ends all the same."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    prefix, environment = to(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = start("--access-log=stdout", prefix=prefix, environment=environment, workers=1)
    with Visitors(server, count=2, path=LONG, each=200):
        pass
    server.stop()
    os.close(reading)
    assert "has not finished in time" not in server.log


def test_log_whose_reader_has_stopped(serve, site, folder):
    """The supervisor goes on, too, and says at the next occasion what was missed."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 16384)
    text = []

    def read():
        with contextlib.suppress(BlockingIOError):
            text.append(os.read(reading, 65536).decode())
        return "".join(text)

    server = serve("app:app", "--workers", 1, "--log", fifo, "--control-socket", folder / "control", "--working-dir", site,
                   expect_start=False)
    serving_by(server, read)
    for _ in range(200):  # nobody reads
        hang_up(server)
        server.get("/")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as control:
            control.connect(str(folder / "control"))
            control.sendall(b"status json\n")
            assert control.recv(2) == b"ok", "the supervisor answers"
    eventually(lambda: hang_up(server) or re.search(r"supervisor\[\d+\] log: \d+ lines were dropped\n", read()))
    server.stop()
    os.close(reading)


@pytest.mark.parametrize("target, reason", [("/dev/full", "No space left on device"), ("stdout", "Broken pipe")])
def test_target_that_refuses(start, folder, target, reason):
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    prefix, environment = to(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = start(f"--access-log={target}", prefix=prefix, environment=environment, workers=1)
    os.close(reading)
    with Visitors(server, each=200) as visitors:
        pass
    server.wait_for(rf"log: lines of the access log are dropped, \d+ so far: {reason}\n")
    server.stop()
    assert len(visitors.answered) == 600
    assert server.log.count("so far") == 1, "not for each line"
    assert " log: 600 lines of the access log dropped\n" in server.log


@pytest.fixture
def small_disk(folder):
    """A file system of 2 MiB: as much as can be on its way to a log, and more."""
    path = folder / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@needs_root
def test_full_disk(start, small_disk):
    """Whole lines up to the last that finds room, and from where there is room again."""
    access, filler = small_disk / "access.log", small_disk / "filler"
    server = start("--access-log", access, workers=1)
    filler.write_bytes(b"x" * ((2 << 20) - 32768))
    with Visitors(server, each=400, path=LONG) as visitors:
        pass
    server.wait_for(r"log: lines of the access log are dropped, \d+ so far: No space left on device\n")
    filler.unlink()
    server.get("/room-again")
    dropped = int(server.wait_for(r"log: (\d+) lines of the access log dropped\n")[1])
    server.stop()
    paths = requests_in(text_of(access))
    assert paths.pop("/room-again") == 1
    assert sum(paths.values()) == 1200 - dropped and set(paths) <= set(visitors.answered)


@needs_root
def test_full_disk_of_the_log(start, small_disk):
    log, filler = small_disk / "server.log", small_disk / "filler"
    server = start("--log", log, log=log)
    with pytest.raises(OSError):
        filler.write_bytes(b"x" * (3 << 20))
    with contextlib.suppress(OSError), open(log, "a") as file:
        file.write("-" * 8192)
    # Each says that it reads again, which is lost, and is known to be done by the new file.
    olds = []
    for number in range(3):
        olds.append(turn(server, log, number))
        server.get("/")
    assert not any("reading again" in text_of(path) for path in [*olds, log])
    filler.unlink()
    hang_up(server)
    eventually(lambda: re.search(r"supervisor\[\d+\] log: \d+ lines were dropped\n", text_of(log)))
    server.stop()
    assert re.findall(r" log: (\d+) lines were dropped\n", text_of(log)) == ["3"]
    assert "supervisor: stopped\n" in text_of(log)


def test_fifo(start, folder):
    """Nobody reads it yet; and its reader comes and goes."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    server = start("--access-log", fifo, workers=1)
    for path in ("/one", "/two"):
        server.get(path)
        reading = os.open(fifo, os.O_RDONLY)
        assert requests_in(os.read(reading, 4096).decode()) == {path: 1}
        os.close(reading)
    assert "dropped" not in server.log


# --- syslog ---


@pytest.fixture
def syslog(folder):
    """What stands at /dev/log of a server that is started with the prefix: prefix, lines, restart()."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a mount namespace")
    return Syslog(folder)


class Syslog:
    """A daemon at a socket, to which /dev/log leads in a mount namespace of the server's own."""

    def __init__(self, folder):
        self.path, self.text = folder / "socket", ""
        self.prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-c", """
            set -e
            cd /dev
            mkdir -p "$LOG_DEVICES"
            cp -a null zero full random urandom "$LOG_DEVICES"
            ln -s "$LOG_SOCKET" "$LOG_DEVICES/log"
            cd /
            mount --bind "$LOG_DEVICES" /dev
            exec "$0" "$@" """)
        self.environment = {**os.environ, "LOG_DEVICES": str(folder / "devices"), "LOG_SOCKET": str(self.path)}
        self.restart()

    def restart(self):
        """Another daemon takes its place."""
        if self.path.exists():
            self._socket.close()
            self.path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.05)
        os.chmod(self.path, 0o666)

    def all(self):
        """All datagrams so far, each as a line."""
        with contextlib.suppress(socket.timeout):
            while True:
                self.text += self._socket.recv(1 << 16).decode() + "\n"
        return self.text


HEAD = r"<\d+>(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d "


def test_syslog(start, syslog):
    server = start("--log", "syslog", "--access-log=syslog", "--process-name", "shop", prefix=syslog.prefix,
                   environment=syslog.environment, log=syslog.all, workers=1)
    server.get("/asked")
    eventually(lambda: "/asked" in syslog.all())
    (worker,) = server.workers()
    assert re.search(rf"^<30>.{{15}} shop\[{worker}\]: .*GET /asked", syslog.text, re.M)
    assert re.search(rf"^<30>.{{15}} shop\[{server.process.pid}\]: supervisor supervisor: serving ", syslog.text, re.M)
    assert all(re.match(HEAD, line) for line in syslog.text.splitlines())
    syslog.restart()
    eventually(lambda: server.get("/later") and "/later" in syslog.all())
    os.kill(worker, signal.SIGKILL)
    died = rf"^<(27|28)>.*: supervisor supervisor: worker 1 \(pid {worker}\) killed by SIGKILL"
    eventually(lambda: re.search(died, syslog.all(), re.M))
    server.stop()
    assert server.log == "" and "dropped" not in syslog.all()


def test_syslog_as_json(start, syslog):
    server = start("--log", "syslog", "--log-format", "json", prefix=syslog.prefix, environment=syslog.environment,
                   log=syslog.all)
    server.stop()
    for line in syslog.all().splitlines():
        json.loads(re.sub(r"^.*?\]: ", "", line))


def test_syslog_that_is_not_there(serve, site, syslog):
    syslog.path.unlink()
    server = serve("app:app", "--log", "syslog", "--working-dir", site, prefix=syslog.prefix,
                   environment=syslog.environment, expect_start=False)
    server.process.wait(60)
    server.stop(expected=1)
    assert server.log == ("limpet: --log: nothing listens at /dev/log; start syslogd or journald, or name another "
                          "target\n")


# --- JSON ---


def test_json(start, folder):
    log = folder / "server.log"
    server = start("--log", log, "--log-format", "json", "--log-level", "debug", log=log)
    hang_up(server)
    (worker, _) = server.workers()
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: f"(pid {worker}) killed by SIGKILL" in text_of(log))
    server.stop()
    query = 'map((keys - ["request"]) == ["level","message","module","pid","role","time"]) | all'
    parsed = subprocess.run(["jq", "-es", query, log], capture_output=True, text=True)
    assert parsed.stdout == "true\n", parsed.stderr
    records = [json.loads(line) for line in text_of(log).splitlines()]
    assert {record["role"] for record in records} >= {"supervisor"} and len(records) > 5
    assert {record["level"] for record in records} <= {"error", "warning", "info", "debug"}
    assert all(re.fullmatch(TIME, record["time"]) for record in records)
    assert records[-1]["message"] == "stopped" and records[-1]["pid"] == server.process.pid


def test_where_a_blocked_loop_stands_in_json(serve, folder):
    """What says where threads are goes through the log as all else: behind its heading, and as JSON."""
    os.mkfifo(folder / "gate")
    (folder / "still.py").write_text("async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n"
                                     "    open('gate').read()\n")
    log = folder / "server.log"
    server = serve("still:app", "--interface", "asgi", "--workers", "1", "--log", log, "--log-format", "json",
                   "--working-dir", folder, expect_start=False)
    serving_by(server, lambda: text_of(log).replace('"', " "))
    with socket.create_connection(("127.0.0.1", server.port), 60) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: "traceback" in text_of(log))
        (folder / "gate").write_text("")
        visitor.recv(1000)
    server.stop()
    records = [json.loads(line) for line in text_of(log).splitlines()]
    index = [record["module"] for record in records].index("traceback")
    assert "has been blocked" in records[index - 1]["message"]
    assert re.search(r'still\.py", line 3,? in app', records[index]["message"])


# --- what is not a target ---

WRONG = [
    ("/", 2, "--log /: is a folder (name a file in it)"),
    ("stdrr", 2, "--log stdrr: is no target (did you mean stderr? A file of that name: ./stdrr)"),
    ("-", 2, "--log -: is no target (write stdout or stderr)"),
    ("/proc/self", 1, "--log: cannot open /proc/self: it is a folder; name a file in it"),
    ("/no/x.log", 1, "--log: cannot open /no/x.log: its folder does not exist; create it or name another file"),
    ("/dev/null/x.log", 1, "--log: cannot open /dev/null/x.log: its folder is not a folder; name another file"),
]


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("target, status, line", WRONG)
def test_wrong_targets(run, site, command, target, status, line):
    done = run(command, "app:app", "--log", target, "--working-dir", site)
    assert (done.returncode, done.stderr) == (status, f"limpet: {line}\n")


def test_check_looks_at_the_access_log_and_makes_nothing(run, site, folder):
    done = run("check", "app:app", "--access-log", folder / "no/access.log", "--working-dir", site)
    assert done.returncode == 1 and done.stderr.startswith("limpet: --access-log: cannot open ")
    done = run("check", "app:app", "--access-log", folder / "access.log", "--log", folder / "server.log",
               "--working-dir", site)
    assert done.returncode == 0 and list(folder.iterdir()) == [site]
