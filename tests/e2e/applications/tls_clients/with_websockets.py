"""websockets: wss by asyncio and by threads."""

import asyncio

import common
import websockets.asyncio.client
import websockets.sync.client
from common import task

WSS = common.SETTINGS.get("websocket")
MESSAGES = ["Ünïcødé 🐚", b"\0\1\xff", "", "x" * 100_000, b"y" * 1_000_000]


@task
def by_asyncio():
    async def talk():
        async with websockets.asyncio.client.connect(WSS, ssl=common.context(), max_size=None, proxy=None) as peer:
            for message in MESSAGES:
                await peer.send(message)
                assert await peer.recv() == message
            return peer.transport.get_extra_info("ssl_object").version()

    return asyncio.run(talk())


@task
def by_threads():
    with websockets.sync.client.connect(WSS, ssl=common.context(), max_size=None, proxy=None) as peer:
        for message in MESSAGES:
            peer.send(message)
            assert peer.recv() == message
        return peer.socket.version()


@task
def at_once():
    async def one():
        async with websockets.asyncio.client.connect(WSS, ssl=common.context(), proxy=None) as peer:
            await peer.send("hello")
            return await peer.recv()

    async def all_of_them():
        return await asyncio.gather(*(one() for _ in range(common.AT_ONCE)))

    return asyncio.run(all_of_them()).count("hello")


@task
def unknown_authority():
    async def connect():
        async with websockets.asyncio.client.connect(WSS, proxy=None):
            pass

    return asyncio.run(common.failure_of(connect()))


@task
def unknown_authority_by_threads():
    return common.failure(websockets.sync.client.connect, WSS, proxy=None)


if __name__ == "__main__":
    common.main()
