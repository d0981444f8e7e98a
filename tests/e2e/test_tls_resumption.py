"""Sessions that are resumed by a ticket, whichever worker is asked, and whatever happened to it meanwhile."""

import base64
import json
import pathlib
import signal

import pytest
from certificates import openssl
from tls_client import Pki, ask_all, client_context, handshake, options_of, s_client, workers_of

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
VERSIONS = ["TLSv1.2", "TLSv1.3"]
WORKERS = 4
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def start(serve, pki):
    return lambda *options, workers=WORKERS: serve(
        "over_tls:app", "--workers", workers, "--working-dir", APPLICATIONS, *options_of(pki.local), *options)


class Client:
    """A client that resumes the session that it had last."""

    def __init__(self, pki, version, **options):
        self.context = client_context(pki, version, **options)
        self.session = None

    def connect(self, server):
        """(pid of the worker, whether it was resumed)"""
        peer, body = handshake(server, self.context, session=self.session)
        with peer:
            self.session = peer.socket.session
            return json.loads(body)["pid"], peer.socket.session_reused


def all_resume(server, clients):
    """Each worker takes the one ticket that each client has."""
    for client in clients:
        session = client.session

        def resumes():
            client.session = session
            pid, again = client.connect(server)
            assert again
            return pid

        ask_all(server, workers_of(server), resumes)
        client.session = session


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_one_ticket_by_all_workers(start, pki, preload):
    server, clients = start(*preload), clients_of(pki)
    for client in clients:
        assert not client.connect(server)[1]
    assert len(workers_of(server)) == WORKERS
    all_resume(server, clients)


def clients_of(pki):
    return [Client(pki, version) for version in VERSIONS]


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_across_a_reload_and_replacements(start, pki, preload):
    server = start(*preload, workers=2)
    clients, before = clients_of(pki), workers_of(server)
    for client in clients:
        assert not client.connect(server)[1]
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("certificates and keys were read again")
    all_resume(server, clients)
    assert workers_of(server) == before
    server.process.send_signal(signal.SIGUSR1)
    for pid in before:
        server.wait_for(rf"\(pid {pid}\) exited with status 0")
    all_resume(server, clients)
    assert len(workers_of(server)) == 2 and not set(before) & set(workers_of(server))


@pytest.mark.parametrize("version", VERSIONS)
def test_not_after_a_restart(serve, start, pki, version):
    client = Client(pki, version)
    first = start(workers=1)
    client.connect(first)
    assert client.connect(first)[1]
    port = first.port
    first.stop()
    second = serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, *options_of(pki.local), port=port)
    assert not client.connect(second)[1]
    assert client.connect(second)[1]


@pytest.mark.parametrize("verify", ["optional", "require"])
@pytest.mark.parametrize("version", VERSIONS)
def test_not_with_clients_certificates(start, pki, version, verify):
    """Whoever has to show one shows it each time."""
    server = start("--tls-client-ca", pki.root.certificate, "--tls-client-verify", verify, workers=1)
    client = Client(pki, version, leaf=pki.root.issue("Ann", usage="client"))
    for _ in range(3):
        pid, again = client.connect(server)
        assert not again
        peer, body = handshake(server, client.context, session=client.session)
        with peer:
            assert json.loads(body)["SSL_CLIENT_S_DN_CN"] == "Ann" and not peer.socket.session_reused


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_ticket_that_was_changed(start, version, tmp_path):
    """A client whose ticket is worth nothing is served after a whole handshake."""
    server = start(workers=1)
    saved = tmp_path / "session"
    s_client(server, version, "-sess_out", saved, data=GET)
    assert "Reused, " in s_client(server, version, "-sess_in", saved, data=GET)
    text = openssl("sess_id", "-in", saved, "-noout", "-text").decode()
    rows = [line.split(" - ")[1][:47] for line in text.splitlines() if " - " in line and line.lstrip()[:4].isalnum()]
    ticket = bytes.fromhex("".join(rows).replace("-", "").replace(" ", ""))
    der = openssl("sess_id", "-in", saved, "-outform", "DER")
    at = der.index(ticket[:64])
    for offset in (0, 20, 60):  # name of the key, nonce, what is encrypted
        changed = bytearray(der)
        changed[at + offset] ^= 1
        (tmp_path / "changed").write_bytes(bytes_to_pem(changed))
        out = s_client(server, version, "-sess_in", tmp_path / "changed", data=GET)
        assert "New, " in out and "Reused, " not in out and "HTTP/1.1 200" in out


def bytes_to_pem(der):
    return b"-----BEGIN SSL SESSION PARAMETERS-----\n" + base64.encodebytes(bytes(der)) \
        + b"-----END SSL SESSION PARAMETERS-----\n"


def test_another_name_with_the_ticket(serve, pki):
    """The session is resumed for the name that is asked for now, and the application is told that one."""
    leaves = [pki.root.issue("a.test"), pki.root.issue("b.test")]
    server = serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, *options_of(*leaves))
    for version in VERSIONS:
        context = client_context(pki, version)
        first, _ = handshake(server, context, "a.test")
        with first:
            session = first.socket.session
        context.check_hostname = False
        second, body = handshake(server, context, "b.test", session=session)
        with second:
            assert json.loads(body)["SSL_TLS_SNI"] == "b.test"
