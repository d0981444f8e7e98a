"""Fixtures of the end-to-end tests: the binary, packed applications, running servers, Debian's Python packages.

With --validate every application that is served runs inside wsgiref.validate, and what it says fails the test; test
files that are marked also_validated do so beside their plain run.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import types

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import validate  # noqa: E402
from empty_root import EmptyRoot  # noqa: E402
from server import is_emulated, is_sanitized  # noqa: E402
from serving import serving  # noqa: E402
from tls_client import Pki  # noqa: E402
from transports import Everywhere  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
APPLICATIONS = pathlib.Path(__file__).resolve().with_name("applications")


def pytest_addoption(parser):
    parser.addoption("--validate", action="store_true", help="run what serves applications, inside wsgiref.validate")
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_configure(config):
    for marker in ("static: needs the static binary, which the sanitizer build is not",
                   "unsanitized(reason): shows the sanitizers nothing that others do not, and takes long",
                   "native(reason): emulators of processors show something else",
                   "long: takes more than a few seconds; runs with --long",
                   "also_validated: runs once more with its applications inside wsgiref.validate",
                   "unvalidated(reason): never runs inside wsgiref.validate"):
        config.addinivalue_line("markers", marker)


def pytest_generate_tests(metafunc):
    if "validated" not in metafunc.fixturenames or metafunc.definition.get_closest_marker("unvalidated"):
        return
    values = []
    if metafunc.config.getoption("validate"):
        values = [pytest.param(True, id="validated")]
    elif metafunc.definition.get_closest_marker("also_validated") and not is_sanitized():
        # What the validator sees is the same under sanitizers, only slower.
        values = [pytest.param(False, id="plain"), pytest.param(True, id="validated")]
    if values:
        metafunc.parametrize("validated", values, indirect=True, scope="session")


def pytest_collection_modifyitems(config, items):
    unwanted = set()
    for item in items:
        # The sanitizers' run-time needs the host's libraries, so this build cannot run alone in an empty folder.
        if is_sanitized() and (item.get_closest_marker("static") or item.get_closest_marker("unsanitized")):
            unwanted.add(item)
        if item.get_closest_marker("native") and is_emulated():
            unwanted.add(item)
        if item.get_closest_marker("long") and not config.getoption("long"):
            unwanted.add(item)
        if config.getoption("validate") and not ("validated" in getattr(item, "fixturenames", ())
                                                 and not item.get_closest_marker("unvalidated")):
            unwanted.add(item)
    if unwanted:
        config.hook.pytest_deselected(items=list(unwanted))
        items[:] = [item for item in items if item not in unwanted]


@pytest.fixture(scope="session")
def validated(request):
    """Whether applications under test run inside wsgiref.validate."""
    return getattr(request, "param", False)


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


@pytest.fixture
def serve(limpet, validated, tmp_path_factory):
    """serve(*arguments, binary=, port=0, **Server options) -> Server, ended and examined after the test. Where limpet
    itself serves, the target is the first of the arguments."""
    with serving(limpet, validated, tmp_path_factory.mktemp) as start:
        yield start


@pytest.fixture(scope="module")
def alone(limpet, validated, tmp_path_factory):
    """alone(binary) -> EmptyRoot with a copy of the binary in it, as /NAME; what it serves ends with the module."""
    if os.geteuid() != 0:
        pytest.skip("needs root: chroot")
    with serving(limpet, validated, tmp_path_factory.mktemp) as start:
        yield lambda binary: EmptyRoot(tmp_path_factory.mktemp("root"), binary, start)


@pytest.fixture(scope="module")
def serve_once(limpet, validated, tmp_path_factory):
    """serve_once(source, *options, **Server options) -> Server of the module with that source; ended and examined after the test file.
    For many small tests of an application that keeps nothing."""
    with serving(limpet, validated, tmp_path_factory.mktemp) as start:
        def start_source(source, *options, **server_options):
            folder = tmp_path_factory.mktemp("application")
            (folder / "app.py").write_text(source)
            return start("app:app", "--workers", 1, *options, "--working-dir", folder, **server_options)

        yield start_source


@pytest.fixture(scope="session")
def pki_of_session(tmp_path_factory):
    """A Pki that no test changes."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def serve_everywhere(limpet, pki_of_session, tmp_path_factory):
    """serve_everywhere(target, *options) -> Everywhere, of a module in applications/; ended and examined after the test
    file. For many small tests of an application that keeps nothing."""
    with serving(limpet, False, tmp_path_factory.mktemp) as start:
        yield lambda target, *options: Everywhere(
            start, pki_of_session, tmp_path_factory.mktemp("socket"), target,
            ["--working-dir", APPLICATIONS, *options])


@pytest.fixture(scope="session")
def packed(limpet, validated, tmp_path_factory):
    """packed(source, *options, name=) -> path of the packed binary; the same request is packed once a session."""
    done = {}

    def make(source, options, name):
        output = tmp_path_factory.mktemp("packed") / name
        subprocess.run([limpet, "pack", source, "--output", output, *options], check=True, capture_output=True,
                       timeout=300)
        return output

    def pack(source, *options, name="packed"):
        key = (str(source), options, name)
        if key not in done:
            done[key] = make(source, options, name)
            if validated:
                folder = tmp_path_factory.mktemp("validated") / "source"
                done[key] = make(*validate.packed(done[key], pathlib.Path(source), options, folder), name)
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
