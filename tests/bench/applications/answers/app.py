"""What the benchmarks ask for beyond apps/hello, as a WSGI application without dependencies.

GET  /               13 bytes
GET  /json           a dictionary of ten keys, serialised anew for every request
GET  /listing        10 KB of JSON, which were made once
POST /echo           the request's body, as it came
GET  /generator      100 KB in 10 pieces from a generator
GET  /generator-1k   100 KB in 100 pieces from a generator
GET  /file           the file that BENCH_FILE names, through wsgi.file_wrapper
GET  /large          the same with BENCH_LARGE_FILE
GET  /megabyte       1 MB as one object
GET  /generator-1m   1 MB in 16 pieces from a generator
GET  /compute        13 bytes after about half a millisecond of Python
GET  /sleep          an answer after 10 ms
GET  /block          an answer after 1 s
"""

import json
import os
import time

KB = 1024
PIECES = {"/generator": (10, b"x" * 10 * KB), "/generator-1k": (100, b"x" * KB), "/generator-1m": (16, b"x" * 64 * KB)}
MEGABYTE = b"x" * KB * KB


def answer(start_response, body, content_type="text/plain"):
    """One body of known length."""
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


def greeting(environ, start_response):
    """The 13 bytes."""
    return answer(start_response, b"Hello, World!")


def document(environ, start_response):
    """What an API answers: strings, numbers, a list, a dictionary."""
    entry = {
        "id": 4711, "name": "Limpet", "kind": "mollusc", "price": 19.95, "in_stock": True, "tags": ["sea", "rock"],
        "path": environ["PATH_INFO"], "parent": None, "size": {"width": 40, "height": 25}, "note": "clings to the edge",
    }
    return answer(start_response, json.dumps(entry).encode(), "application/json")


LISTING = json.dumps([{"id": number, "name": f"Limpet {number * 7919 % 1000}", "price": number * 37 % 100 / 4,
                       "in_stock": number % 3 == 0, "tags": ["sea", "rock"]} for number in range(118)]).encode()


def listing(environ, start_response):
    """What an API answers to a search."""
    return answer(start_response, LISTING, "application/json")


def echo(environ, start_response):
    """The body, read as a whole."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return answer(start_response, body, "application/octet-stream")


def generator(environ, start_response):
    """Pieces of a body whose length was said."""
    count, piece = PIECES[environ["PATH_INFO"]]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(count * len(piece)))])
    return (piece for _ in range(count))


def file(environ, start_response):
    """A file for the server to send as it likes."""
    path = os.environ["BENCH_LARGE_FILE" if environ["PATH_INFO"] == "/large" else "BENCH_FILE"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(os.path.getsize(path)))])
    return environ["wsgi.file_wrapper"](open(path, "rb"), 64 * KB)


def megabyte(environ, start_response):
    """A large body that is there as a whole."""
    return answer(start_response, MEGABYTE)


def compute(environ, start_response):
    """Works as a page with some logic in it does."""
    assert sum(number * number for number in range(10_000)) == 333_283_335_000
    return answer(start_response, b"Hello, World!")


def sleep(environ, start_response):
    """Waits as for a database that is not far."""
    time.sleep(0.01)
    return answer(start_response, b"Hello, World!")


def block(environ, start_response):
    """Waits as for somebody else's server."""
    time.sleep(1)
    return answer(start_response, b"Hello, World!")


PAGES = {"/": greeting, "/json": document, "/listing": listing, "/echo": echo, "/generator": generator,
         "/generator-1k": generator, "/generator-1m": generator, "/file": file, "/large": file, "/megabyte": megabyte,
         "/compute": compute, "/sleep": sleep, "/block": block}


def app(environ, start_response):
    """Answer one request (PEP 3333)."""
    return PAGES[environ["PATH_INFO"]](environ, start_response)
