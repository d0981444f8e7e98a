"""What an application does on a machine where nothing can be written: the same pages by WSGI (app) and ASGI (asgi)."""

import hashlib
import json
import os
import sqlite3
import tempfile


def temporary():
    """What tempfile says."""
    try:
        with tempfile.TemporaryFile():
            return "there is a file"
    except OSError as error:
        return type(error).__name__


def database():
    """The sum of a table in memory that SQLite has to sort."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (n integer)")
        connection.executemany("insert into t values (?)", ((n,) for n in range(1000)))
        return connection.execute("select sum(n) from (select n from t order by -n)").fetchone()[0]


def page():
    """Everything, as JSON."""
    return json.dumps({"pid": os.getpid(), "temporary": temporary(), "database": database(),
                       "random": len(os.urandom(16))}).encode()


def read(environ):
    """The body as the path wants it: not at all, or as if nothing were wrong where it cannot be had."""
    path, source = environ["PATH_INFO"], environ["wsgi.input"]
    try:
        return b"" if path == "/unread" else source.read()
    except OSError:
        if not path.startswith("/forgiving"):
            raise
        return b"none"


def later(environ):
    """A body that is read while the answer is made."""
    yield hashlib.sha256(read(environ)).hexdigest().encode()
    for _ in range(50 if environ["PATH_INFO"] == "/forgiving-generator" else 0):
        yield bytes(50_000)


def app(environ, start_response):
    """WSGI: the page, or the digest of a body."""
    headers = [("Content-Type", "text/plain"), ("X-Made-By", "read_only")]
    if environ["PATH_INFO"].endswith("generator"):
        start_response("200 OK", headers)
        return later(environ)
    answer = hashlib.sha256(read(environ)).hexdigest().encode() if environ["REQUEST_METHOD"] == "POST" else page()
    start_response("200 OK", [*headers, ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    """ASGI: the same."""
    assert scope["type"] == "http"
    digest, more = hashlib.sha256(), True
    while more:
        message = await receive()
        digest.update(message.get("body", b""))
        more = message.get("more_body", False)
    answer = digest.hexdigest().encode() if scope["method"] == "POST" else page()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": answer})
