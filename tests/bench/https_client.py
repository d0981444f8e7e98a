#!/usr/bin/python3
"""A Python program that speaks HTTPS as a client, by ssl, http.client and asyncio: for the benchmarks of these. Runs on
every Python; figures are written as one line of JSON.

    https_client.py download PORT AUTHORITY PATH       one body by http.client
    https_client.py asyncio-download PORT AUTHORITY PATH
    https_client.py connect PORT AUTHORITY COUNT [resume]     so many connections, one request each
    https_client.py echo CERTIFICATE KEY AUTHORITY COUNT SIZE     messages to an asyncio server in this process and back
    https_client.py context     ssl.create_default_context()

AUTHORITY is the only certificate that is believed; the server's must be for "localhost".
"""

import asyncio
import http.client
import json
import resource
import socket
import ssl
import statistics
import sys
import time

HOST = "127.0.0.1"
NAME = "localhost"
PIECE = 1 << 16
CONTEXTS = 20


class Stopwatch:
    """Time and CPU seconds of this process from here on."""

    def __init__(self):
        self.begun, self.used = time.perf_counter(), self.cpu()

    @staticmethod
    def cpu():
        """CPU seconds so far."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def figures(self, count):
        """Things a second, and CPU microseconds of each."""
        used = self.cpu() - self.used
        return {"rate": count / (time.perf_counter() - self.begun), "cpu": used / count * 1e6}


def connect(context, port, session=None):
    """An HTTP connection whose TLS handshake is done. The name is not looked up, which is another matter."""
    connection = http.client.HTTPConnection(NAME, port)
    plain = socket.create_connection((HOST, port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sock = context.wrap_socket(plain, server_hostname=NAME, session=session)
    return connection


def expect(what, wanted):
    """Figures count only if the right thing was measured."""
    if what != wanted:
        raise SystemExit(f"{what}, not {wanted}")


def download(port, authority, path):
    """One large body; figures are of bytes."""
    context = ssl.create_default_context(cafile=authority)
    connection = connect(context, int(port))
    connection.request("GET", path)
    watch, size = Stopwatch(), 0
    answer = connection.getresponse()
    expect(answer.status, 200)
    while piece := answer.read(PIECE):
        size += len(piece)
    figures = watch.figures(size)
    expect(size, int(answer.headers["Content-Length"]))
    connection.close()
    return figures


def connections(port, authority, count, resume=""):
    """New connections one after the other, one request on each; with resume all but the first take up the session
    before."""
    context = ssl.create_default_context(cafile=authority)
    session, reused, count = None, 0, int(count)
    watch = Stopwatch()
    for _ in range(count):
        connection = connect(context, int(port), session)
        tls = connection.sock
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read()
        expect((answer.status, body), (200, b"Hello, World!"))
        reused += tls.session_reused
        if resume:
            session = tls.session
        connection.close()
    figures = watch.figures(count)
    expect(reused, count - 1 if resume else 0)
    return figures


async def download_in_loop(port, authority, path):
    """The same as download, by asyncio's streams."""
    context = ssl.create_default_context(cafile=authority)
    reader, writer = await asyncio.open_connection(HOST, int(port), ssl=context, server_hostname=NAME, limit=PIECE)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
    watch, size = Stopwatch(), 0
    head = await reader.readuntil(b"\r\n\r\n")
    expect(head.split()[1], b"200")
    while piece := await reader.read(PIECE):
        size += len(piece)
    figures = watch.figures(size)
    expect(f"Content-Length: {size}\r\n".encode() in head, True)
    writer.close()
    return figures


async def echo(certificate, key, authority, count, size):
    """Messages to a server and back, one at a time: both ends are in this process."""

    async def answer(reader, writer):
        while message := await reader.read(PIECE):
            writer.write(message)
            await writer.drain()
        writer.close()

    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    server = await asyncio.start_server(answer, HOST, 0, ssl=ours)
    port = server.sockets[0].getsockname()[1]
    context = ssl.create_default_context(cafile=authority)
    reader, writer = await asyncio.open_connection(HOST, port, ssl=context, server_hostname=NAME)
    message, count = b"x" * int(size), int(count)
    watch = Stopwatch()
    for _ in range(count):
        writer.write(message)
        expect(await reader.readexactly(len(message)) == message, True)
    figures = watch.figures(count)
    writer.close()
    server.close()
    return figures


def contexts():
    """Milliseconds of the first context with the system's authorities, and of the next."""
    times = []
    for _ in range(CONTEXTS + 1):
        begun = time.perf_counter()
        context = ssl.create_default_context()
        times.append((time.perf_counter() - begun) * 1000)
    if not context.cert_store_stats()["x509_ca"]:
        raise SystemExit("this system has no authorities (Debian's package ca-certificates)")
    return {"first": times[0], "next": statistics.median(times[1:])}


WHAT = {"download": download, "connect": connections, "context": contexts,
        "asyncio-download": lambda *arguments: asyncio.run(download_in_loop(*arguments)),
        "echo": lambda *arguments: asyncio.run(echo(*arguments))}


if __name__ == "__main__":
    print(json.dumps(WHAT[sys.argv[1]](*sys.argv[2:])))
