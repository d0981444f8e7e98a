"""The application under the soak: each answer says which worker gave it and repeats the request's number.

GET  /        "PID NUMBER\\n"; the number is the query string
GET  /slow    the same, after 50 ms
GET  /large   the same, and 200 KB behind it, in ten pieces
POST /echo    the same, and the request's body behind it
"""

import os
import time

PIECE, PIECES = b"0123456789abcdef" * 1280, 10


def app(environ, start_response):
    path = environ["PATH_INFO"]
    line = f"{os.getpid()} {environ['QUERY_STRING']}\n".encode()
    if path == "/large":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (piece for piece in [line] + [PIECE] * PIECES)
    if path == "/slow":
        time.sleep(0.05)
    if path == "/echo":
        line += environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(line)))])
    return [line]
