"""shop install, shop uninstall: what they write, what they refuse, and that they leave nothing behind. All of it
happens in namespaces of its own (machine.py): the machine that tests run on is not touched."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
import listing
from machine import Machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT, BINARY, STATE = "/etc/systemd/system/shop.service", "/usr/local/bin/shop", "/var/lib/shop"
MANIFEST = "/var/lib/limpet/shop.json"

APPLICATION = '''
import os

def app(environ, start_response):
    with open("visits", "a") as file:
        file.write("x")
    try:
        open("/var/lib/elsewhere", "w").close()
        elsewhere = True
    except OSError:
        elsewhere = False
    body = f"VERSION {os.getuid()} {os.getcwd()} {os.environ['STATE_DIRECTORY']} {elsewhere}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces of its own, and users in them")


@pytest.fixture(scope="module")
def bare():
    """The binary's path: what is built, or $BINARY_UNDER_TEST."""
    return pathlib.Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "build/limpet")).resolve()


@pytest.fixture(scope="module")
def appliances(bare, tmp_path_factory):
    """A folder with "shop", a newer one in "new", and names that cannot be installed."""
    folder = tmp_path_factory.mktemp("appliances")
    folder.chmod(0o755)
    for version, name, options in (("1", "shop", ["--workers", "1"]), ("2", "new/shop", []),
                                   ("3", "packed/shop", ["--user", "daemon", "--writable", "data"])):
        source = folder / f"source{version}"
        source.mkdir()
        (source / "app.py").write_text(APPLICATION.replace("VERSION", version))
        (folder / name).parent.mkdir(exist_ok=True)
        subprocess.run([bare, "pack", source, "-o", folder / name, *options], check=True, capture_output=True)
    for name in ("Shop", "shop-1.2", "limpet", "ls"):
        os.link(folder / "shop", folder / name)
    (folder / "bare").mkdir()
    (folder / "bare/limpet").symlink_to(bare)
    return folder


@pytest.fixture
def machine(tmp_path, appliances):
    machine = Machine(tmp_path, appliances)
    yield machine
    machine.stop()


def read(machine, path):
    return (machine.root / path[1:]).read_text()


def exec_start(machine):
    """The unit's command line, as words; nothing of it needs more than the shell's rules."""
    return shlex.split(re.search(r"^ExecStart=(.*)$", read(machine, UNIT), re.MULTILINE).group(1))


def is_user(machine, name):
    return re.search(rf"^{name}:", read(machine, "/etc/passwd"), re.MULTILINE) is not None


# --- What is written ---


def test_there_and_gone(machine):
    before = machine.snapshot()
    said = machine.good("/srv/shop", "install", "--listen", "0.0.0.0:80", "--listen=unix:/run/shop/s", "--preload")
    assert said.splitlines()[-1] == ("installed shop: shop.service runs /usr/local/bin/shop for the user shop, "
                                     "with its data in /var/lib/shop")
    assert machine.calls() == ["daemon-reload", "enable --now shop.service"]
    assert exec_start(machine) == [BINARY, "--listen=0.0.0.0:80", "--listen=unix:/run/shop/s", "--preload",
                                   "--user=shop", "--writable=/var/lib/shop"]
    after = machine.snapshot()
    changed = {path for path in after if after[path] != before.get(path)}
    accounts = {"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"}
    assert changed - accounts == {UNIT, BINARY, STATE, MANIFEST, "/var/lib/limpet"}
    assert after[BINARY] == ("0o100755", 0, 0, listing.entry(machine.root / "srv/shop")[3])
    assert after[UNIT][:3] == ("0o100644", 0, 0)
    mode, user, group, _ = after[STATE]
    entry = re.search(r"^shop:x:(\d+):(\d+)::/var/lib/shop:/usr/sbin/nologin$", read(machine, "/etc/passwd"),
                      re.MULTILINE)
    assert mode == "0o40750" and [str(user), str(group)] == list(entry.groups())
    said = machine.good("/usr/local/bin/shop", "uninstall")
    assert machine.calls() == ["disable --now shop.service", "daemon-reload"]
    assert "kept" not in said
    assert machine.snapshot() == before


def test_dry_runs_touch_nothing(machine):
    before = machine.snapshot()
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    said = machine.good("/srv/shop", "install", "--workers", "2", "--dry-run", prefix=nobody)
    assert machine.snapshot() == before and machine.calls() == []
    lines = said.splitlines()
    assert lines[-1] == "nothing was done"
    for line in (f"make the folder {STATE} (0750, shop:shop)", f"copy /srv/shop to {BINARY} (0755)",
                 f"write {UNIT} (0644)", "    Type=notify", f"write {MANIFEST} (0644)", "run systemctl daemon-reload",
                 "run systemctl enable --now shop.service"):
        assert line in lines, said
    assert any(line.startswith("run useradd --system ") and line.endswith(" shop") for line in lines)
    # What it shows is what is done.
    machine.good("/srv/shop", "install", "--workers", "2")
    shown = said.split(f"write {UNIT} (0644)\n")[1].split("run systemctl")[0]
    assert "".join(line.removeprefix("    ") + "\n" for line in shown.splitlines()) == read(machine, UNIT)
    before = machine.snapshot()
    machine.calls()
    said = machine.good("/usr/local/bin/shop", "uninstall", "--dry-run")
    assert machine.snapshot() == before and machine.calls() == []
    assert said.splitlines() == ["run systemctl disable --now shop.service", f"remove {UNIT}", f"remove {BINARY}",
                                 "run systemctl daemon-reload", "run userdel shop", f"remove the folder {STATE}",
                                 f"remove {MANIFEST}", "nothing was done"]


def test_systemd_finds_the_unit_good(machine):
    machine.good("/srv/shop", "install", "--listen", "0.0.0.0:80", "--log", "/var/log/shop.log", "--access-log-format",
                 '%(h)s "%(r)s" $5 a\\b', "--graceful-timeout", "1m")
    real = {**machine.environment(), "PATH": "/usr/bin:/bin"}
    done = machine.run("systemd-analyze", "verify", "--man=no", UNIT, env=real)
    # Of other units of the machine it may say what it wants.
    assert done.returncode == 0 and "shop" not in done.stderr, done
    done = machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=40", UNIT, env=real)
    assert done.returncode == 0, done.stdout
    unit = read(machine, UNIT)
    assert r'"--access-log-format=%%(h)s \"%%(r)s\" $$5 a\\b"' in unit
    assert "ReadWritePaths=/var/lib/shop\nReadWritePaths=/var/log\n" in unit
    assert "TimeoutStartSec=150\nTimeoutStopSec=75\n" in unit


def test_places_that_settings_name(machine):
    (machine.root / "var/keep").mkdir()
    (machine.root / "var/tmp/x").mkdir()
    machine.good("/srv/packed/shop", "install", "--uds", "/run/shop.sock", "--writable", "/var/keep", "--temp-dir",
                 "/var/tmp/x", "--readable", "/root", "--sandbox", "strict")
    unit = read(machine, UNIT)
    assert re.findall("^ReadWritePaths=(.*)$", unit, re.MULTILINE) == [STATE, "-/run", "/var/keep", "/var/tmp/x"]
    assert "ProtectHome=read-only\nPrivateTmp=no\n" in unit
    # The packed user is one that there is, and stays.
    assert exec_start(machine)[-3:] == ["--user=daemon", f"--writable={STATE}", "--writable=/var/keep"]
    assert machine.root.joinpath("var/lib/shop").stat().st_uid == 1
    machine.good("/srv/packed/shop", "uninstall")
    assert is_user(machine, "daemon") and not (machine.root / "var/lib/shop").exists()


# --- That it runs ---


class Manager:
    """What systemd is to a service: a socket for its notifications."""

    def __init__(self, machine):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(120)
        self.socket.bind(str(machine.folder / "notify"))
        self.environment = machine.environment(NOTIFY_SOCKET=str(machine.folder / "notify"), STATE_DIRECTORY=STATE)

    def wait_for(self, line):
        while line not in self.socket.recv(65536).decode().splitlines():
            pass


def wait_for(log, pattern):
    """The first match in a log, as soon as it is there: its lines are written by a thread of their own."""
    deadline = time.monotonic() + 120
    while (found := re.search(pattern, log.read_text())) is None:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return found


def allowed_calls(machine):
    """The system calls of the unit's filter, by systemd's own lists."""
    names, seen = [], set()
    for word in re.search("^SystemCallFilter=(.*)$", read(machine, UNIT), re.MULTILINE).group(1).split():
        names.append(word)
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.startswith("@"):
            said = subprocess.check_output(["systemd-analyze", "syscall-filter", name], text=True)
            names += [line.strip() for line in said.splitlines()[1:] if not line.strip().startswith("#")]
    return seen


@pytest.mark.parametrize("sandbox", ["on", "strict"])
def test_the_command_line_serves_within_the_unit(machine, sandbox):
    """With what the unit leaves of root's rights and of system calls, limpet's sandbox is whole."""
    machine.good("/srv/shop", "install", "--listen", "127.0.0.1:0", "--sandbox", sandbox)
    unit = read(machine, UNIT)
    bounds = re.search("^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE).group(1).split()
    limits = ["setpriv", "--bounding-set=-all," + ",".join("+" + name.removeprefix("CAP_").lower() for name in bounds),
              "--inh-caps=-all", "--no-new-privs"]
    trace = ["strace", "-f", "-qq", "-o", machine.folder / "trace"]
    manager = Manager(machine)
    log = machine.folder / "log"
    with open(log, "w", encoding="utf-8") as out:
        server = subprocess.Popen([*machine.enter, *limits, "env", f"--chdir={STATE}", *trace, *exec_start(machine)],
                                  env=manager.environment, stdout=out, stderr=out)
    try:
        manager.wait_for("READY=1")
        port = wait_for(log, r"http://127\.0\.0\.1:(\d+)").group(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            said = answer.read().decode().split()
        machine.good("kill", "-TERM", re.match(r"\d+", (machine.folder / "trace").read_text()).group())
        assert server.wait(timeout=120) == 0, log.read_text()
    finally:
        server.kill()
        server.wait()
    user = (machine.root / "var/lib/shop").stat().st_uid
    assert user != 0 and said == ["1", str(user), STATE, STATE, "False"]
    assert (machine.root / "var/lib/shop/visits").read_text() == "x"
    assert f"sandbox: {sandbox} (seccomp, " in log.read_text() and "warning" not in log.read_text(), log.read_text()
    trace = (machine.folder / "trace").read_text()
    used = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", trace, re.MULTILINE))
    assert len(used) > 40 and used <= allowed_calls(machine), used - allowed_calls(machine)


# --- Upgrades ---


def test_an_upgrade_keeps_options_and_does_not_disturb_what_runs(machine):
    machine.good("/srv/shop", "install", "--workers", "3", "--no-compress")
    machine.calls()
    words, inode = exec_start(machine), (machine.root / BINARY[1:]).stat().st_ino
    runs = subprocess.Popen([*machine.enter, BINARY, "python", "-c", "print('runs', flush=True); print(input())"],
                            env=machine.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert runs.stdout.readline() == "runs\n"
    said = machine.good("/srv/new/shop", "install")
    assert machine.calls() == ["try-restart shop.service"]
    assert said.splitlines()[-1].startswith("upgraded shop: ")
    assert exec_start(machine) == words
    assert listing.entry(machine.root / BINARY[1:])[3] == listing.entry(machine.root / "srv/new/shop")[3]
    assert (machine.root / BINARY[1:]).stat().st_ino != inode
    assert runs.communicate("on\n", timeout=60)[0] == "on\n"
    # Other options, of the installed binary itself.
    machine.good(BINARY, "install", "--workers", "4")
    assert machine.calls() == ["daemon-reload", "try-restart shop.service"]
    assert exec_start(machine) == [BINARY, "--workers=4", "--user=shop", "--writable=/var/lib/shop"]
    assert machine.good(BINARY, "install") == "nothing to do: shop is installed like that\n"
    assert machine.calls() == []
    assert sorted(os.listdir(machine.root / "usr/local/bin")) == ["shop"]
    assert os.listdir(machine.root / "var/lib/limpet") == ["shop.json"]


def test_what_the_operator_has_changed_stays(machine):
    before = machine.snapshot()
    machine.good("/srv/shop", "install")
    path = machine.root / UNIT[1:]
    path.write_text(path.read_text() + "# mine\n")
    mine = path.read_text()
    said = machine.good("/srv/new/shop", "install").splitlines()
    assert f"kept {UNIT}: it was changed since it was installed" in said
    assert path.read_text() == mine
    assert f"{UNIT} was changed since it was installed" in machine.refused("/srv/shop", "install", "--workers", "2")
    (machine.root / "var/lib/shop/data").write_text("data")
    said = machine.good(BINARY, "uninstall").splitlines()
    assert f"kept {UNIT}: it was changed since it was installed" in said
    assert f"kept {STATE}: there is something in it" in said
    after = machine.snapshot()
    assert path.read_text() == mine and not is_user(machine, "shop")
    assert {name for name in after if after[name] != before.get(name)} == {UNIT, STATE, STATE + "/data"}


def test_data_is_found_again(machine):
    machine.good("/srv/shop", "install")
    (machine.root / "var/lib/shop/data").write_text("data")
    user = (machine.root / "var/lib/shop").stat().st_uid
    machine.good(BINARY, "uninstall")
    machine.good("/srv/shop", "install")
    assert re.search(rf"^shop:x:{user}:", read(machine, "/etc/passwd"), re.MULTILINE)
    assert (machine.root / "var/lib/shop/data").read_text() == "data"
    (machine.root / "var/lib/shop/data").unlink()
    machine.good(BINARY, "uninstall")
    assert not (machine.root / "var/lib/shop").exists()


def test_a_system_that_does_not_run(machine):
    """As while an image is made."""
    (machine.root / "run/systemd/system").rmdir()
    said = machine.good("/srv/shop", "install").splitlines()
    assert said[-1] == "systemd does not run here: the service starts when it does"
    assert machine.calls() == ["enable shop.service"]
    machine.good("/srv/new/shop", "install")
    assert machine.calls() == []
    machine.good(BINARY, "uninstall")
    assert machine.calls() == ["disable shop.service"]


# --- What is refused ---


def test_only_applications(machine):
    for command in "install", "uninstall":
        line = machine.refused("/srv/bare/limpet", command, status=2)
        assert line.startswith(f"limpet: there is no application in this binary to {command}: only packed "), line


@pytest.mark.parametrize("options, status, said", [
    (["--workers", "0"], 2, "shop: --workers 0: must be between 1 and 512, or auto"),
    (["--wrkers", "2"], 2, "shop: unknown option --wrkers (did you mean --workers?)"),
    (["--tls-certificate", "/none/x"], 1, "/none/x"),
    (["--log", "shop.log"], 1, "shop install: --log shop.log: a service is not started in this folder; give the "),
    (["--listen", "unix:s"], 1, "shop install: --listen unix:s: a service is not started in this folder"),
    (["--listen", "systemd"], 1, "shop install: --listen systemd: systemd has no sockets for this unit"),
    (["--log", "/var/log/none/x"], 1, "shop install: --log /var/log/none/x: there is no /var/log/none; make it first"),
    (["--user", "1234"], 1, "shop install: --user 1234: there is no such user on this machine"),
    (["--group", "none"], 1, "shop install: --group none: there is no such group"),
])
def test_options_that_cannot_be(machine, options, status, said):
    assert said in machine.refused("/srv/shop", "install", *options, status=status)
    assert machine.calls() == []


def test_only_root(machine):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert machine.refused("/srv/shop", "install", prefix=nobody).startswith(
        "shop install: only root may do that (write: sudo /srv/shop install")
    assert "only root" in machine.refused("/srv/shop", "uninstall", prefix=nobody)


def test_only_with_systemd(machine):
    env = {**machine.environment(), "PATH": str(machine.folder / "none")}
    assert "there is no systemd on this machine" in machine.refused("/srv/shop", "install", env=env)


@pytest.mark.parametrize("name, said", [
    ("Shop", "a service cannot be called Shop: rename this file"),
    ("shop-1.2", "a service cannot be called shop-1.2: rename this file"),
    ("limpet", "a service cannot be called limpet: rename this file"),
    ("ls", "/usr/bin/ls is there already, and is none of limpet's: a program called ls cannot be installed beside it"),
])
def test_names_that_cannot_be(machine, name, said):
    assert said in machine.refused(f"/srv/{name}", "install")


def test_names_of_others(machine):
    for path in (BINARY, UNIT, "/run/systemd/system/shop.service"):
        (machine.root / path[1:]).write_text("mine")
        assert f"{path} is there already, and is none of limpet's" in machine.refused("/srv/shop", "install")
        (machine.root / path[1:]).unlink()
    folder = machine.root / STATE[1:]
    folder.mkdir()
    assert f"{STATE} is there already, and is root's: move it away" in machine.refused("/srv/shop", "install")
    folder.rmdir()
    machine.good("groupadd", "shop")
    assert "there is a group shop already, but no user" in machine.refused("/srv/shop", "install")
    machine.good("useradd", "--system", "--gid", "shop", "shop")
    line = machine.refused("/srv/shop", "install")
    assert "there is a user shop already, whom limpet has not made" in line and "write --user shop" in line
    machine.good("/srv/shop", "install", "--user", "shop")
    machine.good(BINARY, "uninstall")
    assert is_user(machine, "shop")


def test_what_is_not_installed_cannot_be_uninstalled(machine):
    said = machine.refused("/srv/shop", "uninstall")
    assert said == f"shop uninstall: shop is not installed (there is no {MANIFEST})"
    (machine.root / "var/lib/limpet").mkdir()
    (machine.root / MANIFEST[1:]).write_text("{")
    assert f"{MANIFEST}: is no list of what was installed" in machine.refused("/srv/shop", "uninstall")
    assert f"{MANIFEST}: is no list of what was installed" in machine.refused("/srv/shop", "install")


# --- What goes wrong in the middle ---


def test_a_full_disk(machine):
    machine.good("mount", "-o", "remount,size=8m", "/usr/local")
    said = machine.refused("/srv/shop", "install")
    assert said == f"shop install: {BINARY}: cannot be written: No space left on device; all is as it was"
    assert machine.calls() == []


@pytest.mark.parametrize("place", ["/usr/local", "/etc"])
def test_a_place_that_cannot_be_written(machine, place):
    machine.good("mount", "-o", "remount,bind,ro", place)
    line = machine.refused("/srv/shop", "install")
    assert line.endswith("; all is as it was") and ("Read-only" in line or "cannot" in line), line
    assert machine.calls() == []


def test_a_service_that_does_not_start(machine):
    machine.rule("enable --now|echo 'Job for shop.service failed.' >&2; exit 1")
    line = machine.refused("/srv/shop", "install")
    assert line == ("shop install: systemctl enable --now shop.service: Job for shop.service failed. (journalctl -u "
                    "shop.service says why); all is as it was")
    assert machine.calls() == ["daemon-reload", "enable --now shop.service", "disable --now shop.service",
                               "daemon-reload"]


def test_an_upgrade_that_does_not_start(machine):
    machine.good("/srv/shop", "install", "--workers", "3")
    machine.calls()
    machine.rule("try-restart|exit 1")
    line = machine.refused("/srv/new/shop", "install", "--workers", "2")
    assert "systemctl try-restart shop.service: it ended with status 1 (journalctl" in line
    assert machine.calls() == ["daemon-reload", "try-restart shop.service", "daemon-reload", "restart shop.service"]
    assert "--workers=3" in exec_start(machine)
    # What cannot be undone is told as well.
    machine.rule("try-restart|exit 1", "restart|echo not at all; exit 1")
    done = machine.run("/srv/new/shop", "install", "--workers", "2")
    assert done.returncode == 1
    assert done.stderr.endswith("; what could not be undone: systemctl restart shop.service: not at all\n")


def test_an_interrupted_installation(machine):
    machine.rule("daemon-reload|kill -TERM $PPID; exit 0")
    assert machine.refused("/srv/shop", "install") == "shop install: interrupted by SIGTERM; all is as it was"


@pytest.mark.parametrize("cure", ["uninstall", "install"])
def test_a_lost_installation(machine, cure):
    """Killed in the middle, it is known what was written: it can be removed, or finished."""
    before = machine.snapshot()
    machine.rule("enable|kill -KILL $PPID")
    assert machine.run("/srv/shop", "install", "--workers", "3").returncode == -signal.SIGKILL
    assert not json.loads(read(machine, MANIFEST))["complete"]
    machine.rule()
    machine.calls()
    if cure == "install":
        machine.good("/srv/new/shop", "install")
        assert machine.calls() == ["enable --now shop.service"]
        assert "--workers=3" in exec_start(machine)
    machine.good("/srv/shop", "uninstall")
    assert machine.snapshot() == before


def test_another_program_in_the_place_of_the_binary(machine):
    machine.good("/srv/shop", "install")
    path = machine.root / BINARY[1:]
    path.unlink()
    path.write_text("#!/bin/sh\n")
    assert "was replaced by something else since it was installed" in machine.refused("/srv/new/shop", "install")
    said = machine.good("/srv/shop", "uninstall").splitlines()
    assert f"kept {BINARY}: it was changed since it was installed" in said
    path.unlink()
    # One that is the same program, of another version, is replaced by an upgrade.
    machine.good("/srv/shop", "install")
    path.unlink()
    shutil.copy(machine.root / "srv/new/shop", path)
    machine.good("/srv/shop", "install")
    assert listing.entry(path)[3] == listing.entry(machine.root / "srv/shop")[3]
    # One that is none of limpet's, or has no application, is not.
    for other in "/bin/true", "/srv/bare/limpet":
        path.unlink()
        machine.good("cp", "-L", other, BINARY)
        assert "was replaced by something else since it was installed" in machine.refused("/srv/new/shop", "install")


@pytest.mark.parametrize("ours", [True, False])
def test_a_newer_binary_put_in_the_place_by_hand(machine, ours):
    """What runs is older then: it is restarted, and the new file is the one that uninstall removes if it is ours."""
    path = machine.root / BINARY[1:]
    if not ours:
        shutil.copy(machine.root / "srv/shop", path)
    machine.good("/srv/shop" if ours else BINARY, "install")
    machine.calls()
    path.unlink()
    shutil.copy(machine.root / "srv/new/shop", path)
    assert machine.good(BINARY, "install").splitlines()[-1].startswith("upgraded shop: ")
    assert machine.calls() == ["try-restart shop.service"]
    assert machine.good(BINARY, "install") == "nothing to do: shop is installed like that\n"
    assert "kept" not in machine.good(BINARY, "uninstall")
    assert path.exists() != ours


def test_paths_are_what_they_were(machine):
    """As systemd reads them: without variables, by its rules for quotes."""
    path = '/var/a $HOME %n "b" c\\'
    (machine.root / path[1:]).mkdir()
    machine.good("/srv/shop", "install", "--writable", path)
    values = re.findall("^ReadWritePaths=(.*)$", read(machine, UNIT), re.MULTILINE)
    assert [[word.replace("%%", "%") for word in shlex.split(value)] for value in values] == [[STATE], [path]]
    words = [word.replace("%%", "%").replace("$$", "$") for word in exec_start(machine)]
    assert words[-1] == f"--writable={path}" and '"--writable=/var/a $$HOME %%n' in read(machine, UNIT)
    (machine.root / "var/a\tb").mkdir()
    assert "a unit cannot name" in machine.refused("/srv/new/shop", "install", "--writable", "/var/a\tb")


def test_a_group_that_has_no_name(machine):
    with open(machine.root / "etc/passwd", "a", encoding="utf-8") as file:
        file.write("web:x:4321:54321::/:/usr/sbin/nologin\n")
    machine.good("/srv/shop", "install", "--user", "web")
    status = (machine.root / STATE[1:]).stat()
    assert (status.st_uid, status.st_gid) == (4321, 54321)


def test_whatever_goes_wrong_is_undone(machine):
    code = ("from limpet.installation import Folder, main, perform\n"
            "steps = [Folder('/var/lib/a'), Folder('/var/lib/b', 0o755, ('nobody-at-all', 'root'))]\n"
            "raise SystemExit(main('install', 'shop', lambda: perform(steps)))")
    line = machine.refused("/srv/shop", "python", "-c", code)
    assert line.startswith("shop install: KeyError: ") and line.endswith("; all is as it was"), line


def program(machine, name, text):
    """Put a script in front of the machine's own program of that name."""
    path = machine.folder / "bin" / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def test_a_user_that_comes_meanwhile_stays(machine):
    program(machine, "useradd", "/usr/sbin/useradd --system shop && /usr/sbin/useradd \"$@\"\n")
    done = machine.run("/srv/shop", "install")
    assert done.returncode == 1 and "shop" in done.stderr and done.stderr.endswith("; all is as it was\n"), done
    assert is_user(machine, "shop") and not (machine.root / STATE[1:]).exists()


def test_a_signal_waits_for_the_user(machine):
    """It reaches the installer while the user is made: the user is made to the end, and removed."""
    program(machine, "useradd", "kill -INT $PPID; /usr/sbin/useradd \"$@\"; echo $? > "
                                f"{machine.folder / 'made'}; ps -o sid= $$ > {machine.folder / 'session'}; echo $$ >> "
                                f"{machine.folder / 'session'}\n")
    assert machine.refused("/srv/shop", "install") == "shop install: interrupted by SIGINT; all is as it was"
    assert (machine.folder / "made").read_text() == "0\n" and not is_user(machine, "shop")
    session, own = (machine.folder / "session").read_text().split()
    assert session == own


def test_one_at_a_time(machine):
    second = machine.folder / "second"
    machine.rule(f"enable|test -e {second} || for i in install uninstall; do /srv/shop $i >> {second} 2>&1; done")
    machine.good("/srv/shop", "install")
    busy = "another install or uninstall is at work on this machine: wait for its end"
    assert second.read_text().splitlines() == [f"shop install: {busy}", f"shop uninstall: {busy}"]
    assert os.listdir(machine.root / "var/lib/limpet") == ["shop.json"]
    machine.rule()
    machine.good("/srv/shop", "uninstall")


def test_the_environment_is_no_setting(machine):
    """A service would not have it."""
    env = machine.environment(LIMPET_WORKERS="7", LIMPET_TLS_KEY_PASSWORD="secret", LIMPET_PORT="")
    warnings = ["shop: warning: ignoring LIMPET_WORKERS: a service does not get this environment (give it as "
                "--workers)",
                "shop: warning: ignoring LIMPET_TLS_KEY_PASSWORD: a service does not get this environment"]
    done = machine.run("/srv/shop", "install", "--preload", env=env)
    assert done.returncode == 0 and sorted(done.stderr.splitlines()) == sorted(warnings)
    assert exec_start(machine) == [BINARY, "--preload", "--user=shop", f"--writable={STATE}"]
    done = machine.run("/srv/new/shop", "install", env=env)
    assert done.returncode == 0 and sorted(done.stderr.splitlines()) == sorted(warnings)
    assert machine.good("/srv/new/shop", "uninstall", env=env)


def test_a_service_without_its_unit_is_stopped(machine):
    machine.good("/srv/shop", "install")
    machine.calls()
    (machine.root / UNIT[1:]).unlink()
    machine.rule("disable|echo 'Failed to disable unit: Unit file shop.service does not exist.'; exit 1",
                 f"stop|test -e {BINARY} || exit 7")
    said = machine.good(BINARY, "uninstall").splitlines()
    assert machine.calls() == ["stop shop.service", "disable shop.service", "daemon-reload"]
    assert said[0] == "run systemctl stop shop.service"
    machine.rule()
    machine.good("/srv/shop", "install")
    (machine.root / UNIT[1:]).unlink()
    machine.rule("stop|echo 'Failed to stop shop.service: Unit shop.service not loaded.'; exit 5")
    machine.good(BINARY, "uninstall")
    machine.rule()
    machine.good("/srv/shop", "install")
    (machine.root / UNIT[1:]).unlink()
    machine.rule("stop|echo 'Job for shop.service canceled.'; exit 1")
    assert "Job for shop.service canceled." in machine.refused(BINARY, "uninstall")


def test_a_state_folder_moved_to_another_disk(machine):
    machine.good("/srv/shop", "install")
    machine.good("mv", STATE, "/var/disk")
    (machine.root / STATE[1:]).symlink_to("/var/disk")
    machine.good("/srv/new/shop", "install")
    assert machine.good(BINARY, "install") == "nothing to do: shop is installed like that\n"
    machine.good("chown", "root", "/var/disk")
    assert f"{STATE} is there already, and is root's" in machine.refused("/srv/shop", "install")
    said = machine.good(BINARY, "uninstall").splitlines()
    assert f"kept {STATE}: it is no folder any more" in said
    assert (machine.root / STATE[1:]).is_symlink() and (machine.root / "var/disk").is_dir()
    # Without an installation that has made it, it is nobody's.
    assert f"{STATE} is there already" in machine.refused("/srv/shop", "install")


def test_devices_that_settings_name(machine):
    def lines(*options):
        machine.good("/srv/shop", "install", *options)
        unit = read(machine, UNIT)
        return re.findall("^(?:PrivateDevices|Device[A-Z].*?)=.*$", unit, re.MULTILINE)

    assert lines("--writable", "/dev/shm") == ["PrivateDevices=yes"]
    assert lines("--writable", "/dev/full", "--readable", "/dev/zero") == [
        "PrivateDevices=no", "DevicePolicy=closed", "DeviceAllow=/dev/full rw", "DeviceAllow=/dev/zero r"]
    assert f"ReadWritePaths={STATE}\nReadWritePaths=-/dev/full\n" in read(machine, UNIT)
    real = {**machine.environment(), "PATH": "/usr/bin:/bin"}
    done = machine.run("systemd-analyze", "verify", "--man=no", UNIT, env=real)
    assert done.returncode == 0 and "shop" not in done.stderr, done
    assert lines("--writable", "/dev/shm", "--readable", "/dev/fd") == ["PrivateDevices=no"]
