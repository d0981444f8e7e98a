"""--listen ADDRESS,proxy-protocol: the client that a proxy's header names, of both versions, over HTTP and TLS; what is
no header; and haproxy in front."""

import contextlib
import ipaddress
import os
import socket
import ssl
import subprocess
import types

import client_service
import pytest
from client_service import INTERFACES
from metrics_reader import Metrics
from raw_client import Peer, request
from server import eventually
from test_static_nginx import free_ports
from tls_client import client_context, options_of
from transports import UnixPeer

pytestmark = pytest.mark.unvalidated(reason="no application answers anything of interest")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TRUSTED = ["--trusted-proxies", "127.0.0.1"]
REFUSED = 'limpet_connections_refused_total{reason="proxy_header"}'


def version_2(command=1, family=0x11, addresses=b"", tlvs=b"", version=2):
    """The bytes of a header."""
    behind = addresses + tlvs
    return SIGNATURE + bytes([version << 4 | command, family]) + len(behind).to_bytes(2, "big") + behind


def addresses(source, destination="10.0.0.1", port=4711):
    packed = [ipaddress.ip_address(text).packed for text in (source, destination)]
    return b"".join(packed) + port.to_bytes(2, "big") + (80).to_bytes(2, "big")


V4 = version_2(addresses=addresses("192.0.2.1"))
# Header, and the client that it names; None: the connection's own peer.
HEADERS = {
    "v1-tcp4": (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n", ("192.0.2.1", 4711)),
    "v1-tcp6": (b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n", ("2001:db8::1", 4711)),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1-longest": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None),
    "v2-inet": (V4, ("192.0.2.1", 4711)),
    "v2-inet6": (version_2(family=0x21, addresses=addresses("2001:db8::1", "::1")), ("2001:db8::1", 4711)),
    "v2-mapped": (version_2(family=0x21, addresses=addresses("::ffff:192.0.2.1", "::1")), ("192.0.2.1", 4711)),
    "v2-unix": (version_2(family=0x31, addresses=b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")), None),
    "v2-unspec": (version_2(family=0), None),
    "v2-local": (version_2(command=0, family=0), None),
    "v2-local-with-more": (version_2(command=0, addresses=addresses("192.0.2.1")), None),
    "v2-tlvs": (version_2(addresses=addresses("192.0.2.1"), tlvs=b"\x02\0\x04shop\x04\0\0\xee\x03\xe8" + b"x" * 1000),
                ("192.0.2.1", 4711)),
    "v2-largest": (version_2(addresses=addresses("192.0.2.1"), tlvs=b"\xee\x0f\xf1" + b"x" * 4081),
                   ("192.0.2.1", 4711)),
    "v2-checksum": (version_2(addresses=addresses("192.0.2.1"), tlvs=b"\x03\0\x04\xd4\x57\xb5\x81"),
                    ("192.0.2.1", 4711)),
}


@pytest.fixture
def start(serve, application):
    """start(interface, *options) -> Server that listens for the PROXY protocol"""

    def start_server(interface="wsgi", *options, listen="127.0.0.1:0", **server_options):
        return client_service.start(serve, application, interface, "--listen", f"{listen},proxy-protocol", *options,
                                    port=None, **server_options)

    return start_server


def told(answer, peer):
    """Whether the application has seen what a header says."""
    seen = answer.json()
    return (seen["client"], seen["port"])


@pytest.mark.parametrize("interface", INTERFACES)
def test_headers(start, interface):
    server = start(interface, *TRUSTED)
    for name, (header, client) in HEADERS.items():
        for pieces in [header + request("GET", "/")], [header, request("GET", "/")]:
            with Peer(server) as peer:
                own = ("127.0.0.1", peer.socket.getsockname()[1])
                peer.send(*pieces)
                assert told(peer.answer(), peer) == (client or own), name
                assert told(peer.ask(request("GET", "/")), peer) == (client or own), name  # the next on it


def test_byte_by_byte(start):
    server = start("wsgi", *TRUSTED)
    for name in "v1-tcp4", "v1-unknown", "v2-inet6", "v2-local":
        header, client = HEADERS[name]
        with Peer(server) as peer:
            own = ("127.0.0.1", peer.socket.getsockname()[1])
            whole = header + request("GET", "/")
            peer.send(*(whole[i:i + 1] for i in range(len(whole))))
            assert told(peer.answer(), peer) == (client or own), name


def test_pipelined_behind_the_header(start):
    server = start("wsgi", *TRUSTED)
    with Peer(server) as peer:
        peer.send(V4 + request("GET", "/") + request("POST", "/", b"x" * 100_000) + request("GET", "/"))
        for method in "GET", "POST", "GET":
            assert told(peer.answer(method), peer) == ("192.0.2.1", 4711)


class Behind:
    """A TLS client whose first bytes are a header."""

    def __init__(self, server, header, context):
        self._raw = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self._raw.sendall(header)
        self.socket = context.wrap_socket(self._raw, server_hostname="localhost")

    def ask(self, data):
        peer = Peer.__new__(Peer)
        peer.socket, peer._received = self.socket, b""
        return peer.ask(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_tls_behind_it(start, pki_of_session, version):
    server = start("wsgi", *TRUSTED, *options_of(pki_of_session.local))
    context = client_context(pki_of_session, version)
    for name, (header, client) in HEADERS.items():
        with Behind(server, header, context) as behind:
            seen = behind.ask(request("GET", "/")).json()
            assert seen["scheme"] == "https" and seen["client"] == (client or ("127.0.0.1", 0))[0], name
    with pytest.raises((ssl.SSLError, ConnectionError)), Behind(server, b"", context):
        pass


def test_unix_sockets(start, tmp_path):
    path = tmp_path / "socket"
    server = start("wsgi", "--trusted-proxies", "unix", listen=f"unix:{path}")
    for header, client, said in (V4, ("192.0.2.1", 4711), None), (version_2(command=0, family=0), ("", None), None), (
            version_2(command=0, family=0), ("198.51.100.1", 0), "198.51.100.1"):
        with UnixPeer(path) as peer:
            fields = [f"X-Forwarded-For: {said}"] if said else []
            peer.send(header + request("GET", "/", None, *fields))
            seen = peer.answer().json()
            assert (seen["client"], seen["port"] or None) == (client[0], client[1] or None)
    server.stop()
    server = start("wsgi", *TRUSTED, listen=f"unix:{path}")
    with UnixPeer(path) as peer:
        with contextlib.suppress(BrokenPipeError):  # closed before it was sent
            peer.send(V4 + request("GET", "/"))
        assert peer.ended()
    server.wait_for("PROXY protocol header missing or malformed: not of --trusted-proxies: client=unix:\n")


def test_whose_fields_count(start):
    """X-Forwarded-For is believed of those who are trusted, by what the header says of them, and of nobody unknown."""
    server = start("wsgi", *TRUSTED, "--trusted-proxies", "10.0.0.0/8")
    for header, client in ((V4, "192.0.2.1"), (version_2(addresses=addresses("10.0.0.7")), "198.51.100.1"),
                           (HEADERS["v1-unknown"][0], "127.0.0.1"), (HEADERS["v2-unix"][0], "127.0.0.1"),
                           (HEADERS["v2-local"][0], "198.51.100.1")):
        with Peer(server) as peer:
            peer.send(header + request("GET", "/", None, "X-Forwarded-For: 198.51.100.1"))
            assert peer.answer().json()["client"] == client


@pytest.mark.parametrize("bad, why", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no PROXY protocol"),
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\n", "does not end with CRLF"),
    (b"PROXY TCP4 192.0.2.1\r\n", "not all there"),
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 99999\r\n", "cannot be read"),
    (b"PROXY UNKNOWN " + b"f" * 200, "too long"),
    (version_2(version=1), "version not known"),
    (version_2(command=2), "command not known"),
    (version_2(family=0x12, addresses=addresses("192.0.2.1")), "datagrams"),
    (version_2(addresses=b"short"), "shorter than its addresses"),
    (version_2(addresses=addresses("192.0.2.1"), tlvs=b"\x01\xff\xffx"), "a TLV is cut off"),
    (version_2(addresses=addresses("192.0.2.1"), tlvs=b"\x03\0\x04abcd"), "the checksum is wrong"),
    (SIGNATURE + b"\x21\x11\xff\xff", "too long"),
])
def test_what_is_no_header(start, bad, why):
    server = start("wsgi", *TRUSTED, "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    with Peer(server) as peer:
        peer.send(bad)
        assert peer.ended()
    server.wait_for(f"PROXY protocol header missing or malformed: .*{why}.*: client=127.0.0.1\n")
    eventually(lambda: metrics.value(REFUSED) == 1)
    with Peer(server) as peer:
        peer.send(V4 + request("GET", "/"))
        assert peer.answer().json()["client"] == "192.0.2.1"


def test_nobody_else_is_let_in(start):
    server = start("wsgi", "--trusted-proxies", "10.0.0.0/8", "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    for data in V4 + request("GET", "/"), request("GET", "/", None, "X-Forwarded-For: 10.0.0.1"):
        with Peer(server) as peer:
            peer.send(data)
            assert peer.ended()
    server.wait_for("not of --trusted-proxies: client=127.0.0.1\n")
    eventually(lambda: metrics.value(REFUSED) == 2)


def test_time_and_ends(start):
    server = start("wsgi", *TRUSTED, "--header-timeout", "1s", "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    with Peer(server) as silent, Peer(server) as slow:
        slow.send(b"PROXY TCP4 ")
        assert silent.ended() and slow.ended()
    server.wait_for(r"not sent in time \(--header-timeout\): client=127.0.0.1\n")
    eventually(lambda: metrics.value(REFUSED) == 2)
    with Peer(server) as peer:  # who looks whether somebody listens is no news
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.ended()
    with Peer(server) as peer:
        peer.send(V4[:20])
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.ended()
    eventually(lambda: metrics.value(REFUSED) == 3)
    with Peer(server) as peer:
        peer.send(V4 + request("GET", "/"))
        assert peer.answer().status == 200


def test_who_never_sends_one_keeps_nobody_out(start):
    server = start("wsgi", *TRUSTED, "--backpressure", 20)
    silent = [Peer(server) for _ in range(40)]
    for peer in silent:
        peer.send(b"PROXY")
    with Peer(server) as peer:
        peer.send(V4 + request("GET", "/"))
        assert peer.answer().json()["client"] == "192.0.2.1"
    for peer in silent:
        peer.socket.close()


def test_a_stop_does_not_wait_for_headers(start):
    server = start("wsgi", *TRUSTED, "--header-timeout", "0", "--graceful-timeout", "600s")
    with Peer(server) as peer:
        peer.send(b"PROXY TCP4 ")
        # Accepted before it, in this worker's only queue.
        with Peer(server) as other:
            other.send(V4 + request("GET", "/"))
            assert other.answer().status == 200
        server.stop()
        assert peer.ended()


def test_beside_other_listeners(start):
    server = start("wsgi", *TRUSTED, "--listen", "127.0.0.1:0")
    plain = types.SimpleNamespace(port=int(server.addresses[1].rpartition(":")[2]))
    with Peer(plain) as peer:
        assert peer.ask(request("GET", "/")).json()["client"] == "127.0.0.1"
    with Peer(plain) as peer:
        peer.send(HEADERS["v1-tcp4"][0] + request("GET", "/"))
        try:
            answer = peer.rest()
        except ConnectionResetError:
            answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


HAPROXY = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 30s
  timeout client 30s
  timeout server 30s
frontend v1
  bind 127.0.0.1:{ports[0]}
  default_backend v1
backend v1
  server limpet 127.0.0.1:{plain} send-proxy
frontend v2
  bind 127.0.0.1:{ports[1]}
  default_backend v2
backend v2
  server limpet 127.0.0.1:{plain} send-proxy-v2 proxy-v2-options crc32c,unique-id check inter 100
frontend tls
  bind 127.0.0.1:{ports[2]}
  default_backend tls
backend tls
  server limpet 127.0.0.1:{tls} send-proxy-v2
frontend forwarded
  mode http
  bind 127.0.0.1:{ports[3]}
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  default_backend forwarded
backend forwarded
  mode http
  server limpet 127.0.0.1:{plain} send-proxy-v2
"""


@pytest.mark.parametrize("interface", INTERFACES)
def test_behind_haproxy(start, interface, pki_of_session, tmp_path):
    server = start(interface, *TRUSTED, *options_of(pki_of_session.local), "--listen",
                   "127.0.0.1:0,plain,proxy-protocol")
    tls, plain = (int(address.rpartition(":")[2]) for address in server.addresses)
    ports = free_ports(4)
    (tmp_path / "haproxy").write_text(HAPROXY.format(ports=ports, plain=plain, tls=tls))
    process = subprocess.Popen(["haproxy", "-db", "-q", "-f", tmp_path / "haproxy"], stdin=subprocess.DEVNULL,
                               env={"PATH": os.environ["PATH"] + ":/usr/sbin"})

    def front(index, source="127.0.0.1"):
        connection = socket.create_connection(("127.0.0.1", ports[index]), timeout=60, source_address=(source, 0))
        peer = Peer.__new__(Peer)
        peer.socket, peer._received = connection, b""
        return peer

    def answers():
        assert process.poll() is None
        try:
            front(3).socket.close()
        except OSError:
            return False
        return True

    try:
        eventually(answers)
        for index in 0, 1:
            with front(index, "127.0.0.9") as peer:  # another address of this machine
                own = peer.socket.getsockname()
                seen = peer.ask(request("GET", "/", None, "X-Forwarded-For: 192.0.2.66")).json()
                assert (seen["client"], seen["port"], seen["scheme"]) == (*own, "http")
        with front(2, "127.0.0.9") as peer:
            own = peer.socket.getsockname()
            peer.socket = client_context(pki_of_session).wrap_socket(peer.socket, server_hostname="localhost")
            seen = peer.ask(request("GET", "/")).json()
            assert (seen["client"], seen["port"], seen["scheme"]) == (*own, "https")
        # Both at once: the header names haproxy's client, who is no proxy of ours and is not believed.
        with front(3, "127.0.0.9") as peer:
            seen = peer.ask(request("GET", "/")).json()
            assert (seen["client"], seen["scheme"]) == ("127.0.0.9", "http")
    finally:
        process.terminate()
        process.wait(60)


UNKNOWN_WHOM = "proxy-protocol needs to know whom to believe (add --trusted-proxies)"


@pytest.mark.parametrize("arguments, words", [
    (["--listen", "127.0.0.1:0,proxy-protocol"], UNKNOWN_WHOM),
    (["--metrics", "127.0.0.1:0,proxy-protocol"], UNKNOWN_WHOM),
    (["--listen", "127.0.0.1:0,proxy-protocol=2"], '"proxy-protocol=2" is no setting'),
])
def test_bad_values(run, arguments, words):
    done = run("serve", "app:app", *arguments)
    assert done.returncode == 2 and arguments[1] in done.stderr and words in done.stderr, done.stderr
