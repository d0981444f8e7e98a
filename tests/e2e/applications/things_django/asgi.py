"""Things, by Django with asynchronous views; WebSockets go past it, as its own documentation of ASGI has it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

from django.core.asgi import get_asgi_application  # noqa: E402

django = get_asgi_application()

import sockets  # noqa: E402  which needs Django to be set up

state = {}


async def lifespan(receive, send):
    """Django has none of its own."""
    await receive()
    state["started"] = 1
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def application(scope, receive, send):
    """The router: lifespan, WebSockets, and Django for everything else."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await sockets.route(scope, receive, send, state)
    else:
        scope["state"] = state
        await django(scope, receive, send)
