"""Kernels of other days: a command runs under a seccomp filter that has some system calls be unknown.

    server = serve(..., prefix=old_kernel.without("pidfd_open", "close_range"))

A call's name alone: ENOSYS. "NAME:ARGUMENT:BITS": EINVAL where that argument (from 0) has any of these bits, as kernels say to
flags that they do not know; "NAME=ARGUMENT=VALUE": where it is that number; both may follow each other. "from:NUMBER": all calls with that number and above, ENOSYS; since 424 (Linux 5.1) all
architectures count alike, so that number is a date.

As a program: old_kernel.py SPECIFICATION... -- COMMAND...
"""

import ctypes
import errno
import functools
import os
import pathlib
import re
import struct
import subprocess
import sys

# struct sock_filter: code, jt, jf, k (linux/bpf_common.h, linux/seccomp.h).
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NUMBER_AT, ARGUMENTS_AT = 0, 16  # in struct seccomp_data
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

# What came between 3.17 and 5.1, by name.
AFTER_3_17 = ("bpf", "execveat", "userfaultfd", "membarrier", "mlock2", "copy_file_range", "preadv2", "pwritev2",
              "pkey_mprotect", "pkey_alloc", "pkey_free", "statx", "io_pgetevents", "rseq", "from:424",
              # Flags: MADV_FREE, MADV_WIPEONFORK and later; MFD_HUGETLB, MFD_NOEXEC_SEAL, MFD_EXEC; F_SEAL_FUTURE_WRITE;
              # PR_CAP_AMBIENT; SECCOMP_GET_ACTION_AVAIL.
              "madvise=2=8", "madvise=2=18", "memfd_create:1:0x1c", "fcntl=1=1033:2:0x10", "prctl=0=47", "seccomp=0=2")


@functools.cache
def numbers():
    """{name: number} of this machine's system calls."""
    text = subprocess.run(["gcc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c", os.devnull], check=True,
                          capture_output=True, text=True).stdout
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}


def without(*calls):
    """The command that runs another one (appended) without these. A name that is none is an error: nothing would be missing."""
    specifications = [specification(call) for call in calls]
    return [sys.executable, str(pathlib.Path(__file__).resolve()), *specifications, "--"]


def specification(call):
    """The same with numbers for names: "NUMBER[=ARGUMENT=VALUE][:ARGUMENT:BITS]", or "from:NUMBER"."""
    name = re.match(r"\w+", call)[0]
    return call if name == "from" else call.replace(name, str(numbers()[name]), 1)


def program(specifications):
    """The filter's instructions as bytes."""
    code = []
    for text in specifications:
        if text.startswith("from:"):
            code += [(LOAD, 0, 0, NUMBER_AT), (AT_LEAST, 0, 1, int(text[5:])), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
            continue
        number = re.match(r"\d+", text)[0]
        tests = re.findall(r"([:=])(\d+)[:=](\w+)", text)
        checks = []
        for kind, argument, value in tests:
            checks += [(LOAD, None, ARGUMENTS_AT + 8 * int(argument)), (ANY_BIT if kind == ":" else EQUAL, 0, int(value, 0))]
        # A test that does not hold jumps behind the return.
        checks = [(operation, 0, 0 if true is None else len(checks) - at, value)
                  for at, (operation, true, value) in enumerate(checks)]
        code += [(LOAD, 0, 0, NUMBER_AT), (EQUAL, 0, len(checks) + 1, int(number)), *checks,
                 (RETURN, 0, 0, REFUSE | (errno.EINVAL if tests else errno.ENOSYS))]
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def confine(specifications):
    """Put this process under the filter, for good."""
    instructions = program(specifications)
    buffer = ctypes.create_string_buffer(instructions)
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(instructions) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filter_)))
    for option, first, second in arguments:
        if libc.prctl(option, *map(ctypes.c_ulong, (first, second, 0, 0))) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    at = sys.argv.index("--")
    confine(sys.argv[1:at])
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])
