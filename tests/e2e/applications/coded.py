"""Answers to be coded, by each interface the same: wsgi, asgi, rsgi. The query says what is wanted: size= of the body, in
so many pieces= (0: whole, in memory), of a type=, with a status=, announce=1: its length, h=NAME:VALUE more fields."""

import asyncio
import os
import pathlib
import tempfile
import threading
import types
import urllib.parse

_gates = {}  # name: threading.Event
produced = {}  # name: bytes that an endless body has given so far
FILE = pathlib.Path(tempfile.gettempdir()) / f"coded-{os.getpid()}.txt"


def content(size):
    """Text of that many bytes, which becomes a fifth or so."""
    lines, have, number = [], 0, 1
    while have < size:
        number = number * 1664525 + 1013904223 & 0xFFFFFFFF
        line = b'{"id": %d, "name": "user-%x"},\n' % (number >> 16, number)
        lines.append(line)
        have += len(line)
    return b"".join(lines)[:size]


def gate(name):
    return _gates.setdefault(name, threading.Event())


async def passed(name):
    """For event loops: a test opens it soon."""
    while not gate(name).is_set():
        await asyncio.sleep(0.005)


def wish(path, query):
    """What a request asks for."""
    fields = urllib.parse.parse_qs(query)
    one = lambda name, default: fields.get(name, [default])[0]  # noqa: E731
    asked = types.SimpleNamespace(
        path=path, query=query, body=content(int(one("size", "5000"))), pieces=int(one("pieces", "0")),
        status=int(one("status", "200")), name=one("name", "gate"))
    asked.headers = [("Content-Type", one("type", "text/plain"))] if one("type", "text/plain") != "none" else []
    if one("announce", ""):
        asked.headers.append(("Content-Length", str(len(asked.body) + int(one("more", "0")))))
    asked.headers += [tuple(field.split(":", 1)) for field in fields.get("h", [])]
    if path == "/set":
        gate(asked.name).set()
        asked.body = b"set"
    elif path == "/produced":
        asked.body = b"%d" % produced.get(asked.name, 0)
    return asked


def split(body, count):
    size = -(-len(body) // count)
    return [body[at:at + size] for at in range(0, len(body), size)]


# --- WSGI ---


def wsgi_events(asked):
    for number in range(3):
        yield b"data: %d\n\n" % number
        gate(f"{asked.name}{number}").wait(60)


def wsgi_held(asked):
    yield b"data: held\n\n"
    gate(asked.name).wait(60)


def wsgi_endless(asked):
    noise = os.urandom(1 << 16)
    while True:
        produced[asked.name] = produced.get(asked.name, 0) + len(noise)
        yield noise


def wsgi_fail(asked):
    yield b"begun" * 100
    raise ValueError("in the middle")


WSGI = {"/events": wsgi_events, "/held": wsgi_held, "/endless": wsgi_endless, "/fail": wsgi_fail}


def wsgi(environ, start_response):
    asked = wish(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response(f"{asked.status} Status", asked.headers)
    if asked.path == "/file":
        FILE.write_bytes(asked.body)
        return environ["wsgi.file_wrapper"](open(FILE, "rb"))
    if asked.path in WSGI:
        return WSGI[asked.path](asked)
    return iter(split(asked.body, asked.pieces)) if asked.pieces else [asked.body]


# --- ASGI ---


async def asgi_events(asked, push):
    for number in range(3):
        await push(b"data: %d\n\n" % number)
        await passed(f"{asked.name}{number}")


async def asgi_held(asked, push):
    await push(b"data: held\n\n")
    while not gate(asked.name).is_set():
        await asyncio.sleep(0.1)


async def asgi_endless(asked, push):
    noise = os.urandom(1 << 16)
    while True:
        produced[asked.name] = produced.get(asked.name, 0) + len(noise)
        await push(noise)


async def asgi_fail(asked, push):
    await push(b"begun" * 100)
    raise ValueError("in the middle")


async def in_pieces(asked, push):
    for piece in split(asked.body, asked.pieces):
        await push(piece)


ASYNC = {"/events": asgi_events, "/held": asgi_held, "/endless": asgi_endless, "/fail": asgi_fail}


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    asked = wish(scope["path"], scope["query_string"].decode())
    await send({"type": "http.response.start", "status": asked.status,
                "headers": [(name.encode(), value.encode()) for name, value in asked.headers]})
    if asked.path == "/file":
        FILE.write_bytes(asked.body)
        await send({"type": "http.response.pathsend", "path": str(FILE)})
    elif asked.path in ASYNC or asked.pieces:
        await ASYNC.get(asked.path, in_pieces)(asked, lambda piece: send(
            {"type": "http.response.body", "body": piece, "more_body": True}))
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": asked.body})


# --- RSGI ---


async def rsgi(scope, protocol):
    asked = wish(scope.path, scope.query_string)
    if asked.path == "/file":
        FILE.write_bytes(asked.body)
        protocol.response_file(asked.status, asked.headers, str(FILE))
    elif asked.path in ASYNC or asked.pieces:
        await ASYNC.get(asked.path, in_pieces)(
            asked, protocol.response_stream(asked.status, asked.headers).send_bytes)
    else:
        protocol.response_bytes(asked.status, asked.headers, asked.body)
