"""./build.sh package deb: the package as lintian, dpkg-deb and dpkg see it."""

import gzip
import os
import re
import shutil
import subprocess

import packages
import pytest

pytestmark = packages.of_the_static_binary

NAME = f"limpet_{packages.VERSION}-1_amd64.deb"


def run(*command, **options):
    """Its output; it must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(built):
    return built("deb")[NAME]


@pytest.fixture(scope="module")
def content(package, tmp_path_factory):
    """The folder that it was unpacked into."""
    folder = tmp_path_factory.mktemp("content")
    run("dpkg-deb", "--raw-extract", package, folder)
    return folder


def test_lintian(package):
    """Nothing is found but what is overridden, and nothing is overridden but what is found."""
    # Words of CPython's sources that look misspelt are nobody's concern here, and take as long as all the rest.
    said = run("lintian", "--dont-check-part", "binaries/spelling", "--show-overrides", "--fail-on", "none",
               "--allow-root", "--no-cfg", package)
    tags = [line.split(": ")[:3] for line in said.splitlines() if re.match("[A-MO-Z]: ", line)]
    assert [tag for tag in tags if tag[0] != "O"] == [], said
    overrides = (packages.DISTRIBUTION / "debian" / "lintian-overrides").read_text()
    assert {tag.split()[0] for _, _, tag in tags} == set(re.findall(r"^limpet: ([a-z-]+)", overrides, re.M)), said


def test_fields(package):
    fields = dict(line.split(": ", 1) for line in run("dpkg-deb", "--field", package).splitlines() if ": " in line)
    assert fields["Package"] == "limpet" and fields["Version"] == f"{packages.VERSION}-1"
    assert fields["Architecture"] == "amd64"
    assert int(fields["Installed-Size"]) >= packages.BINARY.stat().st_size // 1024


def test_owners_and_modes(package):
    rows = [line.split(None, 5) for line in run("dpkg-deb", "--contents", package).splitlines()]
    assert {row[1] for row in rows} == {"root/root"}
    modes = {row[5]: row[0] for row in rows}
    assert modes["./usr/bin/limpet"] == "-rwxr-xr-x" and modes["./etc/limpet/"] == "drwxr-xr-x"
    assert {mode for name, mode in modes.items() if name != "./usr/bin/limpet"} == {"-rw-r--r--", "drwxr-xr-x"}


def test_files(content):
    assert (content / "usr/bin/limpet").read_bytes() == packages.BINARY.read_bytes()
    for name in ("usr/share/man/man1/limpet.1.gz", "usr/share/bash-completion/completions/limpet",
                 "usr/share/zsh/vendor-completions/_limpet", "usr/share/fish/vendor_completions.d/limpet.fish",
                 "usr/lib/systemd/system/limpet@.service", "usr/lib/systemd/system/limpet@.socket",
                 "usr/lib/sysusers.d/limpet.conf"):
        assert (content / name).is_file(), name
    assert (content / "DEBIAN/conffiles").read_text() == "/etc/default/limpet\n"
    run("md5sum", "--check", "--strict", "DEBIAN/md5sums", cwd=content)
    changelog = gzip.decompress((content / "usr/share/doc/limpet/changelog.Debian.gz").read_bytes()).decode()
    assert changelog.startswith(f"limpet ({packages.VERSION}-1) ")


def test_licences_of_all_parts(content):
    text = (content / "usr/share/doc/limpet/copyright").read_text()
    parts = run(packages.BINARY, "version").splitlines()[1:]
    assert len(parts) > 10
    for name, version, _ in (line.split() for line in parts):
        assert re.search(rf"^Files: {re.escape(name)}-{re.escape(version)}/\*\nCopyright: \S.*", text, re.M), name
    assert "/usr/share/common-licenses/Apache-2.0" in text and "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in text


def test_built_twice(tmp_path):
    assert list(packages.check_same_bytes("deb", tmp_path)) == [NAME]


@pytest.mark.parametrize(("machine", "architecture"), [(packages.AARCH64, "arm64"), (packages.ARM, "armhf"),
                                                       (packages.RISCV, "riscv64")])
def test_other_machines(machine, architecture, tmp_path):
    binary = packages.small_binary(tmp_path / "limpet", machine)
    made = packages.build("deb", tmp_path / "made", binary=binary, documenter=packages.BINARY)
    (path,) = made.values()
    assert path.name == f"limpet_{packages.VERSION}-1_{architecture}.deb"
    assert run("dpkg-deb", "--field", path, "Architecture") == f"{architecture}\n"


class Machine:
    """A root folder with dpkg's database; what the package's scripts do is done in it, with the host's programs."""

    def __init__(self, root):
        self.root = root
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
            (root / name).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\n")

    def dpkg(self, *arguments):
        return run("dpkg", f"--root={self.root}", "--force-script-chrootless", "--force-depends", "--force-confold",
                   "--no-triggers", "--log=/dev/null", *arguments)


@pytest.fixture
def machine(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: dpkg unpacks files as root's")
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("needs systemd-sysusers")
    return Machine(tmp_path / "root")


def test_installed_and_removed(machine, package):
    machine.dpkg("--install", package)
    run(machine.root / "usr/bin/limpet", "version")
    assert re.search(r"^limpet:x?:\d+:\d+:limpet web applications:/var/lib/limpet:", (machine.root / "etc/passwd").read_text(),
                     re.M)
    settings = machine.root / "etc/default/limpet"
    settings.write_text("LIMPET_WORKERS=3\n")
    own = machine.root / "etc/limpet/shop.toml"
    own.write_text("port = 9000\n")
    # An upgrade, and a removal, leave what is the administrator's.
    machine.dpkg("--install", package)
    assert settings.read_text() == "LIMPET_WORKERS=3\n"
    machine.dpkg("--remove", "limpet")
    assert not (machine.root / "usr/bin/limpet").exists()
    assert settings.exists() and own.exists()
    machine.dpkg("--purge", "limpet")
    assert not settings.exists() and own.exists()
