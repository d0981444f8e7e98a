#!/usr/bin/python3
"""deb.py --binary FILE --output FOLDER - limpet_VERSION-1_ARCHITECTURE.deb, by dpkg-deb, as any user.

The files are those of Debian's policy 4.6: conffiles, copyright (the machine-readable format 1.0), changelog, and maintainer
scripts that do what debhelper's would.
"""

import email.utils
import hashlib
import pathlib
import re
import subprocess
import tempfile

import release
import tree

# Licences whose text every Debian machine has: the beginning of their names in sources.lock, and the file.
COMMON = {"Apache-2.0": "Apache-2.0", "LGPL-2.1": "LGPL-2.1", "MPL-2.0": "MPL-2.0"}

# Licences by their names in sources.lock that DEP-5 calls otherwise.
SHORT_NAMES = {"MIT": "Expat"}

HOLDER = re.compile(r"(?im)^[^\S\n]*(?:\w+ - )?copyright\s+(?:\(c\)\s+|©\s+)?(\d{4}.*?)[.,]?"
                    r"\s*(?:all rights reserved\.?)?\s*$")

# Of parts whose licence's text names nobody.
HOLDERS = {"mbedtls": "The Mbed TLS Contributors", "libmicrohttpd": "Christian Grothoff and others",
           "zlib": "1995-2026 Jean-loup Gailly and Mark Adler", "xz": "The XZ Utils authors and contributors",
           "sqlite": "none: in the public domain", "tzdata": "none: in the public domain",
           "ca-certificates": "Mozilla Contributors", "bzip2": "1996-2019 Julian R Seward",
           "python": "2001-2026 Python Software Foundation", "pip": "2008-present The pip developers",
           "zstd": "Meta Platforms, Inc. and affiliates"}


def field(text):
    """A text as the further lines of a field: a blank before each, a dot where it is empty."""
    return "\n".join(" " + line.rstrip() if line.strip() else " ." for line in text.strip().splitlines())


def holders(name, text):
    found = HOLDERS.get(name) or "\n           ".join(dict.fromkeys(HOLDER.findall(text)))
    if not found:
        raise release.Failure(f"part {name}: its licence names no holder; name it in distribution/deb.py, HOLDERS")
    return found


def copyright_file(what):
    """debian/copyright of what is linked into the binary: a paragraph a part."""
    paragraphs = ["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: limpet\n"
                  "Comment: usr/bin/limpet is one static file; the parts linked into it have a paragraph each, by the name and\n"
                  " version of their sources. \"limpet inspect --licences\" prints the texts."]
    for name, version, licence, text in what.parts():
        files = "*" if name == "limpet" else f"{name}-{version}/*"
        common = next((path for start, path in COMMON.items() if licence.startswith(start)), None)
        title = SHORT_NAMES.get(licence, licence)
        if name != "limpet":
            title = f"{title}-{name}" if not common else title
        if common:
            words = f"The text of this licence is /usr/share/common-licenses/{common} on Debian systems."
        else:
            words = text or "The text stands in the part's own metadata, lib/pip-*.dist-info in the binary."
        paragraphs.append(f"Files: {files}\nCopyright: {holders(name, text)}\nLicense: {title}\n{field(words)}")
    return "\n\n".join(paragraphs) + "\n"


def filled(name, what, **more):
    """A file of distribution/debian with its @FIELDS@."""
    fields = {"VERSION": what.version, "ARCHITECTURE": what.debian,
              "DATE": email.utils.formatdate(what.epoch), **more}
    return re.sub("@([A-Z]+)@", lambda match: fields[match[1]], release.source(f"debian/{name}"))


def content(what):
    """The Tree of what is installed."""
    files, documents = tree.Tree(), what.documents()
    files.add("usr/bin/limpet", what.binary, tree.PROGRAM)
    files.add("usr/share/man/man1/limpet.1.gz", release.compress(documents["limpet.1"].encode()))
    files.add("usr/share/bash-completion/completions/limpet", documents["limpet.bash"])
    files.add("usr/share/zsh/vendor-completions/_limpet", documents["_limpet"])
    files.add("usr/share/fish/vendor_completions.d/limpet.fish", documents["limpet.fish"])
    for name in ("limpet@.service", "limpet@.socket"):
        files.add(f"usr/lib/systemd/system/{name}", release.unit(name, what.target))
    files.add("usr/lib/sysusers.d/limpet.conf", release.source("systemd/limpet.sysusers"))
    files.add("etc/default/limpet", release.source("debian/limpet.default"))
    files.add_folder("etc/limpet")
    documentation = "usr/share/doc/limpet"
    files.add(f"{documentation}/copyright", copyright_file(what))
    files.add(f"{documentation}/changelog.Debian.gz", release.compress(filled("changelog", what).encode()))
    files.add(f"{documentation}/changelog.gz", release.compress((release.ROOT / "CHANGES.md").read_bytes()))
    files.add(f"{documentation}/README.md.gz", release.compress((release.ROOT / "README.md").read_bytes()))
    for name in ("shop.toml", "packed.conf"):
        files.add(f"{documentation}/examples/{name}", release.source(f"systemd/{name}"))
    files.add("usr/share/lintian/overrides/limpet", release.source("debian/lintian-overrides"))
    return files


def add_control(files, what):
    """DEBIAN/, for dpkg-deb."""
    size = -(-files.size() // 1024)  # KiB
    conffiles = [f"/{name}\n" for name in sorted(files.files) if name.startswith("etc/")]
    # dpkg's format wants MD5, of files that are there to be compared with what lies on the machine.
    sums = [f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {name}\n"
            for name, (_, data) in sorted(files.files.items()) if not name.startswith("etc/")]
    files.add("DEBIAN/control", filled("control", what, SIZE=str(size)))
    files.add("DEBIAN/conffiles", "".join(conffiles))
    files.add("DEBIAN/md5sums", "".join(sums))
    for name in ("postinst", "prerm", "postrm"):
        files.add(f"DEBIAN/{name}", filled(name, what), tree.PROGRAM)


def make(what, folder):
    files = content(what)
    add_control(files, what)
    result = folder / f"limpet_{what.version}-1_{what.debian}.deb"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".deb.") as temporary:
        root = pathlib.Path(temporary) / "root"
        root.mkdir()
        files.write_folder(root, what.epoch)
        # One thread: with more, xz cuts the data into blocks, and the bytes depend on the machine.
        made = pathlib.Path(temporary) / "package.deb"
        done = subprocess.run(["dpkg-deb", "--root-owner-group", "--threads-max=1", "-Zxz", f"-z{release.level(6)}",
                               "--build", root, made],
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(what.epoch)},
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise release.Failure(f"dpkg-deb: {done.stderr.strip()}")
        made.chmod(0o644)
        made.replace(result)
    release.announce(result)


if __name__ == "__main__":
    release.run(make)
