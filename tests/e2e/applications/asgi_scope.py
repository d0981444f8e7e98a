"""Answers with the scope that it was called with, as a Python literal."""

from asgi_common import answer, lifespan

SHARED = []


async def with_state(scope, receive, send):
    if "state" in scope:
        scope["state"].update(count=0, shared=SHARED, text="of the lifespan")
    await lifespan(scope, receive, send)


async def show(scope, receive, send):
    """types: of the values; headers are pairs of such types."""
    types = {key: type(value).__name__ for key, value in scope.items()}
    types["header"] = sorted({(type(pair).__name__, *(type(part).__name__ for part in pair))
                              for pair in scope["headers"]})
    await answer(send, repr({"scope": dict(scope), "types": types}).encode())


async def count(scope, receive, send):
    """Change the state that this request has."""
    state = scope["state"]
    state["count"] += 1
    state["shared"].append(state["count"])
    state[f"new {len(SHARED)}"] = True
    await answer(send, repr(state).encode())


async def spoil(scope, receive, send):
    """Change whatever can be."""
    scope["headers"].append((b"x-spoilt", b"yes"))
    for key in ("asgi", "extensions", "state"):
        scope[key]["spoilt"] = True
    scope["path"] = "/elsewhere"
    scope["spoilt"] = True
    await answer(send, b"spoilt")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await with_state(scope, receive, send)
    else:
        await {"/count": count, "/spoil": spoil}.get(scope["path"], show)(scope, receive, send)
