"""The same for RSGI: /, /json and /echo of asgi.py."""

from asgi import document


class Application:
    """Answers one request at a time."""

    async def __rsgi__(self, scope, protocol):
        path = scope.path
        if path == "/":
            protocol.response_str(200, [("content-type", "text/plain")], "Hello, World!")
        elif path == "/json":
            protocol.response_bytes(200, [("content-type", "application/json")], document(path))
        else:
            protocol.response_bytes(200, [("content-type", "application/octet-stream")], await protocol())


app = Application()
