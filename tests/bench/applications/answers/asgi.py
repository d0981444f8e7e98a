"""The same answers as an ASGI application, for a server of such: /, /json and /echo of app.py."""

import json


def document(path):
    """As app.py's."""
    entry = {
        "id": 4711, "name": "Limpet", "kind": "mollusc", "price": 19.95, "in_stock": True, "tags": ["sea", "rock"],
        "path": path, "parent": None, "size": {"width": 40, "height": 25}, "note": "clings to the edge",
    }
    return json.dumps(entry).encode()


async def body_of(receive):
    """The request's whole body."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def app(scope, receive, send):
    """Answer one request."""
    if scope["path"] == "/":
        content_type, body = b"text/plain", b"Hello, World!"
    elif scope["path"] == "/json":
        content_type, body = b"application/json", document(scope["path"])
    else:
        content_type, body = b"application/octet-stream", await body_of(receive)
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
