"""Whether a server that nobody talks to any more holds the descriptors that it held when it began to serve.

What each process holds is counted by kind (socket, pipe, file, eventfd, ...). A process that came later is compared with
those of its sort that were there at the start. Connections whose other end is still open are nobody's leak.
"""

import collections
import os
import re
import time

PATIENCE = 12  # seconds; more than a lingering connection has (5), on a slow machine
RETIRED = "/memfd:limpet-tls"  # a supervisor keeps what it has replaced until no worker can need it, some dozens at most
DATABASE = re.compile(r".*\.sqlite3(-wal|-shm)?")  # threads of an application keep their connections to one
TOLD = 20  # links of a kind that a complaint names
NOT_OPEN = {"06", "07"}  # states of /proc/net/tcp: TIME_WAIT, CLOSE


def kind_of(link):
    """socket, pipe, eventfd, memfd, ... or file, by where a link of /proc/PID/fd leads."""
    anonymous = re.fullmatch(r"anon_inode:\[?(\w+)\]?", link)
    if anonymous:
        return anonymous[1]
    if link.startswith("/memfd:"):
        return "memfd"
    return "file" if link.startswith("/") else link.partition(":")[0]


def links_of(pid):
    """Where each descriptor of a process leads; None if it has gone, or is not ours to look at."""
    links = []
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(entry.path))
            except FileNotFoundError:
                pass  # closed a moment ago
    except OSError:
        return None
    return links


def children_of(pid):
    """Pids of the children that one process's first thread has started."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def connections_of(pid):
    """Of the network that a process is in: {(local, remote): inode} of TCP, and the inodes of unix connections."""
    pairs, unix = {}, set()
    for name in ("tcp", "tcp6"):
        for fields in _table(pid, name):
            if fields[3] not in NOT_OPEN:
                pairs[_end(fields[1]), _end(fields[2])] = int(fields[9])
    for fields in _table(pid, "unix"):
        if fields[5] == "03" and fields[6].isdecimal():  # connected
            unix.add(int(fields[6]))
    return pairs, unix


def _table(pid, name):
    """The rows of a table in /proc/PID/net. Names of unix sockets are any bytes, newlines among them."""
    try:
        with open(f"/proc/{pid}/net/{name}", errors="replace") as file:
            return [line.split() for line in file if re.match(r" *[\dA-Fa-f]+: ", line)]
    except OSError:
        return []


def _end(text):
    """An end of a connection as the other one sees it: IPv4 addresses in IPv6 are IPv4 addresses."""
    address, _, port = text.partition(":")
    return address.removeprefix("0000000000000000FFFF0000"), port


def is_local(end):
    """Whether an address is this machine's for sure: 127.0.0.0/8, ::1 (as /proc writes them)."""
    return end[0] in ("00000000000000000000000001000000", "01000000" * 4) or end[0][-2:] == "7F" and len(end[0]) == 8


def live_connections(pid):
    """Inodes of sockets that are the ends of connections whose other end is open, or cannot be looked at: those to other
    machines; those over unix sockets, of which nothing tells the other end."""
    pairs, unix = connections_of(pid)
    live = set(unix)
    for (local, remote), inode in pairs.items():
        if int(remote[1], 16) and (not is_local(remote) or pairs.get((remote, local), 0) != 0):
            live.add(inode)
    return live


def count_kinds(links, live=()):
    """How many descriptors of each kind there are, but for live connections."""
    counts = collections.Counter()
    for link in links:
        if link.startswith(RETIRED) or DATABASE.fullmatch(link):
            continue
        inode = re.fullmatch(r"socket:\[(\d+)\]", link)
        if not inode or int(inode[1]) not in live:
            counts[kind_of(link)] += 1
    return counts


class Descriptors:
    """What the processes of one server held when it began to serve."""

    def __init__(self, supervisor):
        self._supervisor = supervisor
        children = children_of(supervisor)
        live = live_connections(supervisor)
        self._of_supervisor = count_kinds(links_of(supervisor) or (), live)
        self._of_workers = {pid: count_kinds(links_of(pid) or (), live) for pid in children}

    def _of_any_worker(self):
        """The most of each kind that a worker had."""
        most = collections.Counter()
        for counts in self._of_workers.values():
            most |= counts
        return most

    @staticmethod
    def _growth_of(pid, before, live):
        links = links_of(pid)
        if links is None:
            return []
        grown = count_kinds(links, live) - before
        told = {kind: [link for link in links if kind_of(link) == kind] for kind in grown}
        return [f"process {pid} has {count} more of kind {kind}: {', '.join(sorted(told[kind])[:TOLD])}"
                for kind, count in grown.items()]

    def growth(self):
        """What there is more of than at the start, in words. What a supervisor holds for each of its workers counts only
        where it has as many as it had."""
        children = children_of(self._supervisor)
        live = live_connections(self._supervisor)
        found = []
        if len(children) <= len(self._of_workers):
            found += self._growth_of(self._supervisor, self._of_supervisor, live)
        if self._of_workers:
            any_worker = self._of_any_worker()
            for pid in children:
                found += self._growth_of(pid, self._of_workers.get(pid, any_worker), live)
        return found

    def judge(self):
        """Growth that stays. Waits only where there is some."""
        end = time.monotonic() + PATIENCE
        found = self.growth()
        while found and time.monotonic() < end:
            time.sleep(0.02)
            found = self.growth()
        return found
