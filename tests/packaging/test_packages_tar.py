"""./build.sh package tar, and what all kinds have in common: choices, mistakes, other machines, the manual page."""

import hashlib
import pathlib
import re
import subprocess
import tarfile

import packages
import pytest

pytestmark = packages.of_the_static_binary


def options_of_help():
    """The names in the table of options, as they are written on a command line."""
    table = subprocess.run([packages.BINARY, "help", "options"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\| (?:`-\w`, )?`(--[a-z0-9-]+)`", table, re.M)


def test_what_is_in_it(unpacked, built):
    assert unpacked.name == f"limpet-{packages.VERSION}-x86_64"
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert files == {
        "bin/limpet", "README.md", "CHANGES.md", "LICENSE", "LICENCES-OF-PARTS", "share/man/man1/limpet.1",
        "share/bash-completion/completions/limpet", "share/zsh/site-functions/_limpet",
        "share/fish/vendor_completions.d/limpet.fish", "lib/systemd/system/limpet@.service",
        "lib/systemd/system/limpet@.socket", "lib/sysusers.d/limpet.conf", "share/doc/limpet/examples/shop.toml",
        "share/doc/limpet/examples/packed.conf"}
    assert (unpacked / "bin/limpet").read_bytes() == packages.BINARY.read_bytes()
    said = subprocess.run([unpacked / "bin/limpet", "version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"limpet {packages.VERSION}\n")
    assert "ExecStart=/usr/local/bin/limpet serve " in (unpacked / "lib/systemd/system/limpet@.service").read_text()


def test_the_sums(built):
    made = built("tar")
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=made["SHA256SUMS"].parent,
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == f"limpet-{packages.VERSION}-x86_64.tar.gz: OK\n"


def test_sums_of_several_machines(tmp_path):
    for machine in (packages.X86_64, packages.AARCH64, packages.AARCH64):
        binary = packages.small_binary(tmp_path / "limpet", machine)
        made = packages.build("tar", tmp_path / "made", binary=binary, documenter=packages.BINARY)
    assert made["SHA256SUMS"].read_text() == "".join(
        f"{hashlib.sha256(made[name].read_bytes()).hexdigest()}  {name}\n"
        for name in (f"limpet-{packages.VERSION}-aarch64.tar.gz", f"limpet-{packages.VERSION}-x86_64.tar.gz"))


def test_nothing_of_the_machine_is_in_it(built):
    with tarfile.open(built("tar")[f"limpet-{packages.VERSION}-x86_64.tar.gz"]) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert len({member.mtime for member in members}) == 1
    assert {member.mode for member in members} == {0o644, 0o755}


def test_the_header_of_gzip(built):
    """No name, no time, and no system, which versions of Python do not agree about."""
    header = built("tar")[f"limpet-{packages.VERSION}-x86_64.tar.gz"].read_bytes()[:10]
    assert header[:8] == b"\x1f\x8b\x08" + bytes(5) and header[9] == 255


@pytest.mark.parametrize("kind", ["tar", "container", "openwrt"])
def test_built_twice(kind, tmp_path):
    assert packages.check_same_bytes(kind, tmp_path)


@pytest.mark.parametrize(("machine", "target"), [(packages.AARCH64, "aarch64"), (packages.ARM, "armv7"),
                                                 (packages.RISCV, "riscv64")])
def test_other_machines(machine, target, tmp_path):
    binary = packages.small_binary(tmp_path / "limpet", machine)
    made = packages.build("tar", tmp_path / "made", binary=binary, documenter=packages.BINARY)
    name = f"limpet-{packages.VERSION}-{target}"
    with tarfile.open(made[f"{name}.tar.gz"]) as archive:
        unit = archive.extractfile(f"{name}/lib/systemd/system/limpet@.service").read().decode()
    # Where libffi has to write code for callbacks.
    assert f"MemoryDenyWriteExecute={'no' if target == 'riscv64' else 'yes'}\n" in unit


def refused(*arguments, **options):
    """The one line that is said, without its prefix."""
    done = packages.run_verb(*arguments, **options)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
    return done.stderr.strip().partition(": ")[2]


def test_mistakes(tmp_path):
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    assert refused() == "package KIND: deb, openwrt, container or tar"
    assert refused("rpm") == "unknown kind of package: rpm (deb, openwrt, container or tar)"
    assert refused("tar", "--output", "x").startswith("package: unknown option --output (")
    assert refused("tar", "--binary").startswith("package: --binary needs a value")
    folder = {"environment": {"LIMPET_PACKAGES": str(tmp_path / "made")}}
    assert refused("tar", "--binary", text, **folder) == f"{text}: not an executable (ELF); name a built limpet by --binary"
    assert refused("tar", "--binary", tmp_path / "none", **folder) == f"{tmp_path}/none: No such file or directory"
    binary = packages.small_binary(tmp_path / "limpet", packages.S390)
    assert "no package is for (machine-22)" in refused("tar", "--binary", binary, **folder)
    # A binary of another machine cannot be asked for its help; a wrong one should not be.
    binary = packages.small_binary(tmp_path / "limpet", packages.RISCV)
    binary.chmod(0o755)
    for kind in ("tar", "deb"):
        said = refused(kind, "--binary", binary, **folder)
        assert "cannot be asked for its help here" in said and said.endswith("by --documenter")
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho limpet 0.0.1\n")
    other.chmod(0o755)
    assert refused("tar", "--binary", binary, "--documenter", other, **folder) == (
        f"{other}: is limpet 0.0.1, and VERSION says {packages.VERSION}; build it again")
    assert list((tmp_path / "made").iterdir()) == []


@pytest.mark.parametrize("kind", ["container", "deb", "openwrt", "tar"])
def test_only_limpet_itself(kind, tmp_path):
    """Whatever the binary is for, it is a bare one, and of the version that the package is called by."""
    folder = {"environment": {"LIMPET_PACKAGES": str(tmp_path / "made")}}
    path = tmp_path / "limpet"
    arguments = (kind, "--binary", path, "--documenter", packages.BINARY)
    for more, expected in (
            ({"parts": "limpet 0.0.1 MIT\n"}, f"is limpet 0.0.1, and VERSION says {packages.VERSION}; build it again"),
            ({"settings": "{}"}, "a packed application; name the limpet that it was packed by"),
            ({"parts": f"other {packages.VERSION} MIT\n"}, "no limpet, but other"),
            ({"parts": ""}, "no limpet, its archive cannot be read (")):
        packages.small_binary(path, packages.AARCH64, **more)
        assert refused(*arguments, **folder).startswith(f"{path}: {expected}"), more
    path.write_bytes(pathlib.Path("/bin/true").read_bytes())
    assert refused(*arguments, **folder) == f"{path}: no limpet, its archive cannot be read (File is not a zip file)"
    assert list((tmp_path / "made").iterdir()) == []


def test_a_packed_application(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/app.py").write_text("def app(environ, start_response): pass\n")
    path = tmp_path / "shop"
    subprocess.run([packages.BINARY, "pack", tmp_path / "site", "-o", path], check=True, capture_output=True)
    assert refused("container", "--binary", path, environment={"LIMPET_PACKAGES": str(tmp_path / "made")}) == (
        f"{path}: a packed application; name the limpet that it was packed by")


def test_the_manual_page(unpacked):
    page = unpacked / "share/man/man1/limpet.1"
    done = subprocess.run(["man", "--warnings", "--encoding=UTF-8", "--local-file", "--ascii", page], capture_output=True,
                          text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "100",
                                          "MAN_KEEP_FORMATTING": ""})
    assert done.returncode == 0 and done.stderr == ""
    text = re.sub(r".\x08", "", done.stdout)
    for name in options_of_help():
        assert re.search(rf"^ +(?:-\w, )?{name}\b", text, re.M), name
    for line in (" --interface auto|wsgi|asgi|rsgi\n", " -o, --output FILE\n", " --access-log[=PLACE]\n",
                 " --http1-keep-alive, --no-http1-keep-alive\n", " LIMPET_TLS_KEY_PASSWORD\n", " ctl reload|restart|stop"):
        assert line in text, line
    assert "How the application is called." in text and "commands: serve, check, pack" in text
