"""A client that asks at a steady rate, and how long each answer took, while one connection keeps a handler blocked.

A request counts from the moment it was due: one that could not be sent because an answer was late is late itself, so
that a server which stalls everybody shows it in every percentile. The client turns round without sleeping (it has a CPU
of its own), because timers are coarser than the answers.
"""

import itertools
import select
import socket
import time

import machine

CONNECTIONS = 8
RATE = 1000  # requests a second, of all connections
HELLO_END = b"Hello, World!"


class Question:
    """What a request asks. end: the last bytes of its answer, and of no part before that."""

    def __init__(self, path, end=HELLO_END, body=b""):
        self.path, self.end = path, end
        method = "POST" if body else "GET"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.data = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n".encode() + body


class Peer:
    """One connection that asks its questions in turn, each when it is due. interval: seconds between requests; 0: once
    the one before was answered."""

    def __init__(self, port, questions, interval, first):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.questions = itertools.cycle(questions)
        self.question = next(self.questions)
        self.interval = interval
        self.due = first
        self.waiting = False
        self.answer = b""

    def send_if_due(self, now):
        """One request at a time."""
        if not self.waiting and now >= self.due:
            self.socket.sendall(self.question.data)
            self.waiting = True

    def receive(self):
        """(path, seconds since the request was due) when its answer is complete; else None."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise machine.Failure("the server closed a connection of the latency client")
        self.answer = self.answer[-64:] + piece
        if not self.answer.endswith(self.question.end):
            return None
        now = time.perf_counter()
        path, took = self.question.path, now - self.due
        self.answer, self.waiting, self.question = b"", False, next(self.questions)
        self.due = self.due + self.interval if self.interval else now
        return path, took


def run(measured, others, seconds):
    """{path: times in ms, sorted} of the measured peers, while others ask as well."""
    peers = {peer.socket.fileno(): peer for peer in [*measured, *others]}
    poll = select.epoll()
    for descriptor in peers:
        poll.register(descriptor, select.EPOLLIN)
    times = {}
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        for peer in peers.values():
            peer.send_if_due(now)
        for descriptor, _ in poll.poll(0):
            answered = peers[descriptor].receive()
            if answered is not None and peers[descriptor] not in others:
                times.setdefault(answered[0], []).append(answered[1] * 1000)
    # Who still waits for an answer waited at least until now.
    for peer in measured:
        if peer.waiting:
            times.setdefault(peer.question.path, []).append((end - peer.due) * 1000)
    for peer in peers.values():
        peer.socket.close()
    return {path: sorted(values) for path, values in times.items()}


def measure(port, seconds, blocked):
    """The measured requests' times in ms, sorted. blocked: one more connection asks for /block, again and again."""
    interval = CONNECTIONS / RATE
    first = time.perf_counter() + 0.1
    hello = [Question("/")]
    measured = [Peer(port, hello, interval, first + interval * i / CONNECTIONS) for i in range(CONNECTIONS)]
    return run(measured, [Peer(port, [Question("/block")], 0, first)] if blocked else [], seconds)["/"]


def measure_mix(port, seconds, questions, connections, rate):
    """{path: times in ms, sorted} of that many requests a second; each connection begins elsewhere in the questions,
    which then come in turn."""
    interval = connections / rate
    first = time.perf_counter() + 0.1 + connections * 0.001  # not before all are connected
    peers = [Peer(port, questions[i % len(questions):] + questions[:i % len(questions)], interval,
                  first + interval * i / connections) for i in range(connections)]
    return run(peers, [], seconds)


def percentile(times, share):
    """Of sorted times."""
    return times[min(len(times) - 1, int(len(times) * share))]
