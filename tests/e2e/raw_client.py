"""An HTTP/1.1 client that sends the bytes it is given, and takes answers apart without forgiving anything."""

import json
import re
import socket
from typing import NamedTuple

STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([\x20-\x7e]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)


class Answer(NamedTuple):
    """What came back. headers: (name, value) in order."""

    status: int
    reason: str
    headers: list
    body: bytes

    def all(self, name):
        """The values of a field."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name):
        """The value of a field that may come once, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came several times: {values}"
        return values[0] if values else None

    @property
    def closes(self):
        """Whether it says that it is the last one on its connection."""
        return "close" in [word.strip().lower() for word in (self.get("Connection") or "").split(",")]

    def json(self):
        """The body, parsed."""
        assert self.status == 200, self
        return json.loads(self.body)


class Peer:
    """One connection to a server."""

    def __init__(self, server, timeout=60, receive_buffer=None, source=None):
        """receive_buffer: bytes that the kernel takes for us before we read; None: as it likes. source: the address that
        it comes from (127.0.0.2)."""
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", server.port))
        self._received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        """Send bytes; several parts as several segments, as far as the kernel lets us."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            self.socket.sendall(part)

    def _more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError(f"the server closed behind {self._received[-200:]!r}")
        self._received += data

    def until(self, mark):
        """What comes before the mark, which is taken as well."""
        while mark not in self._received:
            self._more()
        data, _, self._received = self._received.partition(mark)
        return data

    def take(self, count):
        """That many bytes."""
        parts = [self._received]
        missing = count - len(self._received)
        while missing > 0:
            parts.append(self.socket.recv(min(missing, 1 << 18)))
            if not parts[-1]:
                raise EOFError(f"the server closed {missing} bytes too early")
            missing -= len(parts[-1])
        data = b"".join(parts)
        self._received = data[count:]
        return data[:count]

    def rest(self):
        """All that comes until the server closes."""
        data = self._received + b"".join(iter(lambda: self.socket.recv(1 << 18), b""))
        self._received = b""
        return data

    def ended(self):
        """True when the server closes and has sent nothing more."""
        try:
            return self.rest() == b""
        except ConnectionResetError:
            return True  # it had not read all that we sent: closed all the same

    def head(self):
        """Status, reason and headers of what comes."""
        lines = self.until(b"\r\n\r\n").split(b"\r\n")
        status = STATUS_LINE.fullmatch(lines[0])
        assert status, lines[0]
        headers = []
        for line in lines[1:]:
            field = FIELD_LINE.fullmatch(line)
            assert field and b"\r" not in line and b"\n" not in line, line
            headers.append((field[1].decode(), field[2].decode("latin-1")))
        return Answer(int(status[1]), status[2].decode(), headers, b"")

    def _chunks(self):
        while size := int(self.until(b"\r\n"), 16):
            yield self.take(size)
            assert self.take(2) == b"\r\n"
        assert self.take(2) == b"\r\n"

    def body(self, head, method="GET"):
        """The body behind a head."""
        length, coding = head.get("Content-Length"), head.get("Transfer-Encoding")
        assert length is None or coding is None, head
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return b""
        if coding is not None:
            assert coding == "chunked"
            return b"".join(self._chunks())
        return self.take(int(length)) if length is not None else self.rest()

    def answer(self, method="GET"):
        """The next answer."""
        head = self.head()
        return head._replace(body=self.body(head, method))

    def ask(self, request, method=None):
        """The answer to these bytes."""
        self.send(request)
        return self.answer(method or request.partition(b" ")[0].decode())


def request(method, target, body=None, *fields, version="1.1"):
    """The bytes of a request. fields: more lines of its header section; body: with its length, None without."""
    lines = [f"{method} {target} HTTP/{version}", *(["Host: x"] if version == "1.1" else []), *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(pieces, trailers=b"", extension=b""):
    """The pieces in the chunked coding. extension: behind each size; trailers: whole lines."""
    parts = [b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces if piece]
    return b"".join(parts) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


def chunked_request(method, target, pieces, *fields, **options):
    """The bytes of a request with a body in chunks."""
    return request(method, target, None, "Transfer-Encoding: chunked", *fields) + chunked(pieces, **options)
