"""Applications whose clients go away, and what they are told of it."""

import asyncio

from asgi_common import answer, argument, body_of, event, piece, routed, say, start


async def listen(scope, receive, send):
    """?NAME: waits for the client to go."""
    await body_of(receive)
    say("listens", argument(scope))
    say("told", argument(scope), await receive(), await receive())


async def listen_and_send(scope, receive, send):
    """Sends when it knows."""
    await body_of(receive)
    say("listens", argument(scope))
    await receive()
    for number in range(3):
        try:
            if number == 0:
                await start(send)
            await piece(send, b"to nobody")
        except OSError as error:
            say("refused", argument(scope), type(error).__name__)
            return
    say("sent", argument(scope))


async def flood(scope, receive, send):
    """Sends for ever, and lets pass on what is raised."""
    await start(send, (b"content-type", b"text/plain"))
    try:
        while True:
            await piece(send, b"x" * 10_000)
    finally:
        say("ended", argument(scope))


async def flood_until(scope, receive, send):
    """Catches it, and tries again."""
    await body_of(receive)
    await start(send, (b"content-type", b"text/plain"))
    for number in range(3):
        try:
            while True:
                await piece(send, b"x" * 10_000)
        except OSError as error:
            say("caught", argument(scope), number, str(error) != "")
    say("then", argument(scope), (await receive())["type"], (await receive())["type"])


async def stream_while_listening(scope, receive, send):
    """As frameworks do: the one that ends first ends the other."""
    async def listen():
        while (await receive())["type"] != "http.disconnect":
            pass

    async def stream():
        await start(send)
        while True:
            await piece(send, b"tick")
            await event(argument(scope)).wait()

    tasks = [asyncio.ensure_future(listen()), asyncio.ensure_future(stream())]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    say("ended", argument(scope), *(type(result).__name__ for result in results))


async def work(scope, receive, send):
    """Knows nothing of its client: what it has begun it ends."""
    say("works", argument(scope))
    await event(argument(scope)).wait()
    say("has worked", argument(scope))
    await answer(send, b"work " + argument(scope).encode())


async def wait_in_send(scope, receive, send):
    """Held back by a reader that then goes away."""
    await start(send)
    try:
        say("sends", argument(scope))
        for _ in range(2):  # a first piece may be kept until there is more
            await piece(send, b"x" * 20_000_000)
        say("sent", argument(scope))
    except OSError:
        say("woken", argument(scope))
        raise


async def answer_while_listening(scope, receive, send):
    await body_of(receive)
    listening = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await answer(send, b"answer")
    say("told", argument(scope), await listening)


async def tasks(scope, receive, send):
    await answer(send, b"%d" % len(asyncio.all_tasks()))



app = routed({"/listen": listen, "/listen-and-send": listen_and_send, "/flood": flood, "/flood-until": flood_until,
              "/stream": stream_while_listening, "/work": work, "/held": wait_in_send,
              "/answer": answer_while_listening, "/tasks": tasks})
