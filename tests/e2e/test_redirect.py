"""What belongs to HTTPS but is no TLS: --redirect-https, --acme-webroot, --hsts, the settings of --listen, and a key's
password that only we get to know."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import types

import pytest

from certificates import Authority, encrypt_key
from raw_client import Peer, request

ACTIVATE = pathlib.Path(__file__).with_name("activate.py")

APPLICATION = '''
import json, os, subprocess, sys

def app(environ, start_response):
    print("the application is asked for", environ["PATH_INFO"], file=sys.stderr, flush=True)
    headers = [("Content-Type", "application/json")]
    if environ["PATH_INFO"] == "/own":
        headers.append(("strict-transport-security", "max-age=7; preload"))
    start_response("200 OK", headers)
    if environ["PATH_INFO"] == "/pieces":
        return iter([b"1", b"2"])
    with open("/proc/self/environ", "rb") as file:
        raw = file.read().decode(errors="replace")
    return [json.dumps({"environment": dict(os.environ), "raw": raw, "scheme": environ["wsgi.url_scheme"],
                        "children": subprocess.run("env", capture_output=True, text=True).stdout}).encode()]
'''


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def leaf(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    issued = authority.issue("example.org", names=["example.org", "localhost", "127.0.0.1"])
    return types.SimpleNamespace(chain=issued.chain, key=issued.key, root=authority.certificate)


@pytest.fixture
def secure(application, serve, leaf):
    """secure(*options) -> Server with TLS on a free port of 127.0.0.1. plain: the port that redirects."""

    def start(*options, listen="127.0.0.1:0", key=leaf.key, **more):
        plain = free_port()
        server = serve("app:app", "--working-dir", application(APPLICATION), "--workers", 1, "--tls-certificate",
                       leaf.chain, "--tls-key", key, "--listen", listen, "--redirect-https", plain, *options,
                       port=None, **more)
        server.plain = plain
        return server

    return start


@pytest.fixture
def webroot(tmp_path):
    """A folder with a challenge, as certbot writes it."""
    folder = tmp_path / "webroot"
    challenges = folder / ".well-known/acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token-1_A").write_text("token-1_A.thumbprint")
    return folder


def curl(*arguments, check=True):
    """What curl prints."""
    return subprocess.run(["curl", "-gsS", "--max-time", "30", *map(str, arguments)], check=check, capture_output=True,
                          text=True, timeout=60).stdout


def plain_peer(server):
    return Peer(types.SimpleNamespace(port=server.plain))


def ask(server, raw, method="GET"):
    """The answer to these bytes on the redirecting port."""
    with plain_peer(server) as peer:
        peer.send(raw)
        return peer.answer(method)


def location(server, target="/", *fields, method="GET"):
    answer = ask(server, request(method, target, None, *fields), method)
    assert answer.status == 308 and answer.body == b"" and answer.get("Content-Length") == "0", answer
    return answer.get("Location")


# --- redirects ---

def test_a_client_arrives(secure, leaf):
    server = secure()
    assert server.addresses == [f"https://127.0.0.1:{server.port}", f"http://127.0.0.1:{server.plain}"]
    text = curl("-L", "--cacert", leaf.root, f"http://127.0.0.1:{server.plain}/x?y=z", "-w",
                "\n%{num_redirects} %{url_effective}")
    body, _, last = text.rpartition("\n")
    assert last == f"1 https://127.0.0.1:{server.port}/x?y=z"
    assert json.loads(body)["scheme"] == "https"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PATCH", "PROPFIND"])
def test_every_method_and_one_connection(secure, method):
    server = secure()
    with plain_peer(server) as peer:
        for number in range(3):
            peer.send(request(method, f"/{number}"))
            answer = peer.answer(method)
            assert answer.status == 308 and answer.reason == "Permanent Redirect"
            assert answer.get("Location") == f"https://x:{server.port}/{number}"
            assert not answer.closes
    assert "the application is asked" not in server.log


def test_a_body_is_not_waited_for(secure):
    server = secure("--max-body-size", "1k")
    for fields in [b"Content-Length: 1000000\r\n", b"Content-Length: 5\r\nExpect: 100-continue\r\n",
                   b"Transfer-Encoding: chunked\r\n"]:
        with plain_peer(server) as peer:
            peer.send(b"POST /upload HTTP/1.1\r\nHost: shop.example\r\n" + fields + b"\r\n")
            answer = peer.answer()
            assert answer.status == 308 and answer.closes
            assert answer.get("Location") == f"https://shop.example:{server.port}/upload"
            assert peer.ended()
    # One that is here already is no answer lost.
    sent = curl("-X", "PUT", "--data-binary", "x" * 500, f"http://127.0.0.1:{server.plain}/", "-o", os.devnull, "-w",
                "%{http_code}")
    assert sent == "308"


def test_hosts(secure):
    server = secure()

    def of(host, target="/", version="1.1"):
        return ask(server, f"GET {target} HTTP/{version}\r\nHost: {host}\r\n\r\n".encode("latin-1"))

    for host, expected in [("shop.example", "shop.example"), ("shop.example:80", "shop.example"), ("[::1]:1", "[::1]"),
                           ("127.0.0.1", "127.0.0.1")]:
        assert of(host).get("Location") == f"https://{expected}:{server.port}/"
    assert of("x", "http://other.example:80/y").get("Location") == f"https://other.example:{server.port}/y"
    assert of("x", "//evil.example").get("Location") == f"https://x:{server.port}//evil.example"
    for host in ["", "a b", "a/b", "user@a", "a:b", "[::1", "a:65536", "a\"b", "a,b:c"]:
        answer = of(host)
        assert answer.status == 400 and answer.get("Location") is None, host
    assert ask(server, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400
    assert ask(server, b"GET / HTTP/1.1\r\n\r\n").status == 400
    assert ask(server, b"GET / HTTP/1.0\r\n\r\n").status == 400
    old = ask(server, b"GET /old HTTP/1.0\r\nHost: shop\r\n\r\n")
    assert old.status == 308 and old.get("Location") == f"https://shop:{server.port}/old" and old.closes


def test_a_long_target(secure):
    server = secure()
    long = "/" + "a" * 8000
    assert location(server, long) == f"https://x:{server.port}{long}"
    assert ask(server, request("GET", "/" + "a" * 8200)).status == 414


def test_it_survives(secure, leaf):
    server = secure()
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("certificates and keys were read again")
    assert location(server, "/hup") == f"https://x:{server.port}/hup"
    server.process.send_signal(signal.SIGUSR2)
    server.follow()
    assert location(server, "/usr2") == f"https://x:{server.port}/usr2"
    assert json.loads(curl("--cacert", leaf.root, f"{server.url}/"))["scheme"] == "https"


def test_sockets_of_systemd(secure, application, serve, leaf):
    """Of all that systemd gives, the one of that port redirects."""
    arguments = ["app:app", "--workers", 1, "--working-dir", application(APPLICATION), "--tls-certificate", leaf.chain,
                 "--tls-key", leaf.key, "--redirect-https", "{1}"]
    server = serve(*arguments, port=None, prefix=[sys.executable, ACTIVATE, "web=127.0.0.1:0", "plain=127.0.0.1:0", "--"])
    https, plain = server.addresses
    assert https.startswith("https://") and plain.startswith("http://")
    server.plain = int(plain.rpartition(":")[2])
    assert location(server) == f"https://x:{server.port}/"
    assert json.loads(curl("--cacert", leaf.root, f"{https}/"))["scheme"] == "https"


@pytest.fixture
def open_to_all(tmp_path):
    """The folders above tmp_path let everybody through, for workers that run as another user."""
    if os.geteuid() != 0:
        pytest.skip("needs root: workers as another user")
    closed = [folder for folder in tmp_path.parents if folder.stat().st_mode & 0o055 != 0o055]
    modes = [folder.stat().st_mode for folder in [tmp_path, *closed]]
    for folder in [tmp_path, *closed]:
        folder.chmod(0o755)
    yield
    for folder, mode in zip([tmp_path, *closed], modes):
        folder.chmod(mode)


def test_workers_that_run_as_another_user(secure, open_to_all):
    server = secure("--user", "nobody", "--redirect-https", free_low_port())
    server.plain = int(server.addresses[1].rpartition(":")[2])
    assert server.plain < 1024
    assert location(server) == f"https://x:{server.port}/"


def free_low_port():
    """One that only root may open."""
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


# --- challenges ---

CHALLENGES = "/.well-known/acme-challenge/"


def test_challenges(secure, webroot):
    server = secure("--acme-webroot", webroot)
    folder = webroot / ".well-known/acme-challenge"
    answer = ask(server, request("GET", CHALLENGES + "token-1_A"))
    assert answer.status == 200 and answer.body == b"token-1_A.thumbprint"
    assert answer.get("Content-Type") == "application/octet-stream"
    answer = ask(server, request("HEAD", CHALLENGES + "token-1_A"), "HEAD")
    assert answer.status == 200 and answer.get("Content-Length") == "20"
    (folder / "later").write_bytes(b"x" * 65536)
    assert ask(server, request("GET", CHALLENGES + "later")).body == b"x" * 65536
    (folder / "later").unlink()
    assert ask(server, request("GET", f"http://shop{CHALLENGES}token-1_A")).status == 200
    assert location(server, "/.well-known/other") == f"https://x:{server.port}/.well-known/other"
    assert "the application is asked" not in server.log


def test_what_is_no_challenge(secure, webroot):
    server = secure("--acme-webroot", webroot)
    folder = webroot / ".well-known/acme-challenge"
    (webroot / "secret").write_text("secret")
    (folder / "link").symlink_to(webroot / "secret")
    (folder / "folder").mkdir()
    (folder / "large").write_bytes(b"x" * 65537)
    os.mkfifo(folder / "pipe")
    (folder / "a.b").write_text("x")
    (folder / ("a" * 129)).write_text("x")
    for name in ["", "unknown", "link", "folder", "large", "pipe", "a.b", "a" * 129, "token-1_A/", "token-1_A?x",
                 "../../secret", "..%2f..%2fsecret", "%74oken-1_A", "folder/x", "a" * 4000]:
        answer = ask(server, request("GET", CHALLENGES + name))
        assert answer.status == 404 and answer.get("Location") is None, name
    assert ask(server, request("POST", CHALLENGES + "token-1_A", b"x")).status == 404
    assert ask(server, request("DELETE", CHALLENGES + "token-1_A")).status == 404
    assert "challenge" not in re.sub(r"--acme\S*", "", server.log)


def test_challenges_without_a_folder(secure):
    server = secure()
    assert location(server, CHALLENGES + "x") == f"https://x:{server.port}{CHALLENGES}x"


def test_a_challenge_that_workers_may_not_read(secure, webroot, open_to_all):
    server = secure("--user", "nobody", "--acme-webroot", webroot)
    token = webroot / ".well-known/acme-challenge/token-1_A"
    token.chmod(0o600)
    for _ in range(3):
        assert ask(server, request("GET", CHALLENGES + "token-1_A")).status == 404
    server.wait_for("cannot read the challenge")
    server.stop()
    assert len(re.findall(f"cannot read the challenge {re.escape(str(token))}: Permission denied", server.log)) == 1


def test_no_such_webroot(limpet, leaf, tmp_path):
    done = subprocess.run([limpet, "check", "app", "--tls-certificate", leaf.chain, "--tls-key", leaf.key,
                           "--redirect-https", "80", "--acme-webroot", tmp_path / "x"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2
    assert done.stderr == (f"limpet: --acme-webroot {tmp_path}/x: No such file or directory (create the folder, or give "
                           "that of certbot's -w)\n")


# --- Strict-Transport-Security ---

def strict(url, leaf, *arguments):
    """The values of the field."""
    head = curl("--cacert", leaf.root, "-D", "-", "-o", os.devnull, *arguments, url)
    assert head.startswith("HTTP/1.1 "), head
    return int(head.split()[1]), re.findall(r"(?im)^strict-transport-security: (.*?)\r?$", head)


def test_strict_transport_security(secure, leaf):
    plain = free_port()
    server = secure("--hsts", "365d", "--listen", f"127.0.0.1:{plain},plain", "--max-body-size", "10")
    year = ["max-age=31536000"]
    assert strict(f"{server.url}/", leaf) == (200, year)
    assert strict(f"{server.url}/", leaf, "-I") == (200, year)
    assert strict(f"{server.url}/pieces", leaf) == (200, year)
    assert strict(f"{server.url}/own", leaf) == (200, ["max-age=7; preload"])
    assert strict(f"{server.url}/", leaf, "-d", "x" * 20) == (413, year)
    assert strict(f"http://127.0.0.1:{plain}/", leaf) == (200, [])
    assert strict(f"http://127.0.0.1:{plain}/own", leaf) == (200, ["max-age=7; preload"])
    assert strict(f"http://127.0.0.1:{server.plain}/", leaf) == (308, [])


def test_no_strict_transport_security(secure, leaf):
    assert strict(f"{secure().url}/", leaf) == (200, [])


# --- listeners ---

def test_kinds_of_listeners(secure, leaf, tmp_path):
    path, plain = tmp_path / "tls.sock", tmp_path / "plain.sock"
    server = secure("--listen", f"unix:{path},mode=0600,tls", "--listen", f"unix:{plain}", "--listen",
                    "127.0.0.1:0,plain")
    port = server.addresses[3].rpartition(":")[2]
    assert server.addresses == [f"https://127.0.0.1:{server.port}", f"unix:{path},tls", f"unix:{plain}",
                                f"http://127.0.0.1:{port}", f"http://127.0.0.1:{server.plain}"]

    def scheme(*arguments):
        return json.loads(curl("--cacert", leaf.root, *arguments))["scheme"]

    assert path.stat().st_mode & 0o777 == 0o600
    assert scheme("--unix-socket", path, "https://localhost/") == "https"
    assert scheme("--unix-socket", plain, "http://localhost/") == "http"
    assert scheme(f"http://127.0.0.1:{port}/") == "http"
    assert scheme(f"{server.url}/") == "https"


# --- the password of a key ---

@pytest.fixture
def locked(tmp_path, leaf):
    """The key, encrypted with "open sesame"."""
    path = tmp_path / "locked.pem"
    path.write_bytes(encrypt_key(leaf.key.read_bytes(), "open sesame"))
    return path


@pytest.mark.parametrize("variable", ["LIMPET_TLS_KEY_PASSWORD", "LIMPET_SSL_KEYFILE_PASSWORD"])
@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["plain", "preload"])
def test_the_application_does_not_see_the_password(secure, leaf, locked, options, variable):
    server = secure(*options, key=locked, environment={**os.environ, variable: "open sesame", "LIMPET_OTHER": "1"})

    def check():
        seen = curl("--cacert", leaf.root, f"{server.url}/")
        assert "sesame" not in seen and variable not in json.loads(seen)["environment"]
        assert "PATH" in json.loads(seen)["environment"]

    check()
    server.process.send_signal(signal.SIGUSR2)
    server.follow()
    check()
    assert "sesame" not in server.log
    with open(f"/proc/{server.process.pid}/environ", "rb") as file:
        assert b"sesame" not in file.read()


def test_check_keeps_it_from_the_application_as_well(application, limpet, leaf, locked):
    folder = application("import os\nassert 'LIMPET_TLS_KEY_PASSWORD' not in os.environ\n" + APPLICATION)
    done = subprocess.run([limpet, "check", "app:app", "--working-dir", folder, "--tls-certificate", leaf.chain,
                           "--tls-key", locked], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LIMPET_TLS_KEY_PASSWORD": "open sesame"})
    assert done.returncode == 0, done.stderr
    assert "sesame" not in done.stdout + done.stderr


def test_no_password_on_the_command_line(limpet):
    done = subprocess.run([limpet, "serve", "app", "--tls-key-password", "sesame"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2
    assert done.stderr == ("limpet: tls-key-password is a secret, and not to be where others can read it (set the "
                           "variable LIMPET_TLS_KEY_PASSWORD, or give a file to --tls-key-password-file)\n")
