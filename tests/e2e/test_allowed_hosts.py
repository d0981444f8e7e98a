"""--allowed-hosts: requests for other hosts are answered 421, and no application sees them; health is for everybody."""

import json
import types

import client_service
import pytest
from client_service import INTERFACES
from metrics_reader import Metrics
from raw_client import Peer
from server import eventually
from test_static_nginx import free_ports
from tls_client import TlsPeer, client_context, options_of

pytestmark = pytest.mark.unvalidated(reason="no application answers anything of interest")
HOSTS = ["--allowed-hosts", "shop.example", "--allowed-hosts", ".every.example", "--allowed-hosts", "*.below.example",
         "--allowed-hosts", "192.0.2.1", "--allowed-hosts", "2001:db8::1"]
REJECTED = 'limpet_http_rejected_total{reason="host"}'


@pytest.fixture
def start(serve, application):
    return lambda interface, *options, **server_options: client_service.start(
        serve, application, interface, *options, **server_options)


def head(host, target="/", version="1.1", method="GET", more=b""):
    """The bytes of a request. host: None: it has no such field."""
    field = f"Host: {host}\r\n" if host is not None else ""
    return f"{method} {target} HTTP/{version}\r\n{field}\r\n".encode("latin-1") + more


def answer(server, *arguments, **options):
    with Peer(server) as peer:
        return peer.ask(head(*arguments, **options), options.get("method", "GET"))


GOOD = ["shop.example", "SHOP.example:8000", "shop.example.", "shop.example.:443", "every.example", "a.every.example",
        "a.b.below.example", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:DB8:0::1]:8000"]
BAD = ["evil.example", "127.0.0.1", "localhost", "shop.example.evil.example", "xshop.example", "below.example", "",
       "[2001:db8::2]", "192.0.2.10", "shop.example@evil.example", "evil.example:80@shop.example", ".every.example",
       "shop.example, evil.example", "shop.example:80:80", "shop.example/x", "*.below.example", "x\x80.every.example"]


MALFORMED = {"shop.example@evil.example", "evil.example:80@shop.example", "shop.example, evil.example", "shop.example:80:80",
             "shop.example/x", "x\x80.every.example"}


@pytest.mark.parametrize("interface", INTERFACES)
def test_hosts(start, interface):
    server = start(interface, *HOSTS, "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    for host in GOOD:
        assert answer(server, host).json()["host"] == host
    before = metrics.value(REJECTED)
    refused = [answer(server, host) for host in BAD]
    # What is no host at all is no request.
    assert {host for host, seen in zip(BAD, refused) if seen.status == 400} == MALFORMED
    assert {seen.status for seen in refused} == {400, 421} and all(seen.closes for seen in refused)
    assert refused[0].status == 421 and refused[0].body == b"421 Misdirected Request\n"
    count = sum(seen.status == 421 for seen in refused)
    eventually(lambda: metrics.value(REJECTED) - before == count)
    assert count == len(BAD) - len(MALFORMED)
    server.wait_for("host not among --allowed-hosts: evil.example: client=127.0.0.1\n")
    assert server.log.count("not among") < 4


def test_whose_host_counts(start):
    """That of the target, where it has one (RFC 9112 section 3.2.2)."""
    server = start("wsgi", *HOSTS)
    assert answer(server, "shop.example", "http://evil.example/").status == 421
    assert answer(server, "evil.example", "http://shop.example:80/").status == 200
    assert answer(server, "shop.example", "http://shop.example@evil.example/").status == 400
    assert answer(server, None, version="1.0").status == 421
    assert answer(server, "shop.example", version="1.0").status == 200
    assert answer(server, "evil.example", version="1.0").status == 421
    assert answer(server, "shop.example", "*", method="OPTIONS").status == 200
    assert answer(server, "evil.example", "*", method="OPTIONS").status == 421
    # What a proxy tells is no host of ours.
    with Peer(server) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: shop.example\r\n\r\n")
        assert peer.answer().status == 421


def test_several_requests(start):
    server = start("wsgi", *HOSTS)
    with Peer(server) as peer:
        assert peer.ask(head("shop.example")).status == 200
        assert peer.ask(head("a.every.example")).status == 200
        assert peer.ask(head("evil.example")).status == 421
        assert peer.ended()


def test_a_large_body_is_not_read(start):
    server = start("wsgi", *HOSTS)
    with Peer(server) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000\r\n\r\n")
        assert peer.answer("POST").status == 421


def test_health_and_metrics_are_for_everybody(start):
    server = start("wsgi", *HOSTS, "--metrics", "127.0.0.1:0", "--status-page", "/status")
    metrics = Metrics(server)
    for path in "/health/live", "/health/ready", "/health/live?x":
        for host in "127.0.0.1:8000", "10.0.0.1":
            assert answer(server, host, path).body == b"ok\n"
        assert answer(server, None, path, version="1.0").body == b"ok\n"
    assert answer(server, "127.0.0.1", "/health/live/x").status == 421
    assert answer(server, "127.0.0.1", "/status").status == 421  # a page of a browser's, which may be led here
    assert answer(metrics.server, "10.0.0.1", "/metrics").status == 200


def test_over_tls_and_redirected(start, pki_of_session):
    https, plain = free_ports(2)
    server = start("wsgi", *HOSTS, *options_of(pki_of_session.local), "--listen", f"127.0.0.1:{https}",
                   "--redirect-https", plain, port=None)
    with TlsPeer(server, client_context(pki_of_session)) as peer:
        assert peer.ask(head("shop.example")).status == 200
        assert peer.ask(head("evil.example")).status == 421
    redirect = types.SimpleNamespace(port=plain)
    seen = answer(redirect, "shop.example")
    assert (seen.status, seen.get("Location")) == (308, f"https://shop.example:{https}/")
    assert answer(redirect, "evil.example").status == 421


def test_websockets(start):
    server = start("asgi", *HOSTS)
    fields = (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    for host, status in ("shop.example", 101), ("evil.example", 421):
        with Peer(server) as peer:
            peer.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n".encode() + fields)
            assert peer.head().status == status


def test_without_the_option(start):
    server = start("wsgi")
    for host in "evil.example", "127.0.0.1", "x:1":
        assert answer(server, host).status == 200


def test_from_a_file(start, tmp_path):
    (tmp_path / "settings.toml").write_text("allowed-hosts = " + json.dumps(["shop.example", ".every.example"]))
    server = start("wsgi", "--config", tmp_path / "settings.toml")
    assert answer(server, "a.every.example").status == 200 and answer(server, "evil.example").status == 421


@pytest.mark.parametrize("value", ["shop.example:80", "http://shop.example", "a..b", ".", "*", "*a.example", "a.*.b",
                                   "a b", "[::1", "sch\u00f6n.example", "a" * 64])
def test_bad_values(run, value):
    done = run("serve", "app:app", "--allowed-hosts", value)
    assert done.returncode == 2 and f"--allowed-hosts {value}" in done.stderr, done.stderr
