"""A limpet whose allocations fail when it is told so (torture.c), and what may come of that."""

import mmap
import os
import re
import struct
import subprocess
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from server import SERVING, Server  # noqa: E402, F401

SUPERVISOR, OTHERS = range(2)
FORMAT = struct.Struct("<QQQQQQ")  # counts, victims, failed, place
CRASH = re.compile(r"bug in|SIGSEGV|SIGABRT|Segmentation|crashed")
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Orders:
    """What a server is told, and what it says: memory that both have."""

    def __init__(self, folder):
        self.path = folder / "orders"
        self.path.write_bytes(bytes(FORMAT.size))
        with open(self.path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), FORMAT.size)

    def _all(self):
        return FORMAT.unpack(self._memory)

    def count(self, kind):
        """Allocations so far."""
        return self._all()[kind]

    @property
    def failed(self):
        return self._all()[4]

    def clear(self, kind, victim=0):
        """As for a server that has not begun. victim: the number of the allocation that fails, from 1."""
        self._memory[:] = FORMAT.pack(0, 0, *(victim if kind == which else 0 for which in (SUPERVISOR, OTHERS)), 0, 0)

    def fail(self, kind, ahead):
        """The one that is so many ahead; from where it is now, as long as nothing else goes on."""
        struct.pack_into("<Q", self._memory, 8 * (2 + kind), self.count(kind) + ahead)

    def relent(self):
        struct.pack_into("<QQ", self._memory, 16, 0, 0)

    def place(self, binary):
        """Function and line of the latest."""
        elf = binary.with_name("limpet.elf")
        done = subprocess.run(["addr2line", "-sfe", elf, hex(self._all()[5])], capture_output=True, text=True)
        return " ".join(done.stdout.split())


class Torment:
    """Starts servers of an application with the orders."""

    def __init__(self, binary, folder, options):
        self.binary, self.orders, self._options = binary, Orders(folder), options
        self._environment = {**os.environ, "TORTURE": str(self.orders.path)}
        self.folder = folder

    def start(self, **more):
        return Server([self.binary, "serve", *self._options, "--port", "0", "--working-dir", self.folder],
                      environment=self._environment, **more)
