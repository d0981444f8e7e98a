"""What a crash leaves in the log: the signal, frames of C that limpet.debug has names for, Python's frames; and the
server goes on."""

import http.client
import os
import re
import signal
import subprocess
import threading

import pytest
from server import eventually

# Sanitizers have handlers of their own.
pytestmark = [pytest.mark.static, pytest.mark.unvalidated(reason="what crashes does not answer")]

APPLICATION = '''
import ctypes, faulthandler, os, time


def read_badly():
    ctypes.string_at(16)


def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"well"
    if path == "/read":
        read_badly()
    elif path == "/slow-read":
        time.sleep(0.05)
        read_badly()
    elif path == "/abort":
        os.abort()
    elif path == "/hang":
        os.write(2, b"hanging\\n")
        time.sleep(60)
    elif path == "/faulthandler":
        faulthandler.enable()
    elif path == "/fork":
        pid = os.fork()
        if pid == 0:
            os.abort()
        body = f"{pid} {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
'''

REPORT = (r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z error worker-1\[%d\] crash: %s, build id ([0-9a-f]{40})\n"
          r"((?:    #\d+ 0x[0-9a-f]{16}.*\n)+)")
STACK = r"Stack \(most recent call first\):\n((?:  File .*\n)+)"


@pytest.fixture
def server(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(APPLICATION))
    yield server
    server.stop(crashes=True)


def crash(server, path):
    """Ask for what ends the worker, and wait for the next one. Returns its pid."""
    pid, = server.workers()
    with pytest.raises((http.client.HTTPException, OSError)):
        server.get(path)
    eventually(lambda: server.workers() not in ([], [pid]))
    all_is_said(server, pid)
    return pid


def all_is_said(server, pid):
    """Wait until its end is told, which comes behind all of its report."""
    server.wait_for(rf"worker 1 \(pid {pid}\) killed by SIG")


def names(limpet, frames):
    """The functions of a report's frames, by the symbols that the build keeps beside the binary."""
    offsets = re.findall(r" limpet\+(0x[0-9a-f]+)\n", frames)
    done = subprocess.run(["addr2line", "-f", "-e", limpet.with_name("limpet.debug"), *offsets], check=True,
                          capture_output=True, text=True)
    return done.stdout.split("\n")[::2]


@pytest.mark.parametrize("path", ["/read", "/slow-read"])
def test_frames_of_both_languages(server, limpet, path):
    pid = crash(server, path)
    report = server.wait_for(REPORT % (pid, r"SIGSEGV at address 0x10 \(code 1\)"))
    if limpet.with_name("limpet.debug").exists():
        found = names(limpet, report[2])
        assert "strlen" in found[0]
        # Optimisation puts clones of a function beside it, and small ones into others; on a busy machine another thread
        # than the first has the baton.
        plain = {name.partition(".")[0] for name in found}
        assert "_PyEval_EvalFrameDefault" in plain and plain & {"pool_run", "pool_join"}, found
    stack = server.wait_for(STACK)[1]
    assert re.search(r'app\.py", line \d+ in read_badly\n.*app\.py", line \d+ in app\n', stack), stack
    server.wait_for(rf"worker 1 \(pid {pid}\) killed by SIGSEGV")
    assert server.get().read() == b"well"


def test_build_id_is_the_binarys(server, limpet):
    pid = crash(server, "/abort")
    report = server.wait_for(REPORT % (pid, r"SIGABRT raised by itself \(code -6\)"))
    assert bytes.fromhex(report[1]) in limpet.read_bytes()[:4096]


def test_one_that_hangs_can_be_asked_where(server):
    pid, = server.workers()
    client = threading.Thread(target=lambda: crash(server, "/hang"))
    client.start()
    server.wait_for("hanging")
    os.kill(pid, signal.SIGABRT)
    all_is_said(server, pid)
    server.wait_for(REPORT % (pid, rf"SIGABRT sent by process {os.getpid()} \(code 0\)"))
    assert re.search(r'app\.py", line \d+ in app\n', server.wait_for(STACK)[1])
    client.join()


def test_a_process_that_the_application_forks(server):
    pid, status = map(int, server.get("/fork").read().split())
    assert status == -signal.SIGABRT
    server.wait_for(REPORT % (pid, r"SIGABRT raised by itself \(code -6\)"))


def test_faulthandler_goes_first(server):
    assert server.get("/faulthandler").status == 200
    pid = crash(server, "/read")
    server.wait_for("Fatal Python error: Segmentation fault")
    server.wait_for(rf"worker 1 \(pid {pid}\) killed by SIGSEGV")
