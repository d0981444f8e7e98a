"""./build.sh package before a package is made: which build is taken, and what is installed for it on the machine."""

import os
import pathlib
import shutil
import subprocess

import packages
import pytest

pytestmark = packages.of_the_static_binary

TOOLCHAIN = packages.ROOT / "toolchain"


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path):
    """build.sh and what it reads, with nothing to be built or installed; the kind deb prints its arguments."""
    shutil.copy(packages.ROOT / "build.sh", tmp_path)
    shutil.copytree(TOOLCHAIN / "targets", tmp_path / "toolchain/targets")
    for path in TOOLCHAIN.glob("*.sh"):
        shutil.copy(path, tmp_path / "toolchain")
    program(tmp_path / "toolchain/host-packages.sh", "#!/bin/sh\n")
    (tmp_path / "toolchain/limpet.sh").write_text("build_limpet() { out=$PWD/build/$profile; }\n")
    (tmp_path / "distribution").mkdir()
    (tmp_path / "distribution/deb.py").write_text("import sys\nprint(*sys.argv[1:])\n")
    for name in ("release", "release-aarch64"):
        (tmp_path / "build" / name).mkdir(parents=True)
        (tmp_path / "build" / name / "limpet").touch()
    return tmp_path


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the release build is taken to be for x86_64")
@pytest.mark.parametrize(("arguments", "taken"), [
    (["package", "deb"], "release"),
    (["package", "deb", "--target", "x86_64"], "release"),
    (["--target", "x86_64", "package", "deb"], "release"),
    (["package", "deb", "--target", "aarch64"], "release-aarch64"),
    (["package", "--target", "aarch64", "deb"], "release-aarch64"),
    (["--target", "aarch64", "package", "deb"], "release-aarch64")])
def test_the_target(tree, arguments, taken):
    """Wherever it is named, its build is packaged, and that for this machine asked for its help."""
    done = subprocess.run([tree / "build.sh", *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"--binary {tree}/build/{taken}/limpet --documenter {tree}/build/release/limpet --output build/packages\n", "")


def test_a_target_that_is_not_built(tree):
    done = subprocess.run([tree / "build.sh", "--target", "armv7", "package", "deb"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.endswith("build it by ./build.sh --target armv7 --release\n"), done


@pytest.mark.parametrize("there", [False, True])
def test_any_busybox_will_do(there, tmp_path):
    """The machine's own stays: Debian's two packages of it exclude each other."""
    called = tmp_path / "called"
    for name, text in {"apt-get": f'echo "$*" >> {called}', "dpkg-query": "exit 1", "id": "echo 0",
                       **({"busybox": ""} if there else {})}.items():
        program(tmp_path / name, f"#!/bin/sh\n{text}\n")
    (tmp_path / "grep").symlink_to(shutil.which("grep"))
    subprocess.run([shutil.which("bash"), TOOLCHAIN / "host-packages.sh", "unpack"], env={"PATH": str(tmp_path)}, check=True,
                   timeout=60)
    install = pathlib.Path(called).read_text().splitlines()[-1].split()
    assert "install" in install and "lintian" in install and "skopeo" in install
    assert ("busybox-static" in install) != there
