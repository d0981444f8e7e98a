"""Large bodies both ways and many clients of all speeds at once: every byte arrives, memory stays, nobody starves."""

import asyncio
import collections
import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import resource
import socket
import struct

import pytest
from raw_client import Peer, request
from server import eventually

APPLICATION = '''
import hashlib, json, os

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "block.bin"), "rb") as file:
    BLOCK = file.read()

def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    headers = [("Content-Type", "application/octet-stream")]
    if path == "/upload":
        digest, source = hashlib.md5(), environ["wsgi.input"]
        size = 0
        while piece := source.read(1 << 16):
            digest.update(piece)
            size += len(piece)
        body = json.dumps({"md5": digest.hexdigest(), "size": size}).encode()
    elif path == "/blocks":
        start_response("200 OK", headers)
        return (BLOCK for _ in range(int(query)))
    elif path == "/file":
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](open(os.path.join(HERE, "big.bin"), "rb"))
    elif path == "/part":
        start, _, size = query.partition("-")
        body = BLOCK[int(start):int(start) + int(size)]
    else:
        body = b"small"
    start_response("200 OK", headers + [("Content-Length", str(len(body)))])
    return [body]
'''
MEGABYTE = 1 << 20
BLOCK = random.Random(1).randbytes(MEGABYTE)


@pytest.fixture
def folder(application):
    folder = application(APPLICATION)
    (folder / "block.bin").write_bytes(BLOCK)
    return folder


@pytest.fixture
def server(folder, serve, tmp_path):
    (tmp_path / "spool").mkdir()
    return serve("app:app", "--workers", 1, "--max-body-size", "300M", "--temp-dir", tmp_path / "spool",
                 "--working-dir", folder)


@contextlib.contextmanager
def bounded_memory(server, megabytes=20):
    """The worker's resident memory, at its peak within, is at most that much above what it was before."""
    (worker,) = server.workers()
    with Peer(server) as peer:
        peer.ask(request("GET", "/small"))
    with open(f"/proc/{worker}/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    before = memory_kb(worker, "VmRSS")
    yield
    assert memory_kb(worker, "VmHWM") < before + megabytes * 1024
    assert server.workers() == [worker]


def memory_kb(pid, what):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(rf"{what}:\s+(\d+)", status.read())[1])


def download(server, path):
    """(headers, size, md5) of an answer, read as fast as it comes and not kept."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    digest, size, buffer = hashlib.md5(), 0, memoryview(bytearray(MEGABYTE))
    while count := response.readinto(buffer):
        digest.update(buffer[:count])
        size += count
    connection.close()
    return response.headers, size, digest.hexdigest()


# --- One large body ---


@pytest.mark.static  # the sanitizers keep what was freed for a while
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_upload_of_200_mb(server, chunked, tmp_path):
    blocks = [BLOCK] * 200
    with bounded_memory(server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {} if chunked else {"Content-Length": str(200 * MEGABYTE)}
        connection.request("POST", "/upload", iter(blocks), headers, encode_chunked=chunked)
        seen = json.loads(connection.getresponse().read())
        connection.close()
    assert seen == {"md5": hashlib.md5(BLOCK * 200).hexdigest(), "size": 200 * MEGABYTE}
    assert os.listdir(tmp_path / "spool") == []


SIZES = [1024, pytest.param(5000, marks=pytest.mark.long)]  # megabytes; the longer one does not fit into 32 bits


@pytest.mark.static
@pytest.mark.parametrize("megabytes", SIZES)
def test_download_from_a_generator(server, megabytes):
    expected = hashlib.md5()
    for _ in range(megabytes):
        expected.update(BLOCK)
    with bounded_memory(server):
        headers, size, digest = download(server, f"/blocks?{megabytes}")
    assert headers["Transfer-Encoding"] == "chunked"
    assert (size, digest) == (megabytes * MEGABYTE, expected.hexdigest())


@pytest.mark.static
@pytest.mark.unvalidated(reason="inside the validator it is no file for the kernel any more")
@pytest.mark.parametrize("megabytes", SIZES)
def test_download_of_a_file(server, folder, megabytes):
    """Mostly holes, so that it costs no disk."""
    size = megabytes * MEGABYTE
    with open(folder / "big.bin", "wb+") as file:
        file.truncate(size)
        for position in range(0, size - 10_000, 50 * MEGABYTE + 12345):
            file.seek(position)
            file.write(BLOCK[:10_000])
        file.seek(0)
        expected = hashlib.file_digest(file, "md5").hexdigest()
    with bounded_memory(server):
        headers, received, digest = download(server, "/file")
    assert headers["Content-Length"] == str(size)
    assert (received, digest) == (size, expected)


# --- Many clients ---


class Client:
    """An asynchronous client of one connection, as fast or slow as it is told to be."""

    def __init__(self, server, receive_buffer=None):
        self.port, self.receive_buffer = server.port, receive_buffer

    async def __aenter__(self):
        sock = socket.socket()
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def send(self, data, size=None, pause=0.0):
        """All of it, or that many bytes at a time."""
        for i in range(0, len(data), size or len(data)):
            self.writer.write(data[i:i + (size or len(data))])
            await self.writer.drain()
            if size:
                await asyncio.sleep(pause)

    async def head(self):
        """The length that the answer announces; it is a 200."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 200 OK", lines[0]
        (length,) = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
        return length

    async def body(self, size=None, pause=0.0):
        """The md5 of the answer's body, taken as it comes or that many bytes at a time."""
        left, digest = await self.head(), hashlib.md5()
        while left > 0:
            data = await self.reader.read(min(left, size or 1 << 18))
            assert data, f"closed {left} bytes too early"
            digest.update(data)
            left -= len(data)
            if size:
                await asyncio.sleep(pause)
        return digest.hexdigest()


def part(number):
    """A request for a part of the block, and its md5."""
    start, size = number * 997 % 500_000, 100_000 + number * 613 % 200_000
    return request("GET", f"/part?{start}-{size}"), hashlib.md5(BLOCK[start:start + size]).hexdigest()


def upload(number):
    """A request with a body, and the md5 of the answer."""
    body = BLOCK[number * 331 % 500_000:][:80_000 + number]
    answer = json.dumps({"md5": hashlib.md5(body).hexdigest(), "size": len(body)}).encode()
    return request("POST", "/upload", body), hashlib.md5(answer).hexdigest()


async def fast(server, number):
    async with Client(server) as client:
        for i in range(5):
            data, digest = part(number + i) if i % 2 else upload(number + i)
            await client.send(data)
            assert await client.body() == digest


async def slow_reader(server, number):
    async with Client(server, receive_buffer=8192) as client:
        data, digest = part(number)
        await client.send(data)
        assert await client.body(16_384, 0.05) == digest


async def slow_sender(server, number):
    async with Client(server) as client:
        data, digest = upload(number)
        await client.send(data, 4096, 0.05)
        assert await client.body() == digest


async def abort_sending(server, number):
    async with Client(server) as client:
        data, _ = upload(number)
        await client.send(data[:len(data) // 2], 8192, 0.02)


async def abort_reading(server, number):
    async with Client(server, receive_buffer=8192) as client:
        await client.send(request("GET", "/blocks?20"))
        await client.reader.readexactly(100_000)


async def reset(server, number):
    """Gone without the courtesy of a close, in the middle of several pipelined requests."""
    async with Client(server) as client:
        await client.send(part(number)[0] * 3)
        await client.reader.readexactly(1000)
        linger = struct.pack("ii", 1, 0)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.writer.transport.abort()


KINDS = [fast, slow_reader, slow_sender, abort_sending, fast, abort_reading, slow_reader, slow_sender, fast, reset]


def test_500_clients_of_all_speeds(server):
    (worker,) = server.workers()
    with Peer(server) as peer:
        peer.ask(request("GET", "/small"))
    descriptors = server.descriptors(worker)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))

    async def all_at_once():
        done = collections.Counter()

        async def one(number):
            kind = KINDS[number % len(KINDS)]
            await kind(server, number)
            done[kind] += 1

        await asyncio.wait_for(asyncio.gather(*map(one, range(500))), 300)
        return done

    try:
        done = asyncio.run(all_at_once())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert done == {kind: 50 * KINDS.count(kind) for kind in KINDS}
    eventually(lambda: server.descriptors(worker) <= descriptors)
    assert server.workers() == [worker]
    with Peer(server) as peer:
        assert peer.ask(request("GET", "/small")).body == b"small"


async def crowd(server, clients=64, requests=50):
    """How many answers that many fast clients got, all of them the right ones."""

    async def one(number):
        async with Client(server) as client:
            for i in range(requests):
                await client.send(request("GET", f"/part?{number * i}-1000"))
                assert await client.body() == hashlib.md5(BLOCK[number * i:number * i + 1000]).hexdigest()
        return requests

    return sum(await asyncio.gather(*map(one, range(clients))))


async def trickle_request(server, crowd_is_done):
    """Sends a byte now and then, the last ones of its body when the crowd has its answers."""
    async with Client(server) as client:
        body = BLOCK[:200]
        data = request("POST", "/upload", body)
        head = len(data) - len(body)
        await client.send(data[:head], 1, 0.005)
        sent = head
        while not crowd_is_done.is_set() and sent < len(data) - 1:
            await client.send(data[sent:sent + 1], 1, 0.02)
            sent += 1
        await crowd_is_done.wait()
        await client.send(data[sent:])
        answer = json.dumps({"md5": hashlib.md5(body).hexdigest(), "size": len(body)}).encode()
        assert await client.body() == hashlib.md5(answer).hexdigest()


async def trickle_answer(server, crowd_is_done, target, expected):
    """Reads a byte now and then, and the rest when the crowd has its answers."""
    async with Client(server, receive_buffer=4096) as client:
        await client.send(request("GET", target, None, "Connection: close", version="1.0"))
        data = b""
        while not crowd_is_done.is_set():
            data += await client.reader.read(1)
            await asyncio.sleep(0.02)
        data += await client.reader.read()
        assert hashlib.md5(data.partition(b"\r\n\r\n")[2]).hexdigest() == hashlib.md5(expected).hexdigest()


def test_trickling_clients_harm_nobody(server):
    """Each for as long as 64 fast ones beside it need for all their requests."""

    async def beside(trickling):
        crowd_is_done = asyncio.Event()
        tasks = [asyncio.create_task(client) for client in trickling(crowd_is_done)]
        assert await crowd(server) == 64 * 50
        crowd_is_done.set()
        await asyncio.gather(*tasks)

    async def all_of_them():
        await beside(lambda done: [trickle_request(server, done)])
        await beside(lambda done: [trickle_answer(server, done, "/part?0-1000000", BLOCK[:1_000_000])])
        await beside(lambda done: [trickle_answer(server, done, "/blocks?8", BLOCK * 8)])
        await beside(lambda done: [trickle_request(server, done) for _ in range(50)])

    asyncio.run(asyncio.wait_for(all_of_them(), 300))
