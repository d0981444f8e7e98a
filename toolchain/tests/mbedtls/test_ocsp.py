"""mbedtls_ssl_conf_ocsp_cb (patch 0011): OCSP responses in both versions, asked for by openssl s_client -status."""

import os
import socket
from pathlib import Path

from hello import ALERT_DECODE_ERROR, alert_of, client_hello, flight
from peer import Client, Command, Server, both, openssl

SENT = "OCSP Response Status: successful (0x0)"
NONE = "OCSP response: no response sent"


def start(binary: Path, folder: Path, *arguments: str, kinds: tuple[str, ...] = ("ecdsa",)) -> Server:
    for kind in kinds:
        arguments += ("--cert", f"{kind}.pem", "--key", f"{kind}.key", "--staple", f"{kind}.ocsp")
    return Server(binary, folder, *arguments)


def connect(server: Server, folder: Path, version: str, *arguments: str) -> str:
    command = Command(server, folder, "-tls" + version.replace(".", "_"), *arguments)
    command.until("Verify return code: 0 (ok)")
    command.send("ping 1\n")
    command.until("pong 1")
    return command.close()


@both
def test_response_of_each_certificate(binary: Path, folder: Path, version: str) -> None:
    """The client's signature algorithms decide on the certificate, and the response is that one's."""
    with start(binary, folder, kinds=("ecdsa", "rsa")) as server:
        for kind, number, algorithms in (("ecdsa", "10", "ECDSA+SHA256"),
                                         ("rsa", "11", "RSA-PSS+SHA256:RSA+SHA256")):
            text = connect(server, folder, version, "-status", "-sigalgs", algorithms)
            assert SENT in text and f"Serial Number: {number}" in text, text
            assert f"CN = {kind}.test" in text, text


@both
def test_certificate_of_the_callback(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder, "--cert-cb") as server:
        assert SENT in connect(server, folder, version, "-status")


@both
def test_not_asked_for(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        text = connect(server, folder, version)
        assert "OCSP" not in text


@both
def test_no_response_to_give(binary: Path, folder: Path, version: str) -> None:
    with Server(binary, folder, "--cert", "ecdsa.pem", "--key", "ecdsa.key") as server:
        assert NONE in connect(server, folder, version, "-status")


@both
def test_resumption_without_response(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        assert SENT in connect(server, folder, version, "-status", "-sess_out", "session.pem")
        text = connect(server, folder, version, "-status", "-sess_in", "session.pem")
        assert "Reused, TLSv" in text
        assert SENT not in text


@both
def test_long_responses(binary: Path, folder: Path, version: str) -> None:
    """A response that does not fit into a record, with TLS 1.3 beside the certificates, is left out."""
    more = (folder / "ca.pem").read_text()
    for count, said in ((0, SENT), (20, SENT), (60, NONE)):
        (folder / "more.pem").write_text(more * count)
        response = openssl("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem",
                           "-issuer", "ca.pem", "-cert", "ecdsa.pem", "-no_nonce", "-ndays", "7", "-respout",
                           "long.ocsp", *(["-rother", "more.pem"] if count else []), folder=folder)
        assert response is not None
        size = (folder / "long.ocsp").stat().st_size
        assert size > 16384 if said == NONE else size < 14000
        with Server(binary, folder, "--cert", "ecdsa.pem", "--key", "ecdsa.key", "--staple", "long.ocsp") as server:
            assert said in connect(server, folder, version, "-status"), size


def test_messages_of_tls12(binary: Path, folder: Path) -> None:
    """Byte by byte, up to the longest response that a record holds."""
    hello = client_hello("1.2", status_request=b"\x01\x00\x00\x00\x00")
    for size, kinds in ((5, [2, 11, 22, 12, 14]), (16376, [2, 11, 22, 12, 14]), (16377, [2, 11, 12, 14])):
        (folder / "any.ocsp").write_bytes(os.urandom(size))
        with Server(binary, folder, "--cert", "ecdsa.pem", "--key", "ecdsa.key", "--staple", "any.ocsp") as server:
            messages = flight(server, hello)
        assert [kind for kind, _ in messages] == kinds
        stapled = 22 in kinds
        assert (b"\x00\x05\x00\x00" in messages[0][1][-40:]) == stapled
        if stapled:
            response = (folder / "any.ocsp").read_bytes()
            assert messages[2][1] == b"\x01" + size.to_bytes(3, "big") + response


@both
def test_malformed_requests(binary: Path, folder: Path, version: str) -> None:
    malformed = {
        "empty": b"",
        "no lists": b"\x01",
        "half a length": b"\x01\x00",
        "no extensions": b"\x01\x00\x00",
        "list too long": b"\x01\xff\xff\x00\x00",
        "responder too long": b"\x01\x00\x03\x00\x02\xaa\x00\x00",
        "extensions too long": b"\x01\x00\x00\x00\x05abc",
        "trailing byte": b"\x01\x00\x00\x00\x00\x00",
    }
    with start(binary, folder) as server:
        for name, extension in malformed.items():
            assert alert_of(server, client_hello(version, status_request=extension)) == ALERT_DECODE_ERROR, name
        for extension in (b"\x01\x00\x00\x00\x00", b"\x01\x00\x03\x00\x01\xaa\x00\x00", b"\x02what ever"):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(client_hello(version, status_request=extension))
                assert connection.recv(1) == b"\x16"
        Client(server, folder, version).close()
