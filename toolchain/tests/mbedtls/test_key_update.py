"""KeyUpdate of TLS 1.3 (patch 0012): with openssl s_client, and with messages that no client sends."""

import subprocess
from pathlib import Path

from peer import Command, Server

UPDATE, REQUEST = "1800000100", "1800000101"
UNEXPECTED_MESSAGE, ILLEGAL_PARAMETER, DECODE_ERROR = 10, 47, 50
LIMIT = 64  # KeyUpdates without data between them


def start(binary: Path, folder: Path, *arguments: str) -> Server:
    return Server(binary, folder, "--cert", "ecdsa.pem", "--key", "ecdsa.key", *arguments)


def client(binary: Path, server: Server, *steps: str) -> list[str]:
    done = subprocess.run([str(binary.with_name("client")), str(server.port), *steps], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_commands_of_openssl(binary: Path, folder: Path) -> None:
    for suite in ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"):
        with start(binary, folder) as server:
            command = Command(server, folder, "-tls1_3", "-msg", "-ciphersuites", suite)
            command.until("Verify return code: 0 (ok)")
            command.send("ping before\n")
            command.until("pong before")
            for number, letter in enumerate("kKkkKK"):
                command.send(letter + "\n")
                command.until("KEYUPDATE", number + 1)
                command.send(f"ping {number}\n")
                command.until(f"pong {number}")
            text = command.close()
            assert text.count("<<< TLS 1.3, Handshake [length 0005], KeyUpdate") == 3, text


def test_one_answer_for_many_requests(binary: Path, folder: Path) -> None:
    with start(binary, folder) as server:
        command = Command(server, folder, "-tls1_3", "-msg")
        command.until("Verify return code: 0 (ok)")
        for number in range(20):
            command.send("K\n")
            command.until("KEYUPDATE", number + 1)
        command.send("ping 1\n")
        command.until("pong 1")
        assert command.close().count("<<< TLS 1.3, Handshake [length 0005], KeyUpdate") == 1


def test_many_with_data_between(binary: Path, folder: Path) -> None:
    with start(binary, folder) as server:
        steps = ["hs", REQUEST, "rotate", "hs", UPDATE, "rotate", "ping"] * 200
        assert client(binary, server, *steps) == ["line 7"] * 200


def test_limit_without_data(binary: Path, folder: Path) -> None:
    with start(binary, folder) as server:
        steps = ["hs", UPDATE, "rotate"] * LIMIT + ["ping"]
        assert client(binary, server, *steps * 2) == ["line 7"] * 2
        steps = ["hs", UPDATE, "rotate"] * LIMIT + ["hs", UPDATE, "alert"]
        assert client(binary, server, *steps) == [f"alert {UNEXPECTED_MESSAGE}"]
        # records without data are no data
        steps = ["hs", UPDATE, "rotate", "data", ""] * LIMIT + ["hs", UPDATE, "alert"]
        assert client(binary, server, *steps) == [f"alert {UNEXPECTED_MESSAGE}"]


def test_bad_messages(binary: Path, folder: Path) -> None:
    with start(binary, folder) as server:
        for message, alert in (("1800000102", ILLEGAL_PARAMETER), ("18000001ff", ILLEGAL_PARAMETER),
                               ("18000000", DECODE_ERROR), ("180000020000", DECODE_ERROR),
                               (UPDATE + UPDATE, UNEXPECTED_MESSAGE), (UPDATE + "18", UNEXPECTED_MESSAGE)):
            assert client(binary, server, "ping", "hs", message, "alert") == ["line 7", f"alert {alert}"], message


def test_fragments(binary: Path, folder: Path) -> None:
    """In two records of one key it is a message as any other; no other record may lie between them."""
    with start(binary, folder) as server:
        assert client(binary, server, "hs", "18000001", "hs", "01", "rotate", "ping") == ["line 7"]
        lines = client(binary, server, "hs", "18000001", "data", "00", "alert")
        assert len(lines) == 1 and lines[0].startswith(("alert", "no alert")), lines
        server.until_log("connection closed: -0x7700")
        # the rest under the next keys: cannot be decrypted
        lines = client(binary, server, "hs", "18000001", "rotate", "hs", "00", "alert")
        assert lines == ["alert 20"], lines


def test_while_an_answer_is_being_sent(binary: Path, folder: Path) -> None:
    """The answer to a request waits for the record that is under way, and nothing is lost."""
    for size, arguments in ((15000000, ()), (50000, ("--byte-by-byte",))):
        with start(binary, folder, *arguments) as server:
            steps = ["big", str(size), "hs", REQUEST, "rotate", "read", "ping"] * 3
            assert client(binary, server, *steps) == [f"line {size + 1}", "line 7"] * 3


def test_released_buffers(binary: Path, folder: Path) -> None:
    """A KeyUpdate without data leaves no buffer behind."""
    with start(binary, folder) as server:
        command = Command(server, folder, "-tls1_3")
        command.until("Verify return code: 0 (ok)")
        server.until(connections=1, buffers=0)
        for number in range(5):
            command.send("K\n")
            command.until("KEYUPDATE", number + 1)
            server.until(connections=1, buffers=0)
            command.send(f"ping {number}\n")
            command.until(f"pong {number}")
            server.until(connections=1, buffers=0)
        command.close()
