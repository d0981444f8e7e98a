"""Certificates as most servers come by them: certbot orders, the authority looks for its challenge on the port that
redirects, certbot's deploy hook sends HUP, and the next client sees the new certificate."""

import http.client
import re
import socket
import ssl

import pytest

from acme import Acme
from certificates import Authority

NAME = "shop.example.org"
READ_AGAIN = r"certificates and keys were read again\n"


def secure_connection(server, root):
    """An http.client connection to the name, and the serial number of the certificate that it has seen."""
    connection = http.client.HTTPConnection(NAME)
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    context = ssl.create_default_context(cafile=root)
    connection.sock = context.wrap_socket(raw, server_hostname=NAME)
    return connection, connection.sock.getpeercert()["serialNumber"]


def pid_of(connection):
    """Of the worker that answers."""
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 200
    return int(answer.read())


def serial_of(server, root):
    connection, serial = secure_connection(server, root)
    pid = pid_of(connection)
    connection.close()
    return pid, serial


@pytest.fixture
def acme(tmp_path, tool, free_port):
    with Acme(tmp_path, tool, free_port, http_port=free_port()).serving() as acme:
        yield acme


@pytest.fixture
def secure(serve, acme, tmp_path):
    """secure(*options) -> Server with two workers whose plain port is where the authority asks for challenges."""
    (tmp_path / "webroot").mkdir()

    def start(*options):
        server = serve("--port", 0, "--workers", 2, "--redirect-https", acme.http_port, "--acme-webroot",
                       tmp_path / "webroot", "--pid-file", tmp_path / "pid", *options)
        assert server.addresses == [f"https://127.0.0.1:{server.port}", f"http://127.0.0.1:{acme.http_port}"]
        return server

    return start


def order(acme, folder):
    """The first certificate. The hook stays with it for all renewals."""
    acme.certbot("certonly", "--webroot", "--webroot-path", folder / "webroot", "--domain", NAME, "--agree-tos",
                 "--register-unsafely-without-email", "--deploy-hook", f'kill -HUP "$(cat {folder}/pid)"')
    text = (acme.live / NAME / "fullchain.pem").read_text()
    assert text.count("BEGIN CERTIFICATE") >= 2


def validations(acme):
    """How often a challenge was looked for and found good."""
    return len(re.findall(r"authz \S+ set VALID", acme.log.read_text()))


def test_first_certificate_and_renewal(acme, secure, tmp_path):
    own = Authority(tmp_path, "Own").issue(NAME)
    server = secure("--tls-certificate", own.chain, "--tls-key", own.key)
    order(acme, tmp_path)
    assert validations(acme) == 1
    # What it serves has not changed, but it was told to look.
    server.wait_for(READ_AGAIN)
    server.stop()

    server = secure("--tls-certificate", acme.live)
    workers, root = set(server.workers()), acme.root()
    kept, first = secure_connection(server, root)
    holder = pid_of(kept)
    acme.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert validations(acme) == 2
    server.wait_for(READ_AGAIN)
    seen = {}
    while set(seen) != workers:  # the kernel chooses
        pid, serial = serial_of(server, root)
        assert serial != first and seen.setdefault(pid, serial) == serial
    assert len(set(seen.values())) == 1
    assert pid_of(kept) == holder
    kept.close()
    assert set(server.workers()) == workers
    assert " error " not in server.log and " warning " not in server.log, server.log
