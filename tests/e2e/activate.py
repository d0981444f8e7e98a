"""activate.py [--pid PID] [--no-names] NAME=ADDRESS... -- COMMAND... - execute a command with listening sockets, as
systemd does for a .socket unit.

ADDRESS is HOST:PORT or unix:PATH. "{0}" in an argument of the command is the first socket's port, "{1}" the second's.
"""

import argparse
import os
import socket
import sys

FIRST = 3  # descriptor


def listen(address):
    """A listening socket, blocking as systemd leaves it."""
    if address.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX)
        made.bind(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        made = socket.socket(socket.AF_INET)
        made.bind((host, int(port)))
    made.listen()
    return made


def port_of(made):
    return made.getsockname()[1] if made.family == socket.AF_INET else None


def main():
    own, command = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
    parser = argparse.ArgumentParser()
    parser.add_argument("--pid", default=str(os.getpid()))
    parser.add_argument("--no-names", action="store_true")
    parser.add_argument("sockets", nargs="*")
    arguments = parser.parse_args(own)
    names = [word.partition("=")[0] for word in arguments.sockets]
    sockets = [listen(word.partition("=")[2]) for word in arguments.sockets]
    environment = {**os.environ, "LISTEN_PID": arguments.pid, "LISTEN_FDS": str(len(sockets)), "LISTEN_PIDFDID": "1"}
    if not arguments.no_names:
        environment["LISTEN_FDNAMES"] = ":".join(names)
    aside = [os.dup2(made.fileno(), FIRST + len(sockets) + 50 + i) for i, made in enumerate(sockets)]
    ports = [port_of(made) for made in sockets]
    for i, fd in enumerate(aside):
        os.dup2(fd, FIRST + i)
        os.set_inheritable(fd, False)
    os.execve(command[0], [word.format(*ports) for word in command], environment)


main()
