"""What one person has still to be sent. Bounded: whoever reads too slowly is let go, not waited for."""

import asyncio
from collections import deque

from .model import TOO_SLOW

COUNT_LIMIT = 256  # messages
SIZE_LIMIT = 512 * 1024  # characters


class Ended(Exception):
    """The conversation is over from our side. code, reason: of the close frame."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code, self.reason = code, reason


class Outbox:
    """A queue with one reader, who may be told that it ends."""

    def __init__(self):
        self._waiting = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self.ended = asyncio.get_running_loop().create_future()  # with the Ended

    def put(self, text):
        """Add a message. Where too much waits already, the conversation ends instead."""
        if self.ended.done():
            return
        if len(self._waiting) == COUNT_LIMIT or self._size + len(text) > SIZE_LIMIT:
            self.end(TOO_SLOW, "read too slowly")
            return
        self._waiting.append(text)
        self._size += len(text)
        self._filled.set()

    async def get(self):
        """Wait for the next message and take it out."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        text = self._waiting.popleft()
        self._size -= len(text)
        return text

    def end(self, code, reason):
        """End the conversation, whatever waits."""
        if not self.ended.done():
            self.ended.set_result(Ended(code, reason))
            self._waiting.clear()
            self._size = 0
