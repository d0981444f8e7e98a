#!/usr/bin/python3
"""early_clock.py FILE COMMAND [ARGUMENT]... - run a program on a machine that has just started without a clock.

To the program, and all that it forks, the time of day is that of 1970, from its first second on, until FILE exists.
Then it is as elsewhere, as if it had been set. Other clocks are left alone. The program keeps our process id. It is a
static one: its C library finds the kernel's shared page by the auxiliary vector, out of which it is taken here, so that
every question for the time is a system call; and those are answered by a process beside it (seccomp_unotify(2)).
"""

import array
import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import time

SECCOMP, CLOCK_GETTIME = {"x86_64": (317, 228), "aarch64": (277, 113)}[platform.machine()]
SET_MODE_FILTER, NEW_LISTENER = 1, 8
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
RECEIVE, ANSWER = 0xC0502100, 0xC0182101
SEIZE, DETACH, TRACE_EXEC, WALL = 0x4206, 17, 0x10, 0x40000000
SHARED_PAGE, IGNORED = 33, 1  # of the auxiliary vector
# Questions for CLOCK_REALTIME (0) and CLOCK_REALTIME_COARSE (5) are ours: operation, jump if so, jump if not, operand.
RULES = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, CLOCK_GETTIME), (LOAD, 0, 0, 16), (EQUAL, 2, 0, 0), (EQUAL, 1, 0, 5),
         (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ASK)]

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def good(result):
    """The result of a call of the C library; its error as an exception."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def ask_others(rules):
    """From here on this process asks what the rules say. Returns the descriptor by which it is answered."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(rules), ctypes.addressof(code)))
    return good(libc.syscall(SECCOMP, SET_MODE_FILTER, NEW_LISTENER, program))


def hide_shared_page(pid):
    """Take it out of the auxiliary vector of a process that has not begun: behind arguments and environment."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        place = int(file.read().rpartition(")")[2].split()[25])
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        def word(at):
            memory.seek(at)
            return struct.unpack("=Q", memory.read(8))[0]

        place += 8
        for _ in range(2):
            while word(place):
                place += 8
            place += 8
        while word(place) not in (SHARED_PAGE, 0):
            place += 16
        assert word(place) == SHARED_PAGE
        memory.seek(place)
        memory.write(struct.pack("=Q", IGNORED))


def clock(flag):
    """What answer() has to know: the time of day."""
    start = time.time()

    def make(arguments):
        now = time.time_ns() - (0 if os.path.exists(flag) else int(start * 1e9) - 10**9)
        return arguments[1], struct.pack("=qq", now // 10**9, now % 10**9)

    return make


def answer(listener, make):
    """Answer until nobody is there to ask. make(arguments of the call) -> (address, bytes): what stands there then."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        if poll.poll()[0][1] & (select.POLLHUP | select.POLLERR):
            return
        question = bytearray(80)
        try:
            fcntl.ioctl(listener, RECEIVE, question)
            number, pid = struct.unpack_from("=QI", question)
            place, data = make(struct.unpack_from("=6Q", question, 32))
            with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                memory.seek(place)
                memory.write(data)
            fcntl.ioctl(listener, ANSWER, bytearray(struct.pack("=QqiI", number, 0, 0, 0)))
        except OSError:
            continue  # who has asked has gone


def stand_beside(pid, ours, make, hides):
    """The other process."""
    ours.recv(1)
    if hides:
        good(libc.ptrace(SEIZE, pid, None, TRACE_EXEC))
    ours.send(b"x")
    _, passed, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
    listener = array.array("i", passed[0][2])[0]
    if hides:
        os.waitpid(pid, WALL)
        hide_shared_page(pid)
        good(libc.ptrace(DETACH, pid, None, None))
    # What others wait for the end of is not ours.
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    answer(listener, make)


def run_beside(command, rules, make, hides=False):
    """Become the command, whose questions by these rules are answered as make() says. hides: it has no shared page."""
    ours, theirs = socket.socketpair()
    pid = os.getpid()
    if (child := os.fork()) == 0:
        # Nobody's child, and of no session that somebody looks at.
        os.setsid()
        if os.fork():
            os._exit(0)
        try:
            theirs.close()
            stand_beside(pid, ours, make, hides)
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    ours.close()
    # No earlier: the end of a child would stop who is traced, and nobody would have it go on.
    theirs.send(b"x")
    assert theirs.recv(1) == b"x"
    listener = ask_others(rules)
    theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
    os.execv(command[0], command)


if __name__ == "__main__":
    run_beside(sys.argv[2:], RULES, clock(sys.argv[1]), hides=True)
