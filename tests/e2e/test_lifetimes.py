"""How long workers live: the limits of requests, age and memory, replacements that no client notices, and what is said
of those that die."""

import itertools
import os
import pathlib
import re
import signal
import threading

import pytest
from raw_client import Peer, request
from server import eventually, is_sanitized
from steady_client import SteadyClient

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
LARGE = 1000 if is_sanitized() else 120  # megabytes that a worker has only where it is told to


@pytest.fixture
def start(serve):
    """start(*options) -> Server of applications/lifetimes.py, one worker."""
    return lambda *options, **more: serve("lifetimes:app", "--workers", 1, "--working-dir", APPLICATIONS, *options, **more)


def reasons(server, why):
    """What the log says of why workers were replaced: the number in each of these lines."""
    return [float(number) for number in re.findall(rf"info .* worker \d+ \(pid \d+\) {why}, replacing it", server.log)]


def runs(bodies):
    """How many requests each process has answered, one after the other."""
    return [len(list(group)) for _, group in itertools.groupby(bodies)]


def replaced(bodies):
    """How many processes have answered."""
    return len(runs(bodies))


# --- requests, age ---


def test_max_requests(start):
    server = start("--workers-max-requests", 20)
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: replaced(bodies) > 3)
    server.stop()
    assert set(reasons(server, r"has answered (\d+) requests")) == {20}
    # Each answers its 20, and what comes until its successor serves.
    assert min(runs(client.bodies)[:-1]) >= 20


def test_max_requests_with_jitter(start):
    """Drawn for each worker: two that begin together do not end together."""
    server = start("--workers", 2, "--workers-max-requests", 20, "--workers-max-requests-jitter", 200)
    with SteadyClient(server), SteadyClient(server):
        server.wait_for_count(r"has answered \d+ requests", 6)
    limits = reasons(server, r"has answered (\d+) requests")
    assert all(20 <= limit <= 220 for limit in limits) and len(set(limits)) > 1, limits


def test_lifetime(start):
    server = start("--workers-lifetime", "200ms")
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: replaced(bodies) > 3)
    server.stop()
    ages = reasons(server, r"has served for (\d+\.\d) s")
    assert len(ages) >= 3 and min(ages) >= 0.2


def test_lifetime_with_jitter(start):
    server = start("--workers", 2, "--workers-lifetime", "100ms", "--workers-lifetime-jitter", "1s")
    with SteadyClient(server):
        server.wait_for_count("has served for ", 6)
    ages = reasons(server, r"has served for (\d+\.\d) s")
    assert min(ages) >= 0.1 and len(set(ages)) > 1, ages


def test_a_worker_without_clients_is_replaced_as_well(start):
    server = start("--workers-lifetime", "300ms")
    first, = server.workers()
    server.wait_for(rf"worker 1 \(pid {first}\) has served for")
    server.wait_for(rf"worker 1 \(pid {first}\) exited with status 0")


# --- memory ---


@pytest.mark.parametrize("samples", [1, 2])
def test_max_rss(start, samples):
    server = start("--workers-max-rss", f"{LARGE}M", "--rss-sample-interval", "100ms", "--rss-samples", samples)
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: len(bodies) > 10)
        assert server.get(f"/grow?{LARGE}").status == 200
        said = server.wait_for(r"worker 1 \(pid (\d+)\) has (\d+\.\d) MB in memory, replacing it")
        client.wait_for(lambda bodies: replaced(bodies) > 1)
    assert said[1].encode() == client.bodies[0] and float(said[2]) >= LARGE
    assert len(reasons(server, r"has (\d+\.\d) MB in memory")) == 1


def switches(pid):
    """How often a process has gone to sleep."""
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def wait_for_sample(server):
    """Until the supervisor has looked at its workers once more, which is all it wakes up for."""
    before = switches(server.process.pid)
    eventually(lambda: switches(server.process.pid) > before)


@pytest.mark.static  # under sanitizers a change takes too long
def test_a_peak_between_two_looks(start):
    """Large at one look, small at the next: never twice in a row. Each change has the whole time between two looks."""
    server = start("--workers-max-rss", f"{LARGE}M", "--rss-sample-interval", "1500ms", "--rss-samples", 2)
    wait_for_sample(server)
    for _ in range(2):
        first = server.get(f"/grow?{LARGE}").read()
        wait_for_sample(server)
        assert server.get("/shrink").read() == first
        wait_for_sample(server)
    assert reasons(server, r"has (\d+\.\d) MB in memory") == []
    assert server.get(f"/grow?{LARGE}").read() == first
    server.wait_for("MB in memory, replacing it")


# --- none, and none that there could be ---


NONE = ["--workers-max-requests", "0", "--workers-lifetime", "0", "--workers-max-rss", "0", "--request-timeout", "0",
        "--workers-start-timeout", "0", "--workers-kill-timeout", "0"]


def test_zero_is_no_limit(start):
    server = start(*NONE)
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: len(bodies) > 500)
    assert replaced(client.bodies) == 1 and "replacing" not in server.log
    assert [client.bodies[0]] == [str(pid).encode() for pid in server.workers()]


@pytest.mark.parametrize("option, value", [
    *((option, value) for option in NONE[::2] for value in ("-1", "")),
    ("--workers-max-requests-jitter", "-1"), ("--workers-lifetime-jitter", "-1s"), ("--rss-samples", "0"),
    ("--rss-sample-interval", "0"), ("--rss-sample-interval", "99ms"), ("--workers-max-rss", "many"),
    ("--workers-lifetime", "366d"), ("--workers-max-requests", "1.5"), ("--request-timeout", "1x"),
])
def test_limits_that_are_none(run, option, value):
    done = run("serve", "app:app", f"{option}={value}")
    assert done.returncode == 2 and option in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("options, text", [
    (["--workers-max-requests-jitter", "5"], "--workers-max-requests-jitter is added to "),
    (["--workers-lifetime-jitter", "5s", "--workers-lifetime", "0"], "--workers-lifetime-jitter is added to "),
    (["--workers-max-rss", "300"], r"--workers-max-rss 300: a worker has 16M at least \(300M is meant\?\)"),
])
def test_limits_that_contradict_each_other(run, options, text):
    done = run("serve", "app:app", *options)
    assert done.returncode == 2 and re.search(text, done.stderr) and len(done.stderr.splitlines()) == 1, done.stderr


# --- what is said of the dead ---


def ask_in_vain(server, path):
    """A request whose worker ends over it, in a thread. Returns the thread."""

    def ask():
        with Peer(server) as peer:
            peer.send(request("GET", path))
            assert peer.ended()

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def obituary(server, pid, how, rest):
    return server.wait_for(rf"warning .* worker 1 \(pid {pid}\) {how} after \d+\.\d s, (\d+) requests?, "
                           rf"at most (\d+\.\d) MB, {rest}; starting another in 0\.\d s\n")


@pytest.mark.parametrize("path, how", [
    ("/exit", "exited with status 3"),
    # Sanitizers have handlers of their own.
    pytest.param("/segv", r"killed by SIGSEGV(?:, core dumped,)?",
                 marks=[pytest.mark.static, pytest.mark.native("qemu ends by its own assertions")]),
])
def test_obituary_of_one_that_ends_itself(start, run, tmp_path, path, how):
    server = start("--control-socket", tmp_path / "ctl")
    pid, = server.workers()
    for _ in range(3):
        assert server.get().status == 200
    eventually(lambda: '"requests":3' in run("status", "--json", "--control-socket", tmp_path / "ctl").stdout)
    ask_in_vain(server, f"{path}?x=1").join()
    said = obituary(server, pid, how, rf"in GET {path}\?x=1")
    assert int(said[1]) == 3 and 1 < float(said[2]) < 2000
    assert server.get().status == 200
    server.stop(crashes=True)
    assert len(re.findall(rf"\(pid {pid}\) (?:exited|killed)", server.log)) == 1


def test_obituary_of_one_that_is_killed(start, tmp_path):
    server = start()
    pid, = server.workers()
    os.mkfifo(tmp_path / "gate")
    thread = ask_in_vain(server, f"/wait?{tmp_path}/gate")
    server.wait_for("waiting")
    os.kill(pid, signal.SIGKILL)
    obituary(server, pid, "killed by SIGKILL", rf"in GET /wait\?{tmp_path}/gate")
    thread.join()


def test_obituary_of_an_idle_one(start, run, tmp_path):
    server = start("--control-socket", tmp_path / "ctl")
    pid, = server.workers()
    assert server.get("/?latest").status == 200
    # The answer is with us a moment before the worker is done with it.
    eventually(lambda: '"doing":[]' in run("status", "--json", "--control-socket", tmp_path / "ctl").stdout)
    os.kill(pid, signal.SIGKILL)
    obituary(server, pid, "killed by SIGKILL", r"last GET /\?latest")


# --- names ---


@pytest.mark.native("qemu has threads of its own")
def test_threads_have_names(start):
    server = start("--process-name", "shop")
    worker, = server.workers()

    def names():
        return sorted(path.read_text() for path in pathlib.Path(f"/proc/{worker}/task").glob("*/comm"))

    eventually(lambda: names() == ["log\n", "shop-2\n", "shop: worker 1\n"])  # a thread gives itself its name


# --- the supervisor ---


@pytest.mark.static
@pytest.mark.native("the memory is qemu's")
def test_the_supervisor_is_small(start):
    """What it has for itself: all that was written to, even where workers, which were forked from it, still have the same
    pages (Anonymous). What it only reads are pages of the binary, which all processes share."""
    server = start("--workers", 4, "--workers-max-requests", 100)
    with SteadyClient(server) as client:
        client.wait_for(lambda bodies: replaced(bodies) > 5)
    text = pathlib.Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    sizes = {key: int(size) for key, size in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}
    assert sizes["Private_Dirty"] <= sizes["Anonymous"] < 4096, sizes


@pytest.mark.long
def test_the_supervisor_is_quiet(start):
    """An idle server wakes it less than once a second."""
    server = start("--workers", 2, "--workers-lifetime", "1h", "--request-timeout", "30s")
    assert server.get().status == 200

    def woken():
        text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return sum(map(int, re.findall(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", text, re.M)))

    before = woken()
    threading.Event().wait(5)  # the time is what is measured
    assert woken() - before < 5
