"""TLS clients for tests: raw_client's Peer with Python's ssl below it, and the openssl command.

    pki = Pki(tmp_path)                               # an authority, and what it has issued for localhost
    server = serve("app:app", *pki.local.options())
    with TlsPeer(server, client_context(pki)) as peer:
        peer.ask(request("GET", "/"))
"""

import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess

from certificates import Authority
from raw_client import Peer
from server import eventually

TIMEOUT_S = 60
IGNORE_UNEXPECTED_EOF = 0x80  # OpenSSL's option: an end that was not told is as good
HANDSHAKE_FAILURE, PROTOCOL_VERSION, NO_APPLICATION_PROTOCOL = 40, 70, 120  # alerts
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = {"TLSv1.2": TLS12, "TLSv1.3": TLS13}


class Pki:
    """root: an Authority; local: a Leaf for localhost and 127.0.0.1."""

    def __init__(self, folder):
        self.root = Authority(folder)
        self.local = self.renewed()

    def renewed(self, **options):
        """Another Leaf for the same names."""
        return self.root.issue("localhost", names=["localhost", "127.0.0.1"], **options)


def options_of(*leaves):
    """What serves these certificates."""
    return [word for leaf in leaves for word in ("--tls-certificate", leaf.chain, "--tls-key", leaf.key)]


def client_context(pki, version=None, leaf=None, ciphers=None, protocols=None):
    """What a client goes by. version: the only one that it speaks; leaf: the certificate that it can show."""
    context = ssl.create_default_context(cafile=pki.root.certificate)
    context.options &= ~IGNORE_UNEXPECTED_EOF
    if version is not None:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if leaf is not None:
        context.load_cert_chain(leaf.chain, leaf.key)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    if protocols is not None:
        context.set_alpn_protocols(protocols)
    return context


class TlsPeer(Peer):
    """A connection over TLS, established."""

    def __init__(self, server, context, name="localhost", session=None, receive_buffer=None):
        """session: of an earlier one with the same context, to be resumed."""
        super().__init__(server, TIMEOUT_S, receive_buffer)
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session)
        except OSError:
            self.socket.close()
            raise

    def serial(self):
        """Of the server's certificate, as openssl prints it."""
        return self.socket.getpeercert()["serialNumber"]


def handshake(server, context, name="localhost", session=None):
    """A connection that has had an answer: with TLS 1.3 only that tells of a client's certificate, and brings
    tickets."""
    peer = TlsPeer(server, context, name, session)
    answer = peer.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == 200, answer
    return peer, answer.body


def alert_of(server, context, name="localhost", refused=True):
    """The name of the alert that the server refuses with, "TLSV13_ALERT_CERTIFICATE_REQUIRED". refused: it has to;
    otherwise None where it does not."""
    try:
        peer, _ = handshake(server, context, name)
    except ssl.SSLError as error:
        return error.reason
    peer.socket.close()
    assert not refused, "it was not refused"
    return None


def s_client(server, *arguments, data=b"", status=0):
    """What "openssl s_client" prints of a connection that it ends after its handshake; with data it sends that and
    waits until the server closes. The log of the server is not looked at."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *map(str, arguments)]
    environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}
    done = subprocess.run([*command, "-ign_eof"] if data else command, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=environment, timeout=TIMEOUT_S)
    out = done.stdout.decode(errors="replace")
    assert status is None or done.returncode == status, out
    return out


def raw_hello(server, data, count=7):
    """The first bytes that the server answers to these, which are no whole conversation."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as peer:
        peer.sendall(data)
        received = b""
        while len(received) < count and (piece := peer.recv(4096)):
            received += piece
    return received


def alerts(out):
    """The numbers of the alerts (RFC 8446 section 6) that s_client was refused with."""
    return [int(number) for number in re.findall(r"SSL alert number (\d+)", out)]


def workers_of(server):
    """Pids of its workers, without a template."""
    return [pid for pid in server.workers() if b": worker " in _read(pid, "cmdline")]


def ask_all(server, workers, ask):
    """Call ask() for each of these workers, the only one that runs meanwhile (SIGSTOP): who answers is not left to
    chance. It returns the pid that has answered."""
    for worker in workers:
        others = [pid for pid in workers_of(server) if pid != worker]
        try:
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            eventually(lambda: all(_is_stopped(pid) for pid in others))
            assert ask() == worker
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)


def _is_stopped(pid):
    """All of its threads are."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def _read(pid, name):
    """A file of a process; empty where that has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
