"""An ASGI application for the tests of WebSocket: each path is a way to treat one. What comes of it is said in a line
of the log, under the name that is the query string.
"""

import asyncio
import contextlib
import json
import os
import urllib.parse

CONNECTED = set()  # the names of those that are being served
RELEASED = asyncio.Event()
WRONG = {
    "no dict": ["websocket.send"],
    "no type": {"text": "x"},
    "unknown type": {"type": "websocket.shout", "text": "x"},
    "of HTTP": {"type": "http.response.start", "status": 200},
    "its own kind": {"type": "websocket.receive", "text": "x"},
    "accepted again": {"type": "websocket.accept"},
    "denied late": {"type": "websocket.http.response.start", "status": 404, "headers": []},
    "neither": {"type": "websocket.send"},
    "neither of two": {"type": "websocket.send", "text": None, "bytes": None},
    "text that is bytes": {"type": "websocket.send", "text": b"x"},
    "bytes that are text": {"type": "websocket.send", "bytes": "x"},
    "text that is a number": {"type": "websocket.send", "text": 1},
    "a lonely surrogate": {"type": "websocket.send", "text": "x\ud800"},
    "close with a code that is text": {"type": "websocket.close", "code": "1000"},
    "close with a code that is not sent": {"type": "websocket.close", "code": 1006},
    "close with a code that is none": {"type": "websocket.close", "code": 70000},
    "close with a reason that is bytes": {"type": "websocket.close", "code": 1000, "reason": b"x"},
}


def name_of(scope):
    return urllib.parse.unquote(scope["query_string"].decode())


def say(scope, **what):
    os.write(2, f"said {name_of(scope)}: {json.dumps(what)}\n".encode())


async def attempt(send, message):
    """What sending this raises: the names of the exception's class and of those above it."""
    try:
        await send(message)
    except Exception as error:
        return [kind.__name__ for kind in type(error).__mro__]
    return None


async def begin(receive, send, **accept):
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    await send({"type": "websocket.accept", **accept})


async def receive_all(receive):
    """The messages until the disconnect, and that."""
    messages = []
    while (message := await receive())["type"] == "websocket.receive":
        messages.append(message)
    return messages, message


def ending(message):
    return {"type": message["type"], "code": message["code"], "reason": message.get("reason") or ""}


# --- What the paths do ---

async def do_echo(scope, receive, send):
    await begin(receive, send, subprotocol=next(iter(scope["subprotocols"]), None))
    while (message := await receive())["type"] == "websocket.receive":
        kept = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **kept})
    say(scope, **ending(message))


async def do_scope(scope, receive, send):
    await begin(receive, send)
    text = json.dumps(scope, default=lambda value: ["bytes", value.decode("latin-1")])
    await send({"type": "websocket.send", "text": text})


async def do_receive(scope, receive, send):
    """Tell of each message what it was."""
    await begin(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": repr(message)})


async def do_accept(scope, receive, send):
    """Accept as the first of the subprotocols offered says, in JSON and percent-encoded; bytes as Latin-1."""
    accept = json.loads(urllib.parse.unquote(scope["subprotocols"][0]))
    if "headers" in accept:
        accept["headers"] = [[part.encode("latin-1") for part in pair] for pair in accept["headers"]]
    await receive()
    raised = await attempt(send, {"type": "websocket.accept", **accept})
    say(scope, raised=raised)
    await send({"type": "websocket.close", "code": 4000})


async def do_reject(scope, receive, send):
    await receive()
    await send({"type": "websocket.close", "code": 4003})
    say(scope, raised=await attempt(send, {"type": "websocket.accept"}))


async def do_deny(scope, receive, send):
    assert "websocket.http.response" in scope["extensions"]
    await receive()
    await send({"type": "websocket.http.response.start", "status": 418,
                "headers": [(b"content-type", b"text/plain"), (b"x-reason", b"tea"), (b"set-cookie", b"a=1"),
                            (b"set-cookie", b"b=2")]})
    for body in (b"short ", b"and "):
        await send({"type": "websocket.http.response.body", "body": body, "more_body": True})
    raised = await attempt(send, {"type": "websocket.accept"})
    await send({"type": "websocket.http.response.body", "body": b"stout"})
    say(scope, raised=raised)


async def do_deny_empty(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]})
    await send({"type": "websocket.http.response.body"})


async def do_return_early(scope, receive, send):
    await receive()


async def do_raise_early(scope, receive, send):
    await receive()
    raise ValueError("raised before it was accepted")


async def do_return(scope, receive, send):
    await begin(receive, send)
    await send({"type": "websocket.send", "text": "the last"})


async def do_raise(scope, receive, send):
    await begin(receive, send)
    await send({"type": "websocket.send", "text": "the last"})
    raise ValueError("raised while it was open")


async def do_close(scope, receive, send):
    """Close as the first message, in JSON, says; then see what is received, and what else can be sent."""
    await begin(receive, send)
    close = json.loads((await receive())["text"])
    await send({"type": "websocket.close", **close})
    after = [await attempt(send, {"type": "websocket.send", "text": "x"}),
             await attempt(send, {"type": "websocket.close"})]
    messages, end = await asyncio.wait_for(receive_all(receive), 30)
    say(scope, after=after, messages=len(messages), **ending(end))


async def do_wrong(scope, receive, send):
    await begin(receive, send)
    say(scope, **{name: await attempt(send, message) for name, message in WRONG.items()})
    await send({"type": "websocket.send", "text": "still open"})
    await receive_all(receive)


async def do_wrong_early(scope, receive, send):
    await receive()
    raised = {"sent early": await attempt(send, {"type": "websocket.send", "text": "x"}),
              "of HTTP": await attempt(send, {"type": "http.response.start", "status": 200}),
              "body without start": await attempt(send, {"type": "websocket.http.response.body", "body": b"x"})}
    say(scope, **raised)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "open after all"})
    await receive_all(receive)


async def do_both(scope, receive, send):
    await begin(receive, send)
    raised = await attempt(send, {"type": "websocket.send", "text": "text", "bytes": b"bytes"})
    await send({"type": "websocket.send", "text": "end"})
    say(scope, raised=raised)
    await receive_all(receive)


async def do_kinds(scope, receive, send):
    """Text and bytes, the other one absent or None."""
    await begin(receive, send)
    for message in ({"text": "a"}, {"text": "b", "bytes": None}, {"text": ""}, {"bytes": b"c"},
                    {"bytes": b"d", "text": None}, {"bytes": b""}, {"bytes": bytearray(b"e")},
                    {"bytes": memoryview(b"f")}):
        if await attempt(send, {"type": "websocket.send", **message}):
            await send({"type": "websocket.send", "text": "raised"})
    await receive_all(receive)


async def do_send_after_disconnect(scope, receive, send):
    await begin(receive, send)
    _, end = await receive_all(receive)
    again = await asyncio.wait_for(receive(), 30)
    raised = [await attempt(send, {"type": "websocket.send", "text": "x"}),
              await attempt(send, {"type": "websocket.close"})]
    say(scope, again=ending(again), raised=raised, **ending(end))


async def do_send_until_it_raises(scope, receive, send):
    """Without receiving what tells of the end."""
    await begin(receive, send)
    while (raised := await attempt(send, {"type": "websocket.send", "bytes": bytes(1000)})) is None:
        await asyncio.sleep(0)
    say(scope, raised=raised)


async def do_wait_before(scope, receive, send):
    """Not accepted before the client has gone."""
    await receive()
    say(scope, state="waiting")
    message = await asyncio.wait_for(receive(), 30)
    say(scope, state="gone", raised=await attempt(send, {"type": "websocket.accept"}), **ending(message))


async def do_wait(scope, receive, send):
    await begin(receive, send)
    say(scope, state="open")
    messages, end = await receive_all(receive)
    say(scope, state="ended", messages=len(messages), **ending(end))


async def do_flood(scope, receive, send):
    """Send 256 messages of a megabyte to one that does not read, until told; say how far it came before."""
    await begin(receive, send)
    sent = 0

    async def sender():
        nonlocal sent
        for _ in range(256):
            await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
            sent += 1

    task = asyncio.create_task(sender())
    before = -1
    while before != sent and not task.done():
        before = sent
        await asyncio.sleep(0.3)
    say(scope, state="waiting", sent=sent)
    await task
    await send({"type": "websocket.send", "text": "end"})
    await receive_all(receive)


async def do_much_and_close(scope, receive, send):
    """Sixteen megabytes, and the end right behind them."""
    await begin(receive, send)
    for _ in range(16):
        await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
    await send({"type": "websocket.close", "code": 4000, "reason": "all"})


async def do_stay(scope, receive, send):
    """Go on when the client has gone."""
    await begin(receive, send)
    await receive_all(receive)
    say(scope, state="staying")
    await asyncio.Event().wait()


async def do_hold(scope, receive, send):
    """Receive nothing until another one says so."""
    await begin(receive, send)
    await RELEASED.wait()
    RELEASED.clear()
    size = 0
    while (message := await receive()).get("text") != "end":
        size += len(message["bytes"])
    await send({"type": "websocket.send", "text": str(size)})
    await receive_all(receive)


async def do_release(scope, receive, send):
    RELEASED.set()
    await begin(receive, send)


async def do_broadcast(scope, receive, send):
    """Read and send in tasks of their own: two sends at once, and one while receive waits."""
    await begin(receive, send)
    text = (await receive())["text"]
    waiting = asyncio.create_task(receive())
    await asyncio.gather(*(send({"type": "websocket.send", "text": f"{text} {number}"}) for number in range(100)))
    message = await waiting
    say(scope, **ending(message))


async def do_cancelled_receive(scope, receive, send):
    """A receive that is given up takes no message along."""
    await begin(receive, send)
    for _ in range(3):
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    await send({"type": "websocket.send", "text": "go on"})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})
    await receive_all(receive)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["greeting"] = "hello"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    os.write(2, f"shut down with {len(CONNECTED)} connected\n".encode())
    await send({"type": "lifespan.shutdown.complete"})


async def http(scope, receive, send):
    """Who is there: the worker's pid, and how many WebSockets it serves."""
    body = json.dumps({"pid": os.getpid(), "connected": len(CONNECTED)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return await {"lifespan": lifespan, "http": http}[scope["type"]](scope, receive, send)
    mark = object()
    CONNECTED.add(mark)
    try:
        await globals()["do_" + scope["path"].split("/")[1].replace("-", "_")](scope, receive, send)
    finally:
        CONNECTED.remove(mark)
