"""facts.py NAME - what has to hold on a board: run there, by the binary under test, as the program that asks.

Each function starts the packed application (read_only.py of the end-to-end tests) and looks at it from outside; what
does not hold is an exception. test_boards.py has the board, and calls them in this order.
"""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import sys
import time

from raw_client import Peer, request
from server import Server, eventually

APPLICATION = "/board"  # packed
CERTIFICATE, KEY, ROOT = "/pki/chain.pem", "/pki/key.pem", "/pki/root.pem"
TLS = ("--tls-certificate", CERTIFICATE, "--tls-key", KEY)
BY_ITSELF = r"a small machine, (\d+)M of memory: (?:workers 1, )?preload true, "
BODY, LARGE_BODY = b"b" * 100_000, bytes(3_000_000)
SLOW = 240  # seconds that anything may take on a processor that is played
FRAMES = 4  # of C, that a crash's report has at least
NOT_SET = "the clock here is not set"


@contextlib.contextmanager
def serving(*options, crashes=False):
    """A Server, with two workers unless they are given, that ends well and leaves nothing."""
    server = Server([APPLICATION, "--port", "0", "--workers", "2", "--workers-start-timeout", f"{SLOW}s", *options],
                    expect_start=False)
    try:
        server.wait_for(r"serving \S+ \(wsgi\) on \S+ with \d+ worker", SLOW)
        server._wait_until_serving()
        yield server
        server.stop(crashes=crashes)
    finally:
        print(server.records)
        server.kill()


def ask(server, body=None, context=None, name="127.0.0.1"):
    """(status, body) of a GET, or a POST with a body, on a connection of its own."""
    if context:
        client = http.client.HTTPSConnection(name, server.port, timeout=SLOW, context=context)
    else:
        client = http.client.HTTPConnection(name, server.port, timeout=SLOW)
    with contextlib.closing(client):
        client.request("GET" if body is None else "POST", "/", body)
        answer = client.getresponse()
        return answer.status, answer.read()


def page(server, **options):
    """What the application finds where it runs."""
    status, body = ask(server, **options)
    assert status == 200
    found = json.loads(body)
    assert (found["database"], found["random"]) == (499500, 16)
    return found


def digest(body):
    """The answer to a body that came to the application."""
    return 200, hashlib.sha256(body).hexdigest().encode()


def status_of(pid, name):
    """A line of /proc/PID/status."""
    return re.search(rf"^{name}:\s+(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def early_clock():
    """A board without a clock has 1970 until it is set."""
    assert time.gmtime().tm_year == 1970, time.gmtime()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is not valid yet
    with serving(*TLS) as server:
        assert page(server, context=context)
    assert server.log.count(NOT_SET) == 1
    assert server.records.startswith("1970-01-01T")


def clock_is_set():
    """What the command before this one has done."""
    assert time.gmtime().tm_year > 2025
    with serving(*TLS) as server:
        assert page(server, context=ssl.create_default_context(cafile=ROOT), name="localhost")
    assert NOT_SET not in server.log


def serves():
    """Two workers, forked by a template that has loaded the application: by itself on little memory."""
    with serving() as server:
        assert int(server.wait_for(BY_ITSELF)[1]) < 256
        assert len(server.workers()) == 3
        assert page(server)["temporary"] == "there is a file"
        assert ask(server, BODY) == digest(BODY)
        assert ask(server, LARGE_BODY) == digest(LARGE_BODY)  # by way of a file
        ids = {page(server)["pid"] for _ in range(20)}
        assert ids < set(server.workers())


def workers_are_replaced():
    """USR1: all by others, while somebody asks all the time."""
    with serving() as server:
        before = set(server.workers())
        server.process.send_signal(signal.SIGUSR1)

        def are_others():
            assert page(server)
            return len(server.workers()) == 3 and not before & set(server.workers())

        eventually(are_others, SLOW)


def requests_under_way_are_finished():
    """TERM: an answer that has begun is sent to its end, then all ends with 0."""
    with serving() as server, Peer(server, SLOW, receive_buffer=4096) as peer:
        peer.send(request("POST", "/forgiving-generator", b"body"))
        assert peer.head().status == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping, requests under way have", SLOW)
        assert len(peer.rest()) > 50 * 50_000  # with the framing of its chunks
        assert server.process.wait(SLOW) == 0


def workers_are_recycled():
    """--workers-max-requests, and no request is lost."""
    with serving("--workers-max-requests", "10") as server:
        ids = [page(server)["pid"] for _ in range(60)]
        assert len(set(ids)) > 3, ids


def sandbox_is_strict():
    """On this kernel, with both of its means."""
    with serving("--sandbox", "strict") as server:
        server.wait_for(r"sandbox: strict \(seccomp, Landlock ABI [1-9]\d*\)")
        assert ask(server, LARGE_BODY) == digest(LARGE_BODY)
        pid = page(server)["pid"]
        assert status_of(pid, "Seccomp") == "2" and status_of(pid, "NoNewPrivs") == "1"


def tls_is_verified():
    """By Python's ssl in the same binary, which believes the one root that it is told, for the one name."""
    with serving(*TLS) as server:
        context = ssl.create_default_context(cafile=ROOT)
        assert ask(server, LARGE_BODY, context, "localhost") == digest(LARGE_BODY)
        for trusted, name in (ROOT, "elsewhere"), (None, "localhost"):
            try:
                ask(server, context=ssl.create_default_context(cafile=trusted), name=name)
            except ssl.SSLCertVerificationError:
                continue
            raise AssertionError(f"{name} was believed by {trusted}")


def a_crash_is_reported():
    """With the functions of C that were under way; another worker takes its place."""
    with serving(crashes=True) as server:
        pid = page(server)["pid"]
        os.kill(pid, signal.SIGSEGV)
        frames = rf"(    #\d+ 0x.*\n){{{FRAMES}}}"
        server.wait_for(rf"worker-\d\[{pid}\] crash: SIGSEGV .*build id [0-9a-f]{{40}}\n{frames}", SLOW)
        server.wait_for(rf"worker \d \(pid {pid}\) killed by SIGSEGV", SLOW)
        eventually(lambda: len(server.workers()) == 3 and pid not in server.workers(), SLOW)
        assert page(server)


def root_is_read_only():
    """Nothing can be written anywhere; a body that would need a file is refused, and nobody is harmed."""
    assert os.system("mount -o remount,ro /") == 0
    for place in "/", "/tmp":
        try:
            pathlib.Path(place, "new").touch()
        except OSError:
            continue
        raise AssertionError(f"{place} can be written to")
    with serving() as server:
        found = page(server)
        assert found["temporary"] == "FileNotFoundError"
        assert ask(server, BODY) == digest(BODY)
        assert ask(server, LARGE_BODY) == (507, b"507 Insufficient Storage\n")
        assert ask(server, BODY) == digest(BODY)


def kernel_has_seen_nothing():
    """Neither a mistake of its own nor of a program, and memory did not run out."""
    with os.popen("dmesg") as kernel:
        lines = [line for line in kernel if re.search(r"BUG|Oops|segfault|unhandled|Out of memory|oom-kill", line)]
    assert not lines, lines


FACTS = (early_clock, clock_is_set, serves, workers_are_replaced, requests_under_way_are_finished, workers_are_recycled,
         sandbox_is_strict, tls_is_verified, a_crash_is_reported, root_is_read_only, kernel_has_seen_nothing)

if __name__ == "__main__":
    {fact.__name__: fact for fact in FACTS}[sys.argv[1]]()
