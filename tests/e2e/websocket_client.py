"""A WebSocket client (RFC 6455, RFC 7692) that sends the frames it is given, valid or not, and takes those of the
server apart without forgiving anything.

    with open_websocket(server, "/echo", extensions="permessage-deflate") as websocket:
        websocket.send_text("hello")
        assert websocket.event() == ("text", "hello")
        websocket.close(1000)                        # and the server's answer to it, and its end
"""

import base64
import hashlib
import os
import re
import socket
import struct
import zlib
from typing import NamedTuple

from raw_client import Peer, request
from tls_client import TlsPeer

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"
FIN, COMPRESSED = 0x80, 4  # in a frame's first byte; RSV1 as a frame's three reserved bits say it
NO_CODE, ABNORMAL = 1005, 1006  # what stands for a close frame without code, and for none at all
TAIL = b"\0\0\xff\xff"  # which a compressed message leaves out


def mask(key, data):
    """The payload as it goes over the wire, and back (RFC 6455 section 5.3)."""
    if not any(key):
        return bytes(data)
    repeated = (key * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(len(data), "little")


def frame(opcode, payload=b"", *, fin=True, rsv=0, key=MASK, length=None, width=None):
    """The bytes of a client's frame. rsv: the three reserved bits, as a number. key: None for a frame that is not
    masked. length: what it says instead of its payload's. width: bytes of the extended length, where not as few as
    can be."""
    length = len(payload) if length is None else length
    width = width if width is not None else 0 if length < 126 else 2 if length < 1 << 16 else 8
    first = (FIN if fin else 0) | rsv << 4 | opcode
    second = (0 if key is None else 0x80) | {0: length, 2: 126, 8: 127}[width]
    extended = length.to_bytes(width, "big") if width else b""
    return bytes([first, second]) + extended + (payload if key is None else key + mask(key, payload))


def fragments(opcode, pieces, *, rsv=0, key=MASK):
    """The frames of a message in these pieces, one by one. rsv: of the first."""
    last = len(pieces) - 1
    return [frame(CONTINUATION if at else opcode, piece, fin=at == last, rsv=0 if at else rsv, key=key)
            for at, piece in enumerate(pieces)]


def cut(data, size):
    """The data in pieces of that many bytes; one that is empty where there is none."""
    return [data[at:at + size] for at in range(0, len(data), size)] or [b""]


def close_payload(code=None, reason=b""):
    """What a close frame carries."""
    return b"" if code is None else struct.pack("!H", code) + reason


def close_frame(code=None, reason=b"", **options):
    """The bytes of a close frame."""
    return frame(CLOSE, close_payload(code, reason), **options)


def handshake(target="/", *fields, key=KEY, version="13"):
    """The bytes of an opening handshake. fields: more lines."""
    return request("GET", target, None, "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                   f"Sec-WebSocket-Version: {version}", *fields)


def parameters(extension):
    """Of one extension as a field's value says it: its name, and {parameter: value or None}."""
    name, *rest = [part.strip() for part in extension.split(";")]
    pairs = [part.partition("=") for part in rest]
    values = {key.strip(): value.strip() if equals else None for key, equals, value in pairs}
    assert len(values) == len(pairs), f"a parameter comes twice: {extension}"
    return name, values


class Deflate:
    """permessage-deflate, as the server has agreed to it."""

    def __init__(self, agreed, offered):
        """agreed: the value of the answer's field; offered: of the request's."""
        name, values = parameters(agreed)
        assert name == "permessage-deflate" and "permessage-deflate" in offered, agreed
        self.values = values
        self.server_bits = self._bits("server_max_window_bits", offered)
        self.client_bits = self._bits("client_max_window_bits", offered)
        self.server_forgets = self._flag("server_no_context_takeover")
        self.client_forgets = self._flag("client_no_context_takeover")
        assert not values, f"unknown parameters: {agreed}"
        self._packer = self._unpacker = None

    def _bits(self, name, offered):
        bits = self.values.pop(name, "15")
        assert re.fullmatch("8|9|1[0-5]", bits or ""), f"{name}={bits}"
        # RFC 7692 section 7.1.2.2: only to a client that has said that it knows it.
        assert name == "server_max_window_bits" or bits == "15" or name in offered, f"not offered: {name}"
        return int(bits)

    def _flag(self, name):
        present = name in self.values
        assert self.values.pop(name, None) is None, name
        return present

    def pack(self, data):
        """A message's payload, compressed."""
        if self._packer is None or self.client_forgets:
            # zlib has no window of 8 bits: without any matches the data fits into one.
            strategy = zlib.Z_HUFFMAN_ONLY if self.client_bits == 8 else zlib.Z_DEFAULT_STRATEGY
            self._packer = zlib.compressobj(wbits=-max(self.client_bits, 9), strategy=strategy)
        packed = self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        assert packed.endswith(TAIL)
        return packed[:-len(TAIL)]

    def unpack(self, data):
        """A message's payload from what the server has sent: it must not reach back beyond its window."""
        if self._unpacker is None or self.server_forgets:
            self._unpacker = zlib.decompressobj(wbits=-self.server_bits)
        out = self._unpacker.decompress(data + TAIL)
        assert not self._unpacker.unused_data and not self._unpacker.unconsumed_tail
        return out


class Frame(NamedTuple):
    """One frame of the server's."""

    fin: bool
    compressed: bool
    opcode: int
    payload: bytes


class WebSocket:
    """An open connection. peer: what it runs over; answer: to the handshake; subprotocol: None without; deflate: None
    without."""

    def __init__(self, peer, answer, offered=""):
        self.peer, self.answer = peer, answer
        self.subprotocol = answer.get("Sec-WebSocket-Protocol")
        agreed = answer.get("Sec-WebSocket-Extensions")
        self.deflate = Deflate(agreed, offered) if agreed is not None else None
        self._parts, self._first = [], None  # of the message that is coming

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peer.socket.close()

    def send(self, *parts):
        """Send bytes as they are."""
        self.peer.send(*parts)

    def send_message(self, opcode, payload, size=None):
        """Send a message, compressed where that was agreed upon. size: in fragments of so many bytes."""
        rsv = 0
        if self.deflate:
            payload, rsv = self.deflate.pack(payload), COMPRESSED
        self.send(b"".join(fragments(opcode, cut(payload, size or len(payload) or 1), rsv=rsv)))

    def send_text(self, text, size=None):
        """Send a text message."""
        self.send_message(TEXT, text.encode(), size)

    def send_binary(self, data, size=None):
        """Send a binary message."""
        self.send_message(BINARY, data, size)

    def frame(self):
        """The next frame of the server's."""
        first, second = self.peer.take(2)
        fin, rsv, opcode, length = bool(first & FIN), first >> 4 & 7, first & 15, second
        assert length < 0x80, "a server does not mask its frames"
        if length >= 126:
            width = 2 if length == 126 else 8
            length = int.from_bytes(self.peer.take(width), "big")
            assert 126 <= length < 1 << 16 if width == 2 else 1 << 16 <= length < 1 << 63, "not the shortest length"
        assert rsv in ((0, COMPRESSED) if self.deflate else (0,)), f"reserved bits {rsv}"
        if opcode >= CLOSE:
            assert fin and rsv == 0 and length <= 125, "a control frame is whole, short and not compressed"
        assert opcode == CONTINUATION or opcode in NAMES, f"opcode {opcode}"
        return Frame(fin, rsv == COMPRESSED, opcode, self.peer.take(length))

    def event(self):
        """What comes next: ("text", str), ("binary", bytes), ("ping", bytes), ("pong", bytes) or ("close", code,
        reason). Control frames between the fragments of a message come before it."""
        while True:
            got = self.frame()
            if got.opcode >= CLOSE:
                return self._control(got)
            assert (got.opcode == CONTINUATION) == (self._first is not None), "fragments out of order"
            assert got.opcode != CONTINUATION or not got.compressed, "only the first fragment says it is compressed"
            self._first = self._first or got
            self._parts.append(got.payload)
            if got.fin:
                return self._message()

    def _message(self):
        first, payload = self._first, b"".join(self._parts)
        self._first, self._parts = None, []
        if first.compressed:
            payload = self.deflate.unpack(payload)
        return NAMES[first.opcode], payload.decode() if first.opcode == TEXT else payload

    def _control(self, got):
        if got.opcode != CLOSE:
            return NAMES[got.opcode], got.payload
        if not got.payload:
            return "close", NO_CODE, ""
        assert len(got.payload) >= 2, "half a code"
        return "close", int.from_bytes(got.payload[:2], "big"), got.payload[2:].decode()

    def events_until_close(self):
        """What comes before the close frame, and that. Pings are left out."""
        events = []
        while not events or events[-1][0] != "close":
            events.append(self.event())
        return [event for event in events[:-1] if event[0] != "ping"], events[-1]

    def ended(self):
        """Whether the server closes the connection behind its close frame, which is the last that it sends."""
        return self.peer.ended()

    def close(self, code=1000, reason=b""):
        """Close, and see that the server does so: with the same code, and at once. Returns what came before."""
        self.send(close_frame(code, reason))
        before, closed = self.events_until_close()
        assert closed[1] == (NO_CODE if code is None else code), closed
        assert self.ended()
        return before

    def closed_by_server(self, answer=True):
        """What came before the server's close frame, code, and reason. It is answered, and the connection ends."""
        before, (_, code, reason) = self.events_until_close()
        if answer:
            self.try_to_send(close_frame(None if code == NO_CODE else code))
        assert self.ended()
        return before, code, reason

    def try_to_send(self, *parts):
        """Send to a server that may have closed. Returns whether all of it was taken."""
        try:
            self.send(*parts)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def vanish(self):
        """Reset the connection, without a word."""
        self.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.socket.close()


class UnixPeer(Peer):
    """A connection to a unix socket."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self._received = b""

    def send(self, *parts):
        """Send bytes."""
        for part in parts:
            self.socket.sendall(part)


def upgrade(peer, target="/", *, subprotocols=(), extensions=(), fields=(), first=b""):
    """The WebSocket that a connection becomes. extensions: the offers, as a field says them, or as several do; first:
    bytes that go along with the handshake."""
    key = base64.b64encode(os.urandom(16)).decode()
    extensions = [extensions] if isinstance(extensions, str) else extensions
    lines = [*fields, *(f"Sec-WebSocket-Extensions: {offer}" for offer in extensions)]
    if subprotocols:
        lines.append("Sec-WebSocket-Protocol: " + ", ".join(subprotocols))
    peer.send(handshake(target, *lines, key=key) + first)
    answer = peer.head()
    assert answer.status == 101, answer
    check_accepted(answer, key, subprotocols)
    return WebSocket(peer, answer, ", ".join(extensions))


def check_accepted(answer, key=KEY, subprotocols=()):
    """Whether an answer 101 is one to this key (RFC 6455 section 4.2.2)."""
    assert answer.get("Upgrade").lower() == "websocket"
    assert [word.strip().lower() for word in answer.get("Connection").split(",")] == ["upgrade"]
    expected = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
    assert answer.get("Sec-WebSocket-Accept") == expected
    assert answer.get("Content-Length") is None and answer.get("Transfer-Encoding") is None  # RFC 9110 section 8.6
    assert answer.get("Sec-WebSocket-Protocol") in (None, *subprotocols)


def open_websocket(server, target="/", *, context=None, receive_buffer=None, **options):
    """A new connection that has become a WebSocket. context: of TLS; the options are upgrade's."""
    if context is None:
        peer = Peer(server, receive_buffer=receive_buffer)
    else:
        peer = TlsPeer(server, context, receive_buffer=receive_buffer)
    try:
        return upgrade(peer, target, **options)
    except BaseException:
        peer.socket.close()
        raise
