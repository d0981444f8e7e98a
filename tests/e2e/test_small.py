"""--small: defaults for machines with little memory, and what they save."""

import os
import pathlib
import re

import pytest
from control_group import ControlGroup, NoGroup
from server import eventually, is_sanitized

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATION = '''
import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
'''
SETTINGS = re.compile(r"^(\S+) += +(\S+) +# (.*)$", re.M)
SMALL = {"workers": "1", "preload": "true", "blocking-threads": "8", "blocking-threads-idle-timeout": "5s",
         "backpressure": "1000", "body-buffer": "256k", "log-memory": "128k"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    return tmp_path


@pytest.fixture
def settings(run, folder):
    """settings(*options, **options of run) -> {name: (value, source)} of --print-config."""
    def read(*options, **more):
        done = run("serve", "app:app", "--print-config", "--working-dir", folder, *options, **more)
        assert done.returncode == 0, done.stderr
        return {match[1]: (match[2], match[3].strip()) for match in SETTINGS.finditer(done.stdout)}
    return read


def test_defaults(settings):
    found = settings("--small")
    assert {name: found[name][0] for name in SMALL} == SMALL
    other = settings("--no-small")
    assert other["preload"][0] == "false" and other["blocking-threads"][0] == "64"


def test_what_is_set_stays(settings, folder):
    (folder / "limpet.toml").write_text("preload = false\nsmall = true\n")
    found = settings("--workers", "3", "--config", folder / "limpet.toml",
                     env={**os.environ, "LIMPET_BODY_BUFFER": "2M"})
    assert [found[name][0] for name in ("small", "workers", "preload", "body-buffer", "blocking-threads")] == [
        "true", "3", "false", "2M", "8"]


def test_the_log_says_so(serve, folder):
    server = serve("app:app", "--small", "--working-dir", folder, "--backpressure", "50")
    server.wait_for(r"supervisor: as on a small machine: workers 1, preload true, blocking-threads 8, "
                    r"blocking-threads-idle-timeout 5s, body-buffer 256k, log-memory 128k \(--no-small prevents it\)\n")
    assert len(server.workers()) == 2  # and the template
    assert "small machine" not in serve("app:app", "--no-small", "--workers", 1, "--working-dir", folder).log


# --- By itself ---

LIMIT = 256 << 20  # what is below it is small
BY_ITSELF = (r"supervisor: a small machine, 255M of memory: workers 1, preload true, blocking-threads 8, "
             r"blocking-threads-idle-timeout 5s, backpressure 1000, body-buffer 256k, log-memory 128k "
             r"\(--no-small prevents it\)\n")


@pytest.fixture
def group():
    """A ControlGroup."""
    if is_sanitized():
        pytest.skip("sanitizers need memory of their own")
    if os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 2 * LIMIT:
        pytest.skip("this machine is a small one itself")
    try:
        with ControlGroup() as made:
            yield made
    except NoGroup as error:
        pytest.skip(str(error))


def check_small(server):
    """One worker, and the template it was forked from."""
    server.wait_for(BY_ITSELF)
    server.wait_for(r"with 1 worker\b")
    assert len(server.workers()) == 2
    assert server.get("/").status == 200


def check_large(server):
    """The number of its workers."""
    assert "small machine" not in server.log
    workers = int(server.wait_for(r"with (\d+) workers?\b")[1])
    assert len(server.workers()) == workers
    assert server.get("/").status == 200
    return workers


@pytest.mark.parametrize("below", [False, True], ids=["its own limit", "of the group above"])
def test_by_the_limit_of_a_control_group(group, serve, folder, below):
    group.limit(LIMIT - (1 << 20))
    check_small(serve("app:app", "--working-dir", folder, prefix=group.within(below)))


def test_not_with_that_much(group, serve, folder):
    """The other side of the bound, and without any limit: a worker for each processor, as far as memory goes."""
    workers = check_large(serve("app:app", "--working-dir", folder))
    group.limit(LIMIT)
    assert check_large(serve("app:app", "--working-dir", folder, prefix=group.within())) == min(workers, 3)


def test_not_against_an_operators_will(group, serve, folder):
    group.limit(LIMIT - (1 << 20))
    check_large(serve("app:app", "--no-small", "--working-dir", folder, prefix=group.within()))


def test_workers_of_one_image_are_replaced(serve, folder):
    server = serve("app:app", "--small", "--working-dir", folder, "--workers-max-requests", 3)
    pids = set()

    def another():
        pids.add(server.get("/").read().split()[0])
        return len(pids) > 2

    eventually(another)


def memory(pids, kind):
    """kB, of all these processes together."""
    texts = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(re.search(rf"^{kind}:\s+(\d+)", text, re.M)[1]) for text in texts)


@pytest.mark.skipif(is_sanitized(), reason="sanitizers need memory of their own")
def test_it_takes_less(serve, folder):
    """Of the executable's own pages most are let go: a bound that is far from what is measured."""
    figures = {}
    for option in ("--small", "--no-small"):
        server = serve("app:app", option, "--preload", "--workers", 2, "--working-dir", folder)
        for _ in range(50):
            server.get("/").read()
        pids = [server.process.pid, *server.workers()]
        figures[option] = memory(pids, "Rss")
        server.stop()
    assert figures["--small"] < figures["--no-small"] * 0.9
