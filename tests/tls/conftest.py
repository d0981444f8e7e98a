"""Fixtures of the tests of HTTPS by other people's tools: servers that are ended whatever happens."""

import os
import pathlib
import shutil
import socket
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [os.path.dirname(__file__), str(ROOT / "tests/e2e")]
from server import Server  # noqa: E402

# Tells which worker it is. The headers are those of an application that takes care of what browsers make of it.
APPLICATION = '''
import os

HEADERS = [("Content-Type", "text/plain"), ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
           ("Content-Security-Policy", "default-src 'self'"), ("Referrer-Policy", "no-referrer")]

def app(environ, start_response):
    body = b"%d" % os.getpid()
    start_response("200 OK", [*HEADERS, ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def serve(tmp_path):
    """serve(*options) -> Server of APPLICATION, ended and looked at after the test."""
    binary = pathlib.Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "build/limpet")).resolve()
    (tmp_path / "app.py").write_text(APPLICATION)
    servers = []

    def start(*options):
        servers.append(Server([binary, "serve", "app:app", "--working-dir", tmp_path, *options]))
        return servers[-1]

    yield start
    try:
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.kill()


@pytest.fixture(scope="session")
def free_port():
    """free_port() -> a TCP port of 127.0.0.1 that nobody has, another one each time."""
    given = set()

    def find():
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port not in given:
                given.add(port)
                return port

    return find


@pytest.fixture(scope="session")
def tool():
    """tool(name) -> path of a program, which has to be there."""

    def find(name):
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert path, f"{name} is not there: toolchain/host-packages.sh tls"
        return path

    return find
