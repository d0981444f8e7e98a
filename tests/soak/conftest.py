"""Fixtures of the soak: how long, which binary, servers that are ended whatever happens, one line of figures each."""

import os
import pathlib
import ssl
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [os.path.dirname(__file__), str(ROOT / "tests/e2e")]
from certificates import Authority  # noqa: E402
from subject import Subject  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--seconds", type=float, default=60, help="time for each scenario")
    parser.addoption("--tls", action="store_true", help="all of it over TLS")
    parser.addoption("--async", action="store_true", dest="asynchronous", help="all of it with an ASGI application, and "
                     "test_miniature.py")


def pytest_report_teststatus(report):
    """No dots between the lines of figures."""
    return ("passed", "", "PASSED") if report.when == "call" and report.passed else None


def pytest_collection_modifyitems(config, items):
    """What needs an asynchronous application is for --async."""
    wanted = config.getoption("asynchronous")
    unwanted = [item for item in items if item.get_closest_marker("asynchronous") and not wanted]
    items[:] = [item for item in items if item not in unwanted]
    config.hook.pytest_deselected(items=unwanted)


def pytest_configure(config):
    config.addinivalue_line("markers", "asynchronous: runs with --async")


@pytest.fixture
def seconds(request):
    return request.config.getoption("--seconds")


@pytest.fixture
def authority(tmp_path):
    """authority.issue() makes certificates that the clients of start() trust."""
    return Authority(tmp_path)


@pytest.fixture
def start(tmp_path, request):
    """start(*options, **more) -> Subject. With --tls, or with options that name a certificate, it speaks TLS."""
    subjects = []

    def start(*options, **more):
        binary = pathlib.Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "build/limpet")).resolve()
        if request.config.getoption("tls") and "--tls-certificate" not in options:
            leaf = request.getfixturevalue("authority").issue("localhost", names=["localhost", "127.0.0.1"])
            options = (*options, "--tls-certificate", leaf.chain, "--tls-key", leaf.key)
        if "--tls-certificate" in options:
            root = request.getfixturevalue("authority").certificate
            more["tls"] = ssl.create_default_context(cafile=root)
        if request.config.getoption("asynchronous"):
            more.setdefault("target", "asynchronous:app")
        subjects.append(Subject(binary, tmp_path, *options, **more))
        return subjects[-1]

    yield start
    for subject in subjects:
        subject.end()


@pytest.fixture
def say(capsys):
    """say(text): a line that is seen in any case."""

    def say(text):
        with capsys.disabled():
            print(text, flush=True)

    return say
