"""What else clients do to an asynchronous application, beside those of clients.py: long uploads, WebSockets, leaving in
the middle, and asking for exceptions. Everything that was not announced is a failure, as there."""

import asyncio
import contextlib
import dataclasses
import hashlib
import random
import time

from clients import IDLE, PATIENCE, Broken, Clients, Connection, Failure, read_answer
from websocket_client import BINARY, GOING, PING, TEXT, Closed, Refused, WebSocket, frame

UPLOADING, TALKING, LEAVING, RAISING = 3, 12, 4, 2
UPLOAD_BYTES, UPLOAD_PIECES = 1 << 20, 16
LOST = (OSError, EOFError, ValueError, asyncio.LimitOverrunError, Broken, Refused)


@dataclasses.dataclass
class Mixture:
    """What came of it."""
    uploads: int = 0
    websockets: int = 0
    messages: int = 0    # that came back
    going: int = 0       # WebSockets that the server closed because its worker went
    left: int = 0        # requests, uploads and WebSockets that the client has cut
    exceptions: int = 0  # that were answered with 500
    cut: int = 0         # answers that ended with an exception


def upload_of(number, keep):
    """A request with a large chunked body, and what its answer holds behind the pid."""
    size = random.randint(1, UPLOAD_BYTES)
    body = (b"%d " % number * (size // 2 + 1))[:size]
    digest = hashlib.sha256(body).hexdigest().encode()
    step = -(-size // UPLOAD_PIECES)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + step]), body[at:at + step]) for at in range(0, size, step))
    head = b"POST /upload?%d HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n" % number
    return head + chunks + b"0\r\n\r\n", b"%d\n%d %s\n" % (number, size, digest)


class Uploading(Connection):
    """Sends as somebody with a slow line."""

    async def send(self, data):
        step = len(data) // UPLOAD_PIECES + 1
        for at in range(0, len(data), step):
            self.writer.write(data[at:at + step])
            await self.writer.drain()
            await asyncio.sleep(random.uniform(0, 0.01))


class Mixed(Clients):
    """All of them, until their time is over."""

    def __init__(self, port, tls=None):
        super().__init__(port, tls)
        self.mixture = Mixture()

    async def connect(self):
        """(reader, writer)"""
        tls = {"ssl": self.tls, "server_hostname": "localhost"} if self.tls else {}
        return await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 18, **tls)

    async def repeat(self, what, pause):
        """Until the time is over, what() on a connection of its own each time; the connection is cut afterwards."""
        while not self.over():
            began = time.monotonic()
            writer = None
            try:
                reader, writer = await self.connect()
                await asyncio.wait_for(what(reader, writer), 2 * PATIENCE)
            except (*LOST, Closed) as error:
                self.tally.failures.append(Failure(f"{what.__name__}: {error!r}", None, began, time.monotonic()))
            finally:
                if writer:
                    writer.transport.abort()
            await asyncio.sleep(random.uniform(0, pause))

    # --- uploads ---

    async def upload(self):
        async def talk(connection):
            while connection.alive and not self.over():
                await connection.ask(True, upload_of)
                self.mixture.uploads += 1
                if connection.alive:
                    await connection.idle(random.uniform(0, 0.2))

        while not self.over():
            await self.connected(talk, Uploading)

    # --- WebSockets ---

    async def talk(self, reader, writer):
        """A conversation that ends as one of several do."""
        peer = WebSocket(reader, writer)
        await peer.shake_hands()
        self.mixture.websockets += 1
        try:
            await peer.receive()  # the worker's pid
            for _ in range(random.choice((1, 5, 50))):
                await self.exchange(peer)
                await asyncio.sleep(random.uniform(0, 0.01) if random.random() < 0.95 else random.uniform(0, IDLE))
                if self.over():
                    break
            await self.finish(peer)
        except Closed as closed:
            if closed.code not in GOING:
                raise
            self.mixture.going += 1

    async def exchange(self, peer):
        """A message, which must come back as it is; sometimes a ping."""
        opcode = random.choice((TEXT, BINARY))
        size = random.choice((0, 1, 32, 125, 126, 4000, 70_000)) if random.random() < 0.2 else 32
        payload = (b"%d " % random.getrandbits(64) * (size // 2 + 1))[:size]
        peer.send(opcode, payload)
        if await peer.receive() != (opcode, payload):
            raise Refused("a message came back as another one")
        self.mixture.messages += 1
        if random.random() < 0.05:
            peer.send(PING, b"soak")
            await peer.receive(pong=b"soak")

    async def finish(self, peer):
        """As it should be, without a word, or within a frame."""
        kind = random.random()
        if kind < 0.7:
            await peer.close()
            return
        self.mixture.left += 1
        if kind < 0.85:
            peer.writer.write(frame(BINARY, b"x" * 1000)[:500])
            await peer.writer.drain()

    # --- leaving ---

    async def leave(self, reader, writer):
        """A request that nobody waits for."""
        kind = random.choice(("hang", "large", "slow", "upload"))
        method, length = ("POST", "Content-Length: 100000\r\n") if kind == "upload" else ("GET", "")
        writer.write(f"{method} /{kind}?0 HTTP/1.1\r\nHost: soak\r\n{length}\r\n".encode())
        if kind == "upload":
            writer.write(b"x" * random.randint(0, 99_999))
        await writer.drain()
        await asyncio.sleep(random.uniform(0, 0.1))
        self.mixture.left += 1

    # --- exceptions ---

    async def ask_for_exception(self, reader, writer):
        """500, and what follows on the connection is answered all the same."""
        writer.write(b"GET /exception?0 HTTP/1.1\r\nHost: soak\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 500 "):
            raise Broken(head.decode("latin-1"))
        fields = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        self.mixture.exceptions += 1
        if fields.get("connection") != "close":
            writer.write(b"GET /?0 HTTP/1.1\r\nHost: soak\r\n\r\n")
            await read_answer(reader)

    async def ask_for_part(self, reader, writer):
        """An answer that must not look complete."""
        writer.write(b"GET /late?0 HTTP/1.1\r\nHost: soak\r\n\r\n")
        first = await reader.read(1)  # the connection is not cut before that
        if not first:
            raise Broken("closed without an answer")
        with contextlib.suppress(OSError, EOFError):
            rest = await reader.read(1 << 16)
            while more := await reader.read(1 << 16):
                rest += more
            if rest.endswith(b"\r\n0\r\n\r\n"):
                raise Broken("what an exception has cut looks complete")
        self.mixture.cut += 1

    async def run(self, seconds):
        await asyncio.gather(
            super().run(seconds),  # begins first: from there on over() can be asked
            *(self.upload() for _ in range(UPLOADING)),
            *(self.repeat(self.talk, 0.05) for _ in range(TALKING)),
            *(self.repeat(self.leave, 0.05) for _ in range(LEAVING)),
            *(self.repeat(what, 0.2) for what in (self.ask_for_exception, self.ask_for_part) for _ in range(RAISING)))
