"""How an operator runs it: another user for workers, names of processes, a pid file, systemd's notifications, and as
many workers as the machine is good for."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

HELLO = pathlib.Path(__file__).resolve().parents[2] / "apps/hello"
NOBODY = 65534

APPLICATION = '''
import json, os, sys

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/write":
        with open(environ["QUERY_STRING"], "w"):
            pass
    try:
        os.setuid(0)
        back = True
    except PermissionError:
        back = False
    answer = {
        "users": os.getresuid(), "groups": os.getresgid(), "others": os.getgroups(), "back": back, "argv": sys.argv,
        "environ": dict(os.environ), "descriptors": os.listdir("/proc/self/fd"),
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("needs root: changes users")


@pytest.fixture
def folder():
    """A folder that everybody can read and write, with the application in it."""
    with tempfile.TemporaryDirectory(prefix="limpet-operator-") as path:
        os.chmod(path, 0o777)
        folder = pathlib.Path(path)
        (folder / "app.py").write_text(APPLICATION)
        yield folder


@pytest.fixture
def start(serve, folder):
    """start(*options) -> Server of the application, one worker."""
    return lambda *options, **more: serve("app:app", "--workers", 1, "--working-dir", folder, *options, **more)


def ask(server, path="/"):
    return json.loads(server.get(path).read())


def status_of(pid):
    """{key: value} of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def refused(run, pattern, *arguments, status=1, **options):
    """It does not start, and says so in one line."""
    done = run("serve", *arguments, timeout=30, **options)
    assert done.returncode == status, done.stderr
    assert len(done.stderr.splitlines()) == 1 and re.search(pattern, done.stderr), done.stderr


# --- --user, --group, --umask ---


@pytest.mark.parametrize("options, user, group", [
    (["--user", "nobody"], NOBODY, None),
    (["--user", "nobody", "--group", "4712"], NOBODY, 4712),
    (["--user", "4711", "--group", "4712"], 4711, 4712),
])
def test_workers_are_another_user(start, options, user, group):
    needs_root()
    server = start(*options)
    seen = ask(server)
    assert seen["users"] == [user] * 3 and seen["back"] is False
    assert len(set(seen["groups"])) == 1 and seen["groups"][0] != 0 and 0 not in seen["others"]
    if group is not None:
        assert seen["groups"][0] == group
    (worker,) = server.workers()
    capabilities = {key: value for key, value in status_of(worker).items()
                    if key in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    assert len(capabilities) == 4 and all(int(value, 16) == 0 for value in capabilities.values())
    assert status_of(server.process.pid)["Uid"].split() == ["0"] * 4


def test_a_worker_that_is_another_user_ends_with_its_supervisor(start):
    """The kernel forgets the parent's death signal when a process changes its user."""
    needs_root()
    server = start("--user", "nobody")
    (worker,) = server.workers()
    server.process.kill()
    server.process.wait()
    eventually(lambda: not os.path.exists(f"/proc/{worker}"))


def test_a_replaced_worker_is_that_user_as_well(start):
    needs_root()
    server = start("--user", "nobody")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    server.wait_for(rf"pid {worker}\) killed by SIGKILL")
    assert ask(server)["users"] == [NOBODY] * 3


def test_umask(start, folder):
    server = start("--umask", "027")
    ask(server, f"/write?{folder}/written")
    assert (folder / "written").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("options, pattern", [
    (["--user", "no-such"], "--user no-such: there is no such user on this machine; create it"),
    (["--group", "no-such"], "--group no-such: there is no such group on this machine; create it"),
    (["--user", "4294967294"], "--user 4294967294: .* give one with --group"),
])
def test_users_that_are_not_there(run, folder, options, pattern):
    refused(run, pattern, "app:app", "--port", 0, "--working-dir", folder, *options)


@pytest.mark.parametrize("mask", ["8", "1000", "u=rwx"])
def test_umasks_that_are_none(run, mask):
    refused(run, f"--umask {mask}: must be octal", "app:app", "--umask", mask, status=2)


@pytest.mark.static
def test_only_root_may_change_the_user(limpet, folder):
    needs_root()
    shutil.copy(limpet, folder / "limpet")

    def serve_as_nobody(*options):
        return subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", folder / "limpet", "serve",
             "app:app", "--working-dir", folder, *options], capture_output=True, text=True, timeout=30)

    done = serve_as_nobody("--port", "0", "--user", "root")
    assert done.returncode == 1
    assert "--user root: only root may change to another user; start as root, or leave --user out" in done.stderr
    # Who it is anyway may be said: it gets as far as the socket.
    done = serve_as_nobody("--uds", "/nonexistent/x", "--user", "nobody")
    assert done.returncode == 1 and "/nonexistent/x: its folder does not exist" in done.stderr


# --- --process-name ---


def title_of(pid):
    """What ps shows, what top shows."""
    line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    return line, pathlib.Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def test_process_name(start):
    server = start("--process-name", "shop", "--workers", 2, environment={**os.environ, "MARK": "kept"})
    assert title_of(server.process.pid) == ("shop: supervisor", "shop: superviso")
    assert {title_of(pid) for pid in server.workers()} == {
        ("shop: worker 1", "shop: worker 1"), ("shop: worker 2", "shop: worker 2")}
    assert ask(server)["environ"]["MARK"] == "kept"


def test_long_process_name(start):
    name = "a-name-of-sixty-four-bytes-which-is-all-that-may-be-given-to-it-"
    server = start("--process-name", name)
    (worker,) = server.workers()
    assert title_of(worker) == (f"{name}: worker 1", "a-name-of-: w 1")


def test_a_packed_binary_gives_its_name(packed, serve):
    server = serve("--workers", 1, binary=packed(HELLO, name="hello"))
    (worker,) = server.workers()
    assert title_of(server.process.pid)[0] == "hello: supervisor"
    assert title_of(worker)[0] == "hello: worker 1"


@pytest.mark.parametrize("name, pattern", [
    ("x" * 65, "longer than 64 bytes"),
    ("a\tb", "must not have control characters"),
])
def test_process_names_that_are_none(run, name, pattern):
    refused(run, f"--process-name .*: {pattern}", "app:app", "--process-name", name, status=2)


# --- --pid-file ---


def test_pid_file(start, folder):
    path = folder / "shop.pid"
    server = start("--pid-file", path)
    assert path.read_text() == f"{server.process.pid}\n" and path.stat().st_mode & 0o777 == 0o644
    server.stop()
    assert sorted(folder.glob("shop.pid*")) == []


def test_pid_file_of_a_running_server(start, run, folder):
    path = folder / "shop.pid"
    server = start("--pid-file", path)
    refused(run, f"{path} names process {server.process.pid}, which is running; stop it, or choose another --pid-file",
            "app:app", "--port", 0, "--working-dir", folder, "--pid-file", path)
    assert path.read_text() == f"{server.process.pid}\n"


def test_pid_file_of_a_server_that_was_killed(start, folder):
    path = folder / "shop.pid"
    first = start("--pid-file", path)
    first.kill()
    assert path.exists()
    second = start("--pid-file", path)
    assert path.read_text() == f"{second.process.pid}\n"


def test_pid_file_of_a_number_that_is_another_process_by_now(start, folder):
    path = folder / "shop.pid"
    path.write_text(f"{os.getpid()}\n")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    server = start("--pid-file", path)
    assert path.read_text() == f"{server.process.pid}\n"


def test_a_pid_file_that_is_a_file_of_others(run, folder):
    source = (folder / "app.py").read_text()
    refused(run, "app.py is no pid file; remove it or choose another --pid-file", "app:app", "--port", 0,
            "--working-dir", folder, "--pid-file", folder / "app.py")
    assert (folder / "app.py").read_text() == source
    refused(run, "/none/x: its folder does not exist; create it, or choose another --pid-file", "app:app", "--port", 0,
            "--working-dir", folder, "--pid-file", folder / "none/x")


# --- systemd ---


class Manager:
    """What systemd is to a service: a socket for its notifications."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind(path)
        self.environment = {**os.environ, "NOTIFY_SOCKET": path.replace("\0", "@")}

    def wait_for(self, line):
        """The message that has this line, as lines; those before it are lost."""
        while True:
            lines = self.socket.recv(65536).decode().splitlines()
            if line in lines:
                return lines


@pytest.fixture(params=["path", "abstract"])
def manager(request, folder):
    manager = Manager(str(folder / "notify") if request.param == "path" else f"\0limpet-test-{os.getpid()}")
    yield manager
    manager.socket.close()


def test_systemd_is_told(start, manager):
    server = start(environment=manager.environment)
    manager.wait_for("READY=1")
    seen = ask(server)["environ"]
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(seen)
    server.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    server.stop()


def test_systemd_is_not_told_of_an_application_that_fails(run, manager, folder):
    (folder / "app.py").write_text("1 / 0")
    assert run("serve", "app:app", "--port", 0, "--working-dir", folder, env=manager.environment).returncode == 1
    manager.socket.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(manager.socket.recv(65536).decode())
        except BlockingIOError:
            break
    assert not any("READY=1" in message for message in messages), messages


def test_the_watchdog_is_fed(start, manager):
    start(environment={**manager.environment, "WATCHDOG_USEC": "200000"})
    manager.wait_for("READY=1")
    for _ in range(3):
        manager.wait_for("WATCHDOG=1")


def test_a_watchdog_that_waits_for_another_process(start, manager):
    server = start(environment={**manager.environment, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    manager.wait_for("READY=1")
    ask(server)
    server.process.send_signal(signal.SIGTERM)
    lines = []
    while "STOPPING=1" not in lines:
        lines = manager.socket.recv(65536).decode().splitlines()
        assert "WATCHDOG=1" not in lines


# --- --workers auto ---


def test_one_worker_a_processor(limpet, run, serve, folder):
    processor = min(os.sched_getaffinity(0))
    bound = ["taskset", "-c", str(processor)]
    server = serve("app:app", "--working-dir", folder, prefix=bound)
    assert "with 1 worker\n" in server.log
    done = run("-c", str(processor), limpet, "serve", "app", "--print-config", binary="taskset")
    assert re.search(r"^workers = auto +# default \(1 here\)$", done.stdout, re.M), done.stdout
    done = run("serve", "app", "--print-config", env={**os.environ, "LIMPET_WORKERS": "auto"})
    assert re.search(r"^workers = auto +# LIMPET_WORKERS \(\d+ here\)$", done.stdout, re.M), done.stdout
