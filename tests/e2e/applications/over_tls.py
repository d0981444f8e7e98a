"""What the tests of HTTPS ask for: what the environ says, bodies up and down, answers that wait."""

import hashlib
import json
import os
import wsgiref.util

PIECE = bytes(range(256)) * 257  # 65792 bytes, no multiple of any record


def pattern(size):
    """Bytes in which a lost or doubled piece shows."""
    return (PIECE * (size // len(PIECE) + 1))[:size]


def facts(environ, start_response):
    told = {key: value for key, value in environ.items()
            if isinstance(value, str)
            and (key.startswith(("SSL_", "SERVER_", "wsgi.")) or key in ("HTTPS", "HTTP_HOST"))}
    return answer(start_response, json.dumps({"pid": os.getpid(), **told}).encode())


def answer(start_response, body, *fields):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *fields])
    return [body]


def echo(environ, start_response):
    return answer(start_response, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 1 << 30)))


def digest(environ, start_response):
    """The size of the body and its hash, read by and by."""
    size, sha = 0, hashlib.sha256()
    while piece := environ["wsgi.input"].read(100_000):
        size += len(piece)
        sha.update(piece)
    return answer(start_response, f"{size} {sha.hexdigest()}".encode())


def download(environ, start_response):
    return answer(start_response, pattern(int(environ["QUERY_STRING"])))


def generate(environ, start_response):
    """So many pieces of so many bytes, in chunks."""
    count, size = map(int, environ["QUERY_STRING"].split(","))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (pattern(size) for _ in range(count))


def file(environ, start_response):
    """The file of that path, by wsgi.file_wrapper."""
    path = environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(os.path.getsize(path)))])
    return environ.get("wsgi.file_wrapper", wsgiref.util.FileWrapper)(open(path, "rb"))


def wait(environ, start_response):
    """The first half, and the second once a FIFO is written to."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    yield b"first"
    os.write(2, b"it waits\n")
    with open(environ["QUERY_STRING"]) as gate:
        gate.read()
    yield b"later"


def forever(environ, start_response):
    """No answer before that file is there."""
    os.write(2, b"it hangs\n")
    with open(environ["QUERY_STRING"]) as gate:
        gate.read()
    return answer(start_response, b"at last")


def app(environ, start_response):
    routes = {"/echo": echo, "/digest": digest, "/download": download, "/generate": generate, "/file": file,
              "/wait": wait, "/forever": forever}
    return routes.get(environ["PATH_INFO"], facts)(environ, start_response)
