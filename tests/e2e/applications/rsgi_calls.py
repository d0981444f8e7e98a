"""What the tests of RSGI ask for: one path for each thing that an application may do, or do wrong."""

import asyncio
import functools
import json
import urllib.parse
from http import HTTPStatus

from limpet import rsgi

TEXT = [("content-type", "text/plain")]
ATTRIBUTES = ("proto", "rsgi_version", "http_version", "server", "client", "scheme", "method", "path", "query_string",
              "authority")
seen = {}  # what happened when there was nobody to tell it
gates = {}  # name: asyncio.Event


def gate(name):
    return gates.setdefault(name, asyncio.Event())


def answer_json(protocol, value):
    protocol.response_str(200, [("content-type", "application/json")], json.dumps(value))


def raised(call, *arguments, **options):
    """"Type: text" of what a call raises, or None."""
    try:
        call(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def info(scope, protocol):
    answer_json(protocol, {name: getattr(scope, name) for name in ATTRIBUTES} | {"types": [
        type(scope) is rsgi.Scope, type(protocol) is rsgi.HTTPProtocol, type(scope.headers) is rsgi.Headers]})


async def headers(scope, protocol):
    fields = scope.headers
    answer_json(protocol, {
        "items": fields.items(), "keys": fields.keys(), "values": fields.values(), "iter": list(fields), "len": len(fields),
        "get": [fields.get("x-one"), fields.get("X-ONE"), fields.get("x-none"), fields.get("x-none", default=7)],
        "get_all": [fields.get_all("x-many"), fields.get_all("x-none")],
        "in": ["x-one" in fields, "x-none" in fields, "X-Many" in fields, "x-\u20ac" in fields],
        "item": fields["x-one"],
        "missing": raised(lambda: fields["x-none"]),
        "wrong": [raised(fields.get, 1), raised(fields.get), raised(fields.get_all, None), raised(lambda: 1 in fields)]})


async def empty(scope, protocol):
    protocol.response_empty(int(scope.query_string or 204), [("x-is", "empty")])


async def defaults(scope, protocol):
    getattr(protocol, scope.query_string)()


async def text(scope, protocol):
    protocol.response_str(200, TEXT, "gr\u00fc\u00df \u20ac")


async def octets(scope, protocol):
    kind = {"bytes": bytes, "bytearray": bytearray, "memoryview": memoryview}[scope.query_string]
    protocol.response_bytes(HTTPStatus.CREATED, [["x-is", "list"]], kind(b"\x00\xff octets"))


async def named(scope, protocol):
    protocol.response_str(body="named", headers=iter([("x-is", "named"), ("x-is", "twice")]), status=202)


async def large(scope, protocol):
    protocol.response_bytes(200, TEXT, b"0123456789abcdef" * (int(scope.query_string) // 16))


async def announced(scope, protocol):
    protocol.response_str(200, [("content-length", "5")], "short" if scope.query_string == "right" else "longer")


async def closing(scope, protocol):
    protocol.response_str(200, [("connection", "close"), ("transfer-encoding", "gzip")], "last")


async def echo(scope, protocol):
    body = await protocol()
    protocol.response_bytes(200, [("x-type", type(body).__name__)], body)


async def chunks(scope, protocol):
    answer_json(protocol, [len(chunk) async for chunk in protocol])


async def echo_stream(scope, protocol):
    transport = protocol.response_stream(200, TEXT)
    async for chunk in protocol:
        await transport.send_bytes(chunk)


async def read_slowly(scope, protocol):
    """The body, read only once the gate is open."""
    await gate("read").wait()
    total = 0
    async for chunk in protocol:
        total += len(chunk)
    answer_json(protocol, total)


async def read_twice(scope, protocol):
    errors = []
    await protocol()
    for again in (protocol, protocol.__aiter__):
        errors.append([raised(again), isinstance(rsgi.ProtocolError(), RuntimeError)])
    answer_json(protocol, errors)


async def iterate_twice(scope, protocol):
    errors = [raised(protocol.__anext__)]
    async for _ in protocol:
        pass
    errors += [raised(protocol), raised(aiter, protocol)]
    try:
        await anext(protocol)
    except StopAsyncIteration:
        errors.append("StopAsyncIteration")
    answer_json(protocol, errors)


async def first_wins(scope, protocol):
    protocol.response_str(200, TEXT, "first")
    seen["again"] = [protocol.response_str(500, TEXT, "second"), raised(protocol.response_stream, 200, []),
                     raised(protocol.response_empty, 7)]


async def stream_wins(scope, protocol):
    transport = protocol.response_stream(200, TEXT)
    protocol.response_str(500, TEXT, "second")
    await transport.send_str("streamed")


async def stream(scope, protocol):
    transport = protocol.response_stream(200, TEXT)
    for piece in ("one ", "", "tw\u00f6 "):
        await transport.send_str(piece)
    await transport.send_bytes(b"three")
    await transport.send_bytes(bytearray(b" four"))


async def stream_announced(scope, protocol):
    transport = protocol.response_stream(200, [("content-length", "10")])
    await transport.send_bytes(b"0123456789"[:int(scope.query_string)])


async def stream_gated(scope, protocol):
    """The first piece must come before the second is made."""
    transport = protocol.response_stream()
    await transport.send_str("first ")
    await gate("stream").wait()
    await transport.send_str("second")
    await gate("end").wait()


async def stream_of_task(scope, protocol):
    """A stream ends with its last reference, not with the application's call."""

    async def go_on(transport):
        await gate("task").wait()
        await transport.send_str("by a task")

    transport = protocol.response_stream(200, TEXT)
    await transport.send_str("begun ")
    seen["task"] = asyncio.create_task(go_on(transport))


async def stream_dropped(scope, protocol):
    """It ends before the call does."""
    transport = protocol.response_stream(200, TEXT)
    await transport.send_str("all")
    del transport
    await gate("dropped").wait()
    seen["dropped"] = True


async def stream_dropped_elsewhere(scope, protocol):
    """The last reference goes in another thread."""
    holder = [protocol.response_stream(200, TEXT)]
    await holder[0].send_str("all")
    await asyncio.to_thread(holder.clear)


async def endless(scope, protocol):
    """Until the client has gone; how much was sent is seen."""
    transport, seen["sent"] = protocol.response_stream(200, TEXT), 0
    try:
        while True:
            await transport.send_bytes(b"x" * 10000)
            seen["sent"] += 10000
    except rsgi.ProtocolClosed as error:
        seen["closed"] = [str(error), isinstance(error, RuntimeError)]
        raise


async def file(scope, protocol):
    query = dict(urllib.parse.parse_qsl(scope.query_string))
    fields = [("content-type", "text/x-file")]
    if "length" in query:
        fields.append(("content-length", query["length"]))
    if "start" in query:
        protocol.response_file_range(206, fields, query["path"], int(query["start"]), end=int(query["end"]))
    else:
        protocol.response_file(200, fields, query["path"])


async def bad(scope, protocol):
    """A call with one thing wrong; the application sees an exception and can still answer."""
    call, arguments = json.loads(urllib.parse.unquote(scope.query_string))
    arguments = [[tuple(pair) if isinstance(pair, list) else pair for pair in argument]
                 if isinstance(argument, list) else argument for argument in arguments]
    protocol.response_str(200, TEXT, str(raised(getattr(protocol, call), *arguments)))


async def bad_types(scope, protocol):
    transport_errors = []
    errors = [raised(protocol.response_str, 200, [], b"bytes"), raised(protocol.response_bytes, 200, [], "str"),
              raised(protocol.response_str, 200, [], "\ud800"), raised(protocol.response_str, 200, [], "a", "b"),
              raised(protocol.response_str, 200, headers=[], header=[]), raised(protocol.response_str, 200, status=200),
              raised(protocol.response_file, 200, []), raised(protocol.response_file, 200, [], 7),
              raised(protocol.response_str, 200, [(b"x-a", b"b")]), raised(protocol.response_str, 200, 7),
              raised(protocol.response_str, 200, [("x-a", "\u20ac")]), raised(protocol, 1)]
    transport = protocol.response_stream()
    for send, value in ((transport.send_bytes, "str"), (transport.send_str, b"bytes"), (transport.send_bytes, None)):
        transport_errors.append(raised(send, value))
    await transport.send_str(json.dumps([errors, transport_errors]))


async def fail(scope, protocol):
    raise ValueError("of the application")


async def fail_later(scope, protocol):
    await asyncio.sleep(0)
    raise ValueError("of the application")


async def fail_behind(scope, protocol):
    protocol.response_str(200, TEXT, "answered")
    raise ValueError("behind the answer")


async def fail_streaming(scope, protocol):
    transport = protocol.response_stream(200, TEXT)
    await transport.send_str("begun")
    await gate("fail").wait()
    raise ValueError("in the middle")


async def leave(scope, protocol):
    raise SystemExit(3)


async def silent(scope, protocol):
    await asyncio.sleep(0)


def fail_early(scope, protocol):
    raise ValueError("before a coroutine")


def no_coroutine(scope, protocol):
    return 7


async def disconnect(scope, protocol):
    """Whoever waits for the client's departure learns of it."""
    await protocol.client_disconnect()
    seen["disconnect"] = "in the request"
    await protocol.client_disconnect()
    protocol.response_str(200, TEXT, "to nobody")


async def disconnect_behind(scope, protocol):
    """It is the connection's end, not the answer's."""
    seen["behind"] = "answered"

    async def watch():
        await protocol.client_disconnect()
        seen["behind"] = "gone"

    seen["watch"] = asyncio.create_task(watch())
    await asyncio.sleep(0)
    protocol.response_str(200, TEXT, "answered")


async def disconnect_cancelled(scope, protocol):
    watch = asyncio.ensure_future(protocol.client_disconnect())
    await asyncio.sleep(0)
    watch.cancel()
    try:
        await watch
    except asyncio.CancelledError:
        protocol.response_str(200, TEXT, "cancelled")


async def late(scope, protocol):
    """The scope is read when the request is over."""
    fields = scope.headers
    protocol.response_str(200, TEXT, "early")
    await gate("late").wait()
    seen["late"] = {name: getattr(scope, name) for name in ATTRIBUTES} | {
        "headers": fields.items(), "again": scope.headers.items(), "body": raised(protocol),
        "pieces": raised(protocol.__anext__)}


async def in_thread(scope, protocol):
    errors = [await asyncio.to_thread(raised, protocol.response_str, 200, TEXT, "in a thread"),
              await asyncio.to_thread(raised, protocol), await asyncio.to_thread(raised, protocol.client_disconnect)]
    await asyncio.to_thread(asyncio.get_running_loop().call_soon_threadsafe,
                            functools.partial(answer_json, protocol, errors))
    await asyncio.sleep(0)


async def open_gate(scope, protocol):
    gate(scope.query_string).set()
    protocol.response_empty(204)


async def tell_seen(scope, protocol):
    answer_json(protocol, {key: value for key, value in seen.items() if not isinstance(value, asyncio.Task)})


async def nothing(scope, protocol):
    protocol.response_empty(404)


ROUTES = {"/" + call.__name__.replace("_", "-"): call for call in (
    info, headers, empty, defaults, text, octets, named, large, announced, closing, echo, chunks, echo_stream, read_slowly,
    read_twice, iterate_twice, first_wins, stream_wins, stream, stream_announced, stream_gated, stream_of_task,
    stream_dropped, stream_dropped_elsewhere, endless, file, bad, bad_types, fail, fail_later, fail_behind,
    fail_streaming, leave, silent, fail_early, no_coroutine, disconnect, disconnect_behind, disconnect_cancelled, late,
    in_thread, open_gate, tell_seen)}


class App:
    """Called by __rsgi__, which goes before __call__."""

    def __rsgi_init__(self, loop):
        seen["init"] = [loop.run_until_complete(asyncio.sleep(0, "ran")), loop.is_running()]

    def __rsgi_del__(self, loop):
        print("rsgi_del", loop.run_until_complete(asyncio.sleep(0, "ran")), loop.is_running(), flush=True)

    def __rsgi__(self, scope, protocol):
        return ROUTES.get(scope.path, info)(scope, protocol)

    async def __call__(self, scope, receive, send):
        raise AssertionError("called as ASGI")


app = App()
