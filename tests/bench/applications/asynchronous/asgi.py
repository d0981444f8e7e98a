"""What the benchmarks ask of asynchronous servers, as an ASGI application without dependencies.

GET  /               13 bytes
GET  /json           a dictionary of ten keys, serialised anew for every request
POST /echo           the request's body, read and sent back
GET  /sleep          13 bytes after asyncio.sleep(0.01)
GET  /stream         100 KB in 100 pieces, of a length that is not said
GET  /tasks?NUMBER   so many calls of this application are there beside the server from now on, each in its receive():
                     what NUMBER idle WebSockets cost Python, without a connection
GET  /hold           waits until /release, and is answered with 13 bytes
GET  /blocks         how many blocks of memory Python's objects have
websocket            sends back what it gets
"""

import asyncio
import gc
import json
import sys

STREAM_PIECES, STREAM_PIECE = 100, b"x" * 1024
HELLO_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
NAMES = b"host", b"upgrade", b"connection", b"sec-websocket-version", b"sec-websocket-key"
kept = []
released = asyncio.Event()


def document(path):
    """What an API answers: strings, numbers, a list, a dictionary."""
    entry = {
        "id": 4711, "name": "Limpet", "kind": "mollusc", "price": 19.95, "in_stock": True, "tags": ["sea", "rock"],
        "path": path, "parent": None, "size": {"width": 40, "height": 25}, "note": "clings to the edge",
    }
    return json.dumps(entry).encode()


async def answer(send, body, content_type=b"text/plain"):
    """One body of known length."""
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def as_json(scope, receive, send):
    """The dictionary."""
    await answer(send, document(scope["path"]), b"application/json")


async def echo(scope, receive, send):
    """The request's whole body."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, b"".join(parts), b"application/octet-stream")


async def sleep(scope, receive, send):
    """Waits as for a database that is not far."""
    await asyncio.sleep(0.01)
    await answer(send, b"Hello, World!")


async def stream(scope, receive, send):
    """Pieces, one after the other."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(STREAM_PIECES):
        await send({"type": "http.response.body", "body": STREAM_PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def hold(scope, receive, send):
    """Waits with everything that the server made for a request."""
    await released.wait()
    await answer(send, b"Hello, World!")


async def release(scope, receive, send):
    """Ends the waiting of those in /hold now."""
    released.set()
    released.clear()
    await answer(send, b"Hello, World!")


async def blocks(scope, receive, send):
    """A number, after what nobody refers to is gone."""
    gc.collect()
    await answer(send, b"%d" % sys.getallocatedblocks())


def websocket_scope(number):
    """One of its own, as a server makes it for a WebSocket of websocket_load.c; number: of the client's port."""
    values = b"127.0.0.1:%d websocket Upgrade 13 %024d" % (number, number)
    headers = list(zip(NAMES, values.split()))
    return {"type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.5"}, "http_version": "1.1",
            "scheme": "ws", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "headers": headers,
            "client": ("127.0.0.1", number), "server": ("127.0.0.1", number), "subprotocols": [], "state": {},
            "extensions": {"websocket.http.response": {}}}


def idle_call(number):
    """A task of the application whose receive() never comes back."""
    loop, messages = asyncio.get_running_loop(), [{"type": "websocket.connect"}]

    def receive():
        future = loop.create_future()
        if messages:
            future.set_result(messages.pop())
        return future

    async def send(message):
        pass

    return asyncio.ensure_future(websocket(websocket_scope(number), receive, send))


async def tasks(scope, receive, send):
    """Makes the calls, and answers when all of them wait."""
    kept.extend(idle_call(number) for number in range(int(scope["query_string"])))
    await asyncio.sleep(0.1)
    await answer(send, b"%d" % len(kept))


async def websocket(scope, receive, send):
    """Accepts, and sends every message back as it came."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        data = {"bytes": message["bytes"]} if text is None else {"text": text}
        await send({"type": "websocket.send"} | data)


async def lifespan(scope, receive, send):
    """Nothing to start."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": message["type"] + ".complete"})
    for task in kept:
        task.cancel()
    await asyncio.gather(*kept, return_exceptions=True)
    await send({"type": "lifespan.shutdown.complete"})


PAGES = {"/json": as_json, "/echo": echo, "/sleep": sleep, "/stream": stream, "/tasks": tasks,
         "/hold": hold, "/release": release, "/blocks": blocks}
KINDS = {"websocket": websocket, "lifespan": lifespan}


async def app(scope, receive, send):
    """Answer one request, have one conversation. The 13 bytes have nothing around them that is not the server's."""
    kind, path = scope["type"], scope.get("path")
    if kind == "http" and path == "/":
        await send({"type": "http.response.start", "status": 200, "headers": HELLO_HEADERS})
        await send({"type": "http.response.body", "body": b"Hello, World!"})
    else:
        await (PAGES[path] if kind == "http" else KINDS[kind])(scope, receive, send)
