"""The cases of test_websocket_conformance.py, under the numbers that the Autobahn test suite gives to them: what a
client sends to an application that echoes messages, and what it gets.

Cases 9 and 12 and 13, which are about amounts, are in the test itself.
"""

from typing import NamedTuple, Optional

from websocket_client import (
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, close_payload, cut, fragments, frame)

PROTOCOL_ERROR, INVALID_PAYLOAD = 1002, 1007
BY_FRAME = "by frame"  # each frame in a segment of its own
HELLO = b"Hello, world!"


class Case(NamedTuple):
    """number: Autobahn's; frames: what is sent; events: what comes back; code: what the server then closes with, None
    where it stays open until the client closes. chop: the size of the pieces that the frames are sent in, BY_FRAME,
    or None for all at once. Where the server closes, only the first of the messages may have come back before."""

    number: str
    frames: list
    events: list = []
    code: Optional[int] = None
    chop: object = None

    def pieces(self):
        """What is to be sent in one piece each."""
        if self.chop == BY_FRAME:
            return self.frames
        data = b"".join(self.frames)
        return [data] if self.chop is None else cut(data, self.chop)


def event(opcode, payload):
    """What a message or a pong with that payload comes as."""
    return {TEXT: "text", BINARY: "binary", PONG: "pong"}[opcode], payload.decode() if opcode == TEXT else payload


def echoed(number, opcode, payload, pieces=None, chop=None):
    """A message that is echoed. pieces: its fragments."""
    return Case(number, fragments(opcode, [payload] if pieces is None else pieces), [event(opcode, payload)], chop=chop)


def broken(number, frames, events=(), code=PROTOCOL_ERROR, chop=None):
    """What the server has to refuse."""
    return Case(number, frames, list(events), code, chop)


def framing():
    """1: messages of all kinds of lengths."""
    sizes = [0, 125, 126, 127, 128, 65535, 65536, 65536]
    for at, size in enumerate(sizes, 1):
        chop = 997 if at == len(sizes) else None
        yield echoed(f"1.1.{at}", TEXT, b"*" * size, chop=chop)
        yield echoed(f"1.2.{at}", BINARY, b"\xfe" * size, chop=chop)


def pings():
    """2: pings are answered with their payload, pongs are not answered."""
    for at, payload in enumerate([b"", HELLO, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125], 1):
        yield Case(f"2.{at}", [frame(PING, payload)], [("pong", payload)])
    yield broken("2.5", [frame(PING, b"\xfe" * 126)])
    yield Case("2.6", [frame(PING, b"\xfe" * 125)], [("pong", b"\xfe" * 125)], chop=1)
    yield Case("2.7", [frame(PONG)])
    yield Case("2.8", [frame(PONG, b"unsolicited pong payload")])
    yield Case("2.9", [frame(PONG, b"unsolicited pong payload"), frame(PING, b"ping")], [("pong", b"ping")])
    payloads = [b"payload-%d" % number for number in range(10)]
    for number, chop in (("2.10", None), ("2.11", 1)):
        yield Case(number, [frame(PING, each) for each in payloads], [("pong", each) for each in payloads], chop=chop)


def reserved_bits():
    """3: no extension has given a meaning to them."""
    hello = [event(TEXT, HELLO)]
    yield broken("3.1", [frame(TEXT, HELLO, rsv=1)])
    for rsv, chop in ((2, None), (3, BY_FRAME), (4, 1)):
        yield broken(f"3.{rsv}", [frame(TEXT, HELLO), frame(TEXT, HELLO, rsv=rsv), frame(PING)], hello, chop=chop)
    yield broken("3.5", [frame(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5)])
    yield broken("3.6", [frame(PING, HELLO, rsv=6)])
    yield broken("3.7", [close_frame(1000, rsv=7)])


def opcodes():
    """4: those that mean nothing."""
    hello = [event(TEXT, HELLO)]
    for group, first in ((1, 3), (2, 11)):
        yield broken(f"4.{group}.1", [frame(first)])
        yield broken(f"4.{group}.2", [frame(first + 1, b"reserved opcode payload")])
        for at, payload, chop in ((2, b"", None), (3, HELLO, BY_FRAME), (4, HELLO, 1)):
            frames = [frame(TEXT, HELLO), frame(first + at, payload), frame(PING)]
            yield broken(f"4.{group}.{at + 1}", frames, hello, chop=chop)


def fragmentation():
    """5: fragments, and control frames between them."""
    ways = (None, BY_FRAME, 1)
    yield broken("5.1", fragments(PING, [b"fragment1", b"fragment2"]))
    yield broken("5.2", fragments(PONG, [b"fragment1", b"fragment2"]))
    halves = fragments(TEXT, [b"fragment1", b"fragment2"])
    whole = event(TEXT, b"fragment1fragment2")
    between = [halves[0], frame(PING, b"ping payload"), halves[1]]
    nothing = b"non-continuation payload"
    for at, chop in enumerate(ways):
        yield Case(f"5.{3 + at}", halves, [whole], chop=chop)
        yield Case(f"5.{6 + at}", between, [("pong", b"ping payload"), whole], chop=chop)
        for number, fin in ((9, True), (12, False)):
            frames = [frame(CONTINUATION, nothing, fin=fin), frame(TEXT, HELLO)]
            yield broken(f"5.{number + at}", frames, chop=chop)
    yield broken("5.15", [*halves, frame(CONTINUATION, b"fragment3", fin=False), frame(TEXT, b"fragment4")], [whole])
    for number, fin in (("5.16", False), ("5.17", True)):
        frames = [frame(CONTINUATION, b"fragment1", fin=fin), *fragments(TEXT, [b"fragment2", b"fragment3"])]
        yield broken(number, frames * 2)
    yield broken("5.18", [frame(TEXT, b"fragment1", fin=False), frame(TEXT, b"fragment2")])
    five = fragments(TEXT, [b"fragment%d" % number for number in range(1, 6)])
    frames = [*five[:2], frame(PING, b"pongme 1!"), *five[2:4], frame(PING, b"pongme 2!"), five[4]]
    events = [("pong", b"pongme 1!"), ("pong", b"pongme 2!"),
              event(TEXT, b"fragment1fragment2fragment3fragment4fragment5")]
    yield Case("5.19", frames, events, chop=BY_FRAME)
    yield Case("5.20", frames, events)


KOSME = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
MISSING = [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
           b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]
HIGH = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"]
CONTINUING = bytes(range(0x80, 0xbf))

# Texts by what they have in common: the group's number, and what is valid and invalid in it, in that order, which are
# numbered through.
TEXTS = {
    "6.5": ([b"hello\x24world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world",
             KOSME], []),
    "6.7": ([b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"], []),  # the first of a length
    "6.8": ([], [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    "6.9": ([b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"], []),  # the last of a length
    "6.10": ([], [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    "6.11": ([b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"], [b"\xf4\x90\x80\x80"]),
    "6.12": ([], [b"\x80", b"\xbf", *[(b"\x80\xbf" * 3)[:size] for size in range(2, 7)], CONTINUING]),
    "6.13": ([], [b"".join(bytes([byte, 0x20]) for byte in range(first, last))
                  for first, last in ((0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd))]),
    "6.14": ([], MISSING),
    "6.15": ([], [b"".join(MISSING)]),
    "6.16": ([], [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    "6.17": ([], [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
                  b"\xfc\x80\x80\x80\x80\xaf"]),
    "6.18": ([], [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf",
                  b"\xfc\x83\xbf\xbf\xbf\xbf"]),
    "6.19": ([], [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80",
                  b"\xfc\x80\x80\x80\x80\x80"]),
    "6.20": ([], [*HIGH, b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"]),  # surrogates
    "6.21": ([], [high + low for high in HIGH for low in (b"\xed\xb0\x80", b"\xed\xbf\xbf")]),
    "6.22": ([chr(plane << 16 | low).encode() for plane in range(17) for low in (0xfffe, 0xffff)], []),
    "6.23": ([chr(point).encode() for point in range(0xfff9, 0x10000)], []),
}


def texts():
    """6: UTF-8."""
    yield echoed("6.1.1", TEXT, b"")
    yield echoed("6.1.2", TEXT, b"", [b"", b"", b""])
    yield echoed("6.1.3", TEXT, b"middle frame payload", [b"", b"middle frame payload", b""])
    text = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!".encode()
    yield echoed("6.2.1", TEXT, text)
    yield echoed("6.2.2", TEXT, text, [text[:15], text[15:]])
    yield echoed("6.2.3", TEXT, text, cut(text, 1))
    yield echoed("6.2.4", TEXT, KOSME, cut(KOSME, 1))
    surrogate = KOSME + b"\xed\xa0\x80edited"
    yield broken("6.3.1", [frame(TEXT, surrogate)], code=INVALID_PAYLOAD)
    yield broken("6.3.2", fragments(TEXT, cut(surrogate, 1)), code=INVALID_PAYLOAD)
    # What is invalid shows before the rest is sent, which it never is; the ping tells that the first part was taken.
    beyond = KOSME + b"\xf4\x90\x80\x80edited"
    for number, middle, end in (("6.4.1", 11, 15), ("6.4.2", 12, 13)):
        frames = [frame(TEXT, beyond[:middle], fin=False), frame(PING, b"so far"),
                  frame(CONTINUATION, beyond[middle:end], fin=False)]
        yield broken(number, frames, [("pong", b"so far")], INVALID_PAYLOAD, BY_FRAME)
    for number, end in (("6.4.3", 15), ("6.4.4", 13)):
        whole = frame(TEXT, beyond)
        yield broken(number, [whole[:end - len(beyond)]], code=INVALID_PAYLOAD, chop=len(whole) - len(beyond) + 11)
    for size in range(1, len(KOSME) + 1):
        yield text_case(f"6.6.{size}", KOSME[:size], size in (2, 5, 7, 9, 11))
    for group, (valid, invalid) in TEXTS.items():
        for at, text in enumerate([*valid, *invalid], 1):
            yield text_case(f"{group}.{at}", text, at <= len(valid))


def text_case(number, text, valid):
    """A text in fragments of one byte, which is valid or not."""
    pieces = cut(text, 1)
    if valid:
        return echoed(number, TEXT, text, pieces)
    return broken(number, fragments(TEXT, pieces), code=INVALID_PAYLOAD)


def closes():
    """7: the closing handshake. What comes behind a close frame is not looked at."""
    hello, end = event(TEXT, HELLO), close_frame(1000)
    yield Case("7.1.1", [frame(TEXT, HELLO)], [hello])
    for number, more in (("7.1.2", frame(CLOSE)), ("7.1.3", frame(PING)), ("7.1.4", frame(TEXT, HELLO))):
        yield Case(number, [end, more], code=1000)
    halves = fragments(TEXT, [b"fragment1", b"fragment2"])
    yield Case("7.1.5", [halves[0], end, halves[1]], code=1000)
    large = b"BAsd7&jh23" * 26215
    yield Case("7.1.6", [frame(TEXT, large), frame(TEXT, HELLO), end, frame(PING)], [event(TEXT, large), hello], 1000)
    yield Case("7.3.1", [close_frame()], code=1005)
    yield broken("7.3.2", [frame(CLOSE, b"a")])
    for number, reason in (("7.3.3", b""), ("7.3.4", b"Hello World!"), ("7.3.5", b"*" * 123)):
        yield Case(number, [close_frame(1000, reason)], code=1000)
    yield broken("7.3.6", [close_frame(1000, b"*" * 124)])
    yield broken("7.5.1", [close_frame(1000, KOSME + b"\xed\xa0\x80edited")], code=INVALID_PAYLOAD)
    valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
    for at, code in enumerate([*valid, 1012, 1013, 1014], 1):  # the last three were registered later
        yield Case(f"7.7.{at}", [close_frame(code)], code=code)
    for at, code in enumerate([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1015], 1):
        yield broken(f"7.9.{at}", [close_frame(code)])
    for at, code in enumerate([5000, 65535], 1):
        yield broken(f"7.13.{at}", [close_frame(code)])


def automatic_fragments():
    """10: a large message in many fragments."""
    yield echoed("10.1.1", TEXT, b"*" * 65536, cut(b"*" * 65536, 1300))


def beyond_autobahn():
    """What the suite does not ask for."""
    yield broken("unmasked text", [frame(TEXT, HELLO, key=None)])
    yield broken("unmasked ping", [frame(PING, key=None)])
    yield broken("unmasked close", [close_frame(1000, key=None)])
    yield broken("unmasked continuation", [frame(TEXT, HELLO, fin=False), frame(CONTINUATION, HELLO, key=None)])
    yield broken("length in 2 bytes for 125", [frame(BINARY, bytes(125), width=2)])
    yield broken("length in 8 bytes for 65535", [frame(BINARY, bytes(65535), width=8)])
    yield broken("length in 2 bytes for a ping", [frame(PING, HELLO, width=2)])
    yield broken("length with its highest bit", [frame(BINARY, b"", length=1 << 63, width=8)])
    yield broken("close that is fragmented", [frame(CLOSE, close_payload(1000), fin=False)])
    yield broken("reserved bits of a continuation", [frame(TEXT, HELLO, fin=False), frame(CONTINUATION, rsv=4)])
    yield broken("first bit of all in a message without extension", [frame(TEXT, HELLO, rsv=4)])
    yield Case("a key of zeros", [frame(TEXT, HELLO, key=bytes(4))], [event(TEXT, HELLO)])
    yield Case("a key for each frame", [frame(TEXT, HELLO, fin=False, key=b"\1\2\3\4"),
                                        frame(CONTINUATION, HELLO, key=b"\xff\xfe\xfd\xfc")],
               [event(TEXT, HELLO + HELLO)])
    yield Case("fragments without anything in them", fragments(BINARY, [b""] * 1000), [("binary", b"")])
    yield Case("many pings in one segment", [frame(PING, b"%d" % at) for at in range(1000)],
               [("pong", b"%d" % at) for at in range(1000)])
    yield Case("a byte order mark", [frame(TEXT, b"\xef\xbb\xbfx")], [("text", "\ufeffx")])
    for offset in range(1, 5):  # a character that lies across two fragments, and across two segments
        text = b"abcd"[offset:] + "\U0001f600".encode() + b"end"
        yield echoed(f"a character cut behind {offset}", TEXT, text, [text[:4], text[4:]], chop=7)


def cases():
    """All of them."""
    for group in (framing, pings, reserved_bits, opcodes, fragmentation, texts, closes, automatic_fragments,
                  beyond_autobahn):
        yield from group()
