"""A folder of files with secrets in and beside it, and a server of it that is visited over one connection or
another."""

import types

from raw_client import Peer, request
from static_site import APPLICATION
from tls_client import TlsPeer, client_context

SECRET = b"the-secret-beside-the-folder"
PAGE = b"a page inside\n"
TRANSPORTS = ["plain", "tls"]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def make_application(folder):
    """In it static/, and beside that secrets of several names."""
    write(folder / "app.py", APPLICATION.encode())
    for name in ("page.txt", "css/page.txt", "a/b/c/page.txt", "index.html"):
        write(folder / "static" / name, PAGE)
    for name in ("secret.txt", "staticX/secret.txt", "static2/secret.txt", "static.txt", "other/css/secret.txt",
                 "static/.secret", "static/.hidden/secret.txt", "static/css/.secret.txt", "static/..secret"):
        write(folder / name, SECRET)
    return folder


class House:
    """A running server, and those who call."""

    def __init__(self, server, pki):
        self.server = server
        self._context = client_context(pki)
        self.before = server.workers()

    def connect(self, transport="plain", receive_buffer=None):
        address = self.server.addresses[TRANSPORTS.index(transport)]
        peer = types.SimpleNamespace(port=int(address.rpartition(":")[2]))
        return TlsPeer(peer, self._context, receive_buffer=receive_buffer) if transport == "tls" else Peer(
            peer, receive_buffer=receive_buffer)

    def ask(self, target, *fields, transport="plain", method="GET"):
        with self.connect(transport) as peer:
            return peer.ask(request(method, target, None, *fields), method)

    def all_of(self, data, transport="plain"):
        """All that comes for these bytes."""
        with self.connect(transport) as peer:
            peer.send(data)
            return peer.rest()

    def check_unharmed(self):
        """The same workers answer as before."""
        assert self.ask("/static/page.txt").body == PAGE
        assert self.server.workers() == self.before
