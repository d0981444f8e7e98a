"""What the tests of RSGI ask for over WebSocket: one path for each thing that an application may do, or do wrong."""

import asyncio
import json

from granian.rsgi import ProtocolClosed, ProtocolError, Scope, WebsocketMessageType, WebsocketProtocol

seen = {}


async def refused_of(awaitable):
    """"Type: text" of what an awaitable raises, or None."""
    try:
        await awaitable
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def raised(call, *arguments):
    """The same of a call."""
    try:
        call(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def info(scope: Scope, protocol: WebsocketProtocol):
    transport = await protocol.accept()
    await transport.send_str(json.dumps({
        "proto": scope.proto, "scheme": scope.scheme, "http_version": scope.http_version, "method": scope.method,
        "path": scope.path, "query_string": scope.query_string, "host": scope.headers["host"],
        "client": scope.client, "types": [type(scope) is Scope, type(protocol) is WebsocketProtocol]}))


async def echo(scope, protocol):
    transport = await protocol.accept()
    while (message := await transport.receive()).kind != WebsocketMessageType.close:
        if message.kind == WebsocketMessageType.bytes:
            await transport.send_bytes(message.data)
        else:
            await transport.send_str(message.data)
    seen["end"] = [message.kind, message.data, repr(message), await refused_of(never_returns(transport))]


async def never_returns(transport):
    await transport.receive()


async def refuse(scope, protocol):
    status = scope.query_string
    protocol.close(int(status)) if status else protocol.close()
    seen["refused"] = [raised(protocol.accept), protocol.close(200)]


async def refuse_badly(scope, protocol):
    errors = [raised(protocol.close, status) for status in (99, 600, "403", 1.5)]
    errors.append(raised(protocol.close, 1, 2))
    seen["bad"] = errors
    protocol.close(status=418)


async def close(scope, protocol):
    transport = await protocol.accept()
    status = scope.query_string
    protocol.close(int(status)) if status else protocol.close()
    seen["closed"] = [await refused_of(never_returns(transport)), raised(transport.send_str, "late"), protocol.close()]


async def leave(scope, protocol):
    await protocol.accept()


async def silent(scope, protocol):
    pass


async def fail(scope, protocol):
    raise ValueError("before it was accepted")


async def fail_open(scope, protocol):
    await protocol.accept()
    raise ValueError("while it was open")


async def twice(scope, protocol):
    transport = await protocol.accept()
    first = asyncio.ensure_future(never_returns(transport))
    await asyncio.sleep(0)
    errors = [raised(protocol.accept), raised(transport.receive), issubclass(ProtocolError, RuntimeError),
              issubclass(ProtocolClosed, RuntimeError), raised(transport.send_str, b""), raised(transport.send_bytes, "")]
    first.cancel()
    await asyncio.wait([first])
    await transport.send_str(json.dumps(errors))
    message = await transport.receive()  # one that was cancelled is in nobody's way
    await transport.send_bytes(bytearray(message.data.encode()))


async def timeouts(scope, protocol):
    """Waits with a time limit, again and again."""
    transport, waits = await protocol.accept(), 0
    while True:
        try:
            message = await asyncio.wait_for(transport.receive(), 0.01)
            break
        except TimeoutError:
            waits += 1
            if waits == 3:
                await transport.send_str("three")
    await transport.send_str(message.data)


async def lost(scope, protocol):
    transport = await protocol.accept()
    await transport.send_str("open")
    seen["lost"] = await refused_of(never_returns(transport))
    await transport.receive()  # raises again, which is nothing to write home about


async def flood(scope, protocol):
    transport, seen["sent"] = await protocol.accept(), 0
    while seen["sent"] < 32 << 20:
        await transport.send_bytes(b"x" * 10000)
        seen["sent"] += 10000
    await transport.receive()


async def background(scope, protocol):
    """Both ways at once."""
    transport = await protocol.accept()

    async def ticks():
        for number in range(100):
            await transport.send_str(f"tick {number}")
            await asyncio.sleep(0)

    sending = asyncio.create_task(ticks())
    got = [(await transport.receive()).data for _ in range(100)]
    await sending
    await transport.send_str(json.dumps(got))
    await transport.receive()


ROUTES = {"/" + call.__name__.replace("_", "-"): call for call in (
    info, echo, refuse, refuse_badly, close, leave, silent, fail, fail_open, twice, timeouts, lost, flood, background)}


class App:
    """An application for RSGI alone."""

    async def __rsgi__(self, scope, protocol):
        if scope.proto == "ws":
            await ROUTES[scope.path](scope, protocol)
        else:
            protocol.response_str(200, [], json.dumps(seen))


app = App()
