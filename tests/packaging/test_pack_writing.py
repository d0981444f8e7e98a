"""limpet pack: what becomes of the output when packing is interrupted, or it cannot be written."""

import ctypes
import os
import signal

import pytest

pytestmark = pytest.mark.unsanitized(reason="packing is Python")

LIBC = ctypes.CDLL(None)

# Sends the signal as soon as pack has called a function of os for the output: in the middle, whatever the machine.
STOPPER = """
import os
name, number = os.environ["STOP_AT"].split("=")
original = getattr(os, name)

def stop(*arguments, **options):
    result = original(*arguments, **options)
    if any(str(argument).endswith(".tmp") for argument in arguments) or name in ("fchmod", "fsync"):
        setattr(os, name, original)
        os.kill(os.getpid(), int(number))
    return result

setattr(os, name, stop)
"""


@pytest.fixture
def shop(folder):
    """An application."""
    return folder("shop", {"app.py": "app = 1\n", "x.bin": os.urandom(3000)})


@pytest.mark.parametrize("function, number, old", [
    ("open", signal.SIGTERM, b"an older one"), ("fchmod", signal.SIGINT, None), ("fsync", signal.SIGHUP, b"an older one"),
    ("fsync", signal.SIGTERM, None)])
def test_interrupted(tool, shop, folder, tmp_path, function, number, old):
    modules = folder("modules", {"stopper.py": STOPPER})
    if old:
        (tmp_path / "out").write_bytes(old)
    before = sorted(tmp_path.iterdir())
    done = tool("pack", shop, "--output", tmp_path / "out",
                env={"PYTHONPATH": str(modules), "PRELOAD": "stopper", "STOP_AT": f"{function}={int(number)}"})
    assert (done.returncode, done.stdout, done.stderr) == (-number, "", "limpet pack: interrupted\n")
    assert sorted(tmp_path.iterdir()) == before
    assert not old or (tmp_path / "out").read_bytes() == old


def test_ignored_signals_stay_so(tool, shop, folder, tmp_path):
    modules = folder("modules", {"stopper.py": STOPPER})
    done = tool("pack", shop, "--output", tmp_path / "out",
                prepare=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
                env={"PYTHONPATH": str(modules), "PRELOAD": "stopper", "STOP_AT": f"fsync={int(signal.SIGHUP)}"})
    assert done.returncode == 0 and (tmp_path / "out").exists(), done.stderr


def give_up_writing_everything():
    """In the child: root may write anywhere, unless it gives up CAP_DAC_OVERRIDE."""
    if os.geteuid() == 0:
        assert LIBC.prctl(24, 1, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def test_folder_may_not_be_written(refuse, shop, folder):
    closed = folder("closed", {"out": "old"})
    closed.chmod(0o555)
    line = refuse(shop, output=closed / "out", prepare=give_up_writing_everything)
    assert line == f"{closed}/out: nothing may be written into {closed} (no permission, or it is read-only)"
    assert (closed / "out").read_text() == "old"


def test_what_lies_at_the_temporary_name(pack, refuse, shop, folder, tmp_path):
    """A file is one of ours that was killed; a link or a folder is somebody's."""
    (tmp_path / "out.tmp").write_text("left behind")
    pack(shop)
    assert not (tmp_path / "out.tmp").exists()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out.tmp").symlink_to("precious")
    assert refuse(shop) == f"{tmp_path}/out.tmp: Symbolic link loop"  # musl's words
    assert (tmp_path / "precious").read_text() == "precious"
    (tmp_path / "out.tmp").unlink()
    (tmp_path / "out.tmp").mkdir()
    assert refuse(shop) == f"{tmp_path}/out.tmp: Is a directory"
