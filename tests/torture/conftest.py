"""How many of the allocations are tried, and which binary they are in."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--step", type=int, default=1, help="try every so many-th allocation")


@pytest.fixture(scope="session")
def step(request):
    return request.config.getoption("--step")


@pytest.fixture(scope="session")
def binary():
    path = pathlib.Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "build/fast/torture/limpet"))
    assert path.exists(), f"{path} is not there: ./build.sh torture makes it"
    return path
