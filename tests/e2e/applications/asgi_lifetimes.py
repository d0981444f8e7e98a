"""An application that says which process it is, and what becomes of its requests at the end of that."""

import asyncio
import os

from asgi_common import answer, argument, event, piece, routed, say, start


async def lifespan(scope, receive, send):
    await receive()
    say("startup", os.getpid())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("shutdown", os.getpid())
    await send({"type": "lifespan.shutdown.complete"})


async def process(scope, receive, send):
    await answer(send, str(os.getpid()).encode())


async def wait(scope, receive, send):
    """Answers when the event is set."""
    say("begins", os.getpid())
    await event(argument(scope)).wait()
    say("ends", os.getpid())
    await answer(send, str(os.getpid()).encode())


async def gate(scope, receive, send):
    """Answers when somebody writes into that FIFO, which takes no connection."""
    say("begins", os.getpid())
    await asyncio.to_thread(lambda: open(argument(scope)).read())
    say("ends", os.getpid())
    await answer(send, str(os.getpid()).encode())


async def stream(scope, receive, send):
    """A piece, and the other when the event is set."""
    await start(send)
    await piece(send, b"one")
    await event(argument(scope)).wait()
    await piece(send, b"two", False)


async def forever(scope, receive, send):
    """Until it is cancelled; argument "begun": behind a piece of its answer."""
    if argument(scope) == "begun":
        await start(send)
        await piece(send, b"one")
    say("begins", os.getpid())
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("cancelled", os.getpid())
        raise
    finally:
        await asyncio.sleep(0)
        say("cleaned up", os.getpid())


async def stubborn(scope, receive, send):
    """Whatever it is told."""
    say("begins", os.getpid())
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            say("goes on", os.getpid())


async def answers_when_cancelled(scope, receive, send):
    say("begins", os.getpid())
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await answer(send, b"in a hurry")


async def background(scope, receive, send):
    """Leaves a task behind that never ends by itself."""
    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            say("background ended", os.getpid())
    background.task = asyncio.create_task(work())
    await answer(send, b"left")


async def cancel_all(scope, receive, send):
    """All tasks but its own, as some do at an end of theirs."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await answer(send, b"cancelled")


app = routed({"/wait": wait, "/gate": gate, "/stream": stream, "/forever": forever, "/stubborn": stubborn, "/background": background,
              "/hurry": answers_when_cancelled, "/cancel-all": cancel_all, "/": process}, lifespan)

if os.environ.get("HOOKS"):
    from limpet import hooks
    for name in ("on_worker_start", "on_worker_stop"):
        getattr(hooks, name)(lambda name=name: say("hook", name, os.getpid()))
