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

BEGINNING = "Thu, 01 Jan 1970 00:00:00 GMT"
MODIFIED = 1715942096  # of a file that is younger than that clock; the other one is as old
EXACT = email.utils.formatdate(MODIFIED, usegmt=True)
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
    for name, modified in ("x.txt", MODIFIED), ("old.txt", 0):
        (tmp_path / "files" / name).write_text("x\n")
        os.utime(tmp_path / "files" / name, (modified, modified))
    flag = tmp_path / "clock is set"

    def start(*options):
        return serve("app:app", "--working-dir", tmp_path, "--workers", 1, *options, prefix=[EARLY, flag])

    start.set_clock = flag.touch
    return start


def seconds_of(date):
    """Unix time of a date of HTTP."""
    return email.utils.parsedate_to_datetime(date).timestamp()


def is_early(date):
    """Whether a date of HTTP is one of that day."""
    return seconds_of(date) < 86400


def test_it_serves_in_1970(early, tmp_path):
    server = early("--static", "/static=files", "--access-log", tmp_path / "access", "--request-id", "--rate-limit",
                   "100/s", "--status-page", "/status", "--metrics", "/metrics")
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/"))
        assert answer.json()["time"] < 86400
        assert is_early(answer.get("Date")) and re.fullmatch(r"[0-9a-f-]{16,}", answer.get("X-Request-ID"))
        assert 0 < peer.ask(request("GET", "/status?data")).json()["time"] < 86400000
        assert b"limpet_http_requests_total" in peer.ask(request("GET", "/metrics")).body
        assert peer.ask(request("GET", "/health/ready")).status == 200
    server.stop()
    lines = (tmp_path / "access").read_text().splitlines()
    assert len(lines) >= 3 and all("[01/Jan/1970:" in line for line in lines)
    assert server.records.startswith("1970-01-01"), server.records
    assert server.log.count("the clock here is not set") == 1


def statuses(peer, path, etag, modified):
    """What becomes of each condition on a file with these validators."""
    before = email.utils.formatdate(seconds_of(modified) - 1, usegmt=True)
    conditions = {
        "the entity tag": [f"If-None-Match: {etag}"],
        "another one": ['If-None-Match: "x"'],
        "the date": [f"If-Modified-Since: {modified}"],
        "an older date": [f"If-Modified-Since: {before}"],
        "today": [f"If-Modified-Since: {email.utils.formatdate(usegmt=True)}"],
        "the tag before the date": ['If-None-Match: "x"', f"If-Modified-Since: {modified}"],
        "match": [f"If-Match: {etag}"],
        "no match": ['If-Match: "x"'],
        "unmodified": [f"If-Unmodified-Since: {modified}"],
        "modified": [f"If-Unmodified-Since: {before}"],
        "part by the tag": ["Range: bytes=0-0", f"If-Range: {etag}"],
        "part by another tag": ["Range: bytes=0-0", 'If-Range: "x"'],
        "part by the date": ["Range: bytes=0-0", f"If-Range: {modified}"],
        "part by an older date": ["Range: bytes=0-0", f"If-Range: {before}"],
    }
    return {name: peer.ask(request("GET", path, None, *fields)).status for name, fields in conditions.items()}


JUDGED = {"the entity tag": 304, "another one": 200, "the date": 304, "an older date": 200, "today": 304,
          "the tag before the date": 200, "match": 200, "no match": 412, "unmodified": 200, "modified": 412,
          "part by the tag": 206, "part by another tag": 200, "part by the date": 206, "part by an older date": 200}


def test_validators_in_1970(early):
    """A file is judged by its own date, which clients may have from days with a clock, whatever the time is here. What
    is said of it is no later than the answer (RFC 9110 section 8.8.2.1), so it counts for nobody as a copy's date."""
    server = early("--static", "/static=files")
    with Peer(server) as peer:
        young = peer.ask(request("GET", "/static/x.txt"))
        assert (young.status, young.body) == (200, b"x\n")
        told = young.get("Last-Modified")
        # The date is looked up once a second.
        assert 0 < seconds_of(told) <= seconds_of(young.get("Date")) + 1 < 86400
        assert statuses(peer, "/static/x.txt", young.get("ETag"), EXACT) == JUDGED
        for field, status in (f"If-Modified-Since: {told}", 200), (f"If-Unmodified-Since: {told}", 412):
            assert peer.ask(request("GET", "/static/x.txt", None, field)).status == status
        assert peer.ask(request("GET", "/static/x.txt", None, "Range: bytes=0-0", f"If-Range: {told}")).status == 200
        known = peer.ask(request("GET", "/static/x.txt", None, f"If-Modified-Since: {EXACT}"))
        assert known.status == 304 and is_early(known.get("Last-Modified"))
        old = peer.ask(request("GET", "/static/old.txt"))
        assert old.get("Last-Modified") == BEGINNING and old.get("ETag") != young.get("ETag")
        assert peer.ask(request("GET", "/static/old.txt", None, f"If-Modified-Since: {BEGINNING}")).status == 304
        early.set_clock()
        eventually(lambda: peer.ask(request("GET", "/static/x.txt")).get("Last-Modified") == EXACT)
        assert peer.ask(request("GET", "/static/x.txt")).get("ETag") == young.get("ETag")
        assert statuses(peer, "/static/x.txt", young.get("ETag"), EXACT) == JUDGED
        assert peer.ask(request("GET", "/static/x.txt", None, f"If-Modified-Since: {told}")).status == 200
        assert peer.ask(request("GET", "/static/old.txt", None, f"If-Modified-Since: {BEGINNING}")).status == 304
    server.stop()


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
