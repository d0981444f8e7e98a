"""--trusted-proxies: whom Forwarded and X-Forwarded-For name, for the application, the log and the server's own
answers; and that nobody else can name one."""

import json
import os
import subprocess

import client_service
import pytest
from client_service import INTERFACES, ask
from logged import text_of
from metrics_reader import Metrics
from raw_client import Peer, request
from server import eventually
from test_static_nginx import free_ports
from tls_client import TlsPeer, client_context, options_of
from transports import UnixPeer

pytestmark = pytest.mark.unvalidated(reason="no application answers anything of interest")
SAID = "X-Forwarded-For: 198.51.100.1, 192.0.2.1"
TRUSTED = ["--trusted-proxies", "127.0.0.1", "--trusted-proxies", "10.0.0.0/8"]


@pytest.fixture
def start(serve, application):
    """start(interface, *options, **options of the Server)"""
    return lambda interface, *options, **server_options: client_service.start(
        serve, application, interface, *options, **server_options)


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_trusted_proxy_names_the_client(start, interface):
    server = start(interface, *TRUSTED)
    told = ask(server, SAID, "X-Forwarded-Proto: https", "X-Forwarded-Host: other.example", "X-Forwarded-Port: 443")
    assert (told["client"], told["scheme"]) == ("192.0.2.1", "https")
    assert told["port"] in (0, None)
    assert told["host"] == "x"  # X-Forwarded-Host is the application's to look at
    assert told["said"] == "198.51.100.1, 192.0.2.1"
    told = ask(server, 'Forwarded: for=198.51.100.1, for="[2001:db8::1]:4711";proto=https, for=10.0.0.9;proto=http')
    assert (told["client"], told["port"], told["scheme"]) == ("2001:db8::1", 4711, "https")
    told = ask(server)
    assert (told["client"], told["scheme"]) == ("127.0.0.1", "http") and told["port"] > 0
    told = ask(server, "Forwarded: for=_hidden")
    assert told["client"] == "127.0.0.1" and told["port"] > 0


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("options", [[], ["--trusted-proxies", "10.0.0.0/8", "--trusted-proxies", "unix"]])
def test_nobody_else_is_believed(start, interface, options):
    server = start(interface, *options)
    told = ask(server, SAID, "X-Forwarded-Proto: https", "Forwarded: for=192.0.2.9;proto=https")
    assert (told["client"], told["scheme"]) == ("127.0.0.1", "http") and told["port"] > 0
    assert told["said"] == "198.51.100.1, 192.0.2.1"  # as it came


def test_wsgi_keys(start):
    server = start("wsgi", *TRUSTED)
    assert ask(server, "X-Forwarded-Proto: https")["https"] == "on"
    assert ask(server, "X-Forwarded-Proto: http")["https"] is None


def test_a_proxy_that_was_asked_in_plain_speaks_tls_to_us(start, pki_of_session):
    server = start("wsgi", *TRUSTED, *options_of(pki_of_session.local), "--hsts", "300s")
    for proto, scheme, https, hsts in (("http", "http", None, None), ("https", "https", "on", "max-age=300")):
        with TlsPeer(server, client_context(pki_of_session)) as peer:
            answer = peer.ask(request("GET", "/", None, f"X-Forwarded-Proto: {proto}"))
            told = answer.json()
            assert (told["scheme"], told["https"]) == (scheme, https)
            assert answer.get("Strict-Transport-Security") == hsts


def test_unix_peers(start, tmp_path):
    path = tmp_path / "socket"
    for trusted, client, port in (["unix"], "192.0.2.1", 80), (["127.0.0.1"], "", None):
        server = start("wsgi", "--listen", f"unix:{path}", "--trusted-proxies", *trusted, port=None)
        with UnixPeer(path) as peer:
            told = peer.ask(request("GET", "/", None, "X-Forwarded-For: 192.0.2.1:80")).json()
        assert (told["client"], told["port"]) == (client, port)
        server.stop()


def test_websockets(start):
    server = start("asgi", *TRUSTED)
    with Peer(server) as peer:
        peer.send(request("GET", "/", None, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", SAID, "X-Forwarded-Proto: wss"))
        assert peer.head().status == 101
        kind, size = peer.take(2)
        assert kind == 0x81
        told = json.loads(peer.take(int.from_bytes(peer.take(2), "big") if size == 126 else size))
    assert (told["client"], told["scheme"]) == ("192.0.2.1", "wss")


def test_hostile_fields(start, tmp_path):
    server = start("wsgi", *TRUSTED, "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    before = metrics.read()
    # Whatever a client sends, its proxy's word stands behind it.
    for invented in ("garbage", '"', '"192.0.2.66', ",,,", "10.0.0.1, " * 100 + "127.0.0.1",
                     "\\", 'for="', "\x80\xff", "x" * 4000):
        assert ask(server, f"X-Forwarded-For: {invented}, 192.0.2.1")["client"] == "192.0.2.1"
        assert ask(server, f"X-Forwarded-For: {invented}", "X-Forwarded-For: 192.0.2.1")["client"] == "192.0.2.1"
        assert ask(server, f"Forwarded: {invented}, for=192.0.2.1")["client"] == "192.0.2.1"
        assert ask(server, f"Forwarded: {invented}", "Forwarded: for=192.0.2.1")["client"] == "192.0.2.1"
        # Of a proxy that knows the one field, and passes the other on.
        if "," not in invented:
            assert ask(server, f"Forwarded: {invented}", "X-Forwarded-For: 192.0.2.1")["client"] == "192.0.2.1"
    hops = ", ".join(f"10.0.{i}.1" for i in range(100))
    assert ask(server, f"X-Forwarded-For: 198.51.100.1, 192.0.2.1, {hops}")["client"] == "192.0.2.1"
    lines = [f"X-Forwarded-For: 10.0.0.{i}" for i in range(90)]
    assert ask(server, "X-Forwarded-For: 192.0.2.1", *lines)["client"] == "192.0.2.1"
    server.wait_for("malformed, and ignored: client=127.0.0.1\n")
    assert server.log.count("and ignored") < 5  # no flood
    assert metrics.value("limpet_http_forwarded_ignored_total") - before["limpet_http_forwarded_ignored_total"] >= 5


def test_fields_that_disagree(start):
    server = start("wsgi", *TRUSTED, "--metrics", "127.0.0.1:0")
    metrics = Metrics(server)
    series = 'limpet_http_rejected_total{reason="proxy_header"}'
    before = metrics.value(series)
    for invented in ("for=192.0.2.66", "for=_x", "proto=https"):
        with Peer(server) as peer:
            answer = peer.ask(request("GET", "/", None, f"Forwarded: {invented}", "X-Forwarded-For: 192.0.2.1",
                                      "X-Forwarded-Proto: http"))
            assert answer.status == 400 and answer.closes
    assert metrics.value(series) - before == 3
    server.wait_for("Forwarded and X-Forwarded-For or -Proto of a trusted proxy disagree: client=127.0.0.1\n")
    told = ask(server, "Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")
    assert (told["client"], told["scheme"]) == ("192.0.2.1", "https")
    # To a server that trusts nobody they are fields like others.
    other = start("wsgi")
    assert ask(other, "Forwarded: for=192.0.2.66", "X-Forwarded-For: 192.0.2.1")["client"] == "127.0.0.1"


def test_access_log(start, tmp_path):
    log = tmp_path / "access"
    server = start("wsgi", *TRUSTED, "--access-log", log, "--access-log-format", "%(h)s %({wsgi.url_scheme}e)s %(s)s")
    ask(server, SAID, "X-Forwarded-Proto: https")
    ask(server, "X-Forwarded-For: 2001:DB8::7")
    ask(server)
    eventually(lambda: len(text_of(log).splitlines()) == 3)
    assert text_of(log).splitlines() == ["192.0.2.1 https 200", "2001:db8::7 http 200", "127.0.0.1 http 200"]


def test_who_has_asked_for_https_is_not_sent_on(start, pki_of_session):
    https, plain = free_ports(2)
    server = start("wsgi", *TRUSTED, *options_of(pki_of_session.local), "--listen", f"127.0.0.1:{https}",
                   "--redirect-https", plain, "--hsts", "300s", port=None)

    class Plain:
        port = plain

    def answer(*fields, body=None):
        with Peer(Plain) as peer:
            return peer.ask(request("GET" if body is None else "POST", "/", body, *fields))

    assert answer(SAID).status == 308
    assert answer("X-Forwarded-Proto: http").status == 308
    for body in (None, b"body"):
        seen = answer("X-Forwarded-Proto: https", body=body)
        assert seen.json()["scheme"] == "https" and seen.get("Strict-Transport-Security") == "max-age=300"
    server.stop()


def test_status_page_is_for_the_client(start):
    server = start("wsgi", *TRUSTED, "--status-page", "/status", "--status-page-allow", "192.168.0.0/16")

    def status(said):
        with Peer(server) as peer:
            return peer.ask(request("GET", "/status", None, f"X-Forwarded-For: {said}")).status

    assert status("192.168.1.1") == 200
    assert status("192.168.1.1, 192.0.2.1") != 200 != status("192.0.2.1")


NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://127.0.0.1:{back};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header Host $host;
    }}
  }}
}}
"""


@pytest.mark.parametrize("interface", INTERFACES)
def test_behind_nginx(start, interface, tmp_path):
    server = start(interface, *TRUSTED)
    front, = free_ports(1)
    user = "user root;" if os.geteuid() == 0 else ""
    folder = tmp_path / "nginx"
    folder.mkdir()
    (folder / "conf").write_text(NGINX.format(folder=folder, user=user, front=front, back=server.port))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "conf"], stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"] + ":/usr/sbin"})

    class Front:
        port = front

    def answers():
        assert process.poll() is None, (folder / "error.log").read_text()
        try:
            Peer(Front).socket.close()
        except OSError:
            return False
        return True

    try:
        eventually(answers)
        # nginx itself is asked by 127.0.0.1, which is a trusted one: the client before it counts.
        told = ask(Front, "X-Forwarded-For: 192.0.2.1")
        assert (told["client"], told["scheme"], told["host"]) == ("192.0.2.1", "https", "x")
        assert told["said"] == "192.0.2.1, 127.0.0.1"
        assert ask(Front)["client"] == "127.0.0.1"
        with Peer(Front) as peer:  # what nginx passes on of a client's own
            asked = request("GET", "/", None, "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.66")
            assert peer.ask(asked).status == 400
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("value, word", [
    ("*", "would let everybody say who he is"),
    ("localhost", "is no address"),
    ("10.0.0.1/8", "has bits behind the first 8"),
    ("::/129", "must have up to 128 bits"),
    ("Unix", "is no address"),
])
def test_bad_values(run, value, word):
    done = run("serve", "app:app", "--trusted-proxies", value)
    assert done.returncode == 2 and value in done.stderr and word in done.stderr
