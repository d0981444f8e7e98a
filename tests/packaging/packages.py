"""What the tests of packages share: how packages are built, and a small binary of which they are built quickly.

Imported by test files; their fixtures are in conftest.py.
"""

import io
import os
import pathlib
import struct
import subprocess
import sys
import zipfile

import pytest
from build_python import ROOT

sys.path.append(str(ROOT / "tests" / "e2e"))
from server import is_sanitized  # noqa: E402

BINARY = pathlib.Path(os.environ.get("BINARY_UNDER_TEST") or ROOT / "build" / "limpet").absolute()
DISTRIBUTION = ROOT / "distribution"
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()

# Numbers of machines in ELF headers.
X86_64, ARM, AARCH64, RISCV, S390 = 62, 40, 183, 243, 22

# What is in the binary under test, as one expression of SPDX.
LICENCE = ("MIT AND PSF-2.0 AND LGPL-2.1-or-later AND Apache-2.0 AND Zlib AND blessing AND bzip2-1.0.6 AND 0BSD AND "
           "BSD-3-Clause AND BSD-2-Clause AND LicenseRef-public-domain AND MPL-2.0")

# The sanitizers' build is none that anybody would ship, and shows nothing here that others do not.
of_the_static_binary = pytest.mark.skipif(is_sanitized(), reason="packages are made of the static binary")


def small_binary(path, machine=X86_64, **more):
    """A file that looks like limpet for a machine, to who does not run it. more: other content of its archive's limpet/."""
    raw = io.BytesIO()
    members = {"limpet/parts": f"limpet {VERSION} MIT\nzlib 1.3 Zlib\nmbedtls 3.6 Apache-2.0\n",
               "limpet/licences/limpet": (ROOT / "LICENSE").read_text(encoding="utf-8"),
               "limpet/licences/zlib": "zlib's words\n",
               **{f"limpet/{name}": content for name, content in more.items()}}
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    bits = 1 if machine == ARM else 2
    header = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HHI", 2, machine, 1) + bytes(40)
    path.write_bytes(header + raw.getvalue())
    return path


def run_verb(*arguments, environment=None, umask=-1):
    """./build.sh package with these arguments: a CompletedProcess. Compresses as quickly as possible."""
    return subprocess.run([ROOT / "build.sh", "package", *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, umask=umask,
                          env={**os.environ, "LIMPET_PACKAGE_LEVEL": "1", **(environment or {})})


def build(kind, folder, *, binary=BINARY, documenter=None, **options):
    """Build a package into a folder: the paths of what is in that afterwards, by name."""
    more = ["--documenter", documenter] if documenter else []
    done = run_verb(kind, "--binary", binary, *more, environment={"LIMPET_PACKAGES": str(folder)}, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path for path in folder.iterdir()}


def check_same_bytes(kind, tmp_path):
    """Built in two ways that leave traces in careless archives: the same files with the same bytes, and nothing else."""
    contents = []
    for number, umask in enumerate((0o022, 0o077)):
        folder = tmp_path / f"folder-{number}"
        folder.mkdir()
        binary = small_binary(folder / "limpet")
        binary.chmod(0o600 if number else 0o755)
        os.utime(binary, (number, number))
        results = folder / "results"
        made = build(kind, results, binary=binary, documenter=BINARY, umask=umask)
        contents.append({name: path.read_bytes() for name, path in made.items()})
        assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o644}
    assert contents[0] == contents[1]
    return contents[0]
