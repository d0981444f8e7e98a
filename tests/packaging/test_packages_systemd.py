"""The units of packages, as far as systemd judges them without running, and what they start, started as they say."""

import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request

import packages
import pytest
from server import Server

pytestmark = packages.of_the_static_binary

UNITS = packages.DISTRIBUTION / "systemd"
HERE = pathlib.Path(__file__).resolve().parent
ACTIVATE = packages.ROOT / "tests" / "e2e" / "activate.py"

APPLICATION = '''
import ctypes, os, sqlite3, subprocess, sys, tempfile, threading

def database():
    with sqlite3.connect(os.environ["STATE_DIRECTORY"] + "/shop.sqlite3") as connection:
        connection.execute("create table if not exists visits (number)")
        connection.execute("insert into visits values (1)")
        return connection.execute("select count(*) from visits").fetchone()[0]

def thread():
    found = []
    one = threading.Thread(target=found.append, args=(1,))
    one.start()
    one.join()
    return found[0]

def temporary():
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, -1, os.getgid())
        return len(os.listdir(folder)) + 1

CHECKS = {
    "database": database,
    "thread": thread,
    "temporary": temporary,
    "callback": lambda: ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(0),
    "program": lambda: int(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout),
    "processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)) or 1,
}

def app(environ, start_response):
    rows = []
    for name, check in CHECKS.items():
        try:
            rows.append(f"{name} {check()}")
        except Exception as error:
            rows.append(f"{name} {error!r}")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(rows).encode()]
'''


def setting(unit, name):
    """All that the unit says of a name, instance "shop"."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    return [value.replace("%i", "shop") for value in re.findall(rf"(?m)^{name}=(.*)$", text)]


# --- What systemd says of them ---


@pytest.fixture(scope="module")
def installed(unpacked, tmp_path_factory):
    """A root folder with systemd's own units and ours."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    root = tmp_path_factory.mktemp("installed")
    units = root / "lib/systemd/system"
    shutil.copytree("/lib/systemd/system", units, symlinks=True, ignore_dangling_symlinks=True)
    for name in ("limpet@.service", "limpet@.socket"):
        shutil.copy(UNITS / name, units)
    for program in ("usr/bin/limpet", "bin/sh"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", root / program)
    return root


def test_verified(installed):
    done = subprocess.run(["systemd-analyze", "verify", f"--root={installed}", "--man=no", "--recursive-errors=no",
                           "limpet@shop.service", "limpet@shop.socket"], capture_output=True, text=True, timeout=120)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "limpet" in line]
    assert done.returncode == 0 and ours == []


def test_a_mistake_would_be_seen(installed):
    unit = installed / "lib/systemd/system/limpet-wrong@.service"
    unit.write_text((UNITS / "limpet@.service").read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    done = subprocess.run(["systemd-analyze", "verify", f"--root={installed}", "--man=no", "--recursive-errors=no",
                           "limpet-wrong@shop.service"], capture_output=True, text=True, timeout=120)
    assert "protect system" in done.stdout + done.stderr


def test_exposure(installed, tmp_path):
    """Of 10.0; a service without any protection has 9.6."""
    unit = tmp_path / "limpet@shop.service"
    shutil.copy(UNITS / "limpet@.service", unit)
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=18", "--no-pager", unit],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr


def test_the_user_of_the_units(unpacked):
    rows = [line.split() for line in (UNITS / "limpet.sysusers").read_text().splitlines() if not line.startswith("#")]
    assert [row[:2] for row in rows] == [["u", name] for name in setting("limpet@.service", "User")]


# --- What they start ---


class Manager:
    """What systemd is to a service: a socket for its notifications."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind(str(path))
        path.chmod(0o777)

    def wait_for(self, *lines):
        """All of these lines, in any order; what comes besides is lost."""
        missing = set(lines)
        while missing:
            missing -= set(self.socket.recv(65536).decode().splitlines())


class Service:
    """The unit's instance "shop", in a folder that stands for the machine's root."""

    def __init__(self, root):
        self.root = root
        for name in ("etc/limpet", "srv/limpet/shop", "var/lib/limpet/shop", "run/limpet/shop"):
            (root / name).mkdir(parents=True)
        (root / "srv/limpet/shop/app.py").write_text(APPLICATION)
        self.manager = Manager(root / "run/notify")
        self._servers = []

    def configure(self, text):
        (self.root / "etc/limpet/shop.toml").write_text(text)

    def place(self, path):
        return re.sub(r"(?<![\w/])/(?=(?:etc|run|srv|var)/)", f"{self.root}/", path)

    def command(self, name="ExecStart"):
        (line,) = setting("limpet@.service", name)
        return [self.place(word).replace("/usr/bin/limpet", str(packages.BINARY)) for word in shlex.split(line)]

    def environment(self):
        seconds = int(setting("limpet@.service", "WatchdogSec")[0])
        return {**os.environ, "NOTIFY_SOCKET": str(self.root / "run/notify"), "WATCHDOG_USEC": str(seconds * 1_000_000),
                "STATE_DIRECTORY": self.place("/var/lib/" + setting("limpet@.service", "StateDirectory")[0])}

    def start(self, prefix=()):
        (folder,) = setting("limpet@.service", "WorkingDirectory")
        server = Server(self.command(), environment=self.environment(), folder=self.place(folder.lstrip("-")), prefix=prefix)
        self._servers.append(server)
        return server

    def end(self):
        try:
            for server in self._servers:
                if server.process.returncode is None:
                    server.stop()
        finally:
            for server in self._servers:
                server.kill()
            self.manager.socket.close()


@pytest.fixture
def service(tmp_path):
    assert setting("limpet@.service", "Type") == ["notify"]
    tmp_path.chmod(0o755)
    made = Service(tmp_path / "root")
    yield made
    made.end()


def test_its_life(service):
    service.configure('target = "."\nlisten = ["127.0.0.1:0"]\nworkers = 2\nwritable = ["../../../var/lib/limpet/shop"]\n')
    server = service.start()
    service.manager.wait_for("READY=1", "WATCHDOG=1")
    assert b"database 1" in server.get().read()
    done = subprocess.run([packages.BINARY, "status", "--control-socket", service.place("/run/limpet/shop/control")],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (reload,) = setting("limpet@.service", "ExecReload")
    subprocess.run(shlex.split(reload.replace("$MAINPID", str(server.process.pid))), check=True, timeout=60)
    service.manager.wait_for("RELOADING=1")
    service.manager.wait_for("READY=1")
    server.stop()
    service.manager.wait_for("STOPPING=1")


def test_sockets(service):
    """limpet@shop.socket: what systemd has opened is served, and stays when the service stops."""
    service.configure('target = "."\nworkers = 1\n')
    (path,) = map(service.place, setting("limpet@.socket", "ListenStream"))
    server = service.start([sys.executable, str(ACTIVATE), f"limpet@shop.socket=unix:{path}", "--"])
    assert server.addresses == [f"unix:{path}"]
    done = subprocess.run(["curl", "-sS", "--max-time", "30", "--unix-socket", path, "http://shop/"], capture_output=True,
                          text=True, timeout=60)
    assert "thread 1" in done.stdout, done
    server.stop()
    assert os.path.exists(path)


def test_the_example(service):
    """shop.toml, as it is but for the port."""
    text = (UNITS / "shop.toml").read_text()
    service.configure(service.place(text).replace(":8000", "127.0.0.1:0"))
    server = service.start()
    assert server.get().status == 200
    assert "with 2 workers" in server.log


def test_a_packed_application(service):
    """packed.conf: the same, by the application's own binary."""
    service.configure("")
    path = service.root / "srv/limpet/shop/shop"
    subprocess.run([packages.BINARY, "pack", path.parent, "-o", path, "--workers", "1"], check=True, capture_output=True)
    lines = re.findall(r"(?m)^ExecStart=(.+)$", (UNITS / "packed.conf").read_text())
    command = [service.place(word) for word in shlex.split(lines[-1].replace("%i", "shop"))]
    assert command[1:] == service.command()[1:]
    server = Server([*command, "--port", "0"], environment=service.environment())
    try:
        service.manager.wait_for("READY=1")
        assert b"thread 1" in server.get().read()
        server.stop()
    finally:
        server.kill()


@pytest.fixture
def public_service():
    """As service, in a folder of its own that other users reach: pytest's are its user's alone."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="limpet-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        made = Service(folder / "root")
        yield made
        made.end()
    finally:
        shutil.rmtree(folder)


def test_within_its_confinement(public_service):
    """As the unit has it: an ordinary user, one capability, its system calls, no memory that is writable and executable.
    limpet's own sandbox is whole there, and applications find what they need."""
    service = public_service
    if os.geteuid() != 0:
        pytest.skip("needs root: becomes another user")
    pytest.importorskip("seccomp", reason="needs python3-seccomp")
    capability = [name.removeprefix("CAP_").lower() for name in setting("limpet@.service", "AmbientCapabilities")]
    assert setting("limpet@.service", "CapabilityBoundingSet") == setting("limpet@.service", "AmbientCapabilities")
    assert setting("limpet@.service", "SystemCallErrorNumber") == ["EPERM"]
    assert setting("limpet@.service", "MemoryDenyWriteExecute") == ["yes"]
    service.configure('target = "."\nlisten = ["127.0.0.1:0"]\nworkers = 1\nwritable = ["../../../var/lib/limpet/shop"]\n')
    for folder in ("var/lib/limpet/shop", "run/limpet/shop"):
        shutil.chown(service.root / folder, "nobody", "nogroup")
    server = service.start([
        "/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
        f"--bounding-set=-all,+{capability[0]}", f"--inh-caps=-all,+{capability[0]}",
        f"--ambient-caps=-all,+{capability[0]}", sys.executable, "-B", str(HERE / "confine.py"),
        str(UNITS / "limpet@.service"), "--"])
    assert re.search(r"sandbox: on \(seccomp, Landlock", server.log) and " warning " not in server.log, server.log
    rows = urllib.request.urlopen(server.url, timeout=60).read().decode().splitlines()
    assert rows == ["database 1", "thread 1", "temporary 1", "callback 1", "program 1", "processors 1"]
    server.stop()
