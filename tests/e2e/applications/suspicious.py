"""Looks at all that it is given of a request, and says in the answer what is not as its interface promises."""

import re

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TEXT = re.compile(r"[\t -~\x80-\xff]*")
VERSIONS = re.compile(r"1(\.[0-9])?")  # RSGI says 1


def _wsgi_doubts(environ):
    for key, value in environ.items():
        if key.startswith(("wsgi.", "limpet.")):
            continue
        if type(key) is not str or type(value) is not str:
            yield f"{key!r} is {value!r}"
        elif not re.fullmatch(r"[\x00-\xff]*", value):
            yield f"{key} has characters that are no bytes"
        elif key.startswith("HTTP_") and not TEXT.fullmatch(value):
            yield f"{key} has controls"
        elif key.startswith("HTTP_") and not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Z]+", key):
            yield f"{key!r} is no name of a field"
    if not TOKEN.fullmatch(environ["REQUEST_METHOD"]):
        yield f"method {environ['REQUEST_METHOD']!r}"
    if not VERSIONS.fullmatch(environ["SERVER_PROTOCOL"].removeprefix("HTTP/")):
        yield f"protocol {environ['SERVER_PROTOCOL']!r}"
    if not re.fullmatch(r"[!-~\x80-\xff]*", environ["QUERY_STRING"]):
        yield f"query {environ['QUERY_STRING']!r}"
    if {"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"} & set(environ):
        yield "fields that have names of their own"
    length, body = environ.get("CONTENT_LENGTH"), environ["wsgi.input"].read()
    if length and (not re.fullmatch(r"[0-9]+", length) or int(length) != len(body)):
        yield f"{len(body)} bytes, announced as {length!r}"
    if "HTTP_TRANSFER_ENCODING" in environ and "CONTENT_LENGTH" in environ and int(environ["CONTENT_LENGTH"]) != len(body):
        yield "two lengths of a body"


def wsgi(environ, start_response):
    doubts = "; ".join(_wsgi_doubts(environ)).encode()
    start_response("500 Doubtful" if doubts else "200 OK", [("Content-Length", str(len(doubts)))])
    return [doubts]


def _field_doubts(fields):
    names = []
    for name, value in fields:
        names.append(name)
        if not TOKEN.fullmatch(name) or name != name.lower():
            yield f"{name!r} is no name of a field"
        if not TEXT.fullmatch(value) or value != value.strip(" \t"):
            yield f"{name}: {value!r}"
    if "transfer-encoding" in names and "content-length" in names:
        yield "two lengths of a body"
    if names.count("host") > 1 or names.count("content-length") > 1:
        yield "fields that are there twice"


def _asgi_doubts(scope):
    yield from _field_doubts((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    if not VERSIONS.fullmatch(scope["http_version"]):
        yield f"version {scope['http_version']!r}"
    if scope["type"] == "http" and not TOKEN.fullmatch(scope["method"]):
        yield f"method {scope['method']!r}"
    if type(scope["path"]) is not str or type(scope["raw_path"]) is not bytes or type(scope["query_string"]) is not bytes:
        yield "what is of another type"
    if not re.fullmatch(rb"[!-~\x80-\xff]*", scope["raw_path"] + scope["query_string"]):
        yield f"target {scope['raw_path']!r} {scope['query_string']!r}"


async def asgi(scope, receive, send):
    if scope["type"] == "websocket":
        doubts = "; ".join(_asgi_doubts(scope))
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        if doubts:
            await send({"type": "websocket.send", "text": "500 Doubtful " + doubts})
        await send({"type": "websocket.close"})
        return
    assert scope["type"] == "http"
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message["more_body"]:
            break
    doubts = "; ".join(_asgi_doubts(scope)).encode()
    await send({"type": "http.response.start", "status": 500 if doubts else 200, "headers": [
        (b"content-length", b"%d" % len(doubts))]})
    await send({"type": "http.response.body", "body": doubts})


def _rsgi_doubts(scope):
    fields = [(name, value) for name in scope.headers for value in scope.headers.get_all(name)]
    yield from _field_doubts(fields)
    if not VERSIONS.fullmatch(scope.http_version):
        yield f"version {scope.http_version!r}"
    if not TOKEN.fullmatch(scope.method) or type(scope.path) is not str or type(scope.query_string) is not str:
        yield f"{scope.method!r} {scope.path!r} {scope.query_string!r}"


class Rsgi:
    async def __rsgi__(self, scope, protocol):
        if scope.proto == "ws":
            protocol.close()
            return
        try:
            await protocol()
        except Exception:
            return  # the client has left in the middle of its body
        doubts = "; ".join(_rsgi_doubts(scope))
        protocol.response_str(500 if doubts else 200, [], doubts)


rsgi = Rsgi()
