"""Which boards the tests are for: ./build.sh test-machines passes the binaries."""

import os
import pathlib
import sys

sys.path[:0] = [os.path.dirname(__file__), str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]
import guest  # noqa: E402

SIXTEEN_KB = "aarch64-16k"  # its pages


def pytest_addoption(parser):
    parser.addoption("--targets", nargs="+", default=guest.TARGETS, choices=guest.TARGETS, help="all, if not given")


def pytest_generate_tests(metafunc):
    if "board" in metafunc.fixturenames:
        boards = [board for target in metafunc.config.getoption("targets")
                  for board in ([target, SIXTEEN_KB] if target == "aarch64" else [target])]
        metafunc.parametrize("board", boards, indirect=True, scope="module")
