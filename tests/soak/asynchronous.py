"""The application under the soak for ASGI: what application.py answers, and what only asynchronous ones do.

GET  /           "PID NUMBER\\n"; the number is the query string
GET  /slow       the same, after 50 ms
GET  /large      the same, and 200 KB behind it, in ten pieces
POST /echo       the same, and the request's body behind it
POST /upload     the same, and the length and SHA-256 of the body behind it
GET  /hang       answers nothing until the client has gone
GET  /exception  raises before it has answered
GET  /late       raises when a part of the answer is on its way
GET  /tasks      the same as /, and how many tasks the loop has
websocket        says its pid, then sends back what it gets
"""

import asyncio
import contextlib
import hashlib
import os

from application import PIECE, PIECES


class Wanted(Exception):
    """What clients have asked for."""


class Gone(Exception):
    """The client has left before its request was complete."""


async def pieces_of(receive):
    """The request's body as it comes."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def answer(send, body):
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def plain(line, receive, send):
    await answer(send, line)


async def slow(line, receive, send):
    await asyncio.sleep(0.05)
    await answer(send, line)


async def large(line, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for piece in [line] + [PIECE] * PIECES:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo(line, receive, send):
    await answer(send, line + b"".join([piece async for piece in pieces_of(receive)]))


async def upload(line, receive, send):
    length, digest = 0, hashlib.sha256()
    async for piece in pieces_of(receive):
        length += len(piece)
        digest.update(piece)
    await answer(send, line + b"%d %s\n" % (length, digest.hexdigest().encode()))


async def hang(line, receive, send):
    while (await receive())["type"] != "http.disconnect":
        pass


async def exception(line, receive, send):
    raise Wanted("before the answer")


async def late(line, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": line, "more_body": True})
    await asyncio.sleep(0.02)
    raise Wanted("within the answer")


async def tasks(line, receive, send):
    await answer(send, line + b"%d\n" % (len(asyncio.all_tasks())))


async def websocket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": str(os.getpid())})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        await send({"type": "websocket.send"} | ({"bytes": message["bytes"]} if text is None else {"text": text}))


async def lifespan(scope, receive, send):
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": message["type"] + ".complete"})
    await send({"type": "lifespan.shutdown.complete"})


PAGES = {"/": plain, "/slow": slow, "/large": large, "/echo": echo, "/upload": upload, "/hang": hang,
         "/exception": exception, "/late": late, "/tasks": tasks}


async def app(scope, receive, send):
    if scope["type"] == "http":
        line = f"{os.getpid()} {scope['query_string'].decode()}\n".encode()
        with contextlib.suppress(Gone):
            await PAGES[scope["path"]](line, receive, send)
    else:
        await {"websocket": websocket, "lifespan": lifespan}[scope["type"]](scope, receive, send)
