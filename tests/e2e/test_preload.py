"""--preload: the application is loaded once, and workers are forked from that image."""

import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

import pytest
from server import eventually
from steady_client import SteadyClient

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATION = pathlib.Path(__file__).with_name("applications") / "preloaded.py"
NOBODY = 65534


@pytest.fixture
def folder():
    """A folder that everybody can write to, with the application in it."""
    with tempfile.TemporaryDirectory(prefix="limpet-preload-") as path:
        os.chmod(path, 0o777)
        shutil.copy(APPLICATION, path)
        yield pathlib.Path(path)


@pytest.fixture
def start(serve, folder):
    """start(*options) -> Server of applications/preloaded.py, two workers of one image."""
    return lambda *options: serve("preloaded:app", "--preload", "--workers", 2, "--working-dir", folder, *options)


def ask(server):
    return json.loads(server.get().read())


def loads(folder):
    """Pids of the processes that have loaded the application, in their order."""
    return [int(pid) for pid in (folder / "loads").read_text().split()]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except OSError:
        return ""


def named(server, name):
    """Pids of the server's processes of that name."""
    return [pid for pid in server.workers() if command_line(pid) == f"limpet: {name}"]


def private_mb(pid):
    """What a process does not share with any other."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Private_Dirty:\s+(\d+)", text, re.M)[1]) / 1024


def test_loads_once(start, folder):
    server = start()
    (template,) = named(server, "template")
    assert loads(folder) == [template]
    answers = [ask(server) for _ in range(20)]
    for answer in answers:
        assert answer["loaded by"] == template != answer["pid"]
        assert answer["parent"] == server.process.pid, "the supervisor buries it, as any other"
        assert answer["events"] == ["post_fork", "on_worker_start"]
        assert answer["multiprocess"]
        assert "background" not in answer["threads"], "threads do not survive a fork"
    assert {answer["pid"] for answer in answers} <= set(server.workers()) - {template}


def test_workers_outlive_the_time_to_be_born_in(start):
    server = start("--workers-start-timeout", "3s")
    before, begun = server.workers(), time.monotonic()
    eventually(lambda: time.monotonic() - begun > 3.5)
    ask(server)
    assert server.workers() == before and "replacing it" not in server.log


@pytest.mark.static  # the sanitizers' allocator writes everywhere
def test_memory_is_shared(start):
    server = start()
    (template,) = named(server, "template")
    workers = named(server, "worker 1") + named(server, "worker 2")
    for _ in range(50):
        ask(server)
    size = int(re.search(r"^Rss:\s+(\d+)", pathlib.Path(f"/proc/{template}/smaps_rollup").read_text(), re.M)[1]) / 1024
    assert size > 30
    assert all(private_mb(worker) < size / 4 for worker in workers)


def test_random_numbers_are_not_shared(start):
    server = start()
    one = ask(server)
    os.kill(one["pid"], signal.SIGKILL)  # with little to do, one answers all
    server.wait_for(rf"pid {one['pid']}\) killed by SIGKILL")
    other = ask(server)
    assert other["pid"] != one["pid"] and other["random"] != one["random"]


def test_worker_that_dies(start, folder):
    server = start()
    (worker,) = named(server, "worker 1")
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: named(server, "worker 1") not in ([], [worker]))
    assert ask(server)["loaded by"] == loads(folder)[0]
    assert len(loads(folder)) == 1


def test_template_that_dies(start, folder):
    server = start()
    (template,) = named(server, "template")
    workers = named(server, "worker 1") + named(server, "worker 2")
    os.kill(template, signal.SIGKILL)
    eventually(lambda: named(server, "template") not in ([], [template]))
    eventually(lambda: len(loads(folder)) == 2)
    assert ask(server)["pid"] in workers, "those that serve go on"
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        server.wait_for(rf"pid {worker}\) killed by SIGKILL")
    assert ask(server)["loaded by"] == loads(folder)[1]


def test_limits_without_a_lost_request(start, folder):
    server = start("--workers-max-requests", 50, "--workers-max-requests-jitter", 20)
    with SteadyClient(server) as client:
        server.wait_for(r"(?s)(?:has answered \d+ requests.*){6}")
    assert len(client.bodies) > 200
    assert len(loads(folder)) == 1


def test_restart_loads_anew(start, folder):
    server = start()
    with SteadyClient(server):
        os.kill(server.process.pid, signal.SIGUSR1)
        server.wait_for(r"serving preloaded:app \(wsgi\) by new workers")
        eventually(lambda: ask(server)["loaded by"] == loads(folder)[1])
    eventually(lambda: len(server.workers()) == 3)


def test_restart_of_what_is_broken_now(start, folder):
    server = start()
    (folder / "broken").touch()
    os.kill(server.process.pid, signal.SIGUSR1)
    server.wait_for(r"worker 0 \(pid \d+\) goes on with what it has loaded")
    server.wait_for("RuntimeError: broken on purpose")
    assert ask(server)["loaded by"] == loads(folder)[0]
    (folder / "broken").unlink()
    os.kill(server.process.pid, signal.SIGUSR1)
    server.wait_for(r"serving preloaded:app \(wsgi\) by new workers")
    eventually(lambda: ask(server)["loaded by"] == loads(folder)[2])


def test_broken_from_the_start(serve, folder):
    (folder / "broken").touch()
    server = serve("preloaded:app", "--preload", "--workers", 2, "--working-dir", folder, expect_start=False)
    assert server.process.wait(60) == 1
    server.wait_for("RuntimeError: broken on purpose")
    server.wait_for("preloaded:app: the application failed to import")
    assert len(loads(folder)) == 1


def test_template_and_workers_are_another_user(start):
    if os.geteuid() != 0:
        pytest.skip("needs root: changes users")
    server = start("--user", "nobody")
    assert ask(server)["user"] == NOBODY
    (template,) = named(server, "template")
    assert os.stat(f"/proc/{template}").st_uid == NOBODY or "Uid:\t65534" in pathlib.Path(
        f"/proc/{template}/status").read_text()
