"""Fixtures of the packaging tests: limpet's packaging modules, run by the CPython that the build uses."""

import os
import subprocess
import sys
import tarfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from build_python import DRIVER, ELF, PACKAGING, find_python  # noqa: E402
from packages import build  # noqa: E402


@pytest.fixture(scope="session")
def python():
    """The build's CPython: path, prefix, environment."""
    found = find_python()
    if found is None:
        pytest.skip("needs the CPython 3.14 that the build makes; LIMPET_BUILD_PYTHON may name one")
    return found


@pytest.fixture(scope="session")
def run_python(python):
    """run_python(*arguments, env={}, **options) -> CompletedProcess of that interpreter."""

    def run(*arguments, env=None, executable=None, **options):
        command = [executable or python.path, "-S", "-P", *map(str, arguments)]
        environment = {**os.environ, **python.environment, **(env or {})}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)

    return run


@pytest.fixture(scope="session")
def base(run_python):
    """base(output, *arguments, elf=ELF) runs base.py."""

    def make(output, *arguments, elf=ELF):
        folder = output.parent
        (folder / "elf").write_bytes(elf)
        (folder / "parts").write_text("limpet 0.1 MIT\npython 3.14.7 PSF-2.0\n")
        return run_python(PACKAGING / "base.py", "--output", output, "--elf", folder / "elf",
                          "--parts", folder / "parts", *arguments)

    return make


@pytest.fixture(scope="session")
def limpet(tmp_path_factory, base):
    """A bare limpet binary's path: its pip is made of paper."""
    folder = tmp_path_factory.mktemp("limpet")
    library = folder / "library"
    (library / "data").mkdir(parents=True)
    (library / "data" / "__init__.py").write_text("X = 1\n")
    (library / "data" / "long.txt").write_text("long " * 1000)
    (library / "pip").mkdir()
    (library / "pip" / "__init__.py").write_text("")
    (library / "pip-1.0.dist-info").mkdir()
    (library / "pip-1.0.dist-info" / "METADATA").write_text("Name: pip\n")
    (folder / "MIT").write_text("Permission is granted\n")
    done = base(folder / "binary", "--lib", library, "--licence", f"limpet={folder / 'MIT'}")
    assert done.returncode == 0, done.stderr
    return folder / "binary"


@pytest.fixture
def tool(run_python, limpet):
    """tool(name, *arguments, binary=, env=) runs a tool of the binary: tool("pack", ...)."""

    def run(name, *arguments, binary=limpet, prepare=None, **options):
        return run_python("-c", DRIVER, binary, f"limpet.{name}", *arguments, preexec_fn=prepare, **options)

    return run


@pytest.fixture
def pack(tool, tmp_path):
    """pack(source, *arguments, output=) packs, which must succeed. Returns the output's path; .report has the rest."""

    def run(source, *arguments, output=tmp_path / "out", **options):
        done = tool("pack", source, "--output", output, *arguments, **options)
        assert done.returncode == 0, done.stderr
        run.report = done.stdout
        return output

    return run


@pytest.fixture
def refuse(tool, tmp_path):
    """refuse(source, *arguments, output=) packs, which must fail with one line. Returns the line, without its prefix."""

    def run(source, *arguments, output=tmp_path / "out", **options):
        before = sorted(tmp_path.iterdir())
        done = tool("pack", source, "--output", output, *arguments, **options)
        assert done.returncode == 1 and done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("limpet pack: "), done.stderr
        assert sorted(tmp_path.iterdir()) == before, "a file was left behind"
        return lines[0].removeprefix("limpet pack: ")

    return run


@pytest.fixture
def folder(tmp_path):
    """folder(name, {relative name: content}) makes a folder of files; its path."""

    def make(name, files):
        root = tmp_path / name
        root.mkdir()
        for relative, content in files.items():
            path = root / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return make


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """built(kind) -> {name: path} of ./build.sh package KIND with the binary under test; once a kind."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = build(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return of


@pytest.fixture(scope="session")
def unpacked(built, tmp_path_factory):
    """The one folder of the tar, unpacked: a pathlib.Path."""
    (path,) = (path for name, path in built("tar").items() if name.endswith(".tar.gz"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(folder)
    (root,) = folder.iterdir()
    return root
