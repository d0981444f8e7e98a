"""Certificates are replaced again and again, with SIGHUP, while clients count every answer: none may be lost, whoever
connects once the log says that the new ones were read gets them from every worker, and nothing may pile up."""

import asyncio
import bisect
import contextlib
import datetime
import http.client
import re
import signal
import socket

from certificates import certbot_layout, renew
from clients import Clients
from server import eventually
from test_soak import MEMORY_IN_SERIES, compare

EARLY, ROUNDS, WORKERS = 20, 200, 2
READ_AGAIN = re.compile(r"^(\S+)Z info .* certificates and keys were read again$", re.MULTILINE)
# The same without a load, which takes and keeps memory of its own: then a replacement has to cost none.
QUIET_EARLY, QUIET_ROUNDS, QUIET_MEMORY, KEPT = 100, 1000, 256, 5  # memory: KB


def changes(subject):
    """When the log said that certificates were read again, as time.time(), in order."""
    stamps = READ_AGAIN.findall(subject.server.log)
    # The log has milliseconds, rounded down.
    return [datetime.datetime.fromisoformat(stamp + "+00:00").timestamp() + 0.001 for stamp in stamps]


class Load:
    """wrk with connections that stay, wrk with one for each request, and the counting clients, for as long as the block
    takes. wrk: what the first two said in the end."""

    def __init__(self, subject):
        self.clients, self._url, self.wrk = Clients(subject.server.port, subject.tls), f"{subject.server.url}/?0", []

    async def _start_wrk(self, *options):
        return await asyncio.create_subprocess_exec("wrk", "-t1", "-d3600s", "--timeout", "30s", *options, self._url,
                                                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)

    async def __aenter__(self):
        self._processes = [await self._start_wrk("-c16"), await self._start_wrk("-c4", "-H", "Connection: close")]
        self._task = asyncio.create_task(self.clients.run(3600))
        return self

    async def __aexit__(self, *_):
        self.clients.end = 0
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        self.wrk = [(await process.communicate())[0].decode() for process in self._processes]
        await self._task

    def requests(self):
        """Of both wrk."""
        return [int(re.search(r"(\d+) requests in", text)[1]) for text in self.wrk]


async def until(condition, what, timeout=60):
    """As eventually, beside the clients."""
    end = asyncio.get_running_loop().time() + timeout
    while not condition():
        assert asyncio.get_running_loop().time() < end, what()
        await asyncio.sleep(0.005)


async def replace(subject, live, leaves, load):
    """Certificates one after the other, each as soon as every worker has shown the one before."""
    workers = set(subject.children())
    for leaf in leaves:
        renew(live, leaf)
        count = len(changes(subject))
        subject.signal(signal.SIGHUP)
        await until(lambda: len(changes(subject)) > count, lambda: subject.server.log[-2000:])
        said = changes(subject)[-1]
        await until(lambda: {seen.pid for seen in load.clients.tally.seen if seen.opened > said} >= workers,
                    lambda: f"not all workers of {workers}: {load.clients.tally.seen[-20:]}")


def stale(subject, load, serials):
    """Connections that were opened after the log said so, and had an older certificate."""
    moments = changes(subject)
    return [seen for seen in load.clients.tally.seen
            if serials.index(seen.serial) < bisect.bisect(moments, seen.opened)]


def memory(subject):
    """KB that the supervisor and its workers have in memory, by pid."""
    def resident(pid):
        with open(f"/proc/{pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])

    return {pid: resident(pid) for pid in (subject.pid, *subject.children())}


async def phase(subject, live, leaves):
    async with Load(subject) as load:
        await replace(subject, live, leaves, load)
    return load


def test_certificates_are_replaced(start, say, authority, tmp_path):
    leaves = [authority.issue("localhost", names=["localhost", "127.0.0.1"]) for _ in range(ROUNDS + 1)]
    serials = [leaf.serial() for leaf in leaves]
    live = certbot_layout(tmp_path / "certbot", leaves[0])
    subject = start("--workers", WORKERS, "--tls-certificate", live)
    subject.settle(WORKERS)
    workers = subject.children()
    costs, memories, loads = [], [memory(subject)], []
    for first, last in (0, EARLY), (EARLY, ROUNDS):
        loads.append(asyncio.run(phase(subject, live, leaves[first + 1:last + 1])))
        costs.append(subject.settle(WORKERS))
        memories.append(memory(subject))
    tallies = [load.clients.tally for load in loads]
    late = [seen for load in loads for seen in stale(subject, load, serials)]
    say(f"{ROUNDS} certificates: {sum(tally.requests for tally in tallies)} requests, "
        f"{sum(tally.answers for tally in tallies)} answers, {sum(len(tally.failures) for tally in tallies)} lost, "
        f"{sum(tally.connections for tally in tallies)} connections, {len(late)} with an old certificate, "
        f"{[load.requests() for load in loads]} of wrk (kept, opened), longest "
        f"{max(tally.longest for tally in tallies) * 1000:.0f} ms, in memory {[list(of.values()) for of in memories]} "
        f"KB, anonymous of the supervisor {[cost.anonymous for cost in costs]} KB, descriptors "
        f"{[[len(cost.supervisor) + cost.certificates, *cost.workers] for cost in costs]}")
    assert [failure for tally in tallies for failure in tally.failures] == []
    assert all(tally.answers == tally.requests > 0 for tally in tallies)
    assert not any(word in text for load in loads for text in load.wrk for word in ("Socket errors", "Non-2xx")), \
        [load.wrk for load in loads]
    assert late == []
    assert subject.children() == workers and subject.problems() == []
    compare(*costs, MEMORY_IN_SERIES)
    subject.server.stop()


def anonymous(pid):
    """KB of a process's memory that are no file's."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"Anonymous:\s+(\d+) kB", file.read())[1])


def connect(subject):
    """A connection that has had an answer, and whose; the certificate's serial."""
    raw = socket.create_connection(("127.0.0.1", subject.server.port), timeout=60)
    peer = http.client.HTTPConnection("localhost")
    peer.sock = subject.tls.wrap_socket(raw, server_hostname="localhost")
    peer.request("GET", "/?1")
    assert peer.getresponse().read().endswith(b" 1\n")
    return peer, peer.sock.getpeercert()["serialNumber"]


def test_a_thousand_quiet_replacements(start, say, authority, tmp_path):
    """Each certificate is used by connections that outlive some of the next."""
    leaves = [authority.issue("localhost", names=["localhost", "127.0.0.1"]) for _ in range(3)]
    serials = [leaf.serial() for leaf in leaves]
    live = certbot_layout(tmp_path / "certbot", leaves[0])
    subject = start("--workers", WORKERS, "--tls-certificate", live)
    pids, peers, memories = (subject.pid, *subject.children()), [], []
    for count in range(1, QUIET_ROUNDS + 1):
        renew(live, leaves[count % len(leaves)])
        subject.signal(signal.SIGHUP)
        eventually(lambda count=count: len(changes(subject)) == count)
        for _ in range(2):
            peer, serial = connect(subject)
            assert serial == serials[count % len(leaves)]
            peers.append(peer)
        while len(peers) > 2 * KEPT:
            peers.pop(0).close()
        if count in (QUIET_EARLY, QUIET_ROUNDS):
            memories.append([anonymous(pid) for pid in pids])
    say(f"{QUIET_ROUNDS} certificates, no load: anonymous memory of supervisor and workers after {QUIET_EARLY} "
        f"{memories[0]} KB, after {QUIET_ROUNDS} {memories[1]} KB")
    for peer in peers:
        peer.close()
    assert pids == (subject.pid, *subject.children()) and subject.problems() == []
    assert all(after <= early + QUIET_MEMORY for early, after in zip(*memories)), memories
    subject.server.stop()
