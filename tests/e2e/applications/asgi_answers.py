"""Sends answers in the ways that applications do."""

import asyncio

from asgi_common import answer, argument, event, piece, routed, say, start
from asgi_pattern import pattern

SENT = {}  # by name: pieces whose send() has returned


def numbers(scope):
    return [int(word) for word in argument(scope).split(",")]


async def whole(scope, receive, send):
    """?SIZE: with its length, one message."""
    await answer(send, pattern(*numbers(scope)))


async def bare(scope, receive, send):
    """?SIZE: no headers at all, one message."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": pattern(*numbers(scope))})


async def pieces(scope, receive, send):
    """?COUNT,SIZE: no length, an empty last message."""
    count, size = numbers(scope)
    await start(send, (b"content-type", b"text/plain"))
    for number in range(count):
        await piece(send, pattern(size, number))
    await piece(send, more_body=False)


async def pieces_with_length(scope, receive, send):
    """?COUNT,SIZE: the last piece ends it."""
    count, size = numbers(scope)
    await start(send, (b"content-length", b"%d" % (count * size)))
    for number in range(count):
        await piece(send, pattern(size, number), number < count - 1)


async def holes(scope, receive, send):
    """Empty pieces are no end."""
    await start(send)
    for body in (b"", b"one", b"", b"", b"two", b""):
        await piece(send, body)
    await send({"type": "http.response.body", "more_body": True})
    await send({"type": "http.response.body"})


async def gradual(scope, receive, send):
    """?NAME: the second piece when the event is set."""
    await start(send)
    await piece(send, b"one")
    await event(argument(scope)).wait()
    await piece(send, b"two", False)


async def gradual_with_length(scope, receive, send):
    await start(send, (b"content-length", b"6"))
    await piece(send, b"one")
    await event(argument(scope)).wait()
    await piece(send, b"two", False)


async def buffers(scope, receive, send):
    """Bodies of other types, changed after they were sent."""
    await start(send)
    buffer = bytearray(b"bytearray ")
    await piece(send, buffer)
    buffer[:] = b"*" * len(buffer)
    buffer = bytearray(b"memoryview ")
    await piece(send, memoryview(buffer))
    buffer[:] = b"*" * len(buffer)
    await piece(send, type("Own", (bytes,), {})(b"own "))
    await piece(send, memoryview(b"--part--")[2:6], False)


async def large_buffer(scope, receive, send):
    """One that does not leave at once."""
    buffer = bytearray(pattern(8_000_000))
    await start(send)
    await piece(send, buffer)
    buffer[:] = bytes(len(buffer))
    await piece(send, memoryview(buffer)[:5], False)


async def status(scope, receive, send):
    """?STATUS,SIZE"""
    code, size = numbers(scope)
    headers = [(b"content-length", b"%d" % size)] if size else []
    await start(send, *headers, status=code)
    await piece(send, pattern(size), False)


async def headers(scope, receive, send):
    listed = [[b"x-b", b"1"], (b"x-a", b"2"), (b"set-cookie", b"a=1; Path=/"), (b"x-b", b"3"), (b"set-cookie", b"b=2"),
              (b"x-empty", b""), (b"x-latin", b"caf\xe9"), (b"x-utf-8", b"\xe2\x82\xac"), (b"x-long", b"v" * 5000)]
    given = {"list": listed, "tuple": tuple(map(tuple, listed)), "generator": (list(pair) for pair in listed),
             "view": {pair[0] + b"%d" % number: pair[1] for number, pair in enumerate(listed)}.items()}[argument(scope)]
    await send({"type": "http.response.start", "status": 200, "headers": given})
    await piece(send, b"ok", False)


async def own_headers(scope, receive, send):
    """What servers write as well."""
    await start(send, (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"server", b"mine"), (b"content-length", b"2"))
    await piece(send, b"ok", False)


async def coded(scope, receive, send):
    """HTTP 2.5: the server must ignore it."""
    await start(send, (b"transfer-encoding", b"chunked"))
    await piece(send, b"one")
    await piece(send, b"two", False)


async def closing(scope, receive, send):
    await answer(send, b"bye", (b"connection", b"close"))


async def flood(scope, receive, send):
    """?NAME,COUNT,SIZE: as fast as it goes; counts in SENT."""
    name, count, size = argument(scope).split(",")
    await start(send, (b"content-type", b"text/plain"))
    for number in range(int(count)):
        await piece(send, pattern(int(size), number))
        SENT[name] = number + 1
    await piece(send, more_body=False)


async def sent(scope, receive, send):
    await answer(send, b"%d" % SENT.get(argument(scope), 0))


async def meet(scope, receive, send):
    """?NAME,COUNT: answers when so many have come."""
    name, count = argument(scope).split(",")
    SENT[name] = SENT.get(name, 0) + 1
    if SENT[name] == int(count):
        event(name).set()
    await event(name).wait()
    await answer(send, name.encode())


async def unawaited(scope, receive, send):
    """Sends in tasks, begun in their order."""
    async with asyncio.TaskGroup() as group:
        group.create_task(start(send))
        for number in range(10):
            group.create_task(piece(send, b"%d" % number, number < 9))


async def goes_on(scope, receive, send):
    """Works on behind its answer."""
    await answer(send, b"done")
    await event(argument(scope)).wait()
    say("worked on", argument(scope))


app = routed({"/whole": whole, "/bare": bare, "/pieces": pieces, "/length": pieces_with_length, "/holes": holes,
              "/gradual": gradual, "/gradual-length": gradual_with_length, "/buffers": buffers,
              "/large-buffer": large_buffer, "/status": status, "/headers": headers, "/own": own_headers,
              "/coded": coded, "/closing": closing, "/flood": flood, "/sent": sent, "/meet": meet,
              "/unawaited": unawaited, "/goes-on": goes_on})
