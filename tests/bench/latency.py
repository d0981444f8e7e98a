"""A client that asks at a steady rate, and how long each answer took, while one connection keeps a handler blocked.

A request counts from the moment it was due: one that could not be sent because an answer was late is late itself, so
that a server which stalls everybody shows it in every percentile. The client turns round without sleeping (it has a CPU
of its own), because timers are coarser than the answers.
"""

import select
import socket
import time

import machine

CONNECTIONS = 8
RATE = 1000  # requests a second, of all connections


class Peer:
    """One connection that asks whenever it is due. interval: seconds between requests; 0: once it was answered."""

    def __init__(self, port, path, interval, first):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.interval = interval
        self.due = first
        self.waiting = False
        self.answer = b""

    def send_if_due(self, now):
        """One request at a time."""
        if not self.waiting and now >= self.due:
            self.socket.sendall(self.request)
            self.waiting = True

    def receive(self):
        """Seconds since the request was due, when its answer is complete; else None."""
        piece = self.socket.recv(4096)
        if not piece:
            raise machine.Failure("the server closed a connection of the latency client")
        self.answer += piece
        if not self.answer.endswith(b"Hello, World!"):
            return None
        now = time.perf_counter()
        took = now - self.due
        self.answer, self.waiting = b"", False
        self.due = self.due + self.interval if self.interval else now
        return took


def connect(port, blocked):
    """By descriptor: the peers that are measured, their turns spread evenly, and the one that blocks."""
    interval = CONNECTIONS / RATE
    first = time.perf_counter() + 0.1
    measured = [Peer(port, "/", interval, first + interval * i / CONNECTIONS) for i in range(CONNECTIONS)]
    blocking = [Peer(port, "/block", 0, first)] if blocked else []
    return {peer.socket.fileno(): peer for peer in measured}, {peer.socket.fileno(): peer for peer in blocking}


def measure(port, seconds, blocked):
    """The measured requests' times in ms, sorted. blocked: one more connection asks for /block, again and again."""
    measured, blocking = connect(port, blocked)
    peers = measured | blocking
    poll = select.epoll()
    for descriptor in peers:
        poll.register(descriptor, select.EPOLLIN)
    times = []
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        for peer in peers.values():
            peer.send_if_due(now)
        for descriptor, _ in poll.poll(0):
            took = peers[descriptor].receive()
            if took is not None and descriptor in measured:
                times.append(took * 1000)
    # Who still waits for an answer waited at least until now.
    times += [(end - peer.due) * 1000 for peer in measured.values() if peer.waiting]
    for peer in peers.values():
        peer.socket.close()
    return sorted(times)
