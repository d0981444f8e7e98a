"""mbedtls_ssl_release_buffers and mbedtls_ssl_conf_buffers (patch 0010)."""

from pathlib import Path

from peer import Client, Server, both

# an idle connection may hold this much of the library's memory, without the client's certificates
IDLE_BYTES = 6000


def start(binary: Path, folder: Path, *arguments: str) -> Server:
    return Server(binary, folder, "--cert", "ecdsa.pem", "--key", "ecdsa.key", *arguments)


@both
def test_idle_connections_hold_no_buffers(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        Client(server, folder, version).close()  # what the first connection allocates once for all
        server.until_log("connection closed")
        before = server.until(connections=0)["held"]
        clients = [Client(server, folder, version) for _ in range(10)]
        server.until(connections=10, buffers=0)
        for number, client in enumerate(clients * 3):
            assert client.ask(f"ping {number}") == f"pong {number}"
        figures = server.until(connections=10, buffers=0)
        each = (figures["held"] - before) / 10
        print(f"  TLS {version}: {each:.0f} bytes an idle connection")
        assert each < IDLE_BYTES
        for client in clients:
            client.close()
        assert server.until(connections=0)["held"] == before


@both
def test_pipelined_and_partial_records(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        client = Client(server, folder, version)
        # a record and a half: the half keeps the input buffer, the output buffer goes
        first, second = client.record("ping 1"), client.record("ping 2 " + "z" * 300)
        client.push(first + second[:40])
        assert client.line() == "pong 1"
        server.until(buffers=1)
        client.push(second[40:])
        assert client.line() == "pong 2 " + "z" * 300
        server.until(buffers=0)
        # less than a header
        third = client.record("ping 3")
        client.push(third[:3])
        server.until(buffers=1)
        client.push(third[3:])
        assert client.line() == "pong 3"
        # many in one piece
        client.push(b"".join(client.record(f"ping {number}") for number in range(50)))
        assert [client.line() for _ in range(50)] == [f"pong {number}" for number in range(50)]
        server.until(buffers=0)
        client.close()


@both
def test_every_byte_alone(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder, "--byte-by-byte") as server:
        client = Client(server, folder, version)
        for number in range(5):
            assert client.ask(f"ping {number}") == f"pong {number}"
        assert client.ask("big 40000") == "x" * 40000
        client.close()


@both
def test_large_answers(binary: Path, folder: Path, version: str) -> None:
    """More than the socket takes: the output buffer stays until the rest is sent."""
    with start(binary, folder) as server:
        client = Client(server, folder, version)
        client.push(client.record("big 20000000"))
        held = server.until(connections=1)
        assert held["buffers"] <= 2
        assert client.line() == "x" * 20000000
        server.until(buffers=0)
        assert client.ask("ping after") == "pong after"
        client.close()


@both
def test_no_memory_for_a_buffer(binary: Path, folder: Path, version: str) -> None:
    """The call fails and can be repeated, nothing is lost."""
    with start(binary, folder) as server:
        client = Client(server, folder, version)
        server.until(buffers=0)
        server.command("fail 3")
        assert client.ask("ping 1") == "pong 1"
        assert server.command("stats")["failing"] == 0
        assert client.ask("ping 2") == "pong 2"
        client.close()


@both
def test_close_notify_brings_a_buffer_back(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        client = Client(server, folder, version)
        server.until(buffers=0)
        client.drive(client.tls.unwrap)  # ends with the server's close_notify
        server.until(connections=0, buffers=0)
        client.close()


@both
def test_resumption_with_released_buffers(binary: Path, folder: Path, version: str) -> None:
    with start(binary, folder) as server:
        first = Client(server, folder, version)
        assert first.ask("ping 1") == "pong 1"
        session = first.tls.session
        second = Client(server, folder, version, session=session, context=first.context)
        assert second.tls.session_reused
        assert second.ask("ping 2") == "pong 2"
        server.until(buffers=0)
        first.close()
        second.close()
