"""Workers come and go while clients count every answer: none may be lost, and nothing may pile up."""

import asyncio
import contextlib
import os
import pathlib
import random
import re
import signal
import time

import pytest
from clients import Clients
from server import eventually

HELLO = pathlib.Path(__file__).resolve().parents[2] / "apps/hello"
KILLED = r"warning .* \(pid \d+\) killed by SIGKILL"
# KB that a supervisor may have more afterwards: what its allocator keeps of what many workers at once took.
MEMORY = 1024
# The same after many replacements, one at a time.
MEMORY_IN_SERIES = 32
# Sets of certificates that a supervisor keeps for workers which start, besides the present ones.
FORMER = 64


class Run:
    """A scenario: clients, and what is done to the server meanwhile."""

    def __init__(self, subject, workers, seconds):
        self.subject, self.workers, self.seconds = subject, workers, seconds
        self.clients = Clients(subject.server.port, subject.tls)
        self.killed = {}  # pid: when
        self.wrk = ""
        self.most = 0  # workers at once, those included that end
        self.end = None

    def over(self):
        return time.monotonic() >= self.end

    async def until(self, condition, timeout=60):
        """As eventually, beside the clients."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"it did not come to hold: {self.subject.status()}"
            await asyncio.sleep(0.02)

    async def run_wrk(self):
        process = await asyncio.create_subprocess_exec(
            "wrk", "-c64", "-t1", f"-d{max(1, round(self.seconds))}s", "--timeout", "30s",
            f"{self.subject.server.url}/?0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        try:
            self.wrk = (await process.communicate())[0].decode()
        finally:
            if process.returncode is None:
                process.kill()

    async def run(self, disturb):
        async def repeat():
            while not self.over():
                await disturb(self)

        async def count():
            while not self.over():
                with contextlib.suppress(OSError):  # a supervisor that leaves
                    self.most = max(self.most, len(self.subject.children()))
                await asyncio.sleep(0.2)

        self.end = time.monotonic() + self.seconds
        tasks = [asyncio.create_task(task) for task in
                 (self.run_wrk(), self.clients.run(self.seconds), repeat(), count())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def excused(self, failure):
        """Whether a killed worker had that request in its hands."""
        if failure.pid is not None:
            return failure.pid in self.killed
        return any(failure.began <= when <= failure.ended for when in self.killed.values())

    def unexcused(self):
        return [failure for failure in self.clients.tally.failures if not self.excused(failure)]

    def figures(self, before, after):
        """One row: what the README's table has."""
        tally = self.clients.tally
        (wrk_requests,) = re.findall(r"(\d+) requests in", self.wrk)
        upgrades = self.subject.server.log.count("serves in our place")
        return ", ".join([
            f"{tally.requests} requests", f"{tally.answers} answers", f"{len(tally.failures)} lost",
            f"{len(self.unexcused())} without a killed worker", f"{wrk_requests} of wrk",
            f"{self.subject.ended()} workers replaced", f"{upgrades} upgrades", f"{self.most} workers at most",
            f"longest {tally.longest * 1000:.0f} ms", f"supervisor {before.private}, then {after.private} KB"])


async def nothing(run):
    await asyncio.sleep(0.1)


async def restart(run):
    run.subject.signal(signal.SIGUSR1)
    await asyncio.sleep(random.uniform(0.3, 1))


async def scale(run):
    await scale_to(run, random.choice([number for number in range(1, 6) if number != run.workers]))


async def scale_to(run, target):
    """One signal at a time: two of a kind that nobody has taken yet are one."""
    while run.workers != target:
        step = 1 if target > run.workers else -1
        run.workers += step
        run.subject.signal(signal.SIGTTIN if step > 0 else signal.SIGTTOU)
        await run.until(lambda: run.subject.status()["workers_wanted"] == run.workers)
    await run.until(lambda: run.subject.has(target))


async def kill(run):
    before = run.subject.serving()
    pid = random.choice(before)
    run.killed[pid] = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(1)
    await run.until(lambda: run.subject.has(run.workers))


async def upgrade(run):
    before = run.subject.pid
    run.subject.signal(signal.SIGUSR2)
    await run.until(lambda: run.subject.pid != before)
    run.workers = run.subject.status()["workers_wanted"]  # as it is set, whatever it was scaled to
    await asyncio.sleep(random.uniform(0.2, 1))


async def hurry(run):
    """Signals without a wait, so that many find workers that have just begun, or are about to serve."""
    number = random.choice([signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP])
    if number == signal.SIGTTIN and run.subject.status()["workers_wanted"] >= 6:
        number = signal.SIGTTOU
    run.subject.signal(number)
    await asyncio.sleep(random.uniform(0, 0.1))


async def anything(run):
    await random.choice([restart, scale, kill, upgrade])(run)


SCENARIOS = {
    "requests": (nothing, 2, ["--workers-max-requests", 500, "--workers-max-requests-jitter", 200], []),
    "lifetime": (nothing, 2, ["--workers-lifetime", "2s", "--workers-lifetime-jitter", "500ms"], []),
    "restart": (restart, 2, [], []),
    "scale": (scale, 2, [], []),
    "kill": (kill, 4, [], [KILLED]),
    "upgrade": (upgrade, 2, [], []),
    "hurry": (hurry, 2, [], ["as before: 1 to"]),
    "anything": (anything, 2, ["--workers-max-requests", 20000, "--workers-lifetime", "5s"], [KILLED]),
}


def compare(before, after, memory):
    """Nothing has piled up."""
    assert len(after.supervisor) <= len(before.supervisor), (before.supervisor, after.supervisor)
    assert after.certificates <= FORMER + 1, after
    assert max(after.workers) <= max(before.workers), (before, after)
    # To read certificates again writes to what was shared with workers, and former ones are nobody else's.
    assert after.certificates > 0 or after.private <= before.private + memory, (before, after)
    assert after.anonymous <= before.anonymous + memory, (before, after)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_request_is_lost(start, say, seconds, name):
    disturb, workers, options, expected = SCENARIOS[name]
    subject = start("--workers", workers, *options)
    before = subject.settle(workers)
    run = Run(subject, workers, seconds)
    asyncio.run(run.run(disturb))
    run.workers = subject.status()["workers_wanted"]
    asyncio.run(scale_to(run, workers))
    after = subject.settle(workers)
    say(f"{name}: {run.figures(before, after)}")
    assert run.unexcused() == []
    assert run.clients.tally.answers + len(run.clients.tally.failures) >= run.clients.tally.requests
    if not run.killed:
        assert run.clients.tally.answers == run.clients.tally.requests > 0
        assert "Socket errors" not in run.wrk and "Non-2xx" not in run.wrk, run.wrk
    assert subject.problems(*expected) == []
    compare(before, after, MEMORY)
    subject.server.stop()


# --- Many replacements ---

EARLY, MANY = 100, 1000  # workers that have ended


def restart_until(subject, count):
    """SIGUSR1, again as soon as all workers are new."""
    while subject.ended() < count:
        said = subject.server.log.count("by new workers")
        subject.signal(signal.SIGUSR1)
        eventually(lambda said=said: subject.server.log.count("by new workers") > said)


def ask_until(subject, count):
    """Requests, each on a connection of its own."""
    while subject.ended() < count:
        with subject.server.get(context=subject.tls) as response:
            assert response.read() == b"Hello, World!"


def scale_until(subject, count):
    """SIGTTIN and SIGTTOU in turn. What workers do is seen from outside: to answer takes memory as well."""
    workers = len(subject.children())
    while (ended := subject.ended()) < count:
        subject.signal(signal.SIGTTIN)
        eventually(lambda: len(subject.children()) == workers + 1)
        subject.signal(signal.SIGTTOU)
        eventually(lambda ended=ended: subject.ended() > ended)


SERIES = {
    "scale": (scale_until, 2, []),
    "restart": (restart_until, 4, []),
    "requests": (ask_until, 2, ["--workers-max-requests", 1, "--workers-max-requests-jitter", 4]),
}


@pytest.mark.parametrize("name", SERIES)
def test_a_thousand_replacements(start, say, name):
    replace, workers, options = SERIES[name]
    subject = start("--workers", workers, *options, target="app:app", working_dir=HELLO)
    costs = [subject.settle(workers)]
    for count in EARLY, MANY:
        replace(subject, count)
        costs.append(subject.settle(workers))
    say(f"{name}, {MANY} times: {subject.ended()} workers replaced, supervisor {costs[0].private}, after {EARLY} "
        f"{costs[1].private}, then {costs[2].private} KB, {len(costs[2].supervisor)} descriptors")
    assert subject.problems() == []
    compare(costs[1], costs[2], MEMORY_IN_SERIES)
    subject.server.stop()
