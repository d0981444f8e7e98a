"""Make bare limpet, at build time: an executable with the archive that every limpet binary carries.

    base.py --output OUT --elf ELF --parts FILE [--lib FOLDER...] [--sources FOLDER...] [--exclude PATTERN...]
            [--wheel FILE] [--licence NAME=FILE...]

Run by the CPython that was built for the target: compiled code must be of its version.
"""

import os
import sys

# This folder's inspect.py must not hide the standard library's: its modules are those of the package limpet here, as
# they are in the executable.
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != HERE]
limpet = type(sys)("limpet")
limpet.__path__ = [HERE]
sys.modules.setdefault("limpet", limpet)
sys.dont_write_bytecode = True  # the build leaves no traces among the sources

import argparse  # noqa: E402
import fnmatch  # noqa: E402
import zipfile  # noqa: E402

from limpet import writer  # noqa: E402

NOT_PIP = ("*/__pycache__/*", "*.pyc", "pip/_vendor/distlib/*.exe")


def main(arguments):
    """Make it. Returns the exit status."""
    options = parse_arguments(arguments)
    try:
        make(options)
    except (writer.FormatError, OSError) as error:
        print(f"base.py: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments):
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--output", required=True)
    parser.add_argument("--elf", required=True, help="the executable, stripped")
    parser.add_argument("--parts", required=True, help="lines 'name version licence'")
    many = {"action": "extend", "nargs": "+", "default": []}
    parser.add_argument("--lib", metavar="FOLDER", help="its content goes to lib/, compiled", **many)
    parser.add_argument("--sources", metavar="FOLDER", help="its content goes to lib/, not compiled", **many)
    parser.add_argument("--exclude", metavar="PATTERN", help="of names below lib/ to leave out", **many)
    parser.add_argument("--wheel", help="pip's: unpacked into lib/, not compiled")
    parser.add_argument("--licence", metavar="NAME=FILE", **many)
    return parser.parse_args(arguments)


def make(options):
    """Collect the members and write the file."""
    with open(options.elf, "rb") as file:
        executable = file.read()
    size = writer.executable_size(executable)
    if size is None or size > len(executable):
        raise writer.FormatError(f"{options.elf}: not a whole little-endian ELF executable")
    tree = writer.Tree()
    for folder in options.lib:
        add_library(tree, folder, options.exclude, True)
    for folder in options.sources:
        add_library(tree, folder, options.exclude, False)
    if options.wheel:
        add_wheel(tree, options.wheel)
    for licence in options.licence:
        name, _, path = licence.partition("=")
        tree.add(f"limpet/licences/{name}", read(path), path)
    tree.add("limpet/parts", read(options.parts), options.parts)
    tree.check()
    writer.write(options.output, executable, tree.members.values())


def read(path):
    """The content of a file."""
    with open(path, "rb") as file:
        return file.read()


def add_library(tree, folder, exclude, compiled):
    """Add the files of a folder under lib/, with or without the compiled code of its modules."""
    if not os.path.isdir(folder):
        raise writer.FormatError(f"{folder}: no such folder")
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for file in sorted(files):
            path = os.path.join(root, file)
            name = os.path.relpath(path, folder)
            if file.endswith(".pyc") or any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude):
                continue
            tree.add(f"lib/{name}", read(path), path)
            if compiled and name.endswith(".py"):
                reason = writer.add_compiled(tree, f"lib/{name}")
                if reason:
                    raise writer.FormatError(f"{path}: does not compile: {reason}")


def add_wheel(tree, path):
    """Add the files of a wheel under lib/."""
    with zipfile.ZipFile(path) as wheel:
        for name in sorted(wheel.namelist()):
            if not name.endswith("/") and not any(fnmatch.fnmatchcase(name, pattern) for pattern in NOT_PIP):
                tree.add(f"lib/{name}", wheel.read(name), f"{path}/{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
