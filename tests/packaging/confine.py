"""confine.py UNIT -- COMMAND... - execute a command under the filter of system calls of a systemd unit, and without memory that
is writable and executable, as systemd does for SystemCallFilter=, SystemCallErrorNumber=EPERM and MemoryDenyWriteExecute=.

What the sets (@system-service) are, this machine's systemd says.
"""

import ctypes
import errno
import os
import subprocess
import sys

import seccomp

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def expanded(word):
    """The names of the system calls that a word of the filter stands for."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(expanded, names))


def allowed(unit):
    """The system calls that the unit's SystemCallFilter= lines leave, the first of which says what is allowed."""
    names = set()
    for line in open(unit, encoding="utf-8"):
        if line.startswith("SystemCallFilter="):
            words = line.strip().partition("=")[2]
            chosen = set().union(*map(expanded, words.lstrip("~").split()))
            names = names - chosen if words.startswith("~") else names | chosen
    return names


def main():
    unit, command = sys.argv[1], sys.argv[sys.argv.index("--") + 1:]
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in sorted(allowed(unit)):
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except RuntimeError:
            pass  # not a call of this machine
    # Kernels before 6.3 have it not; there the filter alone is tried.
    ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    rules.load()
    os.execv(command[0], command)


main()
