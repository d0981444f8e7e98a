"""What all kinds of packages are made of: a built binary, and what it says of itself.

Scripts of kinds call read_arguments(); build.sh calls them (verb package, toolchain/package.sh).
"""

import argparse
import contextlib
import gzip
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import zipfile

import commands
import completions
import manual

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "toolchain"))
import sbom  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent

# Our name of the target: Debian's of the architecture, the OCI image's (with its variant).
MACHINES = {
    "x86_64": ("amd64", "amd64", ""),
    "aarch64": ("arm64", "arm64", "v8"),
    "armv7": ("armhf", "arm", "v7"),
    "riscv64": ("riscv64", "riscv64", ""),
}


class Failure(Exception):
    """Why there is no package: one line for whoever asked for it."""


class Release:
    """binary: its bytes. target, debian, image, variant: its machine as limpet, Debian and OCI call it. version: limpet's.
    epoch: the time that all files get, seconds since 1970."""

    def __init__(self, path, documenter):
        """path: the binary. documenter: one of the same version that runs on this machine. Failure: path is no limpet for
        a machine that we know, of another version, or a packed application."""
        self.path, self.documenter = path, documenter
        self.binary = path.read_bytes()
        self.version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
        self.epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
        self.target = self._machine()
        self.debian, self.image, self.variant = MACHINES[self.target]
        self._check()

    def _machine(self):
        if self.binary[:4] != b"\x7fELF" or len(self.binary) < 20:
            raise Failure(f"{self.path}: not an executable (ELF); name a built limpet by --binary")
        name = sbom.machine_of(self.path)
        if name not in MACHINES:
            raise Failure(f"{self.path}: built for a machine that no package is for ({name}); "
                          f"known: {', '.join(sorted(MACHINES))}")
        return name

    def _check(self):
        """Failure unless it is a bare limpet of this version."""
        with self._archive() as archive:
            name, version = archive.read("limpet/parts").decode().split()[:2]
            if name != "limpet":
                raise Failure(f"{self.path}: no limpet, but {name}")
            if "limpet/settings" in archive.namelist():
                raise Failure(f"{self.path}: a packed application; name the limpet that it was packed by")
        if version != self.version:
            raise Failure(f"{self.path}: is limpet {version}, and VERSION says {self.version}; build it again")

    @contextlib.contextmanager
    def _archive(self):
        """The archive in the binary, open. Failure, also of what is done with it: it is none of limpet's."""
        try:
            with zipfile.ZipFile(io.BytesIO(self.binary)) as archive:
                yield archive
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise Failure(f"{self.path}: no limpet, its archive cannot be read ({error})") from error

    def digest(self):
        return hashlib.sha256(self.binary).hexdigest()

    def documents(self):
        """{"limpet.1", "limpet.bash", "_limpet", "limpet.fish": text} of the documenter's help. Failure: it does not run
        here, or is another version."""
        try:
            said = commands.ask(self.documenter, "version").split("\n")[0]
            if said != f"limpet {self.version}":
                raise Failure(f"{self.documenter}: is {said}, and VERSION says {self.version}; build it again")
            known, options = commands.read_commands(self.documenter), commands.read_options(self.documenter)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"{self.documenter}: cannot be asked for its help here ({error}); name a build for this machine "
                          "by --documenter") from error
        return {"limpet.1": manual.manual(self.version, self.epoch, known, options),
                "limpet.bash": completions.bash(known, options), "_limpet": completions.zsh(known, options),
                "limpet.fish": completions.fish(known, options)}

    def parts(self):
        """[(name, version, licence, text of the licence)] of what is in the binary, limpet first. "" where a part has no
        text of its own."""
        with self._archive() as archive:
            names = set(archive.namelist())
            rows = [line.split() for line in archive.read("limpet/parts").decode().splitlines()]
            texts = {row[0]: archive.read(f"limpet/licences/{row[0]}").decode()
                     for row in rows if f"limpet/licences/{row[0]}" in names}
        return [(name, version, licence, texts.get(name, "")) for name, version, licence in rows]

    def licence(self):
        """Of the binary as a whole: SPDX's expression."""
        return sbom.expression(licence for _, _, licence, _ in self.parts())


def level(best):
    """How hard to compress: best, or $LIMPET_PACKAGE_LEVEL (1 to 9), for whoever tries packages rather than ships them."""
    return int(os.environ.get("LIMPET_PACKAGE_LEVEL", best))


def source(name):
    """The text of a file of distribution/."""
    return (HERE / name).read_text(encoding="utf-8")


def unit(name, target):
    """A unit of systemd for this target."""
    text = source(f"systemd/{name}")
    # libffi has no static trampolines for it: callbacks of ctypes are code that is written at run time.
    return text.replace("MemoryDenyWriteExecute=yes", "MemoryDenyWriteExecute=no") if target == "riscv64" else text


def compress(content, hard=9):
    """gzip, without name and time."""
    made = bytearray(gzip.compress(content, hard, mtime=0))
    made[9] = 255  # the system it was made on: unknown (RFC 1952), as Python has it from 3.13
    return bytes(made)


def write(path, content):
    """Write a result whole or not at all, and say so."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.chmod(0o644)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    announce(path)


def announce(path):
    print(f"{path}: {path.stat().st_size:,} bytes")


def run(make):
    """The main program of a kind's script: make(release, folder) writes into the folder that --output names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="what is packaged")
    parser.add_argument("--documenter", type=pathlib.Path, help="a limpet that runs here and is asked for its help")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder for the result")
    arguments = parser.parse_args()
    binary = arguments.binary.absolute()
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        make(Release(binary, (arguments.documenter or binary).absolute()), arguments.output)
    except Failure as error:
        sys.exit(f"package: {error}")
    except OSError as error:
        sys.exit(f"package: {error.filename}: {error.strerror}" if error.filename else f"package: {error}")
