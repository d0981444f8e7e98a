"""Fixtures of the end-to-end tests: the binary, packed applications, running servers, Debian's Python packages."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import types

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from empty_root import EmptyRoot  # noqa: E402
from server import Server  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    config.addinivalue_line("markers", "static: needs the static binary, which the sanitizer build is not")


def pytest_collection_modifyitems(items):
    if "sanitize" in os.environ.get("BINARY_UNDER_TEST", ""):
        # The sanitizers' run-time needs the host's libraries, so this build cannot run alone in an empty folder.
        items[:] = [item for item in items if not item.get_closest_marker("static")]


@pytest.fixture(scope="session")
def limpet():
    """The binary's path: what is built, or $BINARY_UNDER_TEST."""
    path = pathlib.Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "build/limpet")).resolve()
    assert path.exists(), f"{path} is not there: ./build.sh makes it"
    return path


@pytest.fixture
def run(limpet):
    """run(*arguments, binary=, **options) -> CompletedProcess with text output; never raises for its status."""

    def run_limpet(*arguments, binary=limpet, **options):
        options.setdefault("timeout", 120)
        return subprocess.run([str(binary), *map(str, arguments)], capture_output=True, text=True, **options)

    return run_limpet


@contextlib.contextmanager
def servers_of(limpet):
    """A function as serve's; its servers are ended and examined at the end."""
    servers = []

    def start(*arguments, binary=limpet, port=0, **options):
        listen = [] if port is None else ["--port", port]
        command = ["serve"] if binary == limpet else []
        server = Server([binary, *command, *arguments, *listen], **options)
        servers.append(server)
        return server

    yield start
    problems = []
    for server in servers:
        try:
            if server.process.returncode is None:
                server.stop()
        except AssertionError as error:
            problems.append(str(error))
            server.kill()
    assert not problems, "\n".join(problems)


@pytest.fixture
def serve(limpet):
    """serve(*arguments, binary=, port=0, **Server options) -> Server, ended and examined after the test."""
    with servers_of(limpet) as start:
        yield start


@pytest.fixture(scope="module")
def alone(limpet, tmp_path_factory):
    """alone(binary) -> EmptyRoot with a copy of the binary in it, as /NAME; what it serves ends with the module."""
    if os.geteuid() != 0:
        pytest.skip("needs root: chroot")
    with servers_of(limpet) as start:
        yield lambda binary: EmptyRoot(tmp_path_factory.mktemp("root"), binary, start)


@pytest.fixture(scope="session")
def packed(limpet, tmp_path_factory):
    """packed(source, *options, name=) -> path of the packed binary; the same request is packed once a session."""
    done = {}

    def pack(source, *options, name="packed"):
        key = (str(source), options, name)
        if key not in done:
            output = tmp_path_factory.mktemp("packed") / name
            subprocess.run([limpet, "pack", source, "--output", output, *options], check=True, capture_output=True,
                           timeout=300)
            done[key] = output
        return done[key]

    return pack


@pytest.fixture
def application(tmp_path):
    """application(source, name="app.py") -> folder with that module."""

    def write(source, name="app.py"):
        folder = tmp_path / "application"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(source)
        return folder

    return write


@pytest.fixture(scope="session")
def debian_packages():
    """debian_packages(*names, suite=) -> folder with the Python modules of these Debian packages (see
    debian_packages.sh)."""

    def unpack(*names, suite="trixie"):
        out = subprocess.run([ROOT / "tests/e2e/debian_packages.sh", "--suite", suite, *names], check=True,
                             stdout=subprocess.PIPE, text=True, timeout=600)
        return pathlib.Path(out.stdout.strip())

    return unpack


@pytest.fixture
def notes_server(packed, tmp_path, serve):
    """apps/notes, packed, alone in a folder with its database beside it. url, folder."""
    binary = tmp_path / "notes"
    shutil.copy(packed(ROOT / "apps/notes", name="notes"), binary)
    server = serve(binary=binary)
    return types.SimpleNamespace(url=server.url, folder=tmp_path, server=server)
