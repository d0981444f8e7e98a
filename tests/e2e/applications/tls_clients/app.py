"""Applications that ask another server over TLS while they answer: in threads (WSGI), and in the loop (ASGI)."""

import asyncio
import urllib.parse

import common
import httpx
import requests


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/refused":
        body = common.failure(requests.get, common.URL, timeout=common.TIMEOUT_S)["class"].encode()
    else:
        body = requests.get(common.URL + environ["PATH_INFO"], verify=common.file("root"),
                            timeout=common.TIMEOUT_S).content
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def by_httpx():
    async with httpx.AsyncClient(verify=common.context(), trust_env=False, timeout=common.TIMEOUT_S) as client:
        return (await client.get(common.URL)).content


async def by_streams():
    reader, writer = await asyncio.open_connection("localhost", urllib.parse.urlsplit(common.URL).port,
                                                   ssl=common.context())
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received.partition(b"\r\n\r\n")[2]


async def several():
    return b"\n".join(await asyncio.gather(*(by_streams() for _ in range(10))))


async def refused():
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await common.failure_of(client.get(common.URL)))["class"].encode()


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("only requests")
    ways = {"httpx": by_httpx, "streams": by_streams, "several": several, "refused": refused}
    body = await ways[scope["path"].rpartition("/")[2]]()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
