"""limpet pack: the output on a full disk, over a running binary, and when packing is interrupted."""

import os
import re
import shutil
import signal
import struct
import subprocess
import zipfile

import pytest
from server import eventually

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "%d")])
    return [b"%s"]
"""
# Tells that it is being loaded, and never ends by itself.
ENDLESS = """
import os, signal
with open({mark!r}, "w") as file:
    file.write(str(os.getpid()))
signal.pause()
"""


def app_saying(word):
    return APP % (len(word), word)


def test_full_disk(limpet, application, tmp_path):
    """The disk is a tmpfs of a mount name space that goes with the test."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mount")
    folder = application(app_saying("x"))
    script = """set -e
        mount -t tmpfs -o size=8m none "$1"; echo old >"$1/out"
        status=0; "$2" pack "$3" -o "$1/out" || status=$?
        echo "$status $(ls "$1") $(cat "$1/out")" """
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", disk, limpet, folder], capture_output=True,
                          text=True, timeout=120)
    assert done.stdout == "1 out old\n", done.stderr
    assert done.stderr.startswith(f"limpet pack: {disk}/out: No space left on device (")
    assert done.stderr.endswith(" are free; a file that is to be replaced stays until the new one is complete, and is as it "
                                "was)\n") and done.stderr.count("\n") == 1


def test_read_only_disk(limpet, application, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o ro none "$1" && exec "$2" pack "$3" -o "$1/out"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", disk, limpet, application(app_saying("x"))],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == (f"limpet pack: {disk}/out: nothing may be written into {disk} (no permission, or it is "
                           "read-only)\n")


def test_over_a_running_binary(run, serve, application, tmp_path):
    """It goes on as it is; an upgrade has the new one."""
    shop = tmp_path / "shop"
    assert run("pack", application(app_saying("first")), "-o", shop).returncode == 0
    server = serve(binary=shop)
    assert server.get().read() == b"first"
    done = run("pack", application(app_saying("second")), "-o", shop)
    assert done.returncode == 0, done.stderr
    assert server.get().read() == b"first"
    server.process.send_signal(signal.SIGUSR2)
    server.follow()
    assert server.get().read() == b"second"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_asks_the_application(limpet, application, tmp_path, number):
    """What pack has started ends with it, and its temporary files go."""
    scratch, mark = tmp_path / "scratch", tmp_path / "mark"
    scratch.mkdir()
    folder = application(ENDLESS.format(mark=str(mark)))
    (tmp_path / "out").write_text("old")
    # What runs behind a shell's & has SIGINT ignored, and so would its children.
    packing = subprocess.Popen(["env", f"--default-signal={number.name.removeprefix('SIG')}",
                                limpet, "pack", folder, "--app", "app", "--collect-static", "-o", tmp_path / "out"],
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(scratch)})
    eventually(lambda: packing.poll() is not None or mark.exists() and mark.read_text())
    assert packing.poll() is None, packing.stderr.read()
    packing.send_signal(number)
    _, said = packing.communicate(timeout=120)
    assert (packing.returncode, said) == (-number, "limpet pack: interrupted\n")
    assert os.listdir(scratch) == [] and (tmp_path / "out").read_text() == "old" and not (tmp_path / "out.tmp").exists()
    eventually(lambda: not os.path.exists(f"/proc/{mark.read_text()}"))


# --- For another machine, by the real binary ---


@pytest.fixture
def foreign(limpet, tmp_path):
    """This binary, with another machine in its ELF header."""
    path = tmp_path / "limpet-aarch64"
    shutil.copy(limpet, path)
    with open(path, "r+b") as file:
        file.seek(18)
        file.write(struct.pack("<H", 183))
    return path


@pytest.mark.static
def test_packed_for_another_machine(run, limpet, foreign, application, tmp_path):
    folder = application(app_saying("x"))
    done = run("pack", folder, "--base", foreign, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f" in all, for aarch64 -> {tmp_path}/out\n")
    assert run("pack", folder, "-o", tmp_path / "own").returncode == 0
    here, there = (tmp_path / "own").read_bytes(), (tmp_path / "out").read_bytes()
    with zipfile.ZipFile(tmp_path / "out") as archive:
        start = min(info.header_offset for info in archive.infolist())
    assert here[start:] == there[start:] and here[:18] + b"\xb7\0" + here[20:] == there
    said = run("inspect", tmp_path / "out").stdout.splitlines()
    assert said[2] == "for aarch64 (64-bit ARM), Linux"
    assert "for x86_64 (64-bit x86), Linux" in run("inspect").stdout or os.uname().machine != "x86_64"


@pytest.mark.static
def test_collected_for_another_machine(run, foreign, application, tmp_path):
    """The application is asked here, by this binary: the other one does not run."""
    folder = application(app_saying("x"))
    done = run("pack", folder, "--base", foreign, "--collect-static", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.endswith("app:app is neither Django's application nor Flask's: name its folders by --static "
                                "PREFIX=FOLDER\n")


@pytest.mark.static
def test_requirements_for_another_machine(run, foreign, application, tmp_path):
    """pip is this binary's, and chooses for this machine."""
    (tmp_path / "none.txt").write_text("# none\n")
    done = run("pack", application(app_saying("x")), "--base", foreign, "--requirements", tmp_path / "none.txt", "-o",
               tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert re.match(r"note: pip has chosen the packages for this machine \(\w+\), not for aarch64: ", done.stdout)


@pytest.mark.static
def test_on_the_wrong_machine(run, foreign):
    """The kernel's word, not ours: it does not start a file of another machine. Of one that nobody has: for others there may
    be an emulator."""
    header = bytearray(foreign.read_bytes())
    header[18:20] = (1).to_bytes(2, "little")  # AT&T WE 32100
    foreign.write_bytes(header)
    with pytest.raises(OSError, match="Exec format error"):
        run("version", binary=foreign)
