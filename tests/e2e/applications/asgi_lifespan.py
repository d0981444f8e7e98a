"""Lifespans: what MOOD in the environment says. Everything that happens is said on standard error, with the process."""

import asyncio
import os

from asgi_common import answer, argument, event, routed, say

MOOD = os.environ.get("MOOD", "")


def tell(*words):
    say(*words, os.getpid())


async def startup(scope, state):
    """Returns what is told to the server."""
    if MOOD == "slow start":
        tell("in startup")
        await asyncio.to_thread(lambda: open(os.environ["GATE"]).read())
    if MOOD == "raises":
        raise RuntimeError("raised at startup")
    if MOOD == "exits":
        raise SystemExit(5)
    if MOOD.startswith("fails"):
        return {"type": "lifespan.startup.failed", **({"message": "no such database"} if MOOD == "fails" else {})}
    state["loop"] = asyncio.get_running_loop()
    state["ticks"] = []
    state["pid"] = os.getpid()

    async def tick():
        try:
            while True:
                state["ticks"].append(1)
                await asyncio.sleep(0.001)
        finally:
            tell("ticker ended")
    state["ticker"] = asyncio.create_task(tick())
    return {"type": "lifespan.startup.complete"}


async def shutdown(state):
    if MOOD == "raises at the end":
        raise RuntimeError("raised at shutdown")
    if MOOD == "bad end":
        return {"type": "lifespan.shutdown.failed", "message": "could not say goodbye"}
    if MOOD == "hangs at the end":
        tell("hangs")
        await asyncio.Event().wait()
    if MOOD == "slow end":
        await asyncio.to_thread(lambda: open(os.environ["GATE"]).read())
    if "ticker" in state and MOOD != "leaves its ticker":
        state["ticker"].cancel()
        await asyncio.gather(state["ticker"], return_exceptions=True)
    return {"type": "lifespan.shutdown.complete"}


async def lifespan(scope, receive, send):
    state = scope["state"]
    if MOOD == "returns":
        return
    tell("scope", sorted(scope), scope["asgi"], state)
    message = await receive()
    tell("told", message)
    await send(await startup(scope, state))
    if MOOD == "returns after startup":
        return
    if MOOD == "dies":
        await event("die").wait()
        raise RuntimeError("the lifespan has died")
    if MOOD == "cancelled":
        task = asyncio.current_task()
        asyncio.get_running_loop().call_soon(task.cancel)
    if MOOD == "twice":
        try:
            await send({"type": "lifespan.startup.complete"})
        except Exception as error:
            tell("refused", type(error).__name__)
    message = await receive()
    tell("told", message)
    await send(await shutdown(state))
    tell("shut down")
    if MOOD == "receives again":
        tell("again", await receive())


async def show(scope, receive, send):
    state = scope.get("state", {})
    same = state.get("loop") is asyncio.get_running_loop()
    await answer(send, repr({"pid": os.getpid(), "loop": same, "of": state.get("pid"), "keys": sorted(state)}).encode())


async def ticks(scope, receive, send):
    """Answers when the lifespan's task has run once more."""
    seen = len(scope["state"]["ticks"])
    while len(scope["state"]["ticks"]) == seen:
        await asyncio.sleep(0)
    await answer(send, b"ticked")


async def wait(scope, receive, send):
    tell("request begins")
    await asyncio.to_thread(lambda: open(argument(scope)).read())
    tell("request ends")
    await answer(send, b"waited")


app = routed({"/show": show, "/ticks": ticks, "/wait": wait}, lifespan)

if os.environ.get("HOOKS"):
    from limpet import hooks
    for name in ("on_start", "on_worker_start", "on_worker_stop", "on_stop", "post_fork"):
        getattr(hooks, name)(lambda name=name: tell("hook", name))
