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


def app(environ, start_response):
    """WSGI: the page, or the digest of a body."""
    body = environ["wsgi.input"].read()
    answer = hashlib.sha256(body).hexdigest().encode() if environ["REQUEST_METHOD"] == "POST" else page()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
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
