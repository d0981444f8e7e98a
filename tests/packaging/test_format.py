"""The appliance file is as FORMAT.md says, byte for byte the same each time, and other readers can read it."""

import os
import random
import shutil
import struct
import subprocess
import zipfile

import pytest
from build_python import ELF, ROOT

APP = "class Outer:\n    class Inner:\n        pass\n\n\ndef app(e, s):\n    return {'b', 'a', 'c'} if e in {'x', 'y'} else s\n"


@pytest.fixture
def shop(folder):
    """An application with a bit of everything."""
    return folder("shop", {
        "app.py": APP, "static/long.css": "a" * 5000, "static/random.bin": random.Random(1).randbytes(5000),
        "templates/é ü.html": "<p>", "empty": "", "Z": "z", "a-b/x": "1", "a/x": "2", "pkg/__init__.py": "",
    })


def test_zip_is_strict(pack, shop):
    out = pack(shop)
    data = out.read_bytes()
    with zipfile.ZipFile(out) as archive:
        infos = archive.infolist()
        assert archive.testzip() is None and archive.comment == b""
    names = [info.filename.encode() for info in infos]
    assert names == sorted(set(names)) and not any(name.endswith(b"/") for name in names)
    position = len(ELF)
    assert data[:position] == ELF
    for info in infos:
        assert info.header_offset == position
        position += 30 + len(info.filename.encode()) + info.compress_size
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert info.external_attr == 0o100644 << 16 and info.create_system == 3
        assert (info.extract_version, info.create_version, info.internal_attr) == (20, 20, 0)
        assert info.flag_bits == (0 if info.filename.isascii() else 0x800)
        assert info.extra == b"" and info.comment == b""
        local = struct.unpack_from("<IHHHIIIIHH", data, info.header_offset)
        assert local[2:4] == (info.flag_bits, info.compress_type) and local[9] == 0
    signature, *_, size, directory, comment = struct.unpack("<IHHHHIIH", data[-22:])
    assert (signature, comment, directory) == (0x06054B50, 0, position)
    assert directory + size == len(data) - 22
    assert "app/templates/é ü.html".encode() in names


def test_methods(pack, shop):
    with zipfile.ZipFile(pack(shop)) as archive:
        methods = {info.filename: info.compress_type for info in archive.infolist()}
        assert archive.read("app/static/long.css") == b"a" * 5000
    assert methods["app/static/long.css"] == zipfile.ZIP_DEFLATED
    assert methods["app/static/random.bin"] == zipfile.ZIP_STORED
    assert methods["app/empty"] == zipfile.ZIP_STORED
    assert methods["app/__pycache__/app.cpython-314.pyc"] == zipfile.ZIP_STORED


def test_compiled_code(pack, shop, run_python):
    out = pack(shop)
    check = """
import importlib.util, marshal, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for name in ("app/app.py", "app/pkg/__init__.py"):
    pyc = archive.read(importlib.util.cache_from_source(name))
    assert pyc[:8] == importlib.util.MAGIC_NUMBER + bytes([1, 0, 0, 0])
    assert pyc[8:16] == importlib.util.source_hash(archive.read(name))
    assert marshal.loads(pyc[16:]).co_filename == name
"""
    done = run_python("-c", check, out)
    assert done.returncode == 0, done.stderr


def test_zipimport_reads_it(pack, shop, run_python):
    out = pack(shop)
    code = "import sys; sys.path.insert(0, sys.argv[1] + '/app'); import app; print(app.app('x', 1)); print(app.__file__)"
    done = run_python("-c", code, out, env={"PYTHONHASHSEED": "1"})
    assert done.stdout.splitlines()[1] == f"{out}/app/app.py", done.stderr


def test_archive_c_reads_it(pack, shop, tmp_path):
    """The C reader's fuzz target, given the one file: it indexes and reads everything or aborts."""
    out = pack(shop)
    with zipfile.ZipFile(out) as archive:
        count = len(archive.namelist())
    main = tmp_path / "main.c"
    main.write_text("""
#include <stdint.h>
#include "archive.h"
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int main(int argc, char **argv)
{
    struct archive *archive;
    struct err err;
    if (argc < 2 || archive_open(&archive, argv[1], &err) < 0)
        return puts(err.text), 1;
    for (size_t i = 0; i < archive_count(archive); i++) {
        const struct archive_member *member = archive_at(archive, i);
        char *content = malloc(member->size + 1);
        if (archive_read(archive, member, content, &err) < 0)
            return puts(err.text), 1;
        free(content);
    }
    printf("%zu members from %zu on\\n", archive_count(archive), archive_offset(archive));
    archive_close(archive);
    return 0;
}
""")
    sources = [ROOT / "appliance" / f"{name}.c" for name in ("archive", "archive_index", "err", "check")]
    compiler = ["gcc", "-D_GNU_SOURCE", "-std=gnu17", "-include", ROOT / "appliance/banned.h", f"-I{ROOT}/appliance"]
    program = tmp_path / "read"
    subprocess.run([*compiler, main, *sources, "-lz", "-o", program], check=True)
    done = subprocess.run([program, out], capture_output=True, text=True, check=False)
    assert done.stdout == f"{count} members from {len(ELF)} on\n"


# --- The same input gives the same bytes ---


def test_deterministic(pack, shop, tmp_path):
    first = pack(shop).read_bytes()
    # The same files, made anew in another order at another time and place, packed by a process in another state.
    copy = tmp_path / "elsewhere" / "shop"
    files = [path for path in shop.rglob("*") if path.is_file()]
    for path in reversed(files):
        target = copy / path.relative_to(shop)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (1_000_000_000, 1_000_000_000))
        target.chmod(0o700)
    state = {"PYTHONHASHSEED": "77", "PRELOAD": "asyncio inspect argparse http.server unittest", "LC_ALL": "C"}
    again = pack(copy, env=state, prepare=lambda: os.umask(0o077) and None, output=tmp_path / "again")
    assert again.read_bytes() == first
    assert again.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("module", ["weakref", "argparse", "inspect", "asyncio/events", "enum", "typing"])
def test_compiled_code_is_deterministic(folder, pack, python, tmp_path, module):
    """Sources whose compiled code is known to depend on what the process knew already, unless care is taken."""
    with open(f"{python.prefix}/lib/python3.14/{module}.py", "rb") as file:
        shop = folder("shop", {"app.py": "app = 1", "other.py": file.read()})
    first = pack(shop).read_bytes()
    preload = {"PRELOAD": module.replace("/", "."), "PYTHONHASHSEED": "3"}
    assert pack(shop, output=tmp_path / "again", env=preload).read_bytes() == first


# --- base.py ---


def test_base(base, tmp_path):
    library = tmp_path / "library"
    (library / "pkg" / "__pycache__").mkdir(parents=True)
    (library / "pkg" / "a.py").write_text("A = 1\n")
    (library / "pkg" / "__pycache__" / "a.cpython-314.pyc").write_text("stale")
    (library / "no.txt").write_text("no")
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "frozen.py").write_text("F = 1\n")
    with zipfile.ZipFile(tmp_path / "pip-1.0-py3-none-any.whl", "w") as wheel:
        for name in ("pip/__init__.py", "pip/__pycache__/x.pyc", "pip/_vendor/distlib/t64.exe", "pip-1.0.dist-info/RECORD"):
            wheel.writestr(name, "x = 1\n")
    licence = tmp_path / "MIT.txt"
    licence.write_text("MIT")
    out = tmp_path / "limpet"
    done = base(out, "--lib", library, "--sources", sources, "--exclude", "*.txt", "--licence", f"zlib={licence}",
                "--wheel", tmp_path / "pip-1.0-py3-none-any.whl")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == [
            "lib/frozen.py", "lib/pip-1.0.dist-info/RECORD", "lib/pip/__init__.py",
            "lib/pkg/__pycache__/a.cpython-314.pyc", "lib/pkg/a.py", "limpet/licences/zlib", "limpet/parts"]
        assert archive.read("lib/pkg/__pycache__/a.cpython-314.pyc") != b"stale"
    assert out.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("elf", [b"", b"text" * 100, ELF[:40] + struct.pack("<Q", 65) + ELF[48:]])
def test_base_refuses_what_is_no_executable(base, tmp_path, elf):
    done = base(tmp_path / "limpet", elf=elf)
    assert done.returncode == 1 and "not a whole little-endian ELF executable" in done.stderr
    assert not (tmp_path / "limpet").exists()


def test_base_refuses_what_does_not_compile(base, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "bad.py").write_text("def\n")
    done = base(tmp_path / "limpet", "--lib", library)
    assert done.returncode == 1 and "bad.py: does not compile: " in done.stderr
