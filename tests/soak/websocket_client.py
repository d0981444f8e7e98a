"""A WebSocket client of its own (RFC 6455, 13), for what a well-behaved library does not do: to leave in the middle."""

import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GOING = (1001, 1012)  # going away, service restart


class Closed(Exception):
    """The server has said that it closes. code: why."""

    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


class Refused(Exception):
    """The handshake's answer, or a frame, that is not as it must be."""


def frame(opcode, payload, key=None):
    """A final frame, masked."""
    key = key or os.urandom(4)
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    stream = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ stream).to_bytes(size, "big")


class WebSocket:
    """A conversation over a pair of asyncio's streams."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def shake_hands(self):
        """Become one."""
        key = base64.b64encode(os.urandom(16))
        self.writer.write(b"GET / HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % key)
        head = await self.reader.readuntil(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        if not head.startswith(b"HTTP/1.1 101 ") or accept not in head:
            raise Refused(head.decode("latin-1"))

    def send(self, opcode, payload):
        self.writer.write(frame(opcode, payload))

    async def read_frame(self):
        """(opcode, payload) of one that is whole: our server does not fragment what an application sends at once."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if first & 0xF0 != 0x80 or second & 0x80:
            raise Refused(f"a frame that begins with {first:#x} {second:#x}")
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def receive(self, pong=None):
        """(opcode, payload) of the next message, or of the pong that is waited for; pings are answered. Closed: the
        server has closed, and our frame is on its way back."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                self.send(CLOSE, payload[:2])
                raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)
            elif opcode != PONG or payload == pong:
                return opcode, payload

    async def close(self):
        """Say goodbye, and wait for the server's; what it says meanwhile is let go."""
        self.send(CLOSE, (1000).to_bytes(2, "big"))
        try:
            while True:
                await self.receive()
        except Closed as closed:
            if closed.code not in (1000, *GOING):
                raise
