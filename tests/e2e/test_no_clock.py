"""A machine that has started without a clock: the time of day is that of 1970, and jumps to today's once it has been
set. Nothing that waits or measures minds, and dates are what the clock says."""

import email.utils
import os
import pathlib
import platform
import re
import time

import pytest
from raw_client import Peer, request
from server import eventually
from tls_client import options_of

EARLY = pathlib.Path(__file__).with_name("early_clock.py")
APPLICATION = '''
import json, time

def app(environ, start_response):
    body = json.dumps({"time": time.time(), "monotonic": time.monotonic()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''

pytestmark = [
    pytest.mark.unvalidated(reason="what is tested here is around the application"),
    pytest.mark.static,  # a C library that asks by system calls
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: answers system calls of others"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="knows these system calls alone"),
]


@pytest.fixture
def early(serve, tmp_path):
    """early(*options) serves in 1970; set_clock() ends that."""
    (tmp_path / "app.py").write_text(APPLICATION)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/x.txt").write_text("x\n")
    flag = tmp_path / "clock is set"

    def start(*options):
        return serve("app:app", "--working-dir", tmp_path, "--workers", 1, *options, prefix=[EARLY, flag])

    start.set_clock = flag.touch
    return start


def is_early(date):
    """Whether a date of HTTP is one of that day."""
    return email.utils.parsedate_to_datetime(date).timestamp() < 86400


def test_it_serves_in_1970(early, tmp_path):
    server = early("--static", "/static=files", "--access-log", tmp_path / "access", "--request-id", "--rate-limit",
                   "100/s", "--status-page", "/status", "--metrics", "/metrics")
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/"))
        assert answer.json()["time"] < 86400
        assert is_early(answer.get("Date")) and re.fullmatch(r"[0-9a-f-]{16,}", answer.get("X-Request-ID"))
        # A file that is younger than now: it is sent, and known again by either validator.
        answer = peer.ask(request("GET", "/static/x.txt"))
        assert (answer.status, answer.body) == (200, b"x\n")
        etag, date = answer.get("ETag"), answer.get("Last-Modified")
        assert peer.ask(request("GET", "/static/x.txt", None, f"If-None-Match: {etag}")).status == 304
        if date is not None:
            assert peer.ask(request("GET", "/static/x.txt", None, f"If-Modified-Since: {date}")).status in (200, 304)
        assert 0 < peer.ask(request("GET", "/status?data")).json()["time"] < 86400000
        assert b"limpet_http_requests_total" in peer.ask(request("GET", "/metrics")).body
        assert peer.ask(request("GET", "/health/ready")).status == 200
    server.stop()
    lines = (tmp_path / "access").read_text().splitlines()
    assert len(lines) >= 3 and all("[01/Jan/1970:" in line for line in lines)
    assert server.records.startswith("1970-01-01"), server.records
    assert server.log.count("the clock here is not set") == 1


def test_the_clock_is_set_while_it_serves(early):
    """A jump of half a century is no time in which somebody did nothing, and no age."""
    server = early("--keep-alive-timeout", "1h", "--header-timeout", "1h", "--workers-lifetime", "1h",
                   "--request-timeout", "1h", "--rate-limit", "100/s")
    worker = server.workers()
    with Peer(server) as peer, Peer(server) as slow:
        before = peer.ask(request("GET", "/")).json()
        slow.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        early.set_clock()
        after = peer.ask(request("GET", "/")).json()
        assert before["time"] < 86400 and abs(after["time"] - time.time()) < 3600
        assert 0 <= after["monotonic"] - before["monotonic"] < 3600
        # The date is looked up once a second.
        eventually(lambda: not is_early(peer.ask(request("GET", "/")).get("Date")))
        slow.send(b"\r\n")
        assert slow.answer().status == 200
    assert server.workers() == worker
    server.stop()


def test_certificates_have_no_dates_then(early, pki_of_session):
    server = early(*options_of(pki_of_session.local))
    server.stop()
    assert server.log.count("the clock here is not set") == 1
