"""The smallest useful WSGI application: what the benchmarks measure and the first thing to pack.

GET  /      "Hello, World!" (13 bytes)
GET  /json  a small JSON document, serialised anew for every request
POST /echo  the request's body, as it came
"""

import json


def hello(environ):
    """Return the content type and the body of the greeting."""
    return "text/plain", b"Hello, World!"


def document(environ):
    """Return the content type and the body of the JSON document."""
    return "application/json", json.dumps({"message": "Hello, World!"}).encode()


def echo(environ):
    """Return the content type and the request's own body, at most CONTENT_LENGTH bytes of it."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return "application/octet-stream", environ["wsgi.input"].read(length)


PAGES = {"": hello, "/": hello, "/json": document, "/echo": echo}


def app(environ, start_response):
    """Answer one request (PEP 3333). Unknown paths get 404; any method will do."""
    page = PAGES.get(environ.get("PATH_INFO", ""))
    status = "200 OK" if page else "404 Not Found"
    content_type, body = page(environ) if page else ("text/plain", b"Not Found\n")
    start_response(
        status, [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
