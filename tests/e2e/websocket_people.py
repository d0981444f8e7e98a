"""Debian's python3-websockets as a client: an implementation of WebSockets that is not ours, called without asyncio."""

import asyncio
import functools
import json
import threading

import websockets
import websockets.version

WAIT_S = 60


@functools.cache
def event_loop():
    """The loop of all clients, which runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def wait(operation):
    """What becomes of a coroutine."""
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(operation, WAIT_S), event_loop()).result()


class Socket:
    """An open connection. response: headers of the handshake's answer."""

    def __init__(self, url, headers=None, **options):
        """Open it. url: as the server's, http://; headers: more; options: of websockets.connect. Raises what that
        raises."""
        if headers:
            # The name has changed with version 14.
            named = "additional_headers" if int(websockets.version.version.split(".")[0]) >= 14 else "extra_headers"
            options[named] = headers
        self._socket = wait(self._open("ws" + url.removeprefix("http"), options))

    async def _open(self, url, options):
        return await websockets.connect(url, ping_interval=None, max_queue=None, **options)

    @property
    def headers(self):
        """Of the handshake's answer."""
        response = getattr(self._socket, "response", None)  # since version 14
        return response.headers if response else self._socket.response_headers

    @property
    def subprotocol(self):
        return self._socket.subprotocol

    def send(self, message):
        """Text or bytes; anything else as JSON."""
        wait(self._socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message)))

    def receive(self):
        """The next message. Raises ConnectionClosed."""
        return wait(self._socket.recv())

    def ending(self):
        """Code and reason of the close frame with which the server ends it; what comes before is dropped."""
        try:
            while True:
                self.receive()
        except websockets.ConnectionClosed as end:
            return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")

    def close(self, code=1000):
        """Close it and wait for the answer."""
        wait(self._socket.close(code))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def refusal(url, **options):
    """The status of the answer to a handshake that the server refuses."""
    try:
        Socket(url, **options).close()
    except websockets.InvalidHandshake as error:
        response = getattr(error, "response", None)
        return response.status_code if response else error.status_code
    raise AssertionError("it was not refused")
