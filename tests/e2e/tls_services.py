"""Small services over TLS that clients under test talk to, each in threads of its own: a proxy, mail, WebSockets, and
servers that misbehave.

    with EarlyEnd(context) as service:
        service.port
"""

import asyncio
import base64
import contextlib
import hashlib
import select
import socket
import socketserver
import ssl
import threading
import xmlrpc.server

import websockets
import websockets.server

TIMEOUT_S = 60


def server_context(leaf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.chain, leaf.key)
    return context


class Service:
    """Listens on a port of its own, and lets handle talk on each connection. context: a server's; implicit: a
    connection begins with TLS."""

    implicit = True

    def __init__(self, context):
        self.context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._open = set()
        self._lock = threading.Lock()
        self._threads = []

    def __enter__(self):
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(TIMEOUT_S)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.settimeout(TIMEOUT_S)
            thread = threading.Thread(target=self._talk, args=[peer], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, plain):
        # A duplicate stays ours when TLS takes the socket over.
        handle = plain.dup()
        with self._lock:
            self._open.add(handle)
        try:
            with contextlib.suppress(OSError):
                with self.wrap(plain) if self.implicit else plain as peer:
                    self.handle(peer)
        finally:
            with self._lock:
                self._open.discard(handle)
            plain.close()
            handle.close()

    def wrap(self, plain):
        return self.context.wrap_socket(plain, server_side=True)

    def handle(self, peer):
        raise NotImplementedError


def head_of(peer):
    """A request's head, byte by byte where need be."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = peer.recv(4096)
        if not piece:
            break
        received += piece
    return received


class EarlyEnd(Service):
    """Promises 1000 bytes, sends 100, and is gone without a word of TLS."""

    def handle(self, peer):
        head_of(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)


class NoAnswer(Service):
    """Ends the connection where TLS would have begun."""

    implicit = False

    def handle(self, peer):
        peer.recv(1)


class Proxy(Service):
    """CONNECT, plainly or over TLS. connected: what was asked for."""

    def __init__(self, context=None):
        super().__init__(context)
        self.implicit = context is not None
        self.connected = []

    def handle(self, peer):
        method, target, _ = head_of(peer).split(b" ", 2)
        if method != b"CONNECT":
            peer.sendall(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
            return
        self.connected.append(target.decode())
        with socket.create_connection(("127.0.0.1", int(target.rpartition(b":")[2])), TIMEOUT_S) as other:
            peer.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            copy_both_ways(peer, other)


def copy_both_ways(one, other):
    """Until one of them ends. A single thread: two of them may not use one TLS connection."""
    ways = {one: other, other: one}
    with contextlib.suppress(OSError):
        while True:
            ready = [each for each in ways if isinstance(each, ssl.SSLSocket) and each.pending()]
            for source in ready or select.select(list(ways), [], [], TIMEOUT_S)[0]:
                piece = source.recv(65536)
                if not piece:
                    return
                ways[source].sendall(piece)


class Mail(Service):
    """A service of lines: what it says first, and how it answers. upgrade: the command that starts TLS."""

    def __init__(self, context, implicit):
        super().__init__(context)
        self.implicit = implicit
        self.delivered = []

    def handle(self, peer):
        peer.sendall(self.greeting)
        if self._lines(peer) == "tls":
            with self.wrap(peer) as secure:
                self._lines(secure)

    def _lines(self, peer):
        """Answer them until the peer ends, or wants TLS."""
        file = peer.makefile("rb")
        for line in file:
            answer = self.answer(line.strip().decode(), isinstance(peer, ssl.SSLSocket), peer, file)
            if answer == "tls":
                return answer
            peer.sendall(answer)
        return None


class Smtp(Mail):
    greeting = b"220 smtp.test ESMTP\r\n"

    def answer(self, line, secure, peer, file):
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            more = b"AUTH PLAIN" if secure else b"STARTTLS"
            return b"250-smtp.test\r\n250 " + more + b"\r\n"
        if verb == "STARTTLS":
            peer.sendall(b"220 go ahead\r\n")
            return "tls"
        if verb == "AUTH":
            known = base64.b64decode(line.split(" ")[2]) == b"\0user\0secret"
            return b"235 ok\r\n" if known and secure else b"535 no\r\n"
        if verb == "DATA":
            peer.sendall(b"354 go on\r\n")
            text = hashlib.sha256()
            for part in file:
                text.update(part)
                if part == b".\r\n":
                    break
            self.delivered.append(text.hexdigest())
            return b"250 " + self.delivered[-1].encode() + b"\r\n"
        return b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n"


class Imap(Mail):
    greeting = b"* OK IMAP4rev1 ready\r\n"

    def answer(self, line, secure, peer, file):
        tag, command = line.split(" ")[:2]
        done = f"{tag} OK done\r\n".encode()
        if command == "CAPABILITY":
            return b"* CAPABILITY IMAP4REV1" + (b"" if secure else b" STARTTLS") + b"\r\n" + done
        if command == "STARTTLS":
            peer.sendall(done)
            return "tls"
        if command == "LOGIN":
            return done if secure and "user" in line else f"{tag} NO plain text\r\n".encode()
        if command == "SELECT":
            return b"* 3 EXISTS\r\n" + done
        if command == "FETCH":
            text = b"x" * 100_000
            return b"* 1 FETCH (RFC822 {%d}\r\n%s)\r\n" % (len(text), text) + done
        return (b"* BYE\r\n" if command == "LOGOUT" else b"") + done


class Pop(Mail):
    greeting = b"+OK POP3 ready\r\n"

    def answer(self, line, secure, peer, file):
        command = line.split(" ")[0].upper()
        if command == "CAPA":
            return b"+OK\r\nUSER\r\n" + (b"" if secure else b"STLS\r\n") + b".\r\n"
        if command == "STLS":
            peer.sendall(b"+OK go ahead\r\n")
            return "tls"
        if command == "PASS":
            return b"+OK\r\n" if secure else b"-ERR plain text\r\n"
        if command == "STAT":
            return b"+OK 2 320\r\n"
        if command == "RETR":
            return b"+OK\r\n" + b"a line\r\n" * 1000 + b".\r\n"
        return b"+OK\r\n"


class Echo:
    """WebSockets over TLS that say what they are told."""

    def __init__(self, context):
        self._context = context
        self._started = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(TIMEOUT_S)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(TIMEOUT_S)

    async def _serve(self):
        async def echo(peer, *_):
            async for message in peer:
                await peer.send(message)

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with websockets.server.serve(echo, "127.0.0.1", 0, ssl=self._context, max_size=None) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()
            await self._end.wait()


class _Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    """XML-RPC at /RPC2, and the digest of what is sent to any other path."""

    protocol_version = "HTTP/1.1"
    rpc_paths = ("/RPC2",)

    def do_POST(self):
        if self.path == "/RPC2":
            super().do_POST()
            return
        digest = hashlib.sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(digest)))
        self.end_headers()
        self.wfile.write(digest)


class _Server(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    daemon_threads = True


@contextlib.contextmanager
def backend():
    """The port of what nginx passes requests to, over plain HTTP."""
    with _Server(("127.0.0.1", 0), _Handler, logRequests=False, allow_none=True) as server:
        server.register_function(pow)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(TIMEOUT_S)


