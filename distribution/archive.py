#!/usr/bin/python3
"""archive.py --binary FILE --output FOLDER - limpet-VERSION-TARGET.tar.gz, and SHA256SUMS beside it.

In it, below one folder: the binary, README, LICENSE, the licences of the parts, the manual page, completions, and systemd's
units as the Debian package installs them. SHA256SUMS keeps what it says of other files.
"""

import hashlib
import re

import release
import tree


def add_sum(path, name, content):
    """A line of sha256sum for this file, in the place of what was said of it, by name."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [line for line in lines if not line.endswith(f"  {name}")]
    lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}")
    lines.sort(key=lambda line: line.split("  ", 1)[1])
    release.write(path, ("\n".join(lines) + "\n").encode())


def make(what, folder):
    files = tree.Tree()
    files.add("bin/limpet", what.binary, tree.PROGRAM)
    for name in ("README.md", "CHANGES.md", "LICENSE"):
        files.add(name, (release.ROOT / name).read_bytes())
    licences = "\n".join(f"=== {name} {version} ({licence})\n\n{text}" for name, version, licence, text in what.parts())
    files.add("LICENCES-OF-PARTS", licences)
    documents = what.documents()
    files.add("share/man/man1/limpet.1", documents["limpet.1"])
    files.add("share/bash-completion/completions/limpet", documents["limpet.bash"])
    files.add("share/zsh/site-functions/_limpet", documents["_limpet"])
    files.add("share/fish/vendor_completions.d/limpet.fish", documents["limpet.fish"])
    for name in ("limpet@.service", "limpet@.socket"):
        # Installed by hand, it lies below /usr/local.
        text = re.sub(r"(?m)^(ExecStart=)/usr/bin/", r"\1/usr/local/bin/", release.unit(name, what.target))
        files.add(f"lib/systemd/system/{name}", text)
    files.add("lib/sysusers.d/limpet.conf", release.source("systemd/limpet.sysusers"))
    files.add("share/doc/limpet/examples/shop.toml", release.source("systemd/shop.toml"))
    files.add("share/doc/limpet/examples/packed.conf", release.source("systemd/packed.conf"))
    name = f"limpet-{what.version}-{what.target}"
    content = release.compress(files.write_tar(what.epoch, f"{name}/"), release.level(9))
    release.write(folder / f"{name}.tar.gz", content)
    add_sum(folder / "SHA256SUMS", f"{name}.tar.gz", content)


if __name__ == "__main__":
    release.run(make)
