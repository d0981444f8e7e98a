"""Sessions that are resumed: by another process, with another ALPN protocol, and what becomes of the client's identity
(patches 0013 and 0014)."""

import base64
import time
from pathlib import Path

from peer import Command, Server, both

IDENTITY = ("-cert", "client.pem", "-key", "client.key")
SAVE, LOAD = ("-sess_out", "session.pem"), ("-sess_in", "session.pem")
AUTHENTICATED = "peer=CN=client.test verify=0"
MISSING = "peer=none verify=40"  # MBEDTLS_X509_BADCERT_MISSING


def start(binary: Path, folder: Path, *arguments: str) -> Server:
    """A server whose tickets are protected by the same key as those of the other servers of these tests."""
    return Server(binary, folder, "--cert", "ecdsa.pem", "--key", "ecdsa.key", "--ticket-key", "k", *arguments)


def connect(server: Server, folder: Path, version: str, *arguments: str) -> tuple[bool, str]:
    """Whether a session was resumed, and what the server knows about the client."""
    command = Command(server, folder, "-tls" + version.replace(".", "_"), *arguments)
    command.until("Verify return code: 0 (ok)")
    command.send("about\n")
    command.until("alpn=")
    command.until("verify=")
    text = command.close()
    about = next(line for line in text.splitlines() if "alpn=" in line)
    return "Reused, TLSv" in text, about


@both
def test_another_process(binary: Path, folder: Path, version: str) -> None:
    mode = ("--client-ca", "ca.pem", "--alpn", "h2,http/1.1")
    with start(binary, folder, *mode) as server:
        resumed, about = connect(server, folder, version, *IDENTITY, *SAVE, "-alpn", "http/1.1")
        assert not resumed and AUTHENTICATED in about and "alpn=http/1.1 " in about
    with start(binary, folder, *mode) as server:
        resumed, about = connect(server, folder, version, *LOAD, "-alpn", "h2")
        assert resumed and AUTHENTICATED in about and "alpn=h2 " in about
        resumed, about = connect(server, folder, version, *LOAD)
        assert resumed and AUTHENTICATED in about and "alpn=none " in about
    with start(binary, folder, *mode, "--ticket-key", "other") as server:
        resumed, about = connect(server, folder, version, *LOAD)
        assert not resumed and MISSING in about


@both
def test_client_without_certificate(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder, "--client-ca", "ca.pem") as server:
        assert connect(server, folder, version, *SAVE) == (False, connect(server, folder, version)[1])
        resumed, about = connect(server, folder, version, *LOAD)
        assert resumed and MISSING in about


@both
def test_session_of_a_server_that_asks_for_less(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        connect(server, folder, version, *SAVE)
    with start(binary, folder, "--client-ca", "ca.pem") as server:
        resumed, about = connect(server, folder, version, *LOAD, *IDENTITY)
        assert not resumed and AUTHENTICATED in about
        connect(server, folder, version, *SAVE)
    with start(binary, folder, "--client-ca", "ca.pem", "--required") as server:
        resumed, about = connect(server, folder, version, *LOAD, *IDENTITY)
        assert not resumed and AUTHENTICATED in about
        command = Command(server, folder, "-tls" + version.replace(".", "_"), *LOAD)
        server.until_log("connection closed: -0x7480")  # MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE
        command.process.stdin.close()
        command.process.wait(60)
        connect(server, folder, version, *SAVE, *IDENTITY)
        resumed, about = connect(server, folder, version, *LOAD)
        assert resumed and AUTHENTICATED in about
    with start(binary, folder) as server:
        resumed, about = connect(server, folder, version, *LOAD)
        assert resumed and "peer=none verify=80" in about  # not asked for, as in a full handshake


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """The elements of a DER sequence."""
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(data[at:at + width], "big"), at + width
        found.append((tag, data[at:at + size]))
        at += size
    return found


def element(tag: int, data: bytes) -> bytes:
    size = len(data).to_bytes(1, "big") if len(data) < 128 else b"\x82" + len(data).to_bytes(2, "big")
    return bytes([tag]) + size + data


def test_ticket_of_tls13_in_tls12(binary: Path, folder: Path) -> None:
    """It is no session of TLS 1.2: who resumed it would know its master secret, zeros."""
    with start(binary, folder, "--client-ca", "ca.pem") as server:
        connect(server, folder, "1.3", *IDENTITY, *SAVE)
        session = base64.b64decode((folder / "session.pem").read_text().split("-----")[2])
        fields = elements(elements(session)[0][1])
        ticket = elements(next(value for tag, value in fields if tag == 0xAA))[0][1]
        forged = b"".join([
            element(2, b"\x01"), element(2, b"\x03\x03"), element(4, b"\xcc\xa9"), element(4, b"\x01" * 32),
            element(4, bytes(48)), element(0xA1, element(2, int(time.time()).to_bytes(5, "big").lstrip(b"\0"))),
            element(0xA2, element(2, b"\x1c\x20")), element(0xA4, element(4, b"")),
            element(0xAA, element(4, ticket)), element(0xAD, element(2, b"\x01"))])
        name = "SSL SESSION PARAMETERS"
        text = base64.encodebytes(element(0x30, forged)).decode()
        (folder / "session.pem").write_text(f"-----BEGIN {name}-----\n{text}-----END {name}-----\n")
        resumed, about = connect(server, folder, "1.2", *LOAD)
        assert not resumed and MISSING in about
