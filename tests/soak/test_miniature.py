"""A day in miniature: everything that clients do to an asynchronous application at once, for a while, and afterwards
nothing may be left of it. Half of the time workers are replaced every 2,000 requests, half of it they stay."""

import asyncio
import contextlib
import http.client
import re

import pytest
from mixture import Mixed
from test_soak import MEMORY, compare

pytestmark = pytest.mark.asynchronous
WORKERS = 2
WARMING = 0.25  # of the time
GROWTH = 2048   # KB that a worker may have more after the rest of the time: what its allocators keep
# What the log says of exceptions that were asked for.
EXPECTED = [r"exception while answering GET /(exception|late)"]
VARIANTS = ("replaced", "lasting")
REQUESTS, LONG = 2000, 300  # of a worker that is replaced; seconds from which on a run is long enough for so many


def anonymous(pid):
    """KB of a process's memory that are no file's."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"Anonymous:\s+(\d+) kB", file.read())[1])


def tasks(subject):
    """{pid: tasks of its event loop} of each worker."""
    found, workers = {}, set(subject.children())
    while set(found) != workers:
        peer = http.client.HTTPConnection("127.0.0.1", subject.server.port, timeout=60)
        with contextlib.closing(peer):
            if subject.tls:
                peer.connect()
                peer.sock = subject.tls.wrap_socket(peer.sock, server_hostname="localhost")
            peer.request("GET", "/tasks?1", headers={"Connection": "close"})
            pid, _, count = map(int, peer.getresponse().read().split())
        found[pid] = count
    return found


def phase(subject, seconds):
    """(clients that have ended, the settled server's cost, KB and tasks of its workers)"""
    clients = Mixed(subject.server.port, subject.tls)
    asyncio.run(clients.run(seconds))
    subject.settle(WORKERS)
    count = tasks(subject)
    cost = subject.settle(WORKERS)
    return clients, cost, [anonymous(pid) for pid in subject.children()], count


@pytest.mark.parametrize("name", VARIANTS)
def test_a_day_in_miniature(start, say, seconds, name):
    requests = REQUESTS if seconds >= LONG else REQUESTS // 10
    replaced = ("--workers-max-requests", requests, "--workers-max-requests-jitter", requests // 10)
    subject = start("--workers", WORKERS, *(replaced if name == "replaced" else ()))
    first = subject.settle(WORKERS)
    warming, early, kb_early, tasks_early = phase(subject, seconds / 2 * WARMING)
    clients, late, kb_late, tasks_late = phase(subject, seconds / 2 * (1 - WARMING))
    tally, mixture = clients.tally, clients.mixture
    say(f"{name}: {tally.requests} requests, {tally.answers} answers, {len(tally.failures)} failures, {mixture}, "
        f"{subject.ended()} workers replaced, longest {tally.longest * 1000:.0f} ms, supervisor {first.private}, "
        f"{early.private}, then {late.private} KB, workers {kb_early}, then {kb_late} KB, descriptors {late.workers}, "
        f"tasks {sorted(tasks_late.values())}")
    assert warming.tally.failures + tally.failures == []
    assert tally.answers == tally.requests > 0
    assert min(value for kind, value in vars(mixture).items() if kind != "going") > 0, mixture
    assert name == "replaced" or mixture.going == 0
    assert subject.problems(*EXPECTED) == []
    compare(first, late, MEMORY)
    assert max(kb_late) <= max(kb_early) + GROWTH, (kb_early, kb_late)
    assert max(tasks_late.values()) <= min(tasks_early.values()), (tasks_early, tasks_late)
    assert (subject.ended() == 0) == (name == "lasting")
    subject.server.stop()
