"""WebSocket as the Autobahn test suite asks for it, case by case, with our own client that checks every byte; and the
same with two independent ones."""

import asyncio
import itertools
import json
import random
import socket
import zlib

import pytest
import websocket_cases
import websockets
import wsproto
from raw_client import Peer
from websocket_client import (
    BINARY, COMPRESSED, CONTINUATION, PING, TAIL, TEXT, cut, fragments, frame, handshake, open_websocket)
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

pytestmark = pytest.mark.unvalidated(reason="an asynchronous application")

ECHO = '''
async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        kept = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **kept})
'''
MEGA = 1 << 20
BUDGET = 256 * 1024  # bytes of messages that a case of 12 and 13 sends, where they are not many for one message


@pytest.fixture(scope="module")
def server(serve_once):
    return serve_once(ECHO, "--ws-max-size", "17M")


def packed_raw(data):
    """The payload of a compressed message that is the first of its connection."""
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def messages(events):
    return [event for event in events if event[0] != "pong"]


def pongs(events):
    return [event for event in events if event[0] == "pong"]


@pytest.mark.parametrize("case", websocket_cases.cases(), ids=lambda case: case.number.replace(" ", "-"))
def test_case(server, case):
    with open_websocket(server) as websocket:
        if case.code is None:
            websocket.send(*case.pieces())
            assert [websocket.event() for _ in case.events] == case.events
            assert websocket.close(1000) == []
            return
        websocket.try_to_send(*case.pieces())
        before, code, _ = websocket.closed_by_server()
    assert code == case.code
    assert pongs(before) == pongs(case.events)
    assert messages(before) == messages(case.events)[:len(messages(before))]


# --- 9: amounts ---

def varied(size):
    """That many bytes of ASCII that do not repeat at once."""
    return random.Random(size).randbytes(size // 2 + 1).hex().encode()[:size]


KINDS = [(TEXT, "text"), (BINARY, "binary")]
LARGE = [64 << 10, 256 << 10, MEGA, 4 * MEGA, 8 * MEGA, 16 * MEGA]
FRAGMENTS = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, MEGA, 4 * MEGA]
CHOPS = [64, 128, 256, 512, 1024, 2048]
SMALL = [0, 16, 64, 256, 1024, 4096]


def numbered(group, values):
    """The cases of two groups, the first of texts, the second of binary messages."""
    return [pytest.param(opcode, value, id=f"9.{group + kind}.{at}") for kind, (opcode, _) in enumerate(KINDS)
            for at, value in enumerate(values, 1)]


def check_echo(websocket, opcode, payload):
    name = dict(KINDS)[opcode]
    assert websocket.event() == (name, payload.decode() if opcode == TEXT else payload)


@pytest.mark.parametrize("opcode, size", numbered(1, LARGE))
def test_large_messages(server, opcode, size):
    payload = varied(size)
    with open_websocket(server) as websocket:
        websocket.send_message(opcode, payload)
        check_echo(websocket, opcode, payload)
        assert websocket.close() == []


@pytest.mark.parametrize("opcode, size", numbered(3, FRAGMENTS))
def test_fragments_of_a_large_message(server, opcode, size):
    payload = varied(4 * MEGA)
    with open_websocket(server) as websocket:
        websocket.send_message(opcode, payload, size)
        check_echo(websocket, opcode, payload)
        assert websocket.close() == []


@pytest.mark.parametrize("opcode, size", numbered(5, CHOPS))
def test_large_messages_in_pieces(server, opcode, size):
    payload = varied(MEGA)
    with open_websocket(server) as websocket:
        websocket.send(*cut(frame(opcode, payload), size))
        check_echo(websocket, opcode, payload)
        assert websocket.close() == []


@pytest.mark.parametrize("opcode, size", numbered(7, SMALL))
def test_many_messages(server, opcode, size):
    payload = varied(size)
    with open_websocket(server) as websocket:
        for _ in range(300):
            websocket.send_message(opcode, payload)
            check_echo(websocket, opcode, payload)
        assert websocket.close() == []


def test_a_message_in_a_hundred_thousand_fragments(server):
    """9.9, of a size that can be told: each fragment costs as little as the next."""
    middle = frame(CONTINUATION, b"x", fin=False)
    with open_websocket(server) as websocket:
        websocket.send(frame(BINARY, b"", fin=False) + middle * 100_000 + frame(CONTINUATION))
        check_echo(websocket, BINARY, b"x" * 100_000)
        assert websocket.close() == []


# --- 12 and 13: permessage-deflate ---

SIZES = [(16, 0), (64, 0), (256, 0), (1024, 0), (4096, 0), (8192, 0), (16384, 0), (32768, 0), (65536, 0), (131072, 0),
         (8192, 256), (16384, 256), (32768, 256), (65536, 256), (131072, 256), (131072, 1024), (131072, 4096),
         (131072, 32768)]  # of a message, and of its fragments; 0: one


def some_json(rng):
    names = ["tide", "Gezeiten", "mar\u00e9e"]
    rows = [{"id": rng.randrange(10 ** 6), "name": rng.choice(names), "level": rng.random(), "tags": ["a", "\u20ac"]}
            for _ in range(1000)]
    return TEXT, json.dumps(rows, ensure_ascii=False).encode()


def some_picture(rng):
    """Neighbours are alike, as in a picture."""
    level, pixels = 128, bytearray()
    for _ in range(60_000):
        level = max(0, min(255, level + rng.randrange(-3, 4)))
        pixels.append(level)
    return BINARY, bytes(pixels)


def some_prose(rng):
    words = "die den sich Faust Geist \u00fcber und was ein Welt Mephistopheles nicht sch\u00f6n Tag".split()
    return BINARY, " ".join(rng.choice(words) for _ in range(12_000)).encode()


def some_html(rng):
    row = '<tr class="row"><td>{}</td><td>\u00fc {}</td></tr>\n'
    return TEXT, "".join(row.format(rng.random(), rng.randrange(99)) for _ in range(1500)).encode()


def some_noise(rng):
    return BINARY, rng.randbytes(70_000)


# What 12.1 to 12.5 send: JSON, a picture, prose, HTML and what is compressed already. 13 sends the first.
DATA = [make(random.Random(1)) for make in (some_json, some_picture, some_prose, some_html, some_noise)]


def slices(opcode, data, size, count):
    """That many messages of this size, each where the one before ended. Of text: of so many characters."""
    text = data.decode() if opcode == TEXT else data
    text = text * (size // len(text) + 2)
    period, at = len(text) - size, 0
    for _ in range(count):
        piece = text[at:at + size]
        yield piece.encode() if opcode == TEXT else piece
        at = (at + size) % period


def exchange(websocket, opcode, data, size, fragment):
    """Send compressed messages; each comes back before the next is sent."""
    for payload in slices(opcode, data, size, max(3, min(BUDGET // size, 100))):
        websocket.send_message(opcode, payload, fragment)
        check_echo(websocket, opcode, payload)
    assert websocket.close() == []


@pytest.mark.parametrize("group, at", itertools.product(range(len(DATA)), range(len(SIZES))),
                         ids=lambda value: str(value + 1))
def test_12_compressed(server, group, at):
    with open_websocket(server, extensions="permessage-deflate; client_max_window_bits") as websocket:
        assert websocket.deflate
        exchange(websocket, *DATA[group], *SIZES[at])


FORGETTING, WINDOW_9, WINDOW_15 = "server_no_context_takeover", "server_max_window_bits=9", "server_max_window_bits=15"
# The offers of 13.1 to 13.7, and what the answer has to say of the server's side: whether it forgets, and its window.
OFFERS = [
    ("permessage-deflate; client_no_context_takeover; client_max_window_bits", False, 15),
    (f"permessage-deflate; {FORGETTING}; client_no_context_takeover; client_max_window_bits", True, 15),
    (f"permessage-deflate; {WINDOW_9}; client_no_context_takeover; client_max_window_bits", False, 9),
    (f"permessage-deflate; {WINDOW_15}; client_no_context_takeover; client_max_window_bits", False, 15),
    (f"permessage-deflate; {FORGETTING}; {WINDOW_9}; client_max_window_bits", True, 9),
    (f"permessage-deflate; {FORGETTING}; {WINDOW_15}; client_max_window_bits", True, 15),
    (f"permessage-deflate; {FORGETTING}; {WINDOW_9}, permessage-deflate; {FORGETTING}, permessage-deflate", True, 9),
]


@pytest.mark.parametrize("group, at", itertools.product(range(len(OFFERS)), range(len(SIZES))),
                         ids=lambda value: str(value + 1))
def test_13_compressed(server, group, at):
    offer, forgets, bits = OFFERS[group]
    with open_websocket(server, extensions=offer) as websocket:
        deflate = websocket.deflate
        assert deflate and (not forgets or deflate.server_forgets) and deflate.server_bits <= bits
        exchange(websocket, *DATA[0], *SIZES[at])


@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("side", ["server_max_window_bits", "client_max_window_bits"])
def test_all_windows(server, side, bits):
    """One that a server cannot have, as 8 for many, it has to decline (RFC 7692 section 7.1.2.1). What is repeated lies
    further back than the window reaches."""
    data = random.Random(bits).randbytes(1 << bits) * 3
    with open_websocket(server, extensions=f"permessage-deflate; {side}={bits}") as websocket:
        if bits > 8:
            assert websocket.deflate
        if websocket.deflate and side == "server_max_window_bits":
            assert websocket.deflate.server_bits <= bits
        # Where the answer does not repeat the client's, that is the client's own affair (section 7.1.2.2).
        for _ in range(3):
            websocket.send_message(BINARY, data)
            check_echo(websocket, BINARY, data)
        assert websocket.close() == []


DECLINED = ["permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=x",
            "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-bzip2", "x-webkit-deflate-frame", "permessage-deflatex"]


@pytest.mark.parametrize("offer", DECLINED)
def test_offers_that_cannot_be_met(server, offer):
    """They are left out of the answer, and another one is taken (RFC 7692 section 7)."""
    with open_websocket(server, extensions=offer) as websocket:
        assert websocket.deflate is None
        websocket.send_text("plain")
        assert websocket.event() == ("text", "plain")
        assert websocket.close() == []
    with open_websocket(server, extensions=f"{offer}, permessage-deflate; server_no_context_takeover") as websocket:
        assert websocket.deflate and websocket.deflate.server_forgets
        websocket.send_text("compressed " * 100)
        assert websocket.event() == ("text", "compressed " * 100)
        assert websocket.close() == []


def test_quoted_parameters_and_several_fields(server):
    """RFC 6455 section 9.1: a value may be quoted, and the offers may stand in more than one field."""
    offers = ['foo; bar="a"', 'permessage-deflate; server_max_window_bits="10"']
    with open_websocket(server, extensions=offers) as websocket:
        assert websocket.deflate and websocket.deflate.server_bits <= 10
        websocket.send_text("compressed " * 100)
        assert websocket.event() == ("text", "compressed " * 100)
        assert websocket.close() == []


def test_what_is_quoted_is_no_offer(server):
    with Peer(server) as peer:
        answer = peer.ask(handshake("/", 'Sec-WebSocket-Extensions: foo; bar="x, permessage-deflate"'))
        assert answer.status in (101, 400) and answer.get("Sec-WebSocket-Extensions") is None


# Messages compressed in ways of their own (RFC 7692 section 7.2.3, and what zlib does not make): payloads of frames.
COMPRESSED_MESSAGES = {
    "one block": [b"\xf2\x48\xcd\xc9\xc9\x07\x00"],
    "one block in two fragments": [b"\xf2\x48\xcd", b"\xc9\xc9\x07\x00"],
    "a fragment for each byte": cut(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 1),
    "fragments without anything in them": [b"", b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"", b""],
    "a block that is not compressed": [b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"],
    "a final block": [b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"],
    "two blocks": [b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"],
}


@pytest.mark.parametrize("name", COMPRESSED_MESSAGES)
def test_ways_to_compress(server, name):
    """Twice, and with one in between that is not compressed."""
    with open_websocket(server, extensions="permessage-deflate") as websocket:
        for _ in range(2):
            websocket.send(*fragments(TEXT, COMPRESSED_MESSAGES[name], rsv=COMPRESSED))
            assert websocket.event() == ("text", "Hello")
            websocket.send(frame(TEXT, b"plain"))
            assert websocket.event() == ("text", "plain")
        assert websocket.close() == []


def test_a_message_that_points_into_the_one_before(server):
    """Where both have agreed to forget that, it points at nothing."""
    with open_websocket(server, extensions="permessage-deflate") as websocket:
        websocket.send(frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=COMPRESSED))
        assert websocket.event() == ("text", "Hello")
        websocket.send(frame(TEXT, b"\xf2\x00\x11\x00\x00", rsv=COMPRESSED))
        if websocket.deflate.client_forgets:
            before, code, _ = websocket.closed_by_server()
            assert before == [] and code in (1002, 1007)
        else:
            assert websocket.event() == ("text", "Hello")


def test_an_empty_message_compressed(server):
    with open_websocket(server, extensions="permessage-deflate") as websocket:
        for _ in range(2):
            websocket.send(frame(BINARY, b"\x00", rsv=COMPRESSED))
            assert websocket.event() == ("binary", b"")
        assert websocket.close() == []


HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
# Frames of a connection with permessage-deflate, and the codes that the server may close with.
REFUSED = {
    "a ping that says it is compressed": ([frame(PING, b"x", rsv=COMPRESSED)], [1002]),
    "a continuation that says it is compressed":
        ([frame(TEXT, HELLO[:3], fin=False, rsv=COMPRESSED), frame(CONTINUATION, HELLO[3:], rsv=COMPRESSED)], [1002]),
    "other reserved bits": ([frame(TEXT, HELLO, rsv=COMPRESSED | 2)], [1002]),
    "a block of a type that is none": ([frame(TEXT, b"\xff\xff\xff\xff", rsv=COMPRESSED)], [1002, 1007]),
    "a distance beyond what there was": ([frame(TEXT, b"\xf2\x00\x11\x00\x00", rsv=COMPRESSED)], [1002, 1007]),
    "text that is not UTF-8": ([frame(TEXT, packed_raw(b"\xc3\x28"), rsv=COMPRESSED)], [1007]),
    "text that is not UTF-8 before its end":
        ([frame(TEXT, packed_raw(b"\xc3\x28" + bytes(100)), rsv=COMPRESSED, fin=False)], [1007]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_compressed_and_broken(server, name):
    frames, codes = REFUSED[name]
    with open_websocket(server, extensions="permessage-deflate") as websocket:
        websocket.send(b"".join(frames))
        before, code, _ = websocket.closed_by_server()
    assert (before, code in codes) == ([], True), code


# --- Two independent clients ---

class WsprotoClient:
    """python3-wsproto over a Peer."""

    def __init__(self, server, extensions):
        self.peer = Peer(server)
        self.protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.send(Request(host="x", target="/", extensions=extensions))
        assert isinstance(self.next(), AcceptConnection)

    def send(self, event):
        self.peer.send(self.protocol.send(event))

    def next(self):
        while True:
            for event in self.protocol.events():
                return event
            self.protocol.receive_data(self.peer.socket.recv(1 << 16) or None)

    def message(self):
        """The next one, put together."""
        parts = [self.next()]
        while not parts[-1].message_finished:
            parts.append(self.next())
        return type(parts[0])(data=type(parts[0].data)().join(part.data for part in parts))


PAIRS = {"plain": [], "deflate": [PerMessageDeflate()],
         "forgetful": [PerMessageDeflate(client_no_context_takeover=True, server_no_context_takeover=True)],
         "small": [PerMessageDeflate(client_max_window_bits=9, server_max_window_bits=9)]}


@pytest.mark.parametrize("name", PAIRS)
def test_wsproto(server, name):
    client = WsprotoClient(server, PAIRS[name])
    assert all(extension.enabled() for extension in PAIRS[name])
    for size in (0, 1, 125, 126, 65535, 65536, 300_000):
        for event in (TextMessage(data="\u00e9" * size), BytesMessage(data=bytearray(varied(size)))):
            client.send(event)
            assert client.message() == event
    client.send(CloseConnection(code=4000, reason="done"))
    closed = client.next()
    assert isinstance(closed, CloseConnection) and closed.code == 4000
    assert client.peer.ended()


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets_library(server, compression):
    async def talk():
        peer = socket.create_connection(("127.0.0.1", server.port))
        options = {"sock": peer, "compression": compression, "max_size": None}
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/", **options) as client:
            for size in (0, 1, 125, 126, 65535, 65536, 300_000):
                for message in ("\u00e9" * size, varied(size)):
                    await client.send(message)
                    assert await client.recv() == message
            await client.send(["one ", "two ", "three"])
            assert await client.recv() == "one two three"
            assert await (await client.ping(b"ping")) is not False
            await client.close(4001, "done")
            assert client.close_code == 4001

    asyncio.run(talk())
