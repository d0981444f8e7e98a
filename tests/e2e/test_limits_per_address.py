"""What one address may do: so many requests in a time, whichever worker they come to, and so many connections at once.
Who asks too often is told so and when to come back; nobody else notices."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from metrics_reader import Metrics
from raw_client import Peer, request
from server import eventually
from tls_client import Pki, TlsPeer, client_context, options_of
from websocket_client import open_websocket

pytestmark = pytest.mark.unvalidated(reason="not about the application")

APPLICATION = """
import os, time

def app(environ, start_response):
    body = f"{os.getpid()} {environ['REMOTE_ADDR']}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
WEBSOCKETS = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
GET = request("GET", "/")
FROZEN = "1/h:5"  # five at once, and the next one long after the test
ONE, OTHER = "127.0.0.2", "127.0.0.3"


def peer_from(server, source):
    """A connection from that address of this machine."""
    return Peer(server, source=source)


@pytest.fixture
def start(serve, application):
    """start(*options, source=APPLICATION) -> (Server, Metrics)."""

    def run(*options, source=APPLICATION, workers=1, **server_options):
        server = serve("app:app", "--working-dir", application(source), "--workers", workers, "--metrics",
                       "127.0.0.1:0", *options, **server_options)
        return server, Metrics(server)

    return run


def ask(server, source, data=GET):
    """The answer on a connection of its own."""
    with peer_from(server, source) as peer:
        return peer.ask(data)


def statuses(server, source, count, data=GET):
    """The statuses of that many requests, a connection each."""
    return [ask(server, source, data).status for _ in range(count)]


def rejected(metrics):
    return metrics.value('limpet_http_rejected_total{reason="rate"}')


def refused(metrics):
    return metrics.value('limpet_connections_refused_total{reason="address"}')


# --- requests ---

def test_so_many_requests_and_no_more(start):
    server, metrics = start("--rate-limit", FROZEN)
    assert statuses(server, ONE, 8) == [200] * 5 + [429] * 3
    server.wait_for(rf"more requests than --rate-limit allows: client={ONE}")
    eventually(lambda: rejected(metrics) == 3)
    # Others are not harmed.
    assert statuses(server, OTHER, 6) == [200] * 5 + [429]
    eventually(lambda: rejected(metrics) == 4)
    assert metrics.value('limpet_http_requests_total{status="4xx"}') == 4
    # One line for many: the rest is counted.
    assert len(re.findall("more requests than --rate-limit", server.log)) <= 2


def test_the_answer_says_when_to_come_back(start):
    server, _ = start("--rate-limit", "1/h")
    assert ask(server, ONE).status == 200
    answer = ask(server, ONE)
    assert (answer.status, answer.reason) == (429, "Too Many Requests")
    assert 3000 < int(answer.get("Retry-After")) <= 3600
    assert answer.body == b"429 Too Many Requests\n"


def test_who_waits_as_told_is_answered(start):
    server, _ = start("--rate-limit", "1/s:1")
    with peer_from(server, ONE) as peer:
        assert peer.ask(GET).status == 200
        while (answer := peer.ask(GET)).status == 429:
            assert answer.get("Retry-After") == "1"
        assert answer.status == 200


def test_clients_that_a_proxy_names(start):
    """Each has a rate of its own, and whom an untrusted peer names has none."""
    server, metrics = start("--rate-limit", "1/h:2", "--trusted-proxies", ONE)
    for client in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        assert statuses(server, ONE, 3, request("GET", "/", None, f"X-Forwarded-For: {client}")) == [200, 200, 429]
    # Of one subscriber.
    assert statuses(server, ONE, 1, request("GET", "/", None, "X-Forwarded-For: 2001:db8::2")) == [429]
    assert statuses(server, OTHER, 3, request("GET", "/", None, "X-Forwarded-For: 192.0.2.3")) == [200, 200, 429]
    eventually(lambda: rejected(metrics) == 5)


def test_the_connection_stays(start):
    """Also for requests that are sent ahead of their answers, and for HEAD, which has no body to lose."""
    server, metrics = start("--rate-limit", FROZEN)
    with peer_from(server, ONE) as peer:
        peer.send(GET * 9)
        answers = [peer.answer() for _ in range(9)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 4
        assert not any(answer.closes for answer in answers)
        assert peer.ask(request("HEAD", "/")).status == 429
        assert peer.ask(request("POST", "/", b"")).status == 429
        # What is behind a body that nobody wants is not read: the answer is the last.
        answer = peer.ask(request("POST", "/", b"x" * 100000))
        assert (answer.status, answer.closes) == (429, True)
        assert peer.ended()
    eventually(lambda: rejected(metrics) == 7)


def test_chunks_and_expectations(start):
    server, _ = start("--rate-limit", "1/h")
    assert ask(server, ONE).status == 200
    for field in ("Transfer-Encoding: chunked", "Content-Length: 5\r\nExpect: 100-continue"):
        with peer_from(server, ONE) as peer:
            answer = peer.ask(request("POST", "/", None, field))
            assert (answer.status, answer.closes) == (429, True)


def test_without_keep_alive(start):
    server, _ = start("--rate-limit", "1/h", "--no-http1-keep-alive")
    assert ask(server, ONE).status == 200
    assert ask(server, ONE).closes


def test_all_workers_count_together(start):
    """The limit is the server's: however connections are spread over its workers, exactly the burst gets through."""
    server, metrics = start("--rate-limit", "1/h:100", workers=3)
    results, pids = [], set()
    barrier = threading.Barrier(8)

    def visit():
        barrier.wait(60)
        for _ in range(5):
            with peer_from(server, ONE) as peer:
                for _ in range(5):
                    answer = peer.ask(GET)
                    results.append(answer.status)
                    if answer.status == 200:
                        pids.add(answer.body.split()[0])

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (results.count(200), results.count(429)) == (100, 100)
    eventually(lambda: rejected(metrics) == 100)
    # A worker that is replaced forgets nothing.
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: metrics.value("limpet_workers_spawned_total") == 6 and len(server.workers()) == 3)
    assert statuses(server, ONE, 3) == [429] * 3
    assert ask(server, OTHER).status == 200


def test_a_worker_that_is_killed_forgets_nothing(start):
    server, _ = start("--rate-limit", FROZEN)
    assert statuses(server, ONE, 6)[4:] == [200, 429]
    before = server.workers()[0]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: server.workers() not in ([], [before]))
    assert statuses(server, ONE, 2) == [429, 429]


def test_refused_requests_do_not_wear_workers(start):
    server, metrics = start("--rate-limit", FROZEN, "--workers-max-requests", 10)
    pid = server.workers()
    assert statuses(server, ONE, 40).count(429) == 35
    assert server.workers() == pid
    assert metrics.value('limpet_workers_recycled_total{reason="requests"}') == 0


def test_websocket_handshakes_are_requests(start):
    server, metrics = start("--rate-limit", "1/h:2", source=WEBSOCKETS)
    for _ in range(2):
        with open_websocket(server, "/") as websocket:
            websocket.close(1000)
    with Peer(server) as peer:
        answer = peer.ask(request("GET", "/", None, "Upgrade: websocket", "Connection: Upgrade",
                                  "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
        assert answer.status == 429
        # The connection is HTTP as before.
        assert peer.ask(GET).status == 429
    assert ask(server, ONE).status == 200
    eventually(lambda: rejected(metrics) == 2)


def test_what_is_no_request_of_clients(start):
    """The metrics' own listener is the operator's. A request that is refused for something else costs nothing."""
    server, metrics = start("--rate-limit", "1/h:2")
    for _ in range(10):
        metrics.read()  # from 127.0.0.1
    with Peer(server) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert peer.head().status == 400
    assert statuses(server, "127.0.0.1", 3) == [200, 200, 429]


def test_health_and_files_count(start, tmp_path):
    (tmp_path / "file.txt").write_text("here")
    server, _ = start("--rate-limit", "1/h:2", "--static", f"/files={tmp_path}")
    assert ask(server, ONE, request("GET", "/health/live")).status == 200
    assert ask(server, ONE, request("GET", "/files/file.txt")).body == b"here"
    assert ask(server, ONE, request("GET", "/health/live")).status == 429


def test_unix_sockets_have_no_address(serve, application, tmp_path):
    path = tmp_path / "socket"
    serve("app:app", "--working-dir", application(APPLICATION), "--workers", 1, "--uds", path, "--rate-limit", "1/h",
          "--max-connections-per-ip", 1, port=None)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            plain = stack.enter_context(socket.socket(socket.AF_UNIX))
            plain.settimeout(60)
            plain.connect(str(path))
            for _ in range(2):
                plain.sendall(GET)
                assert plain.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_ipv4_on_a_socket_for_both(serve, application):
    server = serve("app:app", "--working-dir", application(APPLICATION), "--workers", 1, "--host", "::",
                   "--rate-limit", FROZEN)
    assert statuses(server, ONE, 6) == [200] * 5 + [429]
    assert statuses(server, OTHER, 6) == [200] * 5 + [429]
    server.wait_for(rf"--rate-limit allows: client={ONE}\n")


IPV6 = """
set -e
ip link set lo up
ip -6 address add 2001:db8:0:1::1/128 dev lo
ip -6 address add 2001:db8:0:1:ffff::2/128 dev lo
ip -6 address add 2001:db8:0:2::1/128 dev lo
exec "$@"
"""


def test_ipv6_by_its_network(serve, application, limpet):
    """In a network of its own with addresses of two subscribers."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
        pytest.skip("needs root: a network namespace")
    server = serve("app:app", "--working-dir", application(APPLICATION), "--workers", 1, "--host", "::", "--rate-limit",
                   "1/h:3", prefix=["unshare", "--net", "bash", "-c", IPV6, "bash"])
    client = """
import socket, sys
for source in sys.argv[2:]:
    with socket.create_connection((source, int(sys.argv[1])), timeout=60, source_address=(source, 0)) as peer:
        peer.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        print(peer.recv(4096)[9:12].decode())
"""
    one, same, other = "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"
    inside = ["nsenter", f"--target={server.process.pid}", "--net", "/usr/bin/python3", "-c", client, str(server.port)]
    done = subprocess.run([*inside, one, same, one, same, one, other], capture_output=True, text=True, timeout=120,
                          check=True)
    assert done.stdout.split() == ["200", "200", "200", "429", "429", "200"]


@pytest.mark.parametrize("value,message", [
    ("10", "must be requests a second, minute or hour, as 100/s"), ("10/d", "must be requests a second"),
    ("0/s", "must be 1 request at least"), ("1000000/s", "must be 1 request at least, and 100000 a second at most"),
    ("10/s:0", "burst")])
def test_what_is_no_rate(run, application, value, message):
    done = run("serve", "app:app", "--working-dir", application(APPLICATION), "--rate-limit", value)
    assert done.returncode == 2
    assert "--rate-limit" in done.stderr and message in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


# --- connections ---

def test_so_many_connections_and_no_more(start):
    server, metrics = start("--max-connections-per-ip", 3)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(peer_from(server, ONE)) for _ in range(3)]
        for peer in peers:
            assert peer.ask(GET).status == 200
        for _ in range(4):
            with peer_from(server, ONE) as more:
                answer = more.answer()  # without being asked
                assert (answer.status, answer.closes, answer.body) == (503, True, b"503 Service Unavailable\n")
                assert int(answer.get("Retry-After")) > 0
                assert more.ended()
        server.wait_for(rf"more connections than --max-connections-per-ip allows: client={ONE}")
        eventually(lambda: refused(metrics) == 4)
        # Those that are open are, and others come in.
        for peer in peers:
            assert peer.ask(GET).status == 200
        assert ask(server, OTHER).status == 200
        # One that ends makes room for one.
        peers[0].socket.close()
        eventually(lambda: ask(server, ONE).status == 200)
    eventually(lambda: statuses(server, ONE, 3) == [200] * 3)


def test_who_sends_a_request_reads_why(start):
    """A close with bytes unread would be a reset, with which the answer is lost."""
    server, _ = start("--max-connections-per-ip", 1)
    with peer_from(server, ONE) as first:
        assert first.ask(GET).status == 200
        for _ in range(20):
            with peer_from(server, ONE) as second:
                second.send(GET, b"x" * 1000)
                assert second.answer().status == 503


def test_connections_are_given_back(start):
    """However they end: none is counted for ever."""
    server, _ = start("--max-connections-per-ip", 5, "--max-body-size", 1000, source=WEBSOCKETS)
    for _ in range(4):
        for data in (b"", b"GET", GET, b"nonsense\r\n\r\n", request("GET", "/" + "x" * 60000),
                     request("POST", "/", b"x" * 2000), request("POST", "/", None, "Content-Length: 100")):
            with peer_from(server, ONE) as peer, contextlib.suppress(ConnectionError):
                peer.send(data)
        with peer_from(server, ONE) as peer:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    eventually(lambda: ask(server, ONE).status == 200)
    # All five are there to be had.
    with contextlib.ExitStack() as stack:
        def all_open():
            stack.close()
            peers = [stack.enter_context(peer_from(server, ONE)) for _ in range(5)]
            return [peer.ask(GET).status for peer in peers] == [200] * 5
        eventually(all_open)
        assert ask(server, ONE).status == 503


def test_websockets_are_connections(start):
    server, _ = start("--max-connections-per-ip", 2, source=WEBSOCKETS)
    with open_websocket(server, "/"), open_websocket(server, "/") as second:
        assert ask(server, "127.0.0.1").status == 503
        second.close(1000)
        eventually(lambda: ask(server, "127.0.0.1").status == 200)


def test_trusted_proxies_have_any_number(start):
    """All clients come by them."""
    server, metrics = start("--max-connections-per-ip", 1, "--trusted-proxies", f"{ONE}/32")
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            assert stack.enter_context(peer_from(server, ONE)).ask(GET).status == 200
        assert stack.enter_context(peer_from(server, OTHER)).ask(GET).status == 200
        assert ask(server, OTHER).status == 503
    eventually(lambda: refused(metrics) == 1)


def test_the_operator_gets_in(start):
    """The metrics' listener has no limit: under an attack from where the operator is, too."""
    server, metrics = start("--max-connections-per-ip", 1)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Peer(server)).ask(GET)
        for _ in range(5):
            peer = stack.enter_context(Peer(metrics.server))
            assert peer.ask(request("GET", "/metrics")).status == 200
        assert ask(server, "127.0.0.1").status == 503


def test_tls_connections(start, tmp_path):
    """Closed before a handshake, which counts as a connection from its first moment; one that fails is given back."""
    pki = Pki(tmp_path)
    server, metrics = start(*options_of(pki.local), "--max-connections-per-ip", 2)
    context = client_context(pki)
    with TlsPeer(server, context) as first, Peer(server):  # the second says nothing
        assert first.ask(GET).status == 200
        for _ in range(3):
            with Peer(server) as more:
                assert more.ended()
        server.wait_for("more connections than --max-connections-per-ip allows: client=127.0.0.1")
        eventually(lambda: refused(metrics) == 3)
        with peer_from(server, ONE), peer_from(server, ONE), peer_from(server, ONE) as third:
            assert third.ended()
        assert first.ask(GET).status == 200
    for _ in range(5):
        with Peer(server) as plain, contextlib.suppress(ConnectionError):
            plain.send(b"\x16\x03\x01\x00\x01x")
            plain.rest()

    def open_two():
        try:
            with TlsPeer(server, context) as one, TlsPeer(server, context) as two:
                return one.ask(GET).status == two.ask(GET).status == 200
        except OSError:
            return False

    eventually(open_two)


def test_clients_of_a_proxy_protocol(start):
    """Each may have as many connections as one that comes by itself."""
    server, metrics = start("--listen", "127.0.0.1:0,proxy-protocol", "--trusted-proxies", ONE, "--max-connections-per-ip", 1,
                            port=None)
    with contextlib.ExitStack() as stack:
        def connect(client):
            peer = stack.enter_context(peer_from(server, ONE))
            peer.send(f"PROXY TCP4 {client} 192.0.2.99 1024 80\r\n".encode() + GET)
            return peer.answer().status

        assert [connect(client) for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1")] == [200, 200, 503]
    eventually(lambda: refused(metrics) == 1)
