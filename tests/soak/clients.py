"""Clients that count every answer: some keep their connections, some open one for each request. What a server may do to
them: answer with 200 and all of what they asked for, and close a connection after an answer that announced it, or after
it was idle for long. Everything else is a failure."""

import asyncio
import contextlib
import dataclasses
import itertools
import random
import time

from application import PIECE, PIECES

KEEPING, OPENING = 16, 6  # connections that stay, and clients that open one for each request
PATIENCE = 30.0           # seconds for an answer
# Seconds without a request in which a connection must not be closed: what a worker that is replaced keeps them for,
# less what an answer under way then may have taken.
IDLE = 4.5


class Broken(Exception):
    """An answer that is not what was asked for."""


@dataclasses.dataclass
class Failure:
    """A request that was lost, or a connection that was closed unannounced. Times are those of time.monotonic()."""
    what: str
    pid: int | None  # of the worker that has the connection; None: it has not answered yet
    began: float     # the connection where pid is None, else the request
    ended: float


@dataclasses.dataclass
class Seen:
    """What a new connection over TLS was answered with."""
    opened: float  # time.time()
    serial: str    # of the server's certificate
    pid: int       # of the worker


@dataclasses.dataclass
class Tally:
    """What has become of all requests."""
    requests: int = 0
    answers: int = 0
    connections: int = 0
    announced: int = 0  # connections that an answer closed
    longest: float = 0.0  # seconds, from a request's first byte to its answer's last
    failures: list = dataclasses.field(default_factory=list)
    seen: list = dataclasses.field(default_factory=list)


def request_of(number, keep):
    """The bytes of a request, and what its answer holds behind the pid."""
    line, close = b"%d\n" % number, b"" if keep else b"Connection: close\r\n"
    path, body, rest = b"/", b"", b""
    if number % 20 == 1:
        path = b"/slow"
    elif number % 20 == 2:
        path, rest = b"/large", PIECE * PIECES
    elif number % 20 == 3:
        path, body = b"/echo", line * 500
        rest = body
    method = b"POST" if body else b"GET"
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    head = b"%s %s?%d HTTP/1.1\r\nHost: soak\r\n%s%s\r\n" % (method, path, number, close, length)
    return head + body, line + rest


async def read_chunks(reader):
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


async def read_answer(reader):
    """(body, whether the connection ends with it)"""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    if head[0] != "HTTP/1.1 200 OK":
        raise Broken(head[0])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if "content-length" in fields:
        body = await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        body = await read_chunks(reader)
    else:
        raise Broken(f"an answer without a length: {head}")
    return body, fields.get("connection", "").lower() == "close"


class Connection:
    """One connection of a client, which dies of its first failure."""

    def __init__(self, clients):
        self.clients, self.tally = clients, clients.tally
        self.pid, self.opened, self.latest = None, time.monotonic(), None
        self.opened_at = time.time()
        self.alive = True

    async def __aenter__(self):
        self.tally.connections += 1
        tls = self.clients.tls
        secure = {"ssl": tls, "server_hostname": "localhost", "ssl_shutdown_timeout": PATIENCE} if tls else {}
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.clients.port, limit=1 << 18,
                                                                 **secure)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def fail(self, what, began):
        self.alive = False
        began = began if self.pid else self.opened
        self.tally.failures.append(Failure(what, self.pid, began, time.monotonic()))

    async def send(self, data):
        """A request's bytes."""
        self.writer.write(data)

    async def ask(self, keep, request=request_of):
        """One request and its answer. The connection may be gone afterwards."""
        number = next(self.clients.numbers)
        data, expected = request(number, keep)
        began = time.monotonic()
        self.tally.requests += 1
        try:
            await self.send(data)
            body, ends = await asyncio.wait_for(read_answer(self.reader), PATIENCE)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, Broken) as error:
            kind = f"{data[:data.index(b' HTTP')].decode()} on " + ("a kept connection" if self.latest else "a new one")
            self.fail(f"{kind}: {error!r}", began)
            return
        pid, _, rest = body.partition(b" ")
        if rest != expected:
            self.fail(f"request {number} has another one's answer: {body[:40]!r}", began)
            return
        if self.clients.tls and self.latest is None:
            serial = self.writer.get_extra_info("peercert")["serialNumber"]
            self.tally.seen.append(Seen(self.opened_at, serial, int(pid)))
        self.pid, self.latest = int(pid), time.monotonic()
        self.tally.answers += 1
        self.tally.longest = max(self.tally.longest, self.latest - began)
        self.tally.announced += ends and keep
        self.alive = not ends

    async def idle(self, seconds):
        """Nothing is asked for so long; the server may not take that as an end."""
        await asyncio.sleep(seconds)
        if not self.reader.at_eof() and self.reader.exception() is None:
            return
        self.alive = False
        if time.monotonic() - self.latest < IDLE:
            self.fail(f"closed unannounced, {time.monotonic() - self.latest:.3f} s after an answer", self.latest)


class Clients:
    """All of them, until their time is over."""

    def __init__(self, port, tls=None):
        """tls: the ssl context of clients, None for plain HTTP."""
        self.port, self.tls, self.tally, self.numbers = port, tls, Tally(), itertools.count(1)

    def over(self):
        return time.monotonic() >= self.end

    def pause(self):
        """Seconds until the next request: mostly none to speak of, sometimes nearly as many as a connection may idle."""
        kind = random.random()
        return random.uniform(0, 0.02) if kind < 0.9 else random.uniform(0, 0.5) if kind < 0.99 else random.uniform(1, 4)

    async def connected(self, talk, kind=Connection):
        opened = time.monotonic()
        try:
            async with kind(self) as connection:
                await talk(connection)
        except OSError as error:
            self.tally.failures.append(Failure(f"connect: {error!r}", None, opened, time.monotonic()))

    async def keep(self):
        async def talk(connection):
            while connection.alive and not self.over():
                await connection.ask(keep=True)
                if connection.alive:
                    await connection.idle(self.pause())

        while not self.over():
            await self.connected(talk)

    async def open(self):
        async def talk(connection):
            await connection.ask(keep=random.random() < 0.5)

        while not self.over():
            await self.connected(talk)
            await asyncio.sleep(random.uniform(0, 0.02))

    async def run(self, seconds):
        self.end = time.monotonic() + seconds
        await asyncio.gather(*(self.keep() for _ in range(KEEPING)), *(self.open() for _ in range(OPENING)))
