"""limpet on boards with little memory and a kernel of their own: one machine for each, in which facts.py is run."""

import os
import pathlib
import platform
import subprocess
import time

import facts
import guest
import pytest
from tls_client import Pki

E2E = guest.ROOT / "tests/e2e"
PAGES = 16384
# MB. Debian's kernels for larger machines take more of it than a board's own would.
MEMORY = {"aarch64": 128, "armv7": 128}
MEMORY_ELSE = 192
SCRIPTS = [pathlib.Path(facts.__file__), *(E2E / f"{name}.py" for name in ("server", "descriptors", "raw_client"))]


def binary_of(target):
    """The build of it."""
    return guest.ROOT / "build" / ("fast" if target == platform.machine() else f"fast-{target}") / "limpet"


def pack(target, folder):
    """The application that all facts are about, packed here."""
    (folder / "source").mkdir()
    (folder / "source/read_only.py").write_bytes((E2E / "applications/read_only.py").read_bytes())
    base = ["--base", binary_of(target)] if target != platform.machine() else []
    subprocess.run([binary_of(platform.machine()), "pack", folder / "source", "--app", "read_only:app", *base,
                    "--output", folder / "board"], check=True)
    return folder / "board"


@pytest.fixture(scope="module")
def board(request, tmp_path_factory):
    """(its name, guest.Run)"""
    target, _, other = request.param.partition("-")
    folder = tmp_path_factory.mktemp(request.param)
    pki = Pki(folder)
    files = {"board": pack(target, folder), "pki/root.pem": pki.root.certificate, "pki/chain.pem": pki.local.chain,
             "pki/key.pem": pki.local.key, **{f"facts/{path.name}": path for path in SCRIPTS}}
    commands = {"version": "/board version",
                "pages": "/board python -c 'import os; print(os.sysconf(\"SC_PAGE_SIZE\"))'"}
    for fact in facts.FACTS:
        commands[fact.__name__] = f"/board python -B /facts/facts.py {fact.__name__}"
        if fact is facts.early_clock:
            commands["date"] = f"date -s @{int(time.time())}"
    memory = MEMORY.get(request.param, MEMORY_ELSE)
    played = guest.Board(target, PAGES if other else None, memory, clock="1970-01-01T00:00:00")
    run = guest.boot(played, files, commands, timeout=1500, each=600)
    if log := os.environ.get("MACHINE_LOG"):
        pathlib.Path(f"{log}-{request.param}").write_text(run.console)
    return request.param, run


def test_version(board):
    status, output = board[1].result("version")
    assert status == 0 and output.startswith(f"limpet {(guest.ROOT / 'VERSION').read_text().strip()}\n"), output


def test_pages(board):
    assert board[1].result("pages") == (0, f"{PAGES if board[0].endswith('-16k') else 4096}\n")


@pytest.mark.parametrize("name", [fact.__name__ for fact in facts.FACTS])
def test_fact(board, name):
    status, output = board[1].result(name)
    assert status == 0, output
