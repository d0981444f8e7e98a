"""--sandbox, --writable, --readable: an application that tries what it is not to do, and does what all may."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import pytest
from server import eventually
from serving import serving

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATION = pathlib.Path(__file__).with_name("applications") / "confined.py"
NOTES = pathlib.Path(__file__).resolve().parents[2] / "apps/notes"
ROOT = os.geteuid() == 0
# Somewhere that is not for temporary files.
ELSEWHERE = "/srv" if ROOT else pathlib.Path.home()
SAID = re.compile(r"sandbox: (?P<mode>on|strict) \((?P<seccomp>seccomp|this kernel has no seccomp: [^,]*), "
                  r"(?:Landlock ABI (?P<landlock>\d+)|this kernel has no Landlock: files are not confined)\)")
ABSENT = {"clone3", "x32"}
IN_STRICT = {"asyncio_alone", "clocks_and_signals", "database", "memory", "multiprocessing", "names", "own_files",
             "scheduling", "sockets", "ssl", "temporary_files", "threads", "time_zones", "zipimport"}


@pytest.fixture(scope="module")
def folder():
    """Where everybody may write by its modes, with the application in it."""
    with tempfile.TemporaryDirectory(prefix="limpet-sandbox-", dir=ELSEWHERE) as path:
        os.chmod(path, 0o777)
        shutil.copy(APPLICATION, path)
        data = pathlib.Path(path, "data")
        data.mkdir()
        os.chmod(data, 0o777)
        pathlib.Path(path, "secret").mkdir()
        pathlib.Path(path, "secret/key").write_text("x")
        yield pathlib.Path(path)


@pytest.fixture
def start(serve, folder):
    """start(*options) -> Confined, of the application in folder."""
    return lambda *options: Confined(serve("confined:app", "--workers", 1, "--working-dir", folder, *options))


class Confined:
    """A server and what its log says of the sandbox. landlock: its version, 0: none."""

    def __init__(self, server):
        self.server = server
        said = SAID.search(server.log)
        assert said, server.log
        self.mode = said["mode"]
        self.landlock = int(said["landlock"] or 0)
        self.seccomp = said["seccomp"] == "seccomp"
        # What is missing is a warning.
        complete = bool(self.landlock and self.seccomp)
        assert ("info" if complete else "warning") in server.records[:server.records.index("sandbox:")].splitlines()[-1]

    def ask(self, kind, name="", argument=""):
        """The outcome that the application tells."""
        path = f"/{kind}/{urllib.parse.quote(name)}?{urllib.parse.quote(str(argument))}"
        return json.loads(self.server.get(path).read())

    def file(self, *request):
        """The outcome of what Landlock decides. A kernel without it refuses nothing, and its log has said so."""
        return self.ask(*request) if self.landlock else "EACCES"

    def call(self, *request, expected="EPERM"):
        """The same of what seccomp decides."""
        return self.ask(*request) if self.seccomp else expected


def needs_root():
    if not ROOT:
        pytest.skip("needs root: changes users")


WAYS = {"root": [], "nobody": ["--user", "nobody"], "preload": ["--preload"],
        "preload as nobody": ["--preload", "--user", "nobody"]}


@pytest.fixture(scope="module", params=[(mode, way) for mode in ("on", "strict") for way in WAYS], ids=" ".join)
def confined(request, limpet, folder, tmp_path_factory):
    """A server in each way of starting it, for tests that leave it as it was."""
    mode, way = request.param
    if "nobody" in way:
        needs_root()
    with serving(limpet, False, tmp_path_factory.mktemp) as start_one:
        yield Confined(start_one("confined:app", "--workers", 1, "--working-dir", folder, "--sandbox", mode,
                                 "--writable", folder / "data", *WAYS[way]))


# --- what is refused ---

def test_calls_are_refused(confined):
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    if not confined.seccomp:
        return
    calls = confined.ask("about")["calls"]
    assert len(calls) > 45
    for name in calls:
        assert confined.ask("call", name) == ("ENOSYS" if name in ABSENT else "EPERM"), name
    assert confined.ask("try", "namespace") == "EPERM"


def test_sockets_that_see_other_peoples_packets(confined):
    assert confined.call("try", "raw") == "EPERM"
    assert confined.call("try", "packet", expected="EAFNOSUPPORT") == "EAFNOSUPPORT"
    assert confined.call("try", "vsock", expected="EAFNOSUPPORT") == "EAFNOSUPPORT"


def test_files_outside_are_not_written(confined, folder):
    for path in (folder / "new", folder / "confined.py", "/usr/limpet-new", "/etc/limpet-new", "/etc/hosts",
                 "/opt/limpet-new", "/var/lib/limpet-new", "/dev/sda", "/proc/self/oom_score_adj",
                 f"{ELSEWHERE}/limpet-new"):
        assert confined.file("try", "write", path) in ("EACCES", "EPERM"), path
        if confined.landlock:
            assert not str(path).endswith("new") or not os.path.exists(path)
    assert confined.file("try", "database", folder / "data/ok.sqlite3") in ("ok", "EACCES")


def test_files_outside_are_not_read(confined):
    for path in ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/root", "/home", "/var/lib", "/var/log", "/boot",
                 "/dev/mem", "/dev/kmsg", "/proc/1/environ"):
        assert confined.file("try", "read", path) in ("EACCES", "EPERM", "ENOENT"), path


def test_the_server_itself_is_out_of_reach(confined):
    about = confined.ask("about")
    supervisor = confined.server.process.pid
    if confined.landlock:
        for name in ("environ", "maps", "mem"):
            assert confined.ask("try", "read", f"/proc/{supervisor}/{name}") in ("EACCES", "EPERM")
        assert confined.ask("try", "memory", f"/proc/{supervisor}/mem") in ("EACCES", "EPERM")
    if confined.landlock >= 6:
        assert confined.ask("try", "signal", supervisor) == "EPERM"
        assert confined.ask("try", "signal", os.getpid()) == "EPERM"
        with socket.socket(socket.AF_UNIX) as outside:
            outside.bind("\0limpet-outside-" + str(os.getpid()))
            outside.listen()
            assert confined.ask("try", "abstract", outside.getsockname()[1:].decode()) == "EPERM"
    assert "NoNewPrivs:\t1\n" in about["status"]
    assert "CapInh:\t0000000000000000\n" in about["status"]


def test_rights_of_root(start, folder):
    needs_root()
    confined = start()
    status = confined.ask("about")["status"]
    # CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, NET_BIND_SERVICE, as far as we have them ourselves.
    held = int(re.search(r"CapEff:\t(\w+)", pathlib.Path("/proc/self/status").read_text())[1], 16) & 0x4eb
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert int(re.search(rf"{name}:\t(\w+)", status)[1], 16) == held, name
    assert confined.ask("try", "device", "/tmp/limpet-device") == "EPERM" or \
        confined.ask("try", "device", "/tmp/limpet-device") == "EACCES"
    other = start("--user", "nobody")
    # The supervisor has what is for ports, files and workers, and not what is for the machine.
    status = pathlib.Path(f"/proc/{other.server.process.pid}/status").read_text()
    assert int(re.search(r"CapEff:\t(\w+)", status)[1], 16) & ~0x845ef == 0
    status = other.ask("about")["status"]
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000\n" in status
    assert other.ask("try", "become root") == "EPERM"


def test_no_setuid_programs_are_made(confined, folder):
    path = folder / "data/setuid"
    try:
        assert confined.call("try", "setuid", path) == "EPERM"
        if confined.seccomp:
            assert path.stat().st_mode & 0o6000 == 0
    finally:
        path.unlink(missing_ok=True)


def test_limits_of_other_processes(confined):
    # Its own parent, which root's worker might ask for.
    assert confined.call("try", "limit", confined.server.process.pid) == "EPERM"


def test_strict_starts_no_programs(confined):
    refused = "EPERM" if confined.mode == "strict" else "ok"
    for name in ("run", "exec"):
        assert confined.call("try", name, expected=refused) == refused
    # What was written is not started by anybody.
    if confined.landlock:
        assert confined.ask("try", "exec written") in ("EACCES", "EPERM")
    if confined.mode == "strict" and confined.seccomp:
        assert confined.ask("try", "exec memory") in ("EACCES", "EPERM")


def test_strict_reads_less(confined):
    strict = confined.mode == "strict"
    other = subprocess.Popen(["sleep", "600"])
    try:
        for path in ("/usr/bin", "/sys", f"/proc/{other.pid}/cmdline"):
            expected = "EACCES" if strict else "ok"
            assert (confined.ask("try", "read", path) if confined.landlock else expected) == expected, path
    finally:
        other.kill()
        other.wait()


# --- what works ---

def test_what_applications_do_works(confined, folder):
    uses = set(confined.ask("about")["uses"])
    assert IN_STRICT <= uses
    for name in sorted(IN_STRICT if confined.mode == "strict" else uses):
        argument = folder / "data" / f"{name}.sqlite3"
        try:
            assert confined.ask("use", name, argument) == "ok"
        except urllib.error.HTTPError:
            raise AssertionError(f"{name}: {confined.server.log}") from None
        argument.unlink(missing_ok=True)


@pytest.mark.parametrize("mode", ["on", "strict"])
def test_packed(limpet, serve, packed, folder, mode):
    source = packed(_alone(folder), "--app", "confined:app", name="confined")
    binary = folder / f"confined-{mode}"
    shutil.copy(source, binary)
    confined = Confined(serve("--workers", 1, "--sandbox", mode, "--writable", "data", binary=binary, folder=folder))
    assert confined.file("try", "write", folder / "new") == "EACCES"
    assert confined.file("try", "read", "/root") == "EACCES"
    for name in sorted(IN_STRICT if mode == "strict" else set(confined.ask("about")["uses"])):
        assert confined.ask("use", name, folder / "data" / "packed.sqlite3") == "ok", name
    (folder / "data" / "packed.sqlite3").unlink()


def _alone(folder):
    """A folder with the application's source and nothing else."""
    source = folder / "source"
    if not source.exists():
        source.mkdir()
        shutil.copy(APPLICATION, source)
    return source


# --- the settings ---

def test_off(serve, folder):
    server = serve("confined:app", "--workers", 1, "--working-dir", folder, "--sandbox", "off")
    server.wait_for(r"info supervisor\[\d+\] sandbox: off\n")
    status = json.loads(server.get("/about/").read())["status"]
    assert "NoNewPrivs:\t0\n" in status and "Seccomp:\t0\n" in status
    assert json.loads(server.get(f"/try/write?{folder}/off").read()) == "ok"
    (folder / "off").unlink()


def test_writable_and_readable(start, folder):
    other = folder.parent / (folder.name + "-other")
    other.mkdir()
    os.chmod(other, 0o777)
    (other / "file").write_text("x")
    try:
        confined = start()
        assert confined.file("try", "read", other / "file") == "EACCES"
        confined = start("--readable", other)
        assert confined.ask("try", "read", other / "file") == "ok"
        assert confined.file("try", "write", other / "file") == "EACCES"
        confined = start("--writable", other, "--writable", folder / "data")
        confined.server.wait_for(rf"workers write to .*, {other}, {folder}/data\n" if confined.landlock else "sandbox:")
        assert confined.ask("try", "write", other / "new") == "ok"
        assert confined.ask("try", "read", other / "file") == "ok"
        # One file.
        confined = start("--writable", other / "file")
        assert confined.ask("try", "write", other / "file") == "ok"
        assert confined.file("try", "write", other / "newer") == "EACCES"
    finally:
        shutil.rmtree(other)


@pytest.mark.parametrize("way", ["alone", "preload"])
@pytest.mark.parametrize("mode", ["on", "strict"])
def test_relative_paths_are_those_of_the_start(serve, folder, mode, way):
    base = folder / f"relative-{mode}-{way}"
    for name in ("app", "data", "extra"):
        (base / name).mkdir(parents=True)
        os.chmod(base / name, 0o777)
    shutil.copy(APPLICATION, base / "app")
    (base / "extra/file").write_text("x")
    confined = Confined(serve("confined:app", "--workers", 1, "--working-dir", "app", "--writable", "data", "--readable",
                              "extra", "--sandbox", mode, *WAYS["preload" if way == "preload" else "root"], folder=base))
    assert confined.ask("use", "own_files") == "ok"
    assert confined.ask("use", "database", base / "data/x.sqlite3") == "ok"
    assert confined.ask("try", "read", base / "extra/file") == "ok"
    assert confined.file("try", "write", base / "extra/file") == "EACCES"
    assert confined.file("try", "write", base / "app/new") == "EACCES"
    assert confined.file("try", "read", folder / "secret/key") == "EACCES"


def test_folders_that_the_settings_name_are_read(serve, folder):
    site = folder.parent / (folder.name + "-site")
    site.mkdir()
    (site / "page.txt").write_text("of the site")
    (site / "env").write_text("FROM_FILE=1\n")
    try:
        confined = Confined(serve("confined:app", "--workers", 1, "--working-dir", folder, "--static", f"/site={site}",
                                  "--env-files", site / "env"))
        assert confined.server.get("/site/page.txt").read() == b"of the site"
        assert confined.file("try", "write", site / "page.txt") == "EACCES"
    finally:
        shutil.rmtree(site)


@pytest.mark.parametrize("name", ["confined.py", "folder", "module", "mount"])
def test_targets_are_read_wherever_they_are(serve, folder, tmp_path, name):
    """From a working folder that has nothing to do with them."""
    source = _alone(folder)
    targets = {"confined.py": [source / "confined.py"], "folder": [f"{source}:confined:app"],
               "module": ["confined:app", "--working-dir", source],
               "mount": [source / "confined.py", "--mount", f"/other={source}/confined.py"]}
    confined = Confined(serve(*targets[name], "--workers", 1, folder=tmp_path))
    assert confined.ask("use", "own_files") == "ok"
    assert confined.file("try", "read", folder / "secret/key") == "EACCES"


def test_temporary_folders_of_the_settings_are_written(serve, folder):
    for options, environment in (["--temp-dir", folder / "data"], {}), ([], {"TMPDIR": str(folder / "data")}):
        confined = Confined(serve("confined:app", "--workers", 1, "--working-dir", folder, *options,
                                  environment=os.environ | environment))
        assert confined.ask("try", "write", folder / "data/temporary") == "ok"


def test_paths_have_to_be_there(run, folder):
    for option in ("--writable", "--readable"):
        for command in ("serve", "check"):
            done = run(command, "confined:app", "--working-dir", folder, option, "/nowhere/data")
            assert done.returncode == 1
            assert f"{option} /nowhere/data: No such file or directory; create it, or name another" in done.stderr
    done = run("serve", "confined:app", "--writable", ".", cwd="/")
    assert done.returncode == 1 and "--writable .: that is /, and with it the whole machine" in done.stderr
    done = run("serve", "confined:app", "--sandbox", "maybe")
    assert done.returncode == 2 and "--sandbox" in done.stderr


def test_notes_write_beside_the_binary(packed, serve, folder):
    """As its README says, started in the binary's folder, or in one above."""
    for name, started_in in ("here", folder / "here"), ("above", folder):
        place = folder / name
        place.mkdir()
        shutil.copy(packed(NOTES, name="notes"), place / "notes")
        server = serve("--workers", 1, binary=place / "notes", folder=started_in)
        request = urllib.request.Request(server.url + "/api/notes", json.dumps({"title": "Tide"}).encode(),
                                         {"Content-Type": "application/json"})
        assert urllib.request.urlopen(request, timeout=30).status == 201
        assert (place / "notes.sqlite3").exists()


# --- what comes after the start ---

def test_replaced_workers_are_confined(start, folder):
    confined = start("--workers-max-requests", 5)
    first = confined.ask("about")["pid"]
    eventually(lambda: confined.ask("about")["pid"] != first)
    assert confined.file("try", "write", folder / "new") == "EACCES"
    before = confined.ask("about")["pid"]
    confined.server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: confined.ask("about")["pid"] != before)
    assert confined.file("try", "write", folder / "new") == "EACCES"


def test_upgraded_servers_are_confined(start, folder):
    confined = start()
    confined.server.process.send_signal(signal.SIGUSR2)
    confined.server.follow()
    assert confined.file("try", "write", folder / "new") == "EACCES"
    assert len(re.findall(r"sandbox: on ", confined.server.log)) == 2


def test_reloaded_applications_are_confined(start, folder):
    confined = start("--reload")
    first = confined.ask("about")["pid"]
    (folder / "new_source.py").write_text("")
    eventually(lambda: confined.ask("about")["pid"] != first)
    assert confined.file("try", "write", folder / "new") == "EACCES"


@pytest.mark.parametrize("way", ["root", "preload"])
def test_modes_that_a_worker_changes_open_nothing_to_the_next(start, way):
    needs_root()
    with tempfile.NamedTemporaryFile(prefix="limpet-sandbox-", dir="/etc") as private:
        private.write(b"x")
        private.flush()
        confined = start(*WAYS[way])
        assert confined.file("try", "read", private.name) == "EACCES"
        assert confined.ask("try", "chmod", private.name) == "ok"
        before = confined.ask("about")["pid"]
        confined.server.process.send_signal(signal.SIGUSR1)
        eventually(lambda: confined.ask("about")["pid"] != before)
        assert confined.file("try", "read", private.name) == "EACCES"
        assert confined.ask("try", "read", "/etc/hosts") == "ok"


@pytest.mark.parametrize("way", ["root", "preload"])
def test_figures_of_the_machine_outlast_the_kernels_caches(start, way):
    needs_root()
    confined = start("--sandbox", "strict", *WAYS[way])
    paths = ("/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg", "/proc/self/status", "/proc/sys/kernel/hostname")
    for _ in range(2):
        for path in paths:
            assert confined.ask("try", "read", path) == "ok", path
        try:
            pathlib.Path("/proc/sys/vm/drop_caches").write_text("2")
        except OSError as error:
            pytest.skip(f"the kernel's caches are not ours to empty: {error}")


# --- the way out ---

def test_the_log_names_the_way_out_once(start, folder):
    confined = start("--blocking-threads", 1)
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError):
            # An exception that nobody catches.
            confined.server.get(f"/use/database?{'/etc/limpet' if not confined.landlock else folder / 'notes.sqlite3'}")
    if not confined.landlock:
        return
    confined.server.wait_for(r"sandbox: if that was refused by the sandbox: workers write only to /tmp, .*; "
                             r"--writable PATH adds to that, --readable PATH to what they read, and --sandbox off")
    confined.ask("about")
    assert confined.server.log.count("--writable PATH adds") == 1
    assert not (folder / "notes.sqlite3").exists()


REFUSED_AT_IMPORT = '''
open("made-at-import", "w")

def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
'''


def test_applications_that_write_at_import_are_told(run, serve, folder):
    source = folder / "at_import"
    source.mkdir(exist_ok=True)
    (source / "app.py").write_text(REFUSED_AT_IMPORT)
    done = run("check", "app:app", "--working-dir", source)
    server = serve("app:app", "--workers", 1, "--working-dir", source, expect_start=False)
    status = server.process.wait(60)
    if "no Landlock" in server.log:
        assert done.returncode == 0
        return
    assert done.returncode == 1 and "--writable PATH adds to that" in done.stderr
    assert "Permission denied: 'made-at-import'" in done.stderr
    assert status == 1
    server.wait_for("--writable PATH adds to that")
    done = run("check", "app:app", "--working-dir", source, "--writable", source)
    assert done.returncode == 0 and done.stdout.startswith("ok:"), done.stderr
