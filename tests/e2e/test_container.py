"""limpet as the first process of a container."""

import os
import pathlib
import signal

import pytest
from server import eventually

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATION = '''
import os, subprocess, sys

def app(environ, start_response):
    """Leave a process behind whose parent has gone."""
    if os.fork() == 0:
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "python", "-c", "print('orphan ends', flush=True)"])
        os._exit(0)
    os.wait()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''


@pytest.fixture
def container(serve, tmp_path):
    """A server that is process 1 of a process namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes a process namespace")
    (tmp_path / "app.py").write_text(APPLICATION)
    return serve("app:app", "--workers", 1, folder=tmp_path, prefix=("unshare", "--pid", "--fork", "--kill-child",
                                                                      "--mount-proc"))


def first_process(server):
    """Its pid as seen from outside: unshare's child."""
    (pid,) = server.workers()
    return pid


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def end(server):
    """Process 1 ends by SIGTERM, and unshare with it."""
    os.kill(first_process(server), signal.SIGTERM)
    assert server.process.wait(60) == 0


def test_orphans_are_buried(container):
    first = first_process(container)
    assert len(children(first)) == 1
    for count in range(1, 6):
        assert container.get().read() == b"ok"
        container.wait_for(rf"(?s)(?:orphan ends.*){{{count}}}")
    eventually(lambda: len(children(first)) == 1)
    end(container)
    container.wait_for(r"supervisor\[1\] supervisor: stopped")


def test_upgrade_is_refused(container):
    os.kill(first_process(container), signal.SIGUSR2)
    container.wait_for("process 1 cannot leave: start a new container instead")
    assert container.get().read() == b"ok"
    end(container)
