"""Receives bodies of requests in the ways that applications do."""

import asyncio
import hashlib

from asgi_common import answer, argument, body_of, event, routed, say

DISCONNECT = {"type": "http.disconnect"}


async def digest_of(receive, hashed=b""):
    """Of what is left of the body, b"" where it was cut; taken piece by piece."""
    size, md5 = len(hashed), hashlib.md5(hashed)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            say("cut after", size)
            return b"cut"
        size += len(message["body"])
        md5.update(message["body"])
        if not message["more_body"]:
            return f"{size} {md5.hexdigest()}".encode()


async def messages(scope, receive, send):
    """Every message up to the last as a literal: its keys, its types, and what it has."""
    seen = []
    while True:
        message = await receive()
        seen.append(({key: type(value).__name__ for key, value in message.items()}, message))
        if not message.get("more_body"):
            break
    await answer(send, repr(seen).encode())


async def digest(scope, receive, send):
    await answer(send, await digest_of(receive))


async def steps(scope, receive, send):
    """Tells of everything that it gets."""
    total = b""
    while True:
        message = await receive()
        total += message.get("body", b"")
        say("so far", argument(scope), total.decode())
        if message["type"] == "http.disconnect" or not message["more_body"]:
            return await answer(send, total)


async def cut(scope, receive, send):
    """?NAME: tells when it has something, and what comes instead of the rest."""
    message, size = await receive(), 0
    while message["type"] == "http.request":
        size += len(message["body"])
        if message["body"]:
            say("has some of", argument(scope))
        message = await receive()
    say("told of", argument(scope), message["type"])
    await answer(send, b"%d" % size, status=400)


async def held(scope, receive, send):
    """Takes nothing until the event "go", the rest at once."""
    say("called", scope["path"])
    await event(argument(scope)).wait()
    await answer(send, await digest_of(receive))


async def held_after_first(scope, receive, send):
    """Takes the first piece alone until the event."""
    message = await receive()
    say("has first piece")
    await event(argument(scope)).wait()
    first = message["body"]
    await answer(send, await digest_of(receive, first) if message["more_body"] else b"at once")


async def after(scope, receive, send):
    """What receive() does behind the end of the body: before the answer, and after it."""
    await body_of(receive)
    receiving = asyncio.ensure_future(receive())
    await event(argument(scope)).wait()
    for _ in range(10):
        await asyncio.sleep(0)
    say("before the answer", receiving.done())
    await answer(send, b"answered")
    say("after the answer", await receiving, await receive())


async def cancelled(scope, receive, send):
    """A receive() that was given up has taken nothing."""
    receiving = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    receiving.cancel()
    try:
        message = await receiving  # it was there before
    except asyncio.CancelledError:
        message = {"body": b"", "more_body": True}
    say("given up", len(message["body"]))
    await answer(send, message["body"] + (await body_of(receive) if message["more_body"] else b""))


async def timed(scope, receive, send):
    """Asks again and again, each time for a moment."""
    total = b""
    while True:
        try:
            message = await asyncio.wait_for(receive(), 0.0005)
        except TimeoutError:
            continue
        total += message["body"]
        if not message["more_body"]:
            return await answer(send, total)


async def refuse(scope, receive, send):
    """Answers, and never asks for the body."""
    await answer(send, b"not for you", status=401)


async def refuse_later(scope, receive, send):
    """As most do that look at the beginning."""
    message = await receive()
    await answer(send, b"%d" % (len(message["body"]) > 0), status=401)


async def echo_as_it_comes(scope, receive, send):
    """The answer begins before the body has ended."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    while True:
        message = await receive()
        await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
        if not message["more_body"]:
            return


async def wait(scope, receive, send):
    """Answers with the path's argument when its event is set."""
    say("called", scope["path"], argument(scope))
    await event(argument(scope)).wait()
    await answer(send, argument(scope).encode())


async def told(scope, receive, send):
    say("called", scope["path"])
    await answer(send, await body_of(receive))


app = routed({"/messages": messages, "/digest": digest, "/cut": cut, "/steps": steps, "/held": held, "/first": held_after_first,
              "/after": after, "/cancelled": cancelled, "/timed": timed, "/refuse": refuse, "/refuse-later": refuse_later,
              "/echo": echo_as_it_comes, "/wait": wait, "/told": told, "/smuggled": told})
