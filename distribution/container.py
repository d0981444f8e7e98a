#!/usr/bin/python3
"""container.py --binary FILE --output FOLDER - limpet-VERSION-TARGET.oci.tar: an image by the OCI image format 1.0, as a tar of
its layout.

Its one layer has the binary, and the folders that a program expects to be there. Loaded by "podman load", "skopeo copy
oci-archive:...", "docker load" (25 and later). No daemon and no registry takes part.
"""

import hashlib
import json
import time

import release
import tree

USER = 65532  # by custom the one of images that have no users
TYPE = "application/vnd.oci.image"


def text_of(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layer(what):
    """The layer's tar: the root folder of the container."""
    files = tree.Tree()
    files.add("usr/bin/limpet", what.binary, tree.PROGRAM)
    files.add("etc/passwd", f"root:x:0:0:root:/:/sbin/nologin\nlimpet:x:{USER}:{USER}:limpet:/srv:/sbin/nologin\n")
    files.add("etc/group", f"root:x:0:\nlimpet:x:{USER}:\n")
    # The application is mounted or copied there: it is not the server's to write.
    files.add_folder("srv")
    files.add_folder("data", 0o755, (USER, USER))
    files.add_folder("tmp", 0o1777)
    return files.write_tar(what.epoch)


def config(what, tar):
    """The image's configuration, for the machine that runs it."""
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(what.epoch))
    platform = {"architecture": what.image, "os": "linux", **({"variant": what.variant} if what.variant else {})}
    return {
        **platform,
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {"8000/tcp": {}},
            # From outside it cannot be reached on 127.0.0.1. No PATH: there is nothing to be found.
            "Env": ["LIMPET_LISTEN=:8000"],
            "Entrypoint": ["/usr/bin/limpet"],
            "Cmd": ["serve", "/srv"],
            "WorkingDir": "/srv",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "limpet",
                "org.opencontainers.image.description": "HTTP server for Python web applications, with the interpreter",
                "org.opencontainers.image.version": what.version,
                "org.opencontainers.image.licenses": what.licence(),
                "org.opencontainers.image.created": created,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        "history": [{"created": created, "created_by": "limpet: distribution/container.py"}],
    }, platform


def make(what, folder):
    files = tree.Tree()

    def blob(media, content, **more):
        """A descriptor of content, which goes into the layout."""
        files.add("blobs/sha256/" + hashlib.sha256(content).hexdigest(), content)
        return {"mediaType": media, "digest": digest_of(content), "size": len(content), **more}

    tar = layer(what)
    settings, platform = config(what, tar)
    layers = [blob(f"{TYPE}.layer.v1.tar+gzip", release.compress(tar, release.level(9)))]
    manifest = blob(f"{TYPE}.manifest.v1+json", text_of({
        "schemaVersion": 2, "mediaType": f"{TYPE}.manifest.v1+json",
        "config": blob(f"{TYPE}.config.v1+json", text_of(settings)), "layers": layers,
    }), platform=platform, annotations={"org.opencontainers.image.ref.name": what.version,
                                        "io.containerd.image.name": f"localhost/limpet:{what.version}"})
    files.add("oci-layout", text_of({"imageLayoutVersion": "1.0.0"}))
    files.add("index.json", text_of({"schemaVersion": 2, "mediaType": f"{TYPE}.index.v1+json", "manifests": [manifest]}))
    release.write(folder / f"limpet-{what.version}-{what.target}.oci.tar", files.write_tar(what.epoch))


if __name__ == "__main__":
    release.run(make)
