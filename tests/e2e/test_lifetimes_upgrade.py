"""SIGUSR2: the binary is executed again and takes over; and what becomes of it among other signals."""

import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import threading

import pytest
from server import eventually, is_sanitized
from steady_client import SteadyClient
from test_lifetimes_stuck import MODULE
from test_operator import Manager

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
GOES_ON = "; going on as before"


@pytest.fixture
def binary(limpet, tmp_path):
    """The path of a binary that a test may replace."""
    return pathlib.Path(shutil.copy(limpet, tmp_path / "limpet"))


@pytest.fixture
def start(serve, binary):
    """start(*options) -> Server of applications/lifetimes.py by that binary, one worker."""
    return lambda *options, **more: serve("serve", "lifetimes:app", "--workers", 1, "--working-dir", APPLICATIONS,
                                          *options, binary=binary, **more)


def replace(binary, text):
    """Another program in its place, as a package manager does it: the one that runs stays."""
    other = binary.with_name("other")
    other.write_text(text)
    other.chmod(0o755)
    os.replace(other, binary)


def upgrade(server):
    server.process.send_signal(signal.SIGUSR2)


def inodes(pid):
    """The sockets of a process that listen at a port."""
    held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    with open("/proc/net/tcp") as file:
        listening = {fields[9] for fields in map(str.split, file) if fields[3] == "0A"}
    return {inode for inode in listening if f"socket:[{inode}]" in held}


# --- it takes over ---


def test_a_kept_connection_sees_nothing_of_it(start, tmp_path):
    server = start("--pid-file", tmp_path / "pid")
    first = server.process.pid
    socket = inodes(first)
    assert len(socket) == 1
    with SteadyClient(server) as client:
        for _ in range(2):  # and one more, from the new one
            count = len(set(client.bodies))
            upgrade(server)
            server.follow()
            assert (tmp_path / "pid").read_text() == f"{server.process.pid}\n"
            assert inodes(server.process.pid) == socket
            client.wait_for(lambda bodies: len(set(bodies)) > count)
    assert [client.bodies[-1]] == [str(pid).encode() for pid in server.workers()]
    assert server.process.pid != first and "error" not in server.log
    server.stop()
    assert not (tmp_path / "pid").exists()


def test_a_slow_request_is_answered(start, tmp_path):
    server = start()
    gate, answers = tmp_path / "gate", []
    os.mkfifo(gate)
    slow = threading.Thread(target=lambda: answers.append(server.get(f"/wait?{gate}").read()))
    worker, = server.workers()
    slow.start()
    try:
        server.wait_for("waiting")
        upgrade(server)
        server.wait_for(r"pid \d+ serves in our place, requests under way are finished")
        eventually(lambda: int(server.get().read()) != worker)
        assert server.process.poll() is None and os.path.exists(f"/proc/{worker}")
    finally:
        gate.write_text("")
        slow.join()
    server.follow()
    assert answers == [str(worker).encode()]
    assert int(server.get().read()) in server.workers()


def test_another_binary_serves(start, binary, limpet, tmp_path):
    """What is at the path by then, with the arguments and the environment of the first start."""
    server = start("--process-name", "shop", environment={**os.environ, "MARK": "kept"})
    shutil.copy(limpet, tmp_path / "newer")
    replace(binary, f'#!/bin/sh\necho "started with $* and $MARK"\nexec "{tmp_path}/newer" "$@"\n')
    upgrade(server)
    server.follow()
    assert "started with serve lifetimes:app" in server.log and " and kept\n" in server.log
    assert os.readlink(f"/proc/{server.process.pid}/exe") == f"{tmp_path}/newer"
    assert pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes().rstrip(b"\0") == b"shop: supervisor"
    assert int(server.get().read()) in server.workers()


def test_unix_sockets_stay(start, run, tmp_path):
    path, control = tmp_path / "shop.sock", tmp_path / "ctl"
    server = start("--uds", path, "--control-socket", control, port=None)

    def answers():
        done = subprocess.run(["curl", "-sS", "--max-time", "30", "--unix-socket", path, "http://x/"], timeout=60,
                              capture_output=True, text=True, check=True)
        return int(done.stdout) in server.workers()

    def status():
        done = run("status", "--json", "--control-socket", control)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    before = path.stat()
    assert answers() and (status()["pid"], status()["state"]) == (server.process.pid, "serving")
    upgrade(server)
    first = server.follow().pid
    assert answers() and (status()["pid"], status()["state"]) == (server.process.pid, "serving") and first != status()["pid"]
    assert path.stat().st_ino == before.st_ino and stat.S_IMODE(control.stat().st_mode) == 0o600
    server.stop()
    assert not path.exists() and not control.exists() and sorted(tmp_path.glob("*ctl*")) == []


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def test_systemd_is_told_of_the_new_process(start, manager):
    server = start(environment=manager.environment)
    manager.wait_for("READY=1")
    upgrade(server)
    server.follow()
    # What the new one has said of itself until now was not the main process's: the watchdog's time begins anew.
    assert "WATCHDOG=1" in manager.wait_for(f"MAINPID={server.process.pid}")
    server.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")


# --- it does not ---


def goes_on(server, why, workers):
    """The first one says why, and serves as before; an upgrade is possible again."""
    server.wait_for(rf"error supervisor\[{server.process.pid}\] .*{why}.*{GOES_ON}")
    assert server.workers()[:len(workers)] == workers and int(server.get().read()) in workers
    eventually(lambda: server.workers() == workers)


def not_executable(binary):
    binary.chmod(0o644)


def no_program(binary):
    replace(binary, "this is a text\n")


def gone(binary):
    binary.unlink()


def ends_at_once(binary):
    replace(binary, "#!/bin/sh\nexit 3\n")


def ends_by_a_signal(binary):
    replace(binary, "#!/bin/sh\nkill -9 $$\n")


def hangs_up(binary):
    """Closes what it was given, and stays until it is told to end."""
    replace(binary, "#!/bin/sh\nfor fd in 3 4 5 6 7 8 9; do eval \"exec $fd>&-\"; done\nexec sleep 1000\n")


@pytest.mark.parametrize("spoil, why", [
    (not_executable, "cannot execute .*/limpet: Permission denied"),
    (no_program, "cannot execute .*/limpet: Exec format error"),
    (gone, "cannot execute .*/limpet: No such file or directory"),
    (ends_at_once, r"the new process \(pid \d+\) ended with status 3 before it served"),
    (ends_by_a_signal, r"the new process \(pid \d+\) was ended by SIGKILL before it served"),
    (hangs_up, r"the new process \(pid \d+\) gave up before it served"),
])
def test_a_binary_that_does_not_serve(start, binary, limpet, tmp_path, spoil, why):
    server = start("--pid-file", tmp_path / "pid", "--control-socket", tmp_path / "ctl")
    workers = server.workers()
    with SteadyClient(server):
        spoil(binary)
        upgrade(server)
        goes_on(server, why, workers)
        assert (tmp_path / "pid").read_text() == f"{server.process.pid}\n" and (tmp_path / "ctl").is_socket()
        # Mended, it takes over.
        binary.unlink(missing_ok=True)
        shutil.copy(limpet, binary)
        upgrade(server)
        server.follow()


@pytest.mark.parametrize("mood, why", [
    ("fail", r"(?s)RuntimeError: failed as told.*the new process \(pid \d+\) .* before it served"),
    ("hang", r"(?s)the application is not ready after .*the new process \(pid \d+\) .* before it served"),
])
def test_an_application_that_gets_worse(serve, application, tmp_path, mood, why):
    told = application(MODULE, name="moody.py") / "told"
    told.write_text("one")
    path, start_timeout = tmp_path / "shop.sock", "15s" if is_sanitized() else "5s"
    server = serve("moody:app", "--workers", 1, "--working-dir", told.parent, "--workers-start-timeout", start_timeout,
                   "--listen", "127.0.0.1:0", "--listen", f"unix:{path}", "--pid-file", tmp_path / "pid", port=None)
    workers = server.workers()
    with SteadyClient(server) as client:
        told.write_text(mood)
        upgrade(server)
        server.wait_for(why)
        server.wait_for(GOES_ON)
        eventually(lambda: server.workers() == workers)
        assert path.is_socket() and (tmp_path / "pid").read_text() == f"{server.process.pid}\n"
        told.write_text("two")
        upgrade(server)
        server.follow()
        count = len(client.bodies)
        client.wait_for(lambda bodies: b"two" in bodies[count:])
    assert set(client.bodies) == {b"one", b"two"}


@pytest.mark.long
def test_a_binary_that_hangs(start, binary):
    """It gets the time for two workers, one ahead of the others, and ten seconds for itself."""
    server = start("--workers-start-timeout", "1s")
    workers = server.workers()
    replace(binary, "#!/bin/sh\nexec sleep 1000\n")
    upgrade(server)
    goes_on(server, r"it does not serve in time \(see --workers-start-timeout\)", workers)


# --- among other signals ---


def orders():
    """Some of the orders in which five signals can come, always the same."""
    signals = [signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2]
    return random.Random(1).sample(list(itertools.permutations(signals)), 6)


@pytest.mark.parametrize("order", orders(), ids=lambda order: "-".join(number.name[3:] for number in order))
def test_signals_in_any_order(start, order):
    server = start("--workers", 2)
    for number in [*order, signal.SIGTERM]:
        server.process.send_signal(number)
    first = server.process
    assert first.wait(60) == 0
    server.wait_for(rf"supervisor\[{first.pid}\] supervisor: stopped\n")
    if "serves in our place" in server.log:  # on a machine so busy that it came between the last two
        server.follow()
    server.stop()
    assert "info supervisor[%d] supervisor: SIGTERM: stopping" % first.pid in server.log


@pytest.mark.parametrize("order", orders()[:3], ids=lambda order: "-".join(number.name[3:] for number in order))
def test_signals_are_all_obeyed(start, order):
    """Without an end behind them: the new process has the workers that its settings say, and a client sees nothing."""
    server = start("--workers", 2)
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: len(bodies) > 10)
        for number in order:
            server.process.send_signal(number)
        server.follow()
        eventually(lambda: len(server.workers()) == 2)
        server.process.send_signal(signal.SIGTTIN)
        eventually(lambda: len(server.workers()) == 3)
        server.process.send_signal(signal.SIGTTOU)
        eventually(lambda: len(server.workers()) == 2)
    server.stop()
    assert "3 workers instead of 2\n" in server.log and "reading again" in server.log


def test_more_upgrades_at_once_are_one(start):
    server = start()
    with SteadyClient(server):
        upgrade(server)
        server.wait_for(r"SIGUSR2: starting .*/limpet in our place \(pid \d+\)")
        upgrade(server)
        server.wait_for(r"an upgrade is under way already|serves in our place")
        server.follow()
    eventually(lambda: len(server.workers()) == 1)


def test_one_worker_is_the_least(start):
    server = start()
    server.process.send_signal(signal.SIGTTOU)
    server.wait_for("warning .* 1 worker, as before")
    assert int(server.get().read()) in server.workers() and len(server.workers()) == 1
