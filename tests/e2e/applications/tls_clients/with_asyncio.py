"""asyncio's streams and transports, as client and as server."""

import asyncio
import ssl
import urllib.parse

import common
from common import URL, task

PORT = urllib.parse.urlsplit(URL).port


def server_context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(common.file("server"), common.file("server-key"))
    return made


async def fetch(path="/", context=None, port=PORT, **options):
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context or common.context(), **options)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received.partition(b"\r\n\r\n")[2]


def run(coroutine):
    return asyncio.run(coroutine)


@task
def get():
    return common.seen(run(fetch()).decode())["version"]


@task
def download():
    return common.digest([run(fetch("/large"))])


@task
def small_buffers():
    async def slowly():
        reader, writer = await asyncio.open_connection("localhost", PORT, ssl=common.context(), limit=1000)
        writer.write(b"GET /large HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        pieces = []
        while piece := await reader.read(777):
            pieces.append(piece)
        writer.close()
        return common.digest(pieces)

    return run(slowly())


@task
def unknown_authority():
    return run(common.failure_of(fetch(context=ssl.create_default_context())))


@task
def wrong_host():
    return run(common.failure_of(fetch(server_hostname="elsewhere.test")))


@task
def client_certificate():
    return [common.seen(run(fetch("/client", context)).decode())["client"] for context in (None, common.with_client())]


@task
def at_once():
    async def all_of_them():
        context = common.context()
        return await asyncio.gather(*(fetch(context=context) for _ in range(common.AT_ONCE)))

    return len(run(all_of_them()))


@task
def no_answer():
    port = urllib.parse.urlsplit(common.SETTINGS["no_answer"]).port
    return run(common.failure_of(fetch(port=port)))


@task
def early_end():
    port = urllib.parse.urlsplit(common.SETTINGS["early_end"]).port
    return run(fetch(port=port)).count(b"x")


@task
def handshake_timeout():
    """A peer that never answers."""
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    async def connect():
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await common.failure_of(fetch(port=port, ssl_handshake_timeout=0.05))

    return run(connect())


@task
def both_sides():
    """A server and its clients in one loop: 1 MiB there and back, several times."""
    async def echo(reader, writer):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def one(port):
        reader, writer = await asyncio.open_connection("localhost", port, ssl=common.context())
        writer.write(common.UPLOAD)
        received = await reader.readexactly(len(common.UPLOAD))
        name = writer.get_extra_info("peercert")["subject"][0][0][1]
        writer.close()
        await writer.wait_closed()
        return [received == common.UPLOAD, name, writer.get_extra_info("cipher")[1]]

    async def all_of_them():
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.gather(*(one(port) for _ in range(4)))

    return run(all_of_them())


@task
def start_tls():
    """Both sides begin in the clear, by streams, and go on over TLS."""
    async def serve(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.drain()
        await writer.start_tls(server_context())
        writer.write(b"over TLS: " + await reader.readline())
        await writer.drain()
        writer.close()

    async def talk():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go ahead\n"
            await writer.start_tls(common.context(), server_hostname="localhost")
            writer.write(b"hello\n")
            answer = await reader.readline()
            version = writer.get_extra_info("ssl_object").version()
            writer.close()
            return [answer.decode(), version]

    return run(talk())


class Kept(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self):
        self.received, self.ended = b"", asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.received += data

    def connection_lost(self, error):
        self.ended.set_result(type(error).__name__)


@task
def loop_start_tls():
    """loop.start_tls on a transport of its own."""
    async def talk():
        loop = asyncio.get_running_loop()
        plain, kept = await loop.create_connection(Kept, "localhost", PORT)
        secure = await loop.start_tls(plain, kept, common.context(), server_hostname="localhost")
        secure.write(b"GET / HTTP/1.0\r\n\r\n")
        how = await kept.ended
        return [kept.received[:15].decode(), how]

    return run(talk())


@task
def start_tls_unknown_authority():
    async def talk():
        loop = asyncio.get_running_loop()
        plain, kept = await loop.create_connection(Kept, "localhost", PORT)
        return await common.failure_of(loop.start_tls(plain, kept, ssl.create_default_context(),
                                                      server_hostname="localhost"))

    return run(talk())


if __name__ == "__main__":
    common.main()
