"""limpet pack --base: packed here for another machine."""

import os
import struct
import zipfile

import pytest
from build_python import ELF, PACKAGING

pytestmark = pytest.mark.unsanitized(reason="packing is Python")

AARCH64, ARM, RISCV = 183, 40, 243
# The part of an archive that says where members lie: it moves with the length of the executable in front.
ENTRY, END = struct.Struct("<IHHHHIIIIHHHHHII"), struct.Struct("<IHHHHIIH")


def elf(machine, bits=64, padding=0):
    """An ELF header of that machine, with so many bytes in front of its empty section header table."""
    header = bytearray(ELF[:16] + bytes(48)) if bits == 64 else bytearray(b"\x7fELF\x01\x01" + bytes(58))
    struct.pack_into("<H", header, 18, machine)
    struct.pack_into("<Q" if bits == 64 else "<I", header, 40 if bits == 64 else 32, 64 + padding)
    return bytes(header) + bytes(padding)


def archive_of(path, executable):
    """The archive's bytes with all offsets counted from its own start."""
    data = bytearray(path.read_bytes()[len(executable):])
    *_, size, directory, _ = END.unpack_from(data, len(data) - END.size)
    struct.pack_into("<I", data, len(data) - 6, directory - len(executable))
    position = directory - len(executable)
    while position < len(data) - END.size:
        entry = ENTRY.unpack_from(data, position)
        struct.pack_into("<I", data, position + 42, entry[-1] - len(executable))
        position += ENTRY.size + entry[9]
    return bytes(data)


@pytest.fixture
def bare(base, folder, tmp_path):
    """bare(name, elf) makes a bare limpet as the fixture limpet is, around another executable."""
    library = folder("base-library", {"data/__init__.py": "X = 1\n", "data/long.txt": "long " * 1000,
                                      "pip/__init__.py": "", "pip-1.0.dist-info/METADATA": "Name: pip\n"})
    (tmp_path / "MIT").write_text("Permission is granted\n")

    def make(name, executable):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "limpet"
        done = base(path, "--lib", library, "--licence", f"limpet={tmp_path / 'MIT'}", elf=executable)
        assert done.returncode == 0, done.stderr
        return path

    return make


@pytest.fixture
def shop(folder):
    """An application."""
    return folder("shop", {"app.py": "app = 1\n", "é.css": "a" * 5000, "x.bin": os.urandom(3000)})


@pytest.mark.parametrize("machine, bits, name", [
    (AARCH64, 64, "aarch64"), (ARM, 32, "armv7")])
def test_for_another_machine(pack, tool, bare, shop, machine, bits, name):
    executable = elf(machine, bits, 1000)
    out = pack(shop, "--base", bare("other", executable))
    assert out.read_bytes()[:len(executable)] == executable
    assert pack.report.splitlines()[-1].endswith(f" in all, for {name} -> {out}")
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None and archive.read("app/app.py") == b"app = 1\n"
        assert "lib/pip/__init__.py" not in archive.namelist()
    said = tool("inspect", out).stdout.splitlines()
    assert said[0].startswith(f"{out}: appliance, ") and said[2].startswith(f"for {name} (") and said[2].endswith(", Linux")


def test_names_of_machines(run_python):
    code = (f"import sys; sys.path.insert(0, {str(PACKAGING)!r}); import machine\n"
            "for text in sys.argv[1:]: print(machine.description(bytes.fromhex(text)))")
    done = run_python("-c", code, *(elf(*kind).hex() for kind in ((62, 64), (RISCV, 64), (62, 32), (8, 32))))
    assert done.stdout.splitlines() == [
        "x86_64 (64-bit x86)", "riscv64 (64-bit RISC-V)", "machine-62 (32-bit, e_machine 62 in its ELF header)",
        "machine-8 (32-bit, e_machine 8 in its ELF header)"], done.stderr


def test_archive_is_the_same_for_every_machine(pack, bare, shop, tmp_path):
    archives = {}
    own = pack(shop, output=tmp_path / "own")
    archives["own"] = archive_of(own, ELF)
    for name, executable in (("a", elf(AARCH64, padding=12345)), ("b", elf(ARM, 32, 7)), ("c", elf(RISCV))):
        out = pack(shop, "--base", bare(name, executable), output=tmp_path / f"out-{name}")
        archives[name] = archive_of(out, executable)
        if len(executable) == len(ELF):  # then not even offsets differ
            assert out.read_bytes()[len(executable):] == own.read_bytes()[len(ELF):]
    assert len(set(archives.values())) == 1


def test_own_file_as_base_is_as_without(pack, shop, limpet, tmp_path):
    assert pack(shop, "--base", limpet).read_bytes() == pack(shop, output=tmp_path / "second").read_bytes()


def test_native_extensions_name_the_machine(pack, bare, folder, tmp_path):
    shop = folder("shop", {"app.py": "import _a\napp = 1\n", "_a.so": "",
                           "_b.cpython-314-x86_64-linux-musl.so": "", "_b.py": ""})
    out = pack(shop, "--base", bare("other", elf(AARCH64)))
    assert pack.report.splitlines()[:-1] == [
        "warning: native extension for aarch64 _a.so: no fallback found: importing _a will fail",
        "left out: native extension for aarch64 _b.cpython-314-x86_64-linux-musl.so: fallback: pure Python (_b.py takes its "
        "place)"]
    with zipfile.ZipFile(out) as archive:
        assert b"aarch64" not in archive.read("limpet/left-out")


# --- Bases that are refused ---


def test_bad_bases(refuse, shop, limpet, folder, tmp_path):
    files = folder("files", {"text": "#!/bin/sh\n" * 20, "empty": "", "bare-elf": ELF, "cut": limpet.read_bytes()[:-1]})
    os.mkfifo(files / "pipe")
    for base, expected in (
            (tmp_path / "none", "no such file"), (files, "is a folder: name a limpet binary"),
            (files / "pipe", "is no regular file: name a limpet binary"),
            (files / "text", "not a limpet binary: not an executable"),
            (files / "empty", "not a limpet binary: the file is empty"),
            (files / "bare-elf", "no archive behind the executable: not a limpet binary, or truncated"),
            (files / "cut", "damaged archive: it does not end with the file (truncated, or appended to?)")):
        assert refuse(shop, "--base", base) == f"--base {base}: {expected}"


def test_base_with_another_programs_archive(refuse, shop, tmp_path):
    (tmp_path / "other").write_bytes(elf(AARCH64))
    with zipfile.ZipFile(tmp_path / "other", "a") as archive:
        archive.writestr("__main__.py", "")
    assert refuse(shop, "--base", tmp_path / "other") == (
        f"--base {tmp_path}/other: not a limpet binary: its archive is another program's")


def test_base_is_packed_already(pack, refuse, bare, shop, tmp_path):
    packed = pack(shop, "--base", bare("other", elf(AARCH64)), output=tmp_path / "packed")
    assert refuse(shop, "--base", packed) == (
        f"--base {packed}: is a packed application: name limpet itself as it was built for that machine")


@pytest.mark.parametrize("parts, expected", [
    ("limpet 0.2 MIT\npython 3.14.7 PSF-2.0\n", "has limpet 0.2, and this is limpet 0.1: pack with the version that it has"),
    ("limpet 0.1 MIT\npython 3.13.1 PSF-2.0\n",
     "has Python 3.13.1, and this is Python 3.14.7: pack with the version that it has"),
    ("limpet 0.1 MIT\n", "has Python of no version, and this is Python 3.14.7: pack with the version that it has"),
])
def test_base_of_another_version(refuse, run_python, shop, tmp_path, parts, expected):
    (tmp_path / "elf").write_bytes(elf(AARCH64))
    (tmp_path / "parts").write_text(parts)
    made = run_python(PACKAGING / "base.py", "--output", tmp_path / "old",
                      "--elf", tmp_path / "elf", "--parts", tmp_path / "parts")
    assert made.returncode == 0, made.stderr
    assert refuse(shop, "--base", tmp_path / "old") == f"--base {tmp_path}/old: {expected}"


def test_damaged_base(refuse, bare, shop, tmp_path):
    base = bare("other", elf(AARCH64))
    data = base.read_bytes()
    with zipfile.ZipFile(base) as archive:
        at = archive.getinfo("lib/data/__pycache__/__init__.cpython-314.pyc").header_offset
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data[:at + 100] + bytes([data[at + 100] ^ 1]) + data[at + 101:])
    assert refuse(shop, "--base", damaged) == (
        f"--base {damaged}: damaged archive: lib/data/__pycache__/__init__.cpython-314.pyc: wrong size or check sum")


def test_output_is_the_base(refuse, bare, shop, tmp_path):
    base = bare("other", elf(AARCH64))
    before = base.read_bytes()
    os.link(base, tmp_path / "link")
    (tmp_path / "symbolic").symlink_to(base)
    for output in (base, tmp_path / "link", tmp_path / "symbolic"):
        assert refuse(shop, "--base", base, output=output) == f"{output}: would overwrite --base"
    assert base.read_bytes() == before
