"""What is attacked: answers that cost little, so that what the attack costs is seen."""

import http.cookies
import urllib.parse

HELLO = b"Hello, World!"
LARGE = b"x" * (4 << 20)


def parsed(environ):
    """How many parameters and cookies a request has, as frameworks count them."""
    cookies = http.cookies.SimpleCookie()
    cookies.load(environ.get("HTTP_COOKIE", ""))
    return len(urllib.parse.parse_qs(environ["QUERY_STRING"])) + len(cookies)


def application(environ, start_response):
    """/: hello; /large: 4 MB; /parse: see parsed(); /length: how long the request's body is, for us."""
    path, kind = environ["PATH_INFO"], "text/plain"
    if path == "/large":
        body = LARGE
    elif path == "/parse":
        body = str(parsed(environ)).encode()
    elif path == "/length":
        body = str(len(environ["wsgi.input"].read())).encode()
    else:
        body = HELLO
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


async def sockets(scope, receive, send):
    """The same for WebSockets, which hear nothing back."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"13")]})
        await send({"type": "http.response.body", "body": HELLO})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass
