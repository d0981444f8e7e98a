"""./build.sh package container: the image's layout as OCI's image format 1.0 has it, and what is in it run by hand."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import packages
import pytest
from server import Server

pytestmark = packages.of_the_static_binary

MEDIA = "application/vnd.oci.image"


class Image:
    """A layout, read as an engine reads it: every blob by a descriptor, whose size and digest must hold."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.members = archive.getmembers()
            self.files = {member.name: archive.extractfile(member).read() for member in self.members if member.isfile()}
        self.read = set()
        self.index = json.loads(self.files["index.json"])
        (entry,) = self.index["manifests"]
        self.platform = entry["platform"]
        self.manifest = json.loads(self.blob(entry, "manifest.v1+json"))
        self.config = json.loads(self.blob(self.manifest["config"], "config.v1+json"))
        self.layers = [gzip.decompress(self.blob(layer, "layer.v1.tar+gzip")) for layer in self.manifest["layers"]]

    def blob(self, descriptor, kind):
        assert descriptor["mediaType"] == f"{MEDIA}.{kind}"
        algorithm, _, digest = descriptor["digest"].partition(":")
        content = self.files[f"blobs/{algorithm}/{digest}"]
        assert algorithm == "sha256" and hashlib.sha256(content).hexdigest() == digest
        assert len(content) == descriptor["size"]
        self.read.add(f"blobs/{algorithm}/{digest}")
        return content


@pytest.fixture(scope="module")
def image(built):
    return Image(built("container")[f"limpet-{packages.VERSION}-x86_64.oci.tar"])


def test_layout(image):
    assert json.loads(image.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert image.index["schemaVersion"] == image.manifest["schemaVersion"] == 2
    # Nothing is in it that nobody asks for.
    assert set(image.files) == image.read | {"oci-layout", "index.json"}


def test_configuration(image):
    assert image.platform == {"architecture": "amd64", "os": "linux"}
    assert {name: image.config[name] for name in image.platform} == image.platform
    assert image.config["rootfs"] == {"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(layer).hexdigest() for layer in image.layers]}
    settings = image.config["config"]
    assert settings["User"] == "65532:65532" and settings["ExposedPorts"] == {"8000/tcp": {}}
    assert settings["Env"] == ["LIMPET_LISTEN=:8000"]
    assert settings["Labels"]["org.opencontainers.image.version"] == packages.VERSION
    assert settings["Labels"]["org.opencontainers.image.licenses"] == packages.LICENCE
    assert len(image.config["history"]) == len(image.layers)


@pytest.mark.parametrize(("machine", "platform"), [
    (packages.AARCH64, {"architecture": "arm64", "os": "linux", "variant": "v8"}),
    (packages.ARM, {"architecture": "arm", "os": "linux", "variant": "v7"}),
    (packages.RISCV, {"architecture": "riscv64", "os": "linux"})])
def test_other_machines(machine, platform, tmp_path):
    (path,) = packages.build("container", tmp_path / "made", binary=packages.small_binary(tmp_path / "limpet", machine),
                             documenter=packages.BINARY).values()
    other = Image(path)
    assert other.platform == platform and {name: other.config[name] for name in platform} == platform


def test_skopeo_reads_it(built, tmp_path):
    if shutil.which("skopeo") is None:
        pytest.skip("needs skopeo")
    path = built("container")[f"limpet-{packages.VERSION}-x86_64.oci.tar"]
    done = subprocess.run(["skopeo", "copy", "--insecure-policy", f"oci-archive:{path}", f"dir:{tmp_path / 'copy'}"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy/manifest.json").is_file()


def unpack(layers, root):
    """As root, with owners and modes."""
    for number, layer in enumerate(layers):
        path = root.parent / f"layer-{number}.tar"
        path.write_bytes(layer)
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                archive.extract(member, root, numeric_owner=True)


def test_it_serves(image, tmp_path):
    """In a root folder of the layers and nothing else, as its user, with its entrypoint and its folder."""
    if os.geteuid() != 0:
        pytest.skip("needs root: unpacks owners, and enters the folder")
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o755)
    unpack(image.layers, root)
    assert {path.name: path.stat().st_mode & 0o7777 for path in root.iterdir()} == {
        "usr": 0o755, "etc": 0o755, "srv": 0o755, "data": 0o755, "tmp": 0o1777}
    (root / "srv/app.py").write_text(
        "import os\n"
        "def app(environ, start_response):\n"
        "    open('/data/seen', 'w').close()\n"
        "    start_response('200 OK', [])\n"
        "    return [f'{os.getuid()} {os.getgid()} {os.getcwd()}'.encode()]\n")
    settings = image.config["config"]
    user, _, group = settings["User"].partition(":")
    prefix = ["/usr/bin/unshare", f"--root={root}", f"--wd={settings['WorkingDir']}", f"--setgid={group}", f"--setuid={user}",
              *settings["Entrypoint"], *settings["Cmd"]]
    # Any free port of this machine's in place of 8000.
    environment = dict(word.split("=", 1) for word in settings["Env"]) | {"LIMPET_LISTEN": "127.0.0.1:0"}
    server = Server(["--workers", "1", "--writable", "/data"], prefix=prefix, environment=environment)
    try:
        assert server.get().read() == f"{user} {group} {settings['WorkingDir']}".encode()
        assert (root / "data/seen").stat().st_uid == int(user)
        server.stop()
    finally:
        server.kill()
