"""A framework over RSGI in a page, which asks of the server what Emmett does: a request is answered in a task of its
own while another waits for the client to leave; files and ranges of them go by their paths; a WebSocket is read by one
task and served by another; what ends a connection is a RuntimeError.
"""

import asyncio
import hashlib
import mimetypes
import os
import re
import sys
import traceback
from email.utils import formatdate


class Answer(Exception):
    """What goes back; a handler returns or raises it. body: text, bytes, None, or an asynchronous iterable."""

    def __init__(self, status=200, body=None, kind="text/plain; charset=utf-8", headers=()):
        self.status, self.body = status, body
        self.headers = [("content-type", kind), *headers]

    def send(self, scope, protocol):
        """Answer at once, or return what does it."""
        if hasattr(self.body, "__aiter__"):
            return self._stream(protocol)
        body = self.body.encode() if isinstance(self.body, str) else self.body
        if scope.method == "HEAD" or body is None:
            length = [("content-length", str(len(body)))] if body is not None else []
            protocol.response_empty(self.status, self.headers + length)
        elif isinstance(self.body, str):
            protocol.response_str(self.status, self.headers, self.body)
        else:
            protocol.response_bytes(self.status, self.headers, body)

    async def _stream(self, protocol):
        transport = protocol.response_stream(self.status, self.headers)
        async for piece in self.body:
            await (transport.send_str if isinstance(piece, str) else transport.send_bytes)(piece)


class File(Answer):
    """A file of a folder, whole or in part, if the client has not got it."""

    def __init__(self, folder, name):
        super().__init__()
        self.path = os.path.normpath(os.path.join(folder, name))
        self.inside = self.path.startswith(f"{folder}/") and os.path.isfile(self.path)

    def send(self, scope, protocol):
        """As above."""
        if not self.inside:
            return protocol.response_empty(404)
        found = os.stat(self.path)
        tag = '"' + hashlib.sha256(f"{found.st_mtime}-{found.st_size}".encode()).hexdigest()[:16] + '"'
        headers = [("content-type", mimetypes.guess_type(self.path)[0] or "text/plain"), ("etag", tag),
                   ("last-modified", formatdate(found.st_mtime, usegmt=True)), ("accept-ranges", "bytes")]
        known = tag in scope.headers.get("if-none-match", "")
        if known or scope.headers.get("if-modified-since") == dict(headers)["last-modified"]:
            return protocol.response_empty(304, headers)
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", scope.headers.get("range", ""))
        if part is None:
            headers.append(("content-length", str(found.st_size)))
            if scope.method == "HEAD":
                return protocol.response_empty(200, headers)
            return protocol.response_file(200, headers, self.path)
        start, end = int(part[1]), min(int(part[2]) + 1, found.st_size)
        if start >= end:
            return protocol.response_empty(416, [("content-range", f"bytes */{found.st_size}")])
        headers += [("content-range", f"bytes {start}-{end - 1}/{found.st_size}"), ("content-length", str(end - start))]
        return protocol.response_file_range(206, headers, self.path, start, end)


class Socket:
    """A WebSocket as a handler sees it: its messages come from another task."""

    def __init__(self, scope, protocol):
        self.scope, self.protocol = scope, protocol
        self.status, self.transport = 403, None
        self.opened, self.messages = asyncio.Event(), asyncio.Queue()

    async def accept(self):
        self.transport = await self.protocol.accept()
        self.status = 1000
        self.opened.set()

    async def send(self, message):
        await (self.transport.send_str if isinstance(message, str) else self.transport.send_bytes)(message)

    async def read(self):
        """Until it is closed by the other side."""
        await self.opened.wait()
        try:
            while (message := await self.transport.receive()).kind != 0:
                await self.messages.put(message.data)
        except RuntimeError:
            pass


class Framework:
    """Routes; an application of RSGI. started: how often it was made ready."""

    def __init__(self):
        self.started = 0
        self._routes, self._sockets = [], {}

    def route(self, pattern, *methods):
        """Decorates an asynchronous function of (scope, protocol, groups of the pattern)."""
        return lambda handler: self._routes.append((re.compile(pattern), methods or ("GET", "HEAD"), handler))

    def socket(self, path):
        """Decorates an asynchronous function of a Socket."""
        return lambda handler: self._sockets.__setitem__(path, handler)

    def __rsgi_init__(self, loop):
        loop.run_until_complete(asyncio.sleep(0))
        self.started += 1

    def __rsgi_del__(self, loop):
        print("rsgi del", file=sys.stderr, flush=True)

    def __rsgi__(self, scope, protocol):
        """A plain function, whose result is awaited."""
        return (self._http if scope.proto == "http" else self._websocket)(scope, protocol)

    async def _http(self, scope, protocol):
        request = asyncio.create_task(self._answer(scope, protocol))
        gone = asyncio.create_task(self._cancel_when_gone(protocol, request))
        await asyncio.wait([request])
        gone.cancel()

    async def _cancel_when_gone(self, protocol, request):
        await protocol.client_disconnect()
        request.cancel()

    async def _answer(self, scope, protocol):
        try:
            handler, groups = self._find(scope)
            answer = await handler(scope, protocol, *groups)
        except Answer as raised:
            answer = raised
        except Exception:
            traceback.print_exc()
            answer = Answer(500, "Internal error")
        sending = answer.send(scope, protocol)
        if sending is not None:
            await sending

    def _find(self, scope):
        allowed = set()
        for pattern, methods, handler in self._routes:
            match = pattern.fullmatch(scope.path)
            if match and scope.method in methods:
                return handler, match.groups()
            if match:
                allowed.update(methods)
        raise Answer(405, headers=[("allow", ", ".join(sorted(allowed)))]) if allowed else Answer(404, "Nothing here")

    async def _websocket(self, scope, protocol):
        socket = Socket(scope, protocol)
        tasks = {asyncio.create_task(socket.read()), asyncio.create_task(self._serve(socket))}
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        protocol.close(socket.status)

    async def _serve(self, socket):
        handler = self._sockets.get(socket.scope.path)
        if handler is None:
            socket.status = 404
            return
        try:
            await handler(socket)
        except Exception:
            socket.status = 1011
            traceback.print_exc()
