"""Uses the extensions of ASGI."""

import io
import os
import pathlib
import tempfile

from asgi_common import answer, argument, piece, routed, say, start
from asgi_pattern import pattern

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="limpet-asgi-"))
SIZE = 3_000_000
(FOLDER / "big").write_bytes(pattern(SIZE))
(FOLDER / "small").write_bytes(b"0123456789")
(FOLDER / "empty").write_bytes(b"")


async def show(scope, receive, send):
    await answer(send, repr(scope["extensions"]).encode())


async def hints(scope, receive, send):
    """?COUNT: early hints, each with two links."""
    await start(send, (b"content-length", b"2"))
    for number in range(int(argument(scope))):
        links = [b"</%d.css>; rel=preload" % number, b"</%d.js>; rel=preload" % number]
        await send({"type": "http.response.early_hint", "links": iter(links)})
    await piece(send, b"ok", False)


async def bad_hint(scope, receive, send):
    await start(send)
    await send({"type": "http.response.early_hint", "links": [b"</a>\r\nX-Injected: yes"]})


async def late_hint(scope, receive, send):
    """In the middle of an answer there is no place for one."""
    await start(send)
    await piece(send, b"one")
    try:
        await send({"type": "http.response.early_hint", "links": [b"</late>"]})
    except RuntimeError:
        pass
    await piece(send, b"two", False)


async def trailers(scope, receive, send):
    await start(send, (b"trailer", b"x-sum, x-end"), trailers=True)
    await piece(send, b"one")
    await piece(send, b"two", False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"6"), (b"x-sum", b"7")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-end", b"yes")]})
    say("trailers sent", argument(scope))


async def trailers_with_length(scope, receive, send):
    await start(send, (b"content-length", b"6"), trailers=True)
    await piece(send, b"onetwo", False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"6")]})


async def trailers_that_do_not_come(scope, receive, send):
    await start(send, trailers=True)
    await piece(send, b"one", False)


async def trailers_that_are_bad(scope, receive, send):
    await start(send, trailers=True)
    await piece(send, b"one", False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"6\r\nX-Injected: yes")]})


async def trailers_unannounced(scope, receive, send):
    await start(send)
    await piece(send, b"one", False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"6")]})


async def path(scope, receive, send):
    """?NAME,LENGTH: a file by its path; with a Content-Length where one is given."""
    name, _, length = argument(scope).partition(",")
    headers = [(b"content-length", length.encode())] if length else []
    await start(send, (b"content-type", b"text/plain"), *headers)
    await send({"type": "http.response.pathsend", "path": name if name.startswith(".") else str(FOLDER / name)})


async def path_and_more(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": str(FOLDER / "small")})
    try:
        await piece(send, b"more", False)
    except RuntimeError:
        pass


async def path_object(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": 7})


async def replaced(scope, receive, send):
    """The file that was there when it was sent."""
    file = FOLDER / "replaced"
    file.write_bytes(pattern(SIZE, 7))
    await start(send)
    await send({"type": "http.response.pathsend", "path": str(file)})
    file.unlink()


async def copy(scope, receive, send):
    """?POSITION,OFFSET,COUNT: a file, which is closed at once; each may be empty."""
    position, offset, count = argument(scope).split(",")
    message = {"type": "http.response.zerocopysend"}
    if offset:
        message["offset"] = int(offset)
    if count:
        message["count"] = int(count)
    await start(send, (b"content-type", b"text/plain"))
    with open(FOLDER / "big", "rb") as file:
        file.seek(int(position))
        await send({**message, "file": file})


async def copy_with_length(scope, receive, send):
    await start(send, (b"content-length", b"%d" % SIZE))
    with open(FOLDER / "big", "rb") as file:
        await send({"type": "http.response.zerocopysend", "file": file})


async def mixed(scope, receive, send):
    """Pieces and parts of a file."""
    await start(send)
    with open(FOLDER / "big", "rb", buffering=0) as file, open(FOLDER / "small", "rb") as small:
        await piece(send, b"begin ")
        await send({"type": "http.response.zerocopysend", "file": file, "offset": 5, "count": 100_000, "more_body": True})
        await piece(send, b" middle ")
        await send({"type": "http.response.zerocopysend", "file": small, "count": 4, "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": small, "offset": 8, "more_body": True})
        await piece(send, b" end", False)


async def no_file(scope, receive, send):
    file = {"memory": io.BytesIO(b"text"), "none": None, "text": "name"}[argument(scope)]
    await start(send)
    await send({"type": "http.response.zerocopysend", "file": file})


async def descriptors(scope, receive, send):
    await answer(send, b"%d" % len(os.listdir("/proc/self/fd")))


app = routed({"/show": show, "/hints": hints, "/bad-hint": bad_hint, "/late-hint": late_hint, "/trailers": trailers,
              "/trailers-length": trailers_with_length, "/trailers-missing": trailers_that_do_not_come,
              "/trailers-bad": trailers_that_are_bad, "/trailers-unannounced": trailers_unannounced, "/path": path,
              "/path-and-more": path_and_more, "/path-object": path_object, "/replaced": replaced, "/copy": copy,
              "/copy-length": copy_with_length, "/mixed": mixed, "/no-file": no_file, "/descriptors": descriptors})
