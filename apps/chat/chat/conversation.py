"""One WebSocket, from its handshake to its end (ASGI 3.0, websocket)."""

import asyncio
import time
from urllib.parse import urlsplit

from . import model
from .model import Invalid
from .outbox import Ended
from .rooms import Full

HELLO_S = 10  # time for a browser to say who it is
CLOSE_S = 5  # time to get rid of a close frame
BURST, BURST_S = 12, 10  # so many messages in so many seconds are taken from one person


class Gone(Exception):
    """The connection is closed."""


class Pace:
    """How much a person says: BURST at once, and then one every BURST_S / BURST seconds."""

    def __init__(self):
        self._left = BURST
        self._at = time.monotonic()

    def allows(self):
        """Count one more; tell whether it is not too much."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * BURST / BURST_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Conversation:
    """What happens on one connection. rooms: all; room: the name in the connection's address."""

    def __init__(self, rooms, room, receive, send):
        self._rooms, self._name = rooms, room
        self._receive, self._send = receive, send
        self._pace = Pace()
        self._room = self._member = None

    async def run(self):
        """Hold it until one of both sides ends it."""
        try:
            await self._hold()
        except Ended as end:
            await self._close(end)
        except (Gone, OSError):  # OSError: what send raises when nobody is there
            pass

    async def _hold(self):
        await self._send({"type": "websocket.accept"})
        hello = await self._hello()
        await self._enter(hello)
        try:
            await self._talk()
        finally:
            self._room.leave(self._member)

    async def _hello(self):
        try:
            async with asyncio.timeout(HELLO_S):
                return await self._next()
        except TimeoutError:
            raise Ended(model.POLICY, "said no hello") from None

    async def _enter(self, hello):
        """Let the person in, and be the first to say what is in the room. Raises Ended."""
        try:
            if hello.get("type") != "hello":
                raise Invalid("say hello first")
            tab, name = model.tab_of(hello.get("tab")), model.name_of(hello.get("name"))
            self._room = self._rooms.enter(self._name)
            self._member = self._room.join(tab, name)
        except Invalid as error:
            raise Ended(model.POLICY, str(error)) from None
        except Full as error:
            raise Ended(model.TRY_LATER, str(error)) from None
        known = hello.get("since") if hello.get("epoch") == self._rooms.epoch else 0
        messages, gap = self._room.since(known if type(known) is int else 0)
        self._member.outbox.put(
            model.words(
                "welcome",
                you=self._member.id,
                name=self._member.name,
                epoch=self._rooms.epoch,
                people=self._room.people,
                messages=messages,
                gap=gap,
            )
        )

    async def _talk(self):
        """Read and write at once, until reading, writing or the room ends it."""
        outbox = self._member.outbox
        both = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            done, _ = await asyncio.wait([*both, outbox.ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        if outbox.ended in done:
            raise outbox.ended.result()
        for task in done:
            task.result()  # raises what has ended it

    async def _write(self):
        while True:
            await self._send({"type": "websocket.send", "text": await self._member.outbox.get()})

    async def _read(self):
        answers = {"say": self._say, "name": self._rename, "beat": self._beat}
        while True:
            message = await self._next()
            answer = answers.get(message.get("type"))
            if answer is None:
                raise Ended(model.POLICY, "said something unknown")
            try:
                answer(message)
            except Invalid as error:
                self._refuse(message, str(error))

    def _say(self, message):
        key, text = model.key_of(message.get("key")), model.text_of(message.get("text"))
        if not self._pace.allows():
            raise Invalid("That was too much at once: wait a moment.")
        self._room.say(self._member, key, text)

    def _rename(self, message):
        name = model.name_of(message.get("name"))
        if not self._pace.allows():
            raise Invalid("That was too much at once: wait a moment.")
        self._room.rename(self._member, name)

    def _beat(self, message):
        self._member.outbox.put(model.words("beat"))

    def _refuse(self, message, why):
        key = message.get("key")
        key = key if isinstance(key, str) and len(key) <= 40 else None
        self._member.outbox.put(model.words("refused", what=message["type"], why=why, key=key))

    async def _next(self):
        """Wait for the next message of the browser. Raises Gone, or Ended for what cannot be one."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise Gone
        text = event.get("text")
        if text is None:
            raise Ended(model.UNSUPPORTED, "text only")
        if len(text) > model.FRAME_LIMIT:
            raise Ended(model.TOO_BIG, "too long")
        try:
            return model.parse(text)
        except Invalid as error:
            raise Ended(model.POLICY, str(error)) from None

    async def _close(self, end):
        """Send a close frame. A person who reads nothing is not waited for."""
        try:
            async with asyncio.timeout(CLOSE_S):
                # The reason has 123 bytes in a frame (RFC 6455 section 5.5).
                reason = end.reason.encode()[:123].decode(errors="ignore")
                await self._send(
                    {"type": "websocket.close", "code": end.code, "reason": reason}
                )
        except (TimeoutError, OSError):
            pass


def from_here(headers):
    """Tell whether a page of ours opens the connection. Programs say no Origin; browsers always do.

    Without it, any page in the browser of somebody who can reach this server could talk here.
    """
    origin = headers.get(b"origin")
    if origin is None:
        return True
    return urlsplit(origin.decode("latin-1")).netloc == headers.get(b"host", b"").decode("latin-1")
