"""Write the seeds for fuzz_archive: seed_archive.py [FOLDER], by default corpus/archive beside this file."""

import os
import struct
import sys
import zlib

ELF_32 = b"\x7fELF\x01\x01" + bytes(26) + struct.pack("<I", 52) + bytes(16)
ELF_64 = b"\x7fELF\x02\x01" + bytes(34) + struct.pack("<Q", 64) + bytes(16)


def appliance(executable, members):
    """The bytes of a file; members are (name, content, deflated), sorted."""
    data = bytearray(executable)
    directory = bytearray()
    for name, content, deflated in members:
        stored = content
        if deflated:
            compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
            stored = compressor.compress(content) + compressor.flush()
        common = struct.pack("<HHHIIIIHH", 20, 0 if name.isascii() else 0x800, 8 if deflated else 0, 0x210000,
                             zlib.crc32(content), len(stored), len(content), len(name), 0)
        directory += b"PK\x01\x02\x14\x03" + common + bytes(6)
        directory += struct.pack("<II", 0o100644 << 16, len(data)) + name
        data += b"PK\x03\x04" + common + name + stored
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(members), len(members), len(directory), len(data), 0)
    return bytes(data + directory + end)


SEEDS = {
    "empty": (b"", []),
    "elf32": (ELF_32, []),
    "elf64-stored": (ELF_64, [(b"a", b"x", False)]),
    "deflated": (b"", [(b"a", b"a" * 60, True)]),
    "folders": (ELF_64, [(b"a/b", b"", False), (b"a/b-c", b"1", False), (b"a/b-d/e", b"22", False),
                         (b"b/c/d", b"3", False)]),
    "utf-8": (b"", [("é/日".encode(), b"x", False)]),
    "order": (b"", [(b"b", b"", False), (b"a", b"", False)]),
    "file-and-folder": (b"", [(b"a", b"", False), (b"a/b", b"", True)]),
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "corpus", "archive")
    os.makedirs(folder, exist_ok=True)
    for name, (executable, members) in SEEDS.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(appliance(executable, members))


if __name__ == "__main__":
    main()
