"""For which machine an executable is, by its ELF header (System V ABI, Object Files: e_machine, EI_CLASS)."""

import struct

# (e_machine, bits) -> as "./build.sh --target" and most of the world call it, and in plain words.
NAMES = {
    (62, 64): ("x86_64", "64-bit x86"),
    (183, 64): ("aarch64", "64-bit ARM"),
    (40, 32): ("armv7", "32-bit ARM"),
    (243, 64): ("riscv64", "64-bit RISC-V"),
}


def _kind(executable):
    """(e_machine, bits) of the bytes of a little-endian ELF executable."""
    return struct.unpack_from("<H", executable, 18)[0], 64 if executable[4] == 2 else 32


def name(executable):
    """One word: "aarch64"."""
    number, bits = _kind(executable)
    return NAMES[number, bits][0] if (number, bits) in NAMES else f"machine-{number}"


def description(executable):
    """The word, and what it means: "aarch64 (64-bit ARM)"."""
    number, bits = _kind(executable)
    meaning = NAMES[number, bits][1] if (number, bits) in NAMES else f"{bits}-bit, e_machine {number} in its ELF header"
    return f"{name(executable)} ({meaning})"
