"""Where limpet serve listens, and how many connections it takes: --listen, --backpressure, --http1-keep-alive."""

import http.client
import json
import os
import pathlib
import re
import socket
import stat
import subprocess

import pytest

pytestmark = pytest.mark.also_validated

HELLO = pathlib.Path(__file__).resolve().parents[2] / "apps/hello"

APPLICATION = '''
import json, os

def app(environ, start_response):
    if environ["PATH_INFO"] == "/pid":
        body = str(os.getpid()).encode()
    else:
        body = json.dumps({key: environ.get(key) for key in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


HAS_IPV6 = has_ipv6()  # machines without it are machines, too


@pytest.fixture
def listen(application, serve):
    """listen(*addresses, options=()) -> Server that listens there."""

    def start(*addresses, options=(), **more):
        arguments = [word for address in addresses for word in ("--listen", address)]
        return serve("app:app", "--working-dir", application(APPLICATION), *arguments, *options, port=None, **more)

    return start


def curl(*arguments):
    """What curl prints."""
    return subprocess.run(["curl", "-gsS", "--max-time", "30", *map(str, arguments)], check=True, capture_output=True,
                          text=True, timeout=60).stdout


def connect(server):
    """A connection to the server, or the queue of those that wait to be one."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def ask(peer, path="/pid"):
    """The body of the answer on this connection."""
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = http.client.HTTPResponse(peer)
    answer.begin()
    return answer.read()


def port_of(address):
    return address.rpartition(":")[2]


def test_ipv4_ipv6_and_unix_at_once(listen, tmp_path):
    path = tmp_path / "shop.sock"
    server = listen("127.0.0.1:0", "[::1]:0" if HAS_IPV6 else "127.0.0.2:0", f"unix:{path}", options=["--workers", 2])
    v4, v6, unix = server.addresses
    host = "::1" if HAS_IPV6 else "127.0.0.2"
    shown = f"[{host}]" if HAS_IPV6 else host
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", v4) and re.fullmatch(rf"http://{re.escape(shown)}:\d+", v6)
    assert unix == f"unix:{path}" and "with 2 workers" in server.log
    assert json.loads(curl(v4)) == {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": port_of(v4), "REMOTE_ADDR": "127.0.0.1"}
    assert json.loads(curl(v6)) == {"SERVER_NAME": host, "SERVER_PORT": port_of(v6),
                                    "REMOTE_ADDR": "::1" if HAS_IPV6 else "127.0.0.1"}
    environ = json.loads(curl("--unix-socket", path, "http://shop.example/"))
    assert environ["SERVER_NAME"] == str(path) and environ["REMOTE_ADDR"] == ""
    server.stop()
    assert not path.exists()
    for address in ("127.0.0.1", port_of(v4)), (host, port_of(v6)):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_all_addresses(listen):
    server = listen(":0")
    assert json.loads(curl(f"http://127.0.0.1:{server.port}"))["REMOTE_ADDR"] == "127.0.0.1"
    if HAS_IPV6:
        environ = json.loads(curl(f"http://[::1]:{server.port}"))
        assert environ == {"SERVER_NAME": "::", "SERVER_PORT": str(server.port), "REMOTE_ADDR": "::1"}


def test_two_ports_and_a_name(listen):
    server = listen("0", "localhost:0")
    first, second = server.addresses
    assert first.startswith("http://127.0.0.1:") and second.startswith("http://localhost:") and first != second
    assert json.loads(curl(second)) == {"SERVER_NAME": "localhost", "SERVER_PORT": port_of(second),
                                        "REMOTE_ADDR": "127.0.0.1"}
    assert json.loads(curl(first))["SERVER_PORT"] == port_of(first)


def test_from_the_environment(listen, tmp_path):
    server = listen(environment={**os.environ, "LIMPET_LISTEN": f"127.0.0.1:0 unix:{tmp_path}/s,mode=0600"})
    assert server.addresses[1:] == [f"unix:{tmp_path}/s"]
    assert curl(server.url) and curl("--unix-socket", tmp_path / "s", "http://x/")


def test_from_a_file(listen, tmp_path):
    (tmp_path / "limpet.toml").write_text(f'listen = ["127.0.0.1:0", "unix:{tmp_path}/s"]\n')
    server = listen(options=["--config", tmp_path / "limpet.toml"])
    assert server.addresses[1:] == [f"unix:{tmp_path}/s"]
    assert curl(server.url) and curl("--unix-socket", tmp_path / "s", "http://x/")


def test_packed_and_replaced(packed, serve, tmp_path):
    binary = packed(HELLO, "--listen", "127.0.0.1:0", "--listen", "unix:packed.sock", name="listeners")
    server = serve(binary=binary, folder=tmp_path, port=None)
    assert server.addresses[1:] == ["unix:packed.sock"]
    assert curl(server.url) == curl("--unix-socket", tmp_path / "packed.sock", "http://x/")
    # Whoever starts it has the last word, the short way included.
    assert len(serve(binary=binary, folder=tmp_path, port=0).addresses) == 1
    assert serve("--listen", "unix:mine.sock", binary=binary, folder=tmp_path, port=None).addresses == ["unix:mine.sock"]


def test_mode_and_owner_of_the_socket_file(listen, tmp_path):
    user, group = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    server = listen(f"unix:{tmp_path}/given,mode=0640,owner={user}:{group}", f"unix:{tmp_path}/plain")
    status = (tmp_path / "given").stat()
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o640
    assert (status.st_uid, status.st_gid) == (user, group)
    status = (tmp_path / "plain").stat()
    assert stat.S_IMODE(status.st_mode) == 0o666 and status.st_uid == os.geteuid()
    assert curl("--unix-socket", tmp_path / "given", "http://x/")
    server.stop()
    assert not (tmp_path / "given").exists() and not (tmp_path / "plain").exists()


def test_a_killed_servers_socket_is_taken_over(listen, tmp_path):
    first = listen(f"unix:{tmp_path}/s")
    first.kill()
    assert (tmp_path / "s").exists()
    listen(f"unix:{tmp_path}/s")
    assert curl("--unix-socket", tmp_path / "s", "http://x/")


def waits(peer):
    """Whether the peer's request goes unanswered, for a moment at least."""
    peer.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.settimeout(0.3)
    try:
        peer.recv(1, socket.MSG_PEEK)
        return False
    except TimeoutError:
        return True
    finally:
        peer.settimeout(30)


def test_backpressure(listen):
    server = listen("127.0.0.1:0", options=["--workers", 1, "--backpressure", 2])
    with connect(server) as first, connect(server) as second, connect(server) as third, connect(server) as fourth:
        assert ask(first) == ask(second)
        assert waits(third) and waits(fourth)
        assert ask(first) and ask(second)  # those who are in go on
        second.close()
        assert third.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert waits(fourth)
        third.close()
        assert fourth.recv(65536).startswith(b"HTTP/1.1 200 OK")
        first.close()
        fourth.close()
    with connect(server) as again:
        assert ask(again)
    server.wait_for("2 connections are open, more have to wait")
    server.stop()
    assert server.log.count("2 connections are open, more have to wait") == 1


def test_backpressure_leaves_connections_to_the_other_worker(listen, tmp_path):
    server = listen("127.0.0.1:0", f"unix:{tmp_path}/s", options=["--workers", 2, "--backpressure", 1])
    for _ in range(20):
        with connect(server) as first, connect(server) as second:
            assert {int(ask(first)), int(ask(second))} == set(server.workers())
    with connect(server) as first, connect(server) as second:
        ask(first), ask(second)
        # Full is full on every listener, and a drain is one all the same.
        with socket.socket(socket.AF_UNIX) as third:
            third.connect(f"{tmp_path}/s")
            assert waits(third)
            server.stop()


def test_out_of_descriptors(listen):
    server = listen("127.0.0.1:0", options=["--workers", 1], prefix=["prlimit", "--nofile=64:64"])
    peers = [connect(server) for _ in range(80)]
    server.wait_for("a connection cannot be accepted: out of descriptors")
    assert ask(peers[0])
    for peer in peers[:40]:
        peer.close()
    assert ask(peers[-1])
    for peer in peers:
        peer.close()
    assert server.log.count("cannot be accepted") < 80  # it did not go round in circles


def test_no_keep_alive(listen):
    server = listen("127.0.0.1:0", options=["--no-http1-keep-alive"])
    with connect(server) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == 1 and answer.count(b"\r\nConnection: close\r\n") == 1
    assert curl("-w", "%{num_connects}", server.url, server.url).count("}1") == 2


def test_keep_alive_is_the_default(listen):
    server = listen("127.0.0.1:0", options=["--http1-keep-alive"])
    assert curl("-w", "%{num_connects}", server.url, server.url).endswith("}0")
    assert "Connection:" not in curl("-D", "-", "-o", "/dev/null", server.url)
