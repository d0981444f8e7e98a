"""What the tests of limits serve, in each interface: bodies are read and measured, answers are as long as asked for."""

import asyncio
import time

from asgi_common import answer, argument, body_of, ok, piece, routed, start

PIECE = b"x" * 65536


async def asgi_measure(scope, receive, send):
    await answer(send, b"%d" % len(await body_of(receive)))


async def asgi_slow(scope, receive, send):
    await asyncio.sleep(float(argument(scope)))
    await answer(send, b"slow")


async def asgi_held(scope, receive, send):
    """Reads nothing of the body for a while, so that its client is held back."""
    await asyncio.sleep(float(argument(scope)))
    await asgi_measure(scope, receive, send)


async def asgi_large(scope, receive, send):
    await start(send)
    for _ in range(int(argument(scope))):
        await piece(send, PIECE)
    await piece(send, b"", more_body=False)


asgi = routed({"/": ok, "/measure": asgi_measure, "/slow": asgi_slow, "/held": asgi_held, "/large": asgi_large})


def wsgi(environ, start_response):
    path, argument = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = [b"ok"]
    if path == "/measure":
        body = [b"%d" % len(environ["wsgi.input"].read())]
    elif path == "/slow":
        time.sleep(float(argument))
        body = [b"slow"]
    elif path == "/held":
        time.sleep(float(argument))
        body = [b"%d" % len(environ["wsgi.input"].read())]
    elif path == "/large":
        body = (PIECE for _ in range(int(argument)))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body
