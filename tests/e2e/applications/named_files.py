"""Answers that name a file in X-Accel-Redirect or X-Sendfile, by each interface the same: the query has status=, h=NAME:VALUE
and pieces= of a body that nobody is to see."""

import os
import types
import urllib.parse

BODY = b"nobody is to see this"


def wish(query):
    fields = urllib.parse.parse_qs(query)
    return types.SimpleNamespace(
        status=int(fields.get("status", ["200"])[0]), pieces=int(fields.get("pieces", ["1"])[0]),
        headers=[tuple(field.split(":", 1)) for field in fields.get("h", [])])


class Closing:
    """Pieces whose close() is heard."""

    def __init__(self, count):
        self.pieces = iter([BODY] * count)

    def __iter__(self):
        return self.pieces

    def close(self):
        os.write(2, b"closed\n")


def wsgi(environ, start_response):
    asked = wish(environ["QUERY_STRING"])
    start_response(f"{asked.status} Status", asked.headers)
    return [BODY] if asked.pieces == 1 else Closing(asked.pieces)


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    asked = wish(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": asked.status,
                "headers": [(name.encode(), value.encode()) for name, value in asked.headers]})
    for _ in range(asked.pieces - 1):
        await send({"type": "http.response.body", "body": BODY, "more_body": True})
    await send({"type": "http.response.body", "body": BODY if asked.pieces else b""})


async def rsgi(scope, protocol):
    asked = wish(scope.query_string)
    if asked.pieces == 1:
        protocol.response_bytes(asked.status, asked.headers, BODY)
        return
    stream = protocol.response_stream(asked.status, asked.headers)
    for _ in range(asked.pieces):
        await stream.send_bytes(BODY)
