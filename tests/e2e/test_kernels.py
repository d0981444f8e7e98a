"""Old kernels: what they lack has a substitute, and one that is too old is told so."""

import errno
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys

import old_kernel
import pytest
from tls_client import client_context, handshake

APP = '''
import asyncio, json, os, pathlib, shutil, subprocess, sys, tempfile, threading, zoneinfo

async def started():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(2)", stdout=subprocess.PIPE)
    return (await child.communicate())[0].decode().strip()

def deeds():
    yield "run", subprocess.run([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE, text=True).stdout.strip()
    yield "asyncio", asyncio.run(started())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "a").write_text("content")
        shutil.copyfile(folder / "a", folder / "b")
        yield "copies", sorted(path.read_text() for path in folder.iterdir())
        try:
            yield "pathlib", (folder / "a").copy(folder / "c").read_text()
        except OSError as error:
            yield "pathlib", error.strerror
        yield "status", [(folder / "a").stat().st_size, os.access(folder / "a", os.R_OK), os.access(folder / "x", os.F_OK)]
    zoneinfo.reset_tzpath(())
    yield "member", str(zoneinfo.ZoneInfo("Asia/Tokyo"))
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    yield "random", [len(os.urandom(20)), len(os.getrandom(5))]

def app(environ, start_response):
    body = json.dumps(dict(deeds())).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''
DONE = (b'{"run": "1", "asyncio": "2", "copies": ["content", "content"], "pathlib": "content", "status": [7, true, false], '
        b'"member": "Asia/Tokyo", "random": [20, 5]}')
# CPython's own: pathlib's copy() does not do without the call, shutil's functions do.
DONE_WITHOUT_COPY = DONE.replace(b'"pathlib": "content"', b'"pathlib": "Function not implemented"')

# Each by itself: what there is a substitute for, or what only costs a feature.
OPTIONAL = ("pidfd_open", "pidfd_send_signal", "close_range", "openat2", "statx", "copy_file_range", "clone3", "faccessat2",
            "rseq", "membarrier", "landlock_create_ruleset", "seccomp", "io_uring_setup", "preadv2", "memfd_create:1:0x8",
            "fcntl=1=1033:2:0x10", "madvise=2=18", "uname")

NAMED = pathlib.Path(__file__).with_name("named_kernel.py")
# What kernels are called. Who has given his a name that tells no version is served.
TOO_OLD = ("3.16.99", "3.9.11", "3", "2.6.32-754.el6.x86_64", "3.10.0-1160.el7.x86_64", "3.4.113-sun8i", "3-custom",
           "3.-custom", "3.1 6.1", "3." + "9" * 62)
SERVED = ("3.17.0", "3.17", "4", "10.0.1", "4.4.0-19041-Microsoft", "4.14.98-imx_4.14+g1", "6-custom", "", "custom-3.1",
          "v3.1", ".1", "-1.2", " 3.1", "99999999999999999999.1", "\u00e4\u00f6", "x" * 64)
needs_answers = pytest.mark.skipif(os.geteuid() != 0 or platform.machine() not in ("x86_64", "aarch64"),
                                   reason="answers system calls of others: root, and numbers that it knows")


@pytest.fixture
def start(serve, limpet, application, tmp_path):
    """start(*options, prefix=) -> Server of APP, and of the folder of static files that is its working folder."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static/x.css").write_text("body {}")
    shutil.copy(limpet, tmp_path / "limpet")  # an upgrade executes what is at the path by then

    def run(*options, prefix):
        folder = application(APP)
        return serve("serve", "app:app", "--workers", 1, "--working-dir", folder, "--static", f"/static={tmp_path}/static",
                     *options, binary=tmp_path / "limpet", prefix=prefix)

    return run


@pytest.mark.static
@pytest.mark.parametrize("call", OPTIONAL)
def test_one_call_is_missing(start, call):
    server = start(prefix=old_kernel.without(call))
    assert server.get().read() == (DONE_WITHOUT_COPY if call == "copy_file_range" else DONE)
    assert server.get("/static/x.css").read() == b"body {}"
    server.stop()


def outcome(*calls, question):
    """The errno of a system call in a process without these calls; 0: it was done."""
    script = "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True); " \
             "sys.exit(ctypes.get_errno() if libc.syscall(*(int(text) for text in sys.argv[1:])) < 0 else 0)"
    number, *arguments = question
    return subprocess.run([*old_kernel.without(*calls), sys.executable, "-c", script, str(old_kernel.numbers()[number]),
                           *map(str, arguments)], check=False, timeout=60).returncode


def test_what_is_played():
    """What is to be missing is, and nothing else; a call that nobody knows is no test."""
    assert outcome(question=("uname", 0)) == errno.EFAULT
    assert outcome("uname", question=("uname", 0)) == errno.ENOSYS
    assert outcome("uname", question=("getpgid", 0)) == outcome("uname", "statx", question=("umask", 0)) == 0
    assert outcome("uname", "statx", question=("statx", 0, 0, 0, 0, 0)) == errno.ENOSYS
    assert outcome("from:424", question=("pidfd_send_signal", 0, 0, 0, 0)) == errno.ENOSYS
    assert outcome("from:424", question=("close_range", 900, 900, 0)) == errno.ENOSYS
    assert outcome("close_range", question=("pidfd_open", os.getpid(), 0)) == 0
    assert outcome("madvise=2=18", question=("madvise", 0, 0, 18)) == errno.EINVAL
    assert outcome("madvise=2=18", question=("madvise", 0, 0, 4)) == 0
    assert outcome("fcntl=1=1033:2:0x10", question=("fcntl", 0, 1033, 0x10)) == errno.EINVAL
    assert outcome("fcntl=1=1033:2:0x10", question=("fcntl", 0, 1, 0x10)) == 0
    for call in OPTIONAL + old_kernel.AFTER_3_17:
        assert re.match(r"\w+", call)[0] in {"from", *old_kernel.numbers()}, call
    with pytest.raises(KeyError):
        old_kernel.without("no_such_call")


@pytest.mark.static
def test_nothing_newer_than_3_17(start, pki_of_session):
    """Calls and flags that came later are unknown; with TLS, an upgrade and new workers."""
    local = pki_of_session.local
    server = start("--tls-certificate", local.chain, "--tls-key", local.key, "--status-page", "/status",
                   prefix=old_kernel.without(*old_kernel.AFTER_3_17))
    context = client_context(pki_of_session)
    peer, body = handshake(server, context)
    with peer:
        assert body == DONE_WITHOUT_COPY
    server.process.send_signal(signal.SIGUSR1)
    server.wait_for("worker 1 .*retired|worker 1 .*exited with status 0")
    server.process.send_signal(signal.SIGUSR2)
    server.follow()
    peer, body = handshake(server, context)
    with peer:
        assert body == DONE_WITHOUT_COPY
    server.stop()


@pytest.mark.static
def test_orphans_go_elsewhere(run, limpet, application):
    """Emulators have the calls of a kernel, but not all that they can be asked for (PR_SET_CHILD_SUBREAPER)."""
    program, *arguments = old_kernel.without("prctl=0=36")
    done = run(*arguments, limpet, "serve", "app:app", "--port", 0, "--preload", "--working-dir", application(APP),
               binary=program)
    assert done.returncode == 1
    assert done.stderr == ("limpet: cannot have workers forked by another process (--no-preload does without): "
                           "Invalid argument\n")


@pytest.mark.static
@pytest.mark.parametrize("command", [["version"], ["serve", "app:app"], ["inspect"]])
def test_too_old(run, limpet, command):
    """setarch gives a process a release of 2.6."""
    done = run("--uname-2.6", limpet, *command, binary=shutil.which("setarch"))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("limpet: this kernel is 2.6.") and done.stderr.count("\n") == 1
    assert done.stderr.endswith(", limpet needs Linux 3.17 or later\n")


@pytest.mark.static
@needs_answers
@pytest.mark.parametrize("release", TOO_OLD + SERVED)
def test_releases(run, limpet, release):
    """By all that kernels may be called; the refusal names it as it is."""
    seen = run(release, sys.executable, "-c", "import os; print(ascii(os.uname().release))", binary=NAMED)
    assert seen.stdout == f"{release!a}\n"
    done = run(release, limpet, "version", binary=NAMED)
    if release in TOO_OLD:
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"limpet: this kernel is {release}, limpet needs Linux 3.17 or later\n"
    else:
        assert done.returncode == 0 and done.stdout.startswith("limpet ") and done.stderr == ""


@pytest.mark.static
@needs_answers
@pytest.mark.parametrize("release", ["", "custom", "6-custom", "3.17"])
def test_odd_releases_serve(start, release):
    """Nothing behind the start, Python's own modules included, makes anything of it."""
    server = start(prefix=[NAMED, release])
    assert server.get().read() == DONE
    server.process.send_signal(signal.SIGUSR1)
    server.wait_for("worker 1 .*retired|worker 1 .*exited with status 0")
    assert server.get("/static/x.css").read() == b"body {}"
    server.stop()
