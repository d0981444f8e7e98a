"""Where the packaging tests run limpet's modules: in the CPython 3.14 that the build uses."""

import glob
import os
import pathlib
import struct
import subprocess
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"

# What the executable does when it runs one of its own tools: the modules are the package limpet, and sys.executable is
# limpet. PRELOAD: modules that happen to be imported already.
DRIVER = f"""
import importlib, os, sys, types
for name in os.environ.get("PRELOAD", "").split():
    importlib.import_module(name)
limpet = types.ModuleType("limpet")
limpet.__path__ = [{str(PACKAGING)!r}]
sys.modules["limpet"] = limpet
sys.dont_write_bytecode = True
sys.executable = sys.argv[1]
sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))
"""

# An executable that nothing runs: an ELF header with an empty section header table.
ELF = b"\x7fELF\x02\x01" + bytes(34) + struct.pack("<Q", 64) + bytes(16)


def find_python():
    """A CPython 3.14 of the build's recipes (the quickest: some are instrumented), or the one that
    $LIMPET_BUILD_PYTHON names. None when there is none."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    named = os.environ.get("LIMPET_BUILD_PYTHON")
    found = glob.glob(f"{cache}/limpet/build/python-*/bin/python")
    usable = []
    for path in [named] if named else sorted(found):
        prefix = os.path.dirname(os.path.dirname(path))
        environment = {"PYTHONHOME": prefix, "ASAN_OPTIONS": "detect_leaks=0"}
        command = [path, "-S", "-c", "import sys, zlib; print(sys.version_info[:2])"]
        start = time.monotonic()
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        except OSError:  # it is for another machine
            continue
        if done.stdout.strip() == "(3, 14)":
            python = types.SimpleNamespace(path=path, prefix=prefix, environment=environment)
            usable.append((time.monotonic() - start, path, python))
    return min(usable)[2] if usable else None
