"""The same server over plain HTTP, HTTPS and a unix socket: one process that listens in all of these ways.

    everywhere = serve_everywhere("asgi_scope:app")          # applications/asgi_scope.py
    with everywhere.connect("tls") as peer:
        peer.ask(request("GET", "/"))
"""

import socket
import types

from raw_client import Peer, request
from tls_client import TlsPeer, client_context, options_of

TRANSPORTS = ["plain", "tls", "unix"]


class UnixPeer(Peer):
    """A connection to a unix socket."""

    def __init__(self, path, timeout=60, receive_buffer=None):
        self.socket = socket.socket(socket.AF_UNIX)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self._received = b""

    def send(self, *parts):
        for part in parts:
            self.socket.sendall(part)


class Everywhere:
    """A server with one listener of each kind. server: its Server; path: of its unix socket."""

    def __init__(self, start, pki, folder, target, options):
        """start: the function that serving() gives out."""
        self.pki, self.path = pki, folder / "socket"
        self.server = start(
            target, "--workers", 1, *options, "--listen", "127.0.0.1:0,plain", "--listen", "127.0.0.1:0", "--listen",
            f"unix:{self.path}", *options_of(pki.local), port=None)
        self._context = client_context(pki)

    def port(self, transport):
        """Of its TCP listeners."""
        return int(self.server.addresses[TRANSPORTS.index(transport)].rpartition(":")[2])

    def connect(self, transport="plain", receive_buffer=None, context=None):
        """A new connection. context: of a TLS client, other than the usual one."""
        if transport == "unix":
            return UnixPeer(self.path, receive_buffer=receive_buffer)
        address = types.SimpleNamespace(port=self.port(transport))
        if transport == "tls":
            return TlsPeer(address, context or self._context, receive_buffer=receive_buffer)
        return Peer(address, receive_buffer=receive_buffer)

    def ask(self, target, body=None, *fields, method="GET", transport="plain", version="1.1"):
        """The answer on a connection of its own."""
        with self.connect(transport) as peer:
            return peer.ask(request(method, target, body, *fields, version=version))

    def set(self, name):
        """Set the event of that name in an application of asgi_common.py."""
        assert self.ask(f"/set?{name}").body == b"set"

    def pid(self):
        """Of its worker, which has to be alone."""
        worker, = self.server.workers()
        return worker
