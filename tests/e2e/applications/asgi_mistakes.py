"""Applications that break the rules of ASGI, or break down."""

import asyncio
import os
import sys
import time

from asgi_common import answer, argument, body_of, event, piece, routed, say, start

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"ok"}


def sends(*messages):
    async def application(scope, receive, send):
        for message in messages:
            await send(message)
    return application


def starts(**parts):
    """A start with these parts, and the end of an answer."""
    return sends({**START, **parts}, BODY)


def heads(*headers):
    return starts(headers=list(headers))


def raises(exception, *messages):
    async def application(scope, receive, send):
        for message in messages:
            await send(message)
        raise exception
    return application


class OwnEnd(BaseException):
    pass


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class NoAwaitable:
    def __await__(self):
        yield "no future"


async def silent(scope, receive, send):
    pass


async def recursion(scope, receive, send):
    await recursion(scope, receive, send)


async def odd_await(scope, receive, send):
    await NoAwaitable()


async def caught(scope, receive, send):
    """A mistake that the application mends."""
    for message in (BODY, {**START, "status": "200"}, {"type": "http.response.begin"}):
        try:
            await send(message)
        except (RuntimeError, TypeError, ValueError) as error:
            say("refused", type(error).__name__, str(error))
    await answer(send, b"mended")


async def after_the_end(scope, receive, send):
    await answer(send, b"done")
    try:
        await send({"type": "http.response.body", "body": b"and more"})
    except Exception as error:
        say("refused after the end", type(error).__name__, error)
    else:
        say("ignored after the end")


async def not_awaited(scope, receive, send):
    """send() alone sends nothing."""
    send(START)
    await answer(send, b"awaited")


async def cancelled(scope, receive, send):
    asyncio.current_task().cancel()
    await asyncio.sleep(60)


async def cancelled_in_the_middle(scope, receive, send):
    await start(send)
    await piece(send, b"begun")
    asyncio.current_task().cancel()
    await asyncio.sleep(60)


async def block(scope, receive, send):
    """?PATH: the loop stands still until somebody writes into that FIFO."""
    say("blocks")
    with open(argument(scope)) as gate:
        gate.read()
    await answer(send, b"unblocked")


async def leave(scope, receive, send):
    os._exit(7)


async def group(scope, receive, send):
    async def fail(number):
        await asyncio.sleep(0)
        raise ValueError(f"one of {number}")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail(1))
        tasks.create_task(fail(2))


async def background(scope, receive, send):
    """?NAME: leaves a task behind that ends later, badly."""
    async def later():
        await event(argument(scope)).wait()
        say("left behind", argument(scope))
        raise RuntimeError("nobody waits for " + argument(scope))
    background.task = asyncio.ensure_future(later())
    await answer(send, b"answered")


async def forget(scope, receive, send):
    background.task = None
    await answer(send, b"forgotten")


async def hold(scope, receive, send):
    """A request that goes on while others fail."""
    say("holds", argument(scope))
    await start(send)
    await piece(send, b"one")
    await event(argument(scope)).wait()
    await piece(send, b"two", False)


async def never(scope, receive, send):
    """No answer, however long one waits."""
    await body_of(receive)
    say("never answers", argument(scope))
    await receive()
    say("was left", argument(scope))


PATHS = {
    "/body-first": sends(BODY),
    "/unknown": sends({"type": "http.response.begin"}),
    "/websocket": sends({"type": "websocket.accept"}),
    "/no-type": sends({"status": 200}),
    "/type-number": sends({"type": 7}),
    "/none": sends(None),
    "/text": sends("http.response.start"),
    "/list": sends([("type", "http.response.start")]),
    "/start-twice": sends(START, START),
    "/status-missing": sends({"type": "http.response.start", "headers": []}, BODY),
    "/status-text": starts(status="200"),
    "/status-float": starts(status=200.0),
    "/status-none": starts(status=None),
    "/status-99": starts(status=99),
    "/status-100": starts(status=100),
    "/status-101": starts(status=101),
    "/status-1000": starts(status=1000),
    "/status-negative": starts(status=-1),
    "/status-huge": starts(status=1 << 70),
    "/headers-number": starts(headers=7),
    "/headers-none": starts(headers=[None]),
    "/header-three": heads((b"x-bad", b"1", b"2")),
    "/header-one": heads((b"x-bad",)),
    "/header-text": heads(("x-bad", "a")),
    "/header-text-value": heads((b"x-bad", "a")),
    "/header-number": heads((b"x-bad", 7)),
    "/header-newline": heads((b"x-bad", b"a\r\nx-injected: yes")),
    "/header-lf": heads((b"x-bad", b"a\nx-injected: yes")),
    "/header-cr": heads((b"x-bad", b"a\rx-injected: yes")),
    "/header-nul": heads((b"x-bad", b"a\0b")),
    "/header-name": heads((b"x-bad\r\nx-injected", b"a")),
    "/header-colon": heads((b"x-bad:", b"a")),
    "/header-blank": heads((b"x bad", b"a")),
    "/header-empty": heads((b"", b"a")),
    "/header-latin": heads((b"x-caf\xe9", b"a")),
    "/header-long": heads((b"x-bad", b"v" * 1_000_000)),
    "/headers-10000": heads(*((b"x-%d" % i, b"v") for i in range(10_000))),
    "/length-word": heads((b"content-length", b"two")),
    "/length-negative": heads((b"content-length", b"-2")),
    "/length-huge": heads((b"content-length", b"9" * 40)),
    "/length-twice": heads((b"content-length", b"2"), (b"content-length", b"3")),
    "/length-short": heads((b"content-length", b"1")),
    "/length-long": heads((b"content-length", b"3")),
    "/body-text": sends(START, {**BODY, "body": "text"}),
    "/body-none": sends(START, {**BODY, "body": None}),
    "/body-list": sends(START, {**BODY, "body": [b"x"]}),
    "/silent": silent,
    "/start-only": sends(START),
    "/raises": raises(RuntimeError("at first")),
    "/raises-after-start": raises(RuntimeError("behind the start"), START),
    "/system-exit": raises(SystemExit(3)),
    "/interrupt": raises(KeyboardInterrupt()),
    "/own-end": raises(OwnEnd("the end")),
    "/generator-exit": raises(GeneratorExit()),
    "/stop-iteration": raises(StopIteration(1)),
    "/memory-raised": raises(MemoryError()),
    "/unprintable": raises(Unprintable()),
    "/os-error": raises(ConnectionResetError("of a database")),
    "/cancelled": cancelled,
    "/group": group,
    "/recursion": recursion,
    "/odd-await": odd_await,
    # An answer that has begun:
    "/middle": raises(RuntimeError("in the middle"), START, {**BODY, "more_body": True}),
    "/middle-length": raises(RuntimeError("in the middle"), {**START, "headers": [(b"content-length", b"10")]},
                             {**BODY, "more_body": True}),
    "/middle-text": sends(START, {**BODY, "more_body": True}, {**BODY, "body": "text"}),
    "/middle-exit": raises(SystemExit(4), START, {**BODY, "more_body": True}),
    "/middle-start": sends(START, {**BODY, "more_body": True}, START),
    "/middle-silent": sends(START, {**BODY, "more_body": True}),
    "/middle-cancelled": cancelled_in_the_middle,
    "/pieces-short": sends({**START, "headers": [(b"content-length", b"10")]}, {**BODY, "more_body": True}, BODY),
    "/pieces-long": sends({**START, "headers": [(b"content-length", b"3")]}, {**BODY, "more_body": True}, BODY),
    # Others:
    "/caught": caught, "/after-the-end": after_the_end, "/not-awaited": not_awaited, "/block": block, "/leave": leave,
    "/background": background, "/forget": forget, "/hold": hold, "/never": never,
}

app = routed(PATHS)


def blunt(scope, receive, send):
    """No coroutine at all."""
    return "text"


def nothing(scope, receive, send):
    return None


def sleepy(scope, receive, send):
    time.sleep(0)
    raise RuntimeError("raised by the call itself")


async def few(scope):
    sys.exit("never called")
