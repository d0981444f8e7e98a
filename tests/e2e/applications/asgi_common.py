"""What the ASGI applications of the tests have in common: routes, events between requests, words on standard error."""

import asyncio
import os

_events = {}


def say(*words):
    """A line on standard error, at once."""
    os.write(2, (" ".join(map(str, words)) + "\n").encode())


def event(name):
    """The asyncio.Event of that name, which GET /set?NAME sets."""
    return _events.setdefault(name, asyncio.Event())


def argument(scope):
    """What stands behind the question mark."""
    return scope["query_string"].decode()


async def start(send, *headers, status=200, **more):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **more})


async def piece(send, body=b"", more_body=True):
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def answer(send, body=b"", *headers, status=200):
    """A whole answer with its length."""
    await start(send, (b"content-length", b"%d" % len(body)), *headers, status=status)
    await send({"type": "http.response.body", "body": body})


async def body_of(receive):
    """The body of a request; raises ConnectionError where it does not come to its end."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError(message["type"])
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def set_event(scope, receive, send):
    event(argument(scope)).set()
    await answer(send, b"set")


async def ok(scope, receive, send):
    await answer(send, b"ok")


async def pid(scope, receive, send):
    await answer(send, str(os.getpid()).encode())


async def lifespan(scope, receive, send):
    """Nothing to do at either end."""
    assert (await receive())["type"] == "lifespan.startup"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


def routed(routes, lifespan=lifespan):
    """An application of coroutine functions by path; all others are answered "ok"."""
    routes = {"/set": set_event, "/pid": pid, **routes}

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(scope, receive, send)
        return await routes.get(scope["path"], ok)(scope, receive, send)

    return app
