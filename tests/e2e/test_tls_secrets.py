"""Private keys stay where they are: nobody of the same user reads them out of a process, or finds them in what one
leaves behind."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from certificates import openssl
from tls_client import Pki, client_context, handshake, workers_of

pytestmark = [
    pytest.mark.unvalidated(reason="what is tested here is around the application"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other users"),
]

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
NOBODY = 65534
AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]

# What a process of the same user tries on another; prints what it was let do.
PROBE = '''
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_DETACH, PTRACE_SEIZE = 17, 0x4206
pid, address = int(sys.argv[1]), int(sys.argv[2], 16)

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

def can_open(name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            file.seek(address if name == "mem" else 0)
            return len(file.read(16)) > 0
    except OSError:
        return False

def can_list(name):
    try:
        return len(os.listdir(f"/proc/{pid}/{name}")) > 0
    except OSError:
        return False

buffer = ctypes.create_string_buffer(16)
local, remote = Vector(ctypes.addressof(buffer), 16), Vector(address, 16)
done = []
if libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:
    done.append("readv")
if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:
    done.append("ptrace")
done += [name for name in ("mem", "maps", "environ", "auxv") if can_open(name)]
done += [name for name in ("fd", "map_files") if can_list(name)]
print(" ".join(done))
'''


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def folder():
    """One that every user can reach, with the application in it, of the user nobody."""
    with tempfile.TemporaryDirectory() as path:
        shutil.copy(APPLICATIONS / "over_tls.py", path)
        shutil.chown(path, NOBODY)
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture
def start(serve, limpet, pki, folder):
    """start(*options, own=, tls=) -> Server; own: all of it runs as nobody, else its workers do."""

    def begin(*options, own=False, tls=True, leaf=pki.local):
        binary = shutil.copy(limpet, folder / "limpet")
        os.chmod(binary, 0o755)
        chain, key = shutil.copy(leaf.chain, folder), shutil.copy(leaf.key, folder)
        if own:
            shutil.chown(key, NOBODY)
            shutil.chown(chain, NOBODY)
        words = ["--tls-certificate", chain, "--tls-key", key] if tls else []
        user = [] if own else ["--user", NOBODY]
        return serve("serve", "over_tls:app", "--working-dir", folder, "--workers", 1, *words, *user, *options,
                     binary=pathlib.Path(binary), prefix=AS_NOBODY if own else (),
                     environment={**os.environ, "HOME": "/"})

    return begin


def probe(pid):
    """What the user nobody can do to a process."""
    with open(f"/proc/{pid}/maps") as file:
        address = file.readline().partition("-")[0]
    done = subprocess.run([*AS_NOBODY, sys.executable, "-c", PROBE, str(pid), address], capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout.split()


def processes(server):
    return [server.process.pid, *server.workers()]


def key_bytes(leaf):
    """What makes a private key (a number, of RSA a prime), as it is in whatever form: in both orders of bytes."""
    text = openssl("pkey", "-in", leaf.key, "-noout", "-text").decode()
    digits = re.search(r"(?:priv|prime1):\n([0-9a-f:\s]+?)\n\S", text)[1]
    number = bytes.fromhex(re.sub(r"[:\s]", "", digits)).lstrip(b"\0")
    return [number, number[::-1]]


def memory(pid):
    """All of a process that root can read, as (line of its maps, bytes)."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line:
                continue
            try:
                mem.seek(start)
                yield line, mem.read(end - start)
            except (OSError, ValueError):
                continue


# --- from outside ---


def test_the_probe_finds_what_is_open(start):
    """Without keys nothing is hidden: the tests below would see it."""
    server = start(own=True, tls=False)
    for pid in processes(server):
        assert {"readv", "ptrace", "mem", "maps", "fd"} <= set(probe(pid)), pid


@pytest.mark.parametrize("options", [[], ["--preload"]])
@pytest.mark.parametrize("own", [False, True])
def test_same_user_reads_nothing(start, pki, own, options):
    """Neither of supervisor, workers, template, nor after a reload and replacements."""
    server = start(*options, own=own)
    handshake(server, client_context(pki))[0].socket.close()
    for pid in processes(server):
        assert probe(pid) == [], pid
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("were read again")
    server.process.send_signal(signal.SIGUSR1)
    for pid in before:
        server.wait_for(rf"\(pid {pid}\) exited")
    handshake(server, client_context(pki))[0].socket.close()
    for pid in processes(server):
        assert probe(pid) == [], pid


# --- where the key is ---


@pytest.mark.static  # the sanitizers map terabytes
@pytest.mark.parametrize("kind", ["ecdsa:P-256", "rsa:2048"])
def test_keys_are_in_locked_memory_only(start, pki, kind):
    """And in no other: what was read from the file, or decrypted, is wiped."""
    leaf = pki.renewed(kind=kind)
    server, wanted = start(leaf=leaf), key_bytes(leaf)
    handshake(server, client_context(pki))[0].socket.close()
    for pid in processes(server):
        found = [line for line, data in memory(pid) if any(number in data for number in wanted)]
        assert len(found) == 1, (pid, found)
        start_of = found[0].split()[0]
        with open(f"/proc/{pid}/smaps") as file:
            entry = file.read().partition(start_of)[2].partition("VmFlags:")[2].partition("\n")[0].split()
        assert "dd" in entry, "not left out of core dumps"
        with open(f"/proc/{pid}/status") as file:
            assert int(re.search(r"VmLck:\s+(\d+) kB", file.read())[1]) > 0
        assert "lo" in entry, "not locked"


@pytest.mark.static
def test_no_key_in_a_template(start, pki):
    """It has none of its own: workers read the bundle."""
    server = start("--preload")
    template, = set(server.workers()) - set(workers_of(server))
    assert not [line for line, data in memory(template) if any(number in data for number in key_bytes(pki.local))]


@pytest.mark.long
def test_no_key_in_a_core_dump(start, pki, tmp_path):
    """As the kernel would write it: gcore leaves out the same."""
    server = start()
    handshake(server, client_context(pki))[0].socket.close()
    worker, = server.workers()
    subprocess.run(["gcore", "-o", tmp_path / "core", str(worker)], capture_output=True, timeout=120, check=True)
    core = (tmp_path / f"core.{worker}").read_bytes()
    assert b"over_tls" in core and not any(number in core for number in key_bytes(pki.local))


# --- from inside ---

CURIOUS = '''
import json, os, subprocess

def descriptors(folder):
    found = []
    for name in os.listdir(folder):
        try:
            found.append(os.readlink(f"{folder}/{name}"))
        except OSError:
            pass
    return found

def app(environ, start_response):
    child = subprocess.run(["/bin/ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
    own = descriptors("/proc/self/fd")
    with open("/proc/self/maps") as file:
        maps = file.read()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"own": own, "child": child, "maps": maps, "environ": dict(os.environ)}).encode()]
'''


@pytest.mark.parametrize("options", [[], ["--preload"]])
@pytest.mark.parametrize("own", [False, True])
def test_application_finds_no_bundle(start, folder, pki, own, options):
    (folder / "over_tls.py").write_text(CURIOUS)
    server = start(*options, own=own)
    for _ in range(2):
        peer, body = handshake(server, client_context(pki))
        with peer:
            told = json.loads(body)
        assert any(name.startswith("socket:") for name in told["own"]), "it can look"
        for text in (*told["own"], told["child"], told["maps"]):
            assert "limpet-tls" not in text and "key.pem" not in text
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("were read again")


def test_supervisor_holds_one_bundle(start, pki):
    """And gives back those that were before, once nobody can need them."""
    server = start()
    count = sum("limpet-tls" in os.readlink(f"/proc/{server.process.pid}/fd/{fd}")
                for fd in os.listdir(f"/proc/{server.process.pid}/fd"))
    assert count == 1
    for pid in server.workers():
        assert not [fd for fd in os.listdir(f"/proc/{pid}/fd") if "limpet-tls" in os.readlink(f"/proc/{pid}/fd/{fd}")]


def test_bundle_cannot_be_written(start):
    """Not by root's other processes either: it is sealed."""
    server = start()
    fd, = [fd for fd in os.listdir(f"/proc/{server.process.pid}/fd")
           if "limpet-tls" in os.readlink(f"/proc/{server.process.pid}/fd/{fd}")]
    with pytest.raises(PermissionError), open(f"/proc/{server.process.pid}/fd/{fd}", "r+b", 0) as bundle:
        bundle.write(b"x")
