"""./build.sh package openwrt: the package as opkg reads it, and what its init script tells procd, by busybox."""

import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import packages
import pytest
from server import Server

pytestmark = packages.of_the_static_binary

STUB = pathlib.Path(__file__).resolve().with_name("openwrt.sh")
OURS = packages.DISTRIBUTION / "openwrt"


def members(content):
    """{name: (mode, content, or None for folders)} of a gzipped tar, all of which must be root's."""
    assert content[:2] == b"\x1f\x8b"
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        found = archive.getmembers()
        assert {(member.uid, member.gid) for member in found} == {(0, 0)}
        return {member.name: (member.mode, archive.extractfile(member).read() if member.isfile() else None)
                for member in found}


@pytest.fixture(scope="module")
def package(built):
    return members(built("openwrt")[f"limpet_{packages.VERSION}-1_x86_64.ipk"].read_bytes())


def test_package(package):
    names = [name for name, (_, content) in package.items() if content is not None]
    assert sorted(names) == ["./control.tar.gz", "./data.tar.gz", "./debian-binary"]
    assert package["./debian-binary"][1] == b"2.0\n"


def test_data(package):
    files = {name: entry for name, entry in members(package["./data.tar.gz"][1]).items() if entry[1] is not None}
    assert files == {"./usr/bin/limpet": (0o755, packages.BINARY.read_bytes()),
                     "./etc/init.d/limpet": (0o755, (OURS / "limpet.init").read_bytes()),
                     "./etc/config/limpet": (0o644, (OURS / "limpet.config").read_bytes())}


def test_control(package):
    files = members(package["./control.tar.gz"][1])
    fields = dict(line.split(": ", 1) for line in files["./control"][1].decode().splitlines())
    assert fields["Package"] == "limpet" and fields["Version"] == f"{packages.VERSION}-1"
    assert fields["License"] == packages.LICENCE
    assert fields["Architecture"] == "all" and int(fields["Installed-Size"]) > packages.BINARY.stat().st_size
    assert files["./conffiles"][1] == b"/etc/config/limpet\n"
    assert all(files[f"./{name}"][0] == 0o755 for name in ("preinst", "postinst", "prerm"))
    assert not any(b"@" in content for name, (_, content) in files.items() if content and name == "./preinst")


@pytest.fixture(scope="module")
def busybox():
    if shutil.which("busybox") is None:
        pytest.skip("needs busybox")
    return [shutil.which("busybox"), "sh"]


@pytest.mark.parametrize(("machine", "good"), [(packages.X86_64, {"x86_64"}), (packages.AARCH64, {"aarch64"}),
                                               (packages.ARM, {"armv7l", "armv8l"}), (packages.RISCV, {"riscv64"})])
def test_only_machines_that_it_is_for(busybox, machine, good, tmp_path):
    (path,) = packages.build("openwrt", tmp_path / "made", binary=packages.small_binary(tmp_path / "limpet", machine)).values()
    preinst = tmp_path / "preinst"
    preinst.write_bytes(members(members(path.read_bytes())["./control.tar.gz"][1])["./preinst"][1])
    # busybox has a uname of its own, which a function goes before.
    script = [*busybox, "-c", f"uname() {{ echo $MACHINE; }}; . {preinst}"]
    for name in ("x86_64", "aarch64", "armv7l", "armv8l", "riscv64", "mips"):
        done = subprocess.run(script, capture_output=True, text=True, timeout=60, env={
            "MACHINE": name, "PATH": "/usr/bin:/bin"})
        assert (done.returncode == 0) == (name in good), (name, done)
        assert done.returncode == 0 or "take the package for it" in done.stderr
    # Where an image is put together, the machine is another's.
    subprocess.run(script, check=True, timeout=60, env={
        "MACHINE": "mips", "PATH": "/usr/bin:/bin", "IPKG_INSTROOT": "/x"})


@pytest.fixture
def call(busybox, tmp_path):
    """call(function, settings of /etc/config/limpet) -> the lines that procd would be told."""

    def of(function, text):
        (tmp_path / "limpet").write_text(text)
        done = subprocess.run([*busybox, STUB, OURS / "limpet.init", function], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin", "UCI_CONFIG_DIR": str(tmp_path)})
        assert done.returncode == 0 and done.stderr == "", done
        return done.stdout.splitlines()

    return of


SAMPLE = (OURS / "limpet.config").read_text(encoding="utf-8")


def test_the_sample_starts_nothing(call):
    assert call("start_service", SAMPLE) == []


def test_the_sample_enabled(call):
    assert call("start_service", SAMPLE.replace("enabled '0'", "enabled '1'")) == [
        "open [shop]",
        "set [command] [/srv/shop/shop] [serve]",
        "set [env] [LIMPET_PROCESS_NAME=limpet-shop]",
        "append [command] [--listen=:8000]",
        "append [env] [LIMPET_WORKERS=1]",
        "append [env] [LIMPET_USER=nobody]",
        "append [env] [LIMPET_LOG_LEVEL=info]",
        "append [command] [--writable=/srv/shop/data]",
        "set [respawn] [3600] [5] [5]",
        "set [stdout] [1]",
        "set [stderr] [1]",
        "set [term_timeout] [40]",
        "close",
    ]


def test_several_sections(call):
    told = call("start_service", """
config other 'x'
	option port '1'

config limpet 'one'
	option target 'shop:app'
	option config '/etc/limpet/one.toml'
	option preload '1'
	list static '/static=/srv/my files'
	list static '/media=/srv/media'

config limpet 'two'
	option enabled '0'

config limpet 'three'
	option binary '/srv/three'
	option access_log_format '%(h)s "%(r)s"'
""")
    assert [line for line in told if line.startswith("open")] == ["open [one]", "open [three]"]
    assert told[1:9] == [
        "set [command] [/usr/bin/limpet] [serve]", "set [env] [LIMPET_PROCESS_NAME=limpet-one]",
        "append [env] [LIMPET_TARGET=shop:app]", "append [env] [LIMPET_CONFIG=/etc/limpet/one.toml]",
        "append [env] [LIMPET_PRELOAD=1]", "append [command] [--static=/static=/srv/my files]",
        "append [command] [--static=/media=/srv/media]", "set [file] [/etc/limpet/one.toml]"]
    assert 'append [env] [LIMPET_ACCESS_LOG_FORMAT=%(h)s "%(r)s"]' in told


def test_reload(call):
    # In this order: what is started anew needs no signal, and would end by one that came before it listens for it.
    assert call("reload_service", SAMPLE) == ["signal [limpet] [*] [HUP]", "start"]
    assert call("service_triggers", SAMPLE) == ["trigger [limpet]"]


def test_what_procd_would_start(call, tmp_path):
    """A packed application, by the command and the variables that procd gets."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/app.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'shop']\n")
    (tmp_path / "data").mkdir()
    subprocess.run([packages.BINARY, "pack", tmp_path / "shop", "-o", tmp_path / "packed"], check=True, capture_output=True)
    settings = SAMPLE.replace("enabled '0'", "enabled '1'").replace("/srv/shop/shop", str(tmp_path / "packed"))
    settings = settings.replace(":8000", "127.0.0.1:0").replace("/srv/shop/data", str(tmp_path / "data"))
    settings = settings.replace("\toption user 'nobody'\n", "\toption preload '1'\n")
    told = [(line.split()[0], re.findall(r"\[(.*?)\]", line)) for line in call("start_service", settings)]
    words = {name: [word for _, (kind, *rest) in told[1:-1] if kind == name for word in rest]
             for name in ("command", "env")}
    environment = {**os.environ, **dict(word.split("=", 1) for word in words["env"])}
    server = Server(words["command"], environment=environment)
    try:
        assert server.get().read() == b"shop"
        assert re.search(r"with 1 worker\b", server.log) and f"{tmp_path}/data" in server.log
        server.stop()
    finally:
        server.kill()
