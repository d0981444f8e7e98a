"""What an idle connection costs a worker: little, however large requests may be, and whether or not it has had one."""

import contextlib
import os
import pathlib
import re
import resource

import pytest
from raw_client import Peer, request
from server import eventually, is_sanitized

pytestmark = pytest.mark.unvalidated(reason="not about the application")

COUNT, WARM = 2500, 200
BOUND = 5 * 1024  # bytes of a connection
FILES = 2 * (COUNT + WARM) + 500
APPLICATION = '''
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''


@pytest.fixture(scope="module", autouse=True)
def many_files():
    """The server inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"needs {FILES} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def start(serve_once):
    return lambda *options: serve_once(APPLICATION, "--keep-alive-timeout", 0, "--header-timeout", 0, *options)


def size_of_worker(server):
    """Bytes, what it shares counted in parts."""
    worker, = server.workers()
    text = pathlib.Path(f"/proc/{worker}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


@contextlib.contextmanager
def connections(server, count, ask):
    """ask: what each does before it is idle."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(server)) for _ in range(count)]
        for peer in peers:
            ask(peer)
        # Those that have said nothing are accepted once one that came later is served.
        with Peer(server) as last:
            assert last.ask(request("GET", "/")).body == b"ok"
        yield peers


def say_nothing(peer):
    pass


def ask_once(peer):
    assert peer.ask(request("GET", "/")).body == b"ok"


def ask_much(peer):
    """As large as it may be, which takes all of the memory of a request."""
    assert peer.ask(request("POST", "/" + "x" * 8000, b"x" * 50000, "X: " + "x" * 32000)).body == b"ok"


@pytest.mark.skipif(is_sanitized(), reason="the sanitizers' memory is not ours")
@pytest.mark.parametrize("ask", [say_nothing, ask_once, ask_much])
def test_idle_connections_are_small(start, ask):
    server = start()
    with connections(server, WARM, ask):
        pass
    before = size_of_worker(server)
    with connections(server, COUNT, ask) as peers:
        size = size_of_worker(server)
        each = (size - before) / COUNT
        assert each < BOUND, f"{each:.0f} bytes"
        # They are what they were.
        for peer in peers[::100]:
            ask_once(peer)
    # And what they had is there for the next ones, once the worker has seen that they have gone.
    worker, = server.workers()
    eventually(lambda: len(os.listdir(f"/proc/{worker}/fd")) < WARM)
    with connections(server, COUNT, ask):
        more = (size_of_worker(server) - size) / COUNT
        assert more < BOUND / 10, f"{more:.0f} bytes more"


@pytest.mark.skipif(is_sanitized(), reason="the sanitizers' memory is not ours")
def test_larger_requests_do_not_make_idle_connections_larger(start):
    server = start("--max-header-size", "1M", "--max-request-line", "1M", "--max-headers", 1000)
    with connections(server, WARM, ask_once):
        pass
    before = size_of_worker(server)
    with connections(server, COUNT, ask_once):
        each = (size_of_worker(server) - before) / COUNT
        assert each < BOUND, f"{each:.0f} bytes"
