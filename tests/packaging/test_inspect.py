"""limpet inspect: what it says of a binary, and of what is none."""

import datetime
import hashlib

import pytest
from build_python import ELF


@pytest.fixture
def shop(pack, folder):
    """An appliance with a package and a native extension module left out."""
    source = folder("shop-src", {"app.py": "app = 1\n", "static/x.css": "x"})
    packages = folder("packages", {
        "wares/__init__.py": "from . import _fast\n", "wares/_fast.so": "",
        "wares-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: Wares\nVersion: 1.2\n\nName: not this\n"})
    return pack(source, "--with", packages, "--settings", "port = 9000\nworkers = 2\n")


def test_appliance(tool, shop):
    done = tool("inspect", shop)
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(shop.read_bytes()).hexdigest()
    text = done.stdout
    assert text.startswith(f"{shop}: appliance, {shop.stat().st_size:,} bytes\nsha256 {digest}\n")
    for part in ("application\n  app:app\n", "settings\n  port = 9000\n  workers = 2\n", "packages\n  Wares  1.2\n",
                 "native extensions left out\n  site/wares/_fast.so: no fallback found: importing wares._fast will fail\n",
                 "parts\n  limpet  0.1     MIT\n  python  3.14.7  PSF-2.0\n", "licences (texts: --licences)\n  limpet\n"):
        assert part in text
    rows = {line.split()[0]: line.split()[1:5] for line in text.splitlines() if "modules" in line}
    assert rows["app/"] == ["2", "files", "1", "modules"] and rows["site/"] == ["2", "files", "1", "modules"]


def test_own_executable(tool, shop):
    assert tool("inspect", binary=shop).stdout == tool("inspect", shop).stdout


def test_bare_limpet(tool, limpet):
    text = tool("inspect").stdout
    assert text.startswith(f"{limpet}: limpet without an application, ")
    assert "application\n  " not in text and "settings" not in text and "parts\n  limpet" in text


@pytest.mark.parametrize("days, age", [(0, " (0 days old)"), (1, " (1 day old)"), (131, " (131 days old)"), (-2, "")])
def test_ca_roots(tool, pack, base, folder, tmp_path, days, age):
    """Told by the file itself, in a packed application too; a clock that stands before their day tells no age."""
    pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" * 3
    day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days)
    library = folder("library", {"ca-roots.pem": f"# Mozilla's CA roots for TLS servers: NSS 2.80, of {day}\n{pem}"})
    assert base(tmp_path / "bare", "--sources", library).returncode == 0
    shop = pack(folder("src", {"app.py": "app = 1\n"}), binary=tmp_path / "bare")
    for binary in (tmp_path / "bare", shop):
        said = tool("inspect", binary).stdout
        if datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days) == day:
            assert f"\nCA roots\n  3, NSS 2.80, of {day}{age}\n" in said


def test_ca_roots_of_unknown_age(tool, base, folder, tmp_path):
    library = folder("library", {"ca-roots.pem": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"})
    assert base(tmp_path / "bare", "--sources", library).returncode == 0
    assert "\nCA roots\n  1, of unknown age\n" in tool("inspect", tmp_path / "bare").stdout


def test_without_ca_roots(tool, limpet):
    assert "CA roots" not in tool("inspect", limpet).stdout


def test_licences(tool, limpet):
    assert tool("inspect", "--licences").stdout == "=== limpet\nPermission is granted\n\n"


def elf_with_other_zip(shop):
    """A zip of another program behind an executable."""
    del shop
    import io
    import zipfile
    file = io.BytesIO()
    file.write(ELF)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("__main__.py", "")
    return file.getvalue()


@pytest.mark.parametrize("make, expected", [
    (lambda shop: b"", "not a limpet binary: the file is empty"),
    (lambda shop: b"#!/bin/sh\n" * 20, "not a limpet binary: not an executable"),
    (lambda shop: shop[64:], "not a limpet binary: not an executable"),
    (lambda shop: ELF, "no archive behind the executable: not a limpet binary, or truncated"),
    (lambda shop: shop[:-1], "damaged archive: it does not end with the file (truncated, or appended to?)"),
    (lambda shop: shop + b"\n", "damaged archive: it does not end with the file (truncated, or appended to?)"),
    (lambda shop: shop.replace(b"PK\1\2", b"PK\1\3"), "damaged archive: bad directory entry at offset "),
    (lambda shop: shop.replace(b"limpet/partslimpet", b"limpet/partslimpat"),
     "damaged archive: limpet/parts: wrong size or check sum"),
    (elf_with_other_zip, "not a limpet binary: its archive is another program's"),
])
def test_other_files(tool, shop, tmp_path, make, expected):
    path = tmp_path / "file"
    content = make(shop.read_bytes())
    assert content != shop.read_bytes()
    path.write_bytes(content)
    done = tool("inspect", path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"limpet inspect: {path}: {expected}") and done.stderr.count("\n") == 1


def test_missing_file(tool, tmp_path):
    done = tool("inspect", tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"limpet inspect: {tmp_path}/none: No such file or directory\n"
    assert tool("inspect", tmp_path).stderr == f"limpet inspect: {tmp_path}: Is a directory\n"
