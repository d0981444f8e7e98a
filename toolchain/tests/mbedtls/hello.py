"""A ClientHello made by hand, for what no client sends."""

import os
import socket

ALERT_DECODE_ERROR = 50
P256_POINT = bytes.fromhex(  # the generator: on the curve, which is all that is asked of it
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")


def vector(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data


def extension(number: int, data: bytes) -> bytes:
    return number.to_bytes(2, "big") + vector(data, 2)


def client_hello(version: str, status_request: bytes | None = None) -> bytes:
    """A record with a ClientHello that offers one version."""
    extensions = extension(10, vector(b"\x00\x17", 2)) + extension(13, vector(b"\x04\x03\x08\x04", 2))
    extensions += extension(11, vector(b"\x00", 1))
    if version == "1.3":
        suites = b"\x13\x01"
        extensions += extension(43, vector(b"\x03\x04", 1))
        extensions += extension(51, vector(b"\x00\x17" + vector(P256_POINT, 2), 2))
    else:
        suites = b"\xc0\x2b"
    if status_request is not None:
        extensions += extension(5, status_request)
    body = b"\x03\x03" + os.urandom(32) + vector(b"", 1) + vector(suites, 2) + vector(b"\x00", 1)
    body += vector(extensions, 2)
    return b"\x16\x03\x01" + vector(b"\x01" + vector(body, 3), 2)


def alert_of(server, data: bytes) -> int | None:
    """The alert that the server answers with, None if it answers with anything else."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(data)
        answer = b""
        while len(answer) < 7:
            piece = connection.recv(7 - len(answer))
            if not piece:
                break
            answer += piece
    return answer[6] if answer[:1] == b"\x15" and len(answer) == 7 else None


def flight(server, data: bytes) -> list[tuple[int, bytes]]:
    """The server's first flight of TLS 1.2: type and body of its handshake messages, one a record."""
    messages = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(data)
        stream = connection.makefile("rb")
        while not messages or messages[-1][0] != 14:  # ServerHelloDone
            header = stream.read(5)
            record = stream.read(int.from_bytes(header[3:5], "big"))
            if header[:1] != b"\x16":
                raise AssertionError(f"no handshake message but {header!r} {record!r}")
            messages.append((record[0], record[4:]))
    return messages
