"""A server by asyncio.start_server over TLS: an answer to every request, until standard input ends. Prints its port."""

import asyncio
import ssl
import sys

import common


async def answer(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    peer = writer.get_extra_info("peercert")
    seen = writer.get_extra_info("ssl_object")
    name = peer["subject"][0][0][1] if peer else None
    body = f"{seen.version()} {seen.selected_alpn_protocol()} {name} {head.split()[1].decode()}\n".encode()
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(common.file("server"), common.file("server-key"))
    context.load_verify_locations(common.file("root"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
