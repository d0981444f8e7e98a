"""WebSockets by nothing but ASGI."""

import json
from http.cookies import SimpleCookie
from urllib.parse import parse_qs


async def echo(scope, receive, send, state):
    subprotocol = "things" if "things" in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": [(b"x-who", b"django")]})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})


async def closing(scope, receive, send, state):
    headers = dict(scope["headers"])
    cookies = SimpleCookie(headers.get(b"cookie", b"").decode())
    value = {"q": parse_qs(scope["query_string"].decode())["q"][0], "cookie": cookies["visits"].value, **state}
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(value)})
    await send({"type": "websocket.close", "code": 4001, "reason": "that is all"})


ROUTES = {"/echo": echo, "/closing": closing}


async def route(scope, receive, send, state):
    """Call what the path stands for; refuse the rest."""
    await receive()
    handler = ROUTES.get(scope["path"])
    if handler is None:
        await send({"type": "websocket.close"})
    else:
        await handler(scope, receive, send, state)
