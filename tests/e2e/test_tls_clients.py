"""Clients' certificates: who is let in, what the application is told of them, and with which alert others are
refused."""

import json
import pathlib
import re
import signal
import ssl
import time

import pytest
from certificates import Authority, openssl
from server import eventually
from tls_client import TIMEOUT_S, Pki, alert_of, client_context, handshake, options_of, s_client

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
VERSIONS = ["TLSv1.2", "TLSv1.3"]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """The authority of clients."""
    return Authority(tmp_path_factory.mktemp("clients"), "Client Root")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Another authority of the same name."""
    return Authority(tmp_path_factory.mktemp("foreign"), "Client Root")


@pytest.fixture(scope="module")
def below(clients):
    return clients.intermediate("Client Intermediate")


@pytest.fixture(scope="module")
def leaves(clients, foreign, below):
    """By what is the matter with them."""
    made = {
        "good": clients.issue("Ann", names=[], usage="client"),
        "rsa": clients.issue("Rosa", names=[], usage="client", kind="rsa:2048"),
        "any": clients.issue("Any", names=[], usage="any"),
        "below": below.issue("Ben", names=[], usage="client"),
        "revoked": clients.issue("Rev", names=[], usage="client"),
        "expired": clients.issue("Old", names=[], usage="client", days=-1, since=-30),
        "early": clients.issue("Early", names=[], usage="client", days=30, since=2),
        "foreign": foreign.issue("Fran", names=[], usage="client"),
        "self": clients.issue("Self", names=[], usage="client", self_signed=True),
        "usage": clients.issue("Serve", names=[], usage="server"),
    }
    clients.revoke(made["revoked"])
    return made


@pytest.fixture(scope="module", params=["require", "optional"])
def server(request, pki, clients, leaves, serve_once):
    return serve_once((APPLICATIONS / "over_tls.py").read_text(), *options_of(pki.local), "--tls-client-ca",
                      clients.certificate, "--tls-client-verify", request.param, "--tls-crl", clients.crl())


@pytest.fixture
def start(serve, pki):
    return lambda *options: serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, *options_of(pki.local),
                                  *options)


def facts(server, pki, version, leaf=None):
    peer, body = handshake(server, client_context(pki, version, leaf))
    peer.socket.close()
    return json.loads(body)


def pem_of(path):
    """The certificates of a file, one by one, without what may be around them."""
    return re.findall(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", path.read_text(), re.DOTALL)


def printed(leaf, *options):
    return openssl("x509", "-in", leaf.certificate, "-noout", *options).decode().strip().partition("=")[2]


# --- who is let in ---


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["good", "rsa", "any"])
def test_good_certificate(server, pki, leaves, version, name):
    told, leaf = facts(server, pki, version, leaves[name]), leaves[name]
    assert {key: value for key, value in told.items() if key.startswith("SSL_CLIENT_")} == {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_S_DN": f"CN={leaf.name}",
        "SSL_CLIENT_S_DN_CN": leaf.name,
        "SSL_CLIENT_I_DN": "CN=Client Root",
        "SSL_CLIENT_M_SERIAL": leaf.serial(),
        "SSL_CLIENT_V_START": printed(leaf, "-startdate"),
        "SSL_CLIENT_V_END": printed(leaf, "-enddate"),
        "SSL_CLIENT_CERT": pem_of(leaf.certificate)[0],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_intermediate_authority(server, pki, leaves, version):
    told = facts(server, pki, version, leaves["below"])
    own, issuer = pem_of(leaves["below"].chain)
    assert told["SSL_CLIENT_VERIFY"] == "SUCCESS" and told["SSL_CLIENT_I_DN"] == "CN=Client Intermediate"
    assert told["SSL_CLIENT_CERT"] == own and told["SSL_CLIENT_CERT_CHAIN_0"] == issuer
    assert "SSL_CLIENT_CERT_CHAIN_1" not in told


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name, alert", [
    ("revoked", "SSLV3_ALERT_CERTIFICATE_REVOKED"),
    ("expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ("early", "SSLV3_ALERT_BAD_CERTIFICATE"),
    ("foreign", "TLSV1_ALERT_UNKNOWN_CA"),
    ("self", "TLSV1_ALERT_UNKNOWN_CA"),
    ("usage", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"),
])
def test_bad_certificate(server, pki, leaves, version, name, alert):
    """Also where none has to be shown: who shows one that is not good is not taken for somebody unknown."""
    assert alert_of(server, client_context(pki, version, leaves[name])) == alert
    facts(server, pki, version, leaves["good"])


@pytest.mark.parametrize("version", VERSIONS)
def test_without_the_intermediate(server, pki, leaves, version, tmp_path):
    context = client_context(pki, version)
    context.load_cert_chain(leaves["below"].certificate, leaves["below"].key)
    assert alert_of(server, context) == "TLSV1_ALERT_UNKNOWN_CA"


@pytest.mark.parametrize("version, alert", zip(
    VERSIONS, ["SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV13_ALERT_CERTIFICATE_REQUIRED"]))
def test_none_where_one_is_required(start, pki, clients, version, alert):
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require")
    assert alert_of(server, client_context(pki, version)) == alert


@pytest.mark.parametrize("version", VERSIONS)
def test_none_where_none_is_required(start, pki, clients, version):
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "optional")
    told = facts(server, pki, version)
    assert [key for key in told if key.startswith("SSL_CLIENT")] == ["SSL_CLIENT_VERIFY"]
    assert told["SSL_CLIENT_VERIFY"] == "NONE"


@pytest.mark.parametrize("version", VERSIONS)
def test_off(start, pki, clients, leaves, version):
    """Nobody is asked, and what somebody would show is not looked at."""
    server = start("--tls-client-verify", "off")
    for leaf in (None, leaves["good"], leaves["foreign"]):
        assert facts(server, pki, version, leaf)["SSL_CLIENT_VERIFY"] == "NONE"


def test_names_of_authorities_are_told(start, pki, clients):
    """RFC 8446 section 4.2.4: by them a browser finds the certificate that fits."""
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "optional")
    for version in ("-tls1_2",):
        out = s_client(server, version, data=GET)
        assert "Acceptable client certificate CA names\nCN = Client Root\n" in out


def test_key_that_does_not_fit(server, pki, leaves):
    """A certificate alone is known to everybody: what counts is the signature. One that is broken is refused."""
    context = client_context(pki, "TLSv1.3")
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(leaves["good"].certificate, leaves["rsa"].key)
    out = s_client(server, "-tls1_3", "-cert", leaves["good"].certificate, "-key", leaves["rsa"].key, status=None)
    assert "200 OK" not in out


def test_distinguished_names(start, pki, clients, tmp_path):
    """RFC 4514: the last part first, and what would be taken for a separator is escaped."""
    key, request, certificate = tmp_path / "key.pem", tmp_path / "request.pem", tmp_path / "certificate.pem"
    (tmp_path / "openssl.cnf").write_text(
        "[req]\ndistinguished_name=none\nstring_mask=utf8only\nprompt=no\n[none]\nCN=x\n")
    openssl("req", "-new", "-utf8", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-config", tmp_path / "openssl.cnf", "-out", request, "-subj", "/C=DE/O=Müller, Söhne + Co/OU=\\#1/CN=Zoë")
    openssl("x509", "-req", "-in", request, "-CA", clients.certificate, "-CAkey", clients.key, "-set_serial",
            "0x00ff01", "-days", "10", "-out", certificate)
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require")
    context = client_context(pki)
    context.load_cert_chain(certificate, key)
    peer, body = handshake(server, context)
    with peer:
        told = json.loads(body)
    assert told["SSL_CLIENT_S_DN_CN"] == "Zoë" and told["SSL_CLIENT_M_SERIAL"] == "FF01"
    expected = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "rfc2253,-esc_msb,utf8")
    escaped = openssl("x509", "-in", certificate, "-noout", "-subject", "-nameopt", "rfc2253")
    assert told["SSL_CLIENT_S_DN"] in [text.decode().strip().removeprefix("subject=") for text in (expected, escaped)]
    assert told["SSL_CLIENT_S_DN"].startswith("CN=Zo") and told["SSL_CLIENT_S_DN"].endswith(",C=DE")


@pytest.mark.parametrize("mask,subject,first,common_name", [
    ("utf8only", "/O=Shop/CN=Ann+UID=7", ["CN=Ann", "uid=7"], "Ann"),  # two parts in one place are not two places
    ("MASK:0x800", "/O=Shop/CN=admin", None, ""),                      # UTF-16: no text that ends early
], ids=["several", "utf-16"])
def test_names_that_could_be_mistaken(start, pki, clients, tmp_path, mask, subject, first, common_name):
    key, request, certificate = (tmp_path / name for name in ("key.pem", "request.pem", "certificate.pem"))
    (tmp_path / "openssl.cnf").write_text(f"[req]\ndistinguished_name=none\nstring_mask={mask}\nprompt=no\n[none]\nCN=x\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-config",
            tmp_path / "openssl.cnf", "-out", request, "-subj", subject)
    openssl("x509", "-req", "-in", request, "-CA", clients.certificate, "-CAkey", clients.key, "-set_serial", "7", "-days",
            "10", "-out", certificate)
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require")
    context = client_context(pki)
    context.load_cert_chain(certificate, key)
    peer, body = handshake(server, context)
    with peer:
        told = json.loads(body)
    assert told["SSL_CLIENT_S_DN_CN"] == common_name
    if first is not None:
        place, _, rest = told["SSL_CLIENT_S_DN"].partition(",")
        assert sorted(place.split("+")) == first and rest == "O=Shop"


def test_names_do_not_split(start, pki, clients, tmp_path):
    """A comma in a name is no new part."""
    leaf = clients.issue("Ann,O=Shop", names=[], usage="client")
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require")
    told = facts(server, pki, "TLSv1.3", leaf)
    assert told["SSL_CLIENT_S_DN"].startswith(r"CN=Ann\,O") and told["SSL_CLIENT_S_DN_CN"] == "Ann,O=Shop"


def test_several_authorities(start, pki, clients, foreign, leaves):
    server = start("--tls-client-ca", clients.certificate, "--tls-client-ca", foreign.certificate,
                   "--tls-client-verify", "require")
    for name in ("good", "foreign", "below"):
        assert facts(server, pki, None, leaves[name])["SSL_CLIENT_S_DN_CN"] == leaves[name].name


def test_revoked_by_an_intermediate_authority(start, pki, clients):
    """Its own list needs it to be named as an authority."""
    between = clients.intermediate("Client Intermediate")
    good, bad = (between.issue(name, names=[], usage="client") for name in ("Good", "Bad"))
    between.revoke(bad)
    server = start("--tls-client-ca", clients.certificate, "--tls-client-ca", between.certificate,
                   "--tls-client-verify", "require", "--tls-crl", between.crl(), "--tls-crl", clients.crl())
    for version in VERSIONS:
        assert facts(server, pki, version, good)["SSL_CLIENT_S_DN_CN"] == "Good"
        assert alert_of(server, client_context(pki, version, bad)) == "SSLV3_ALERT_CERTIFICATE_REVOKED"


def test_revoked_by_a_reload(start, pki, clients, leaves, tmp_path):
    """Whoever was let in stays, and is not let in again."""
    mallory = clients.issue("Mallory", names=[], usage="client")
    crl = tmp_path / "crl.pem"
    crl.write_bytes(clients.crl().read_bytes())
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require", "--tls-crl", crl)
    peer, _ = handshake(server, client_context(pki, None, mallory))
    with peer:
        clients.revoke(mallory)
        crl.write_bytes(clients.crl().read_bytes())
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("certificates and keys were read again")
        eventually(lambda: refused(server, client_context(pki, None, mallory)))
        assert peer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").json()["SSL_CLIENT_S_DN_CN"] == "Mallory"
    assert alert_of(server, client_context(pki, None, mallory)) == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert facts(server, pki, None, leaves["good"])["SSL_CLIENT_S_DN_CN"] == "Ann"


def refused(server, context):
    try:
        handshake(server, context)[0].socket.close()
    except ssl.SSLError:
        return True
    return False


def test_headers_cannot_pretend(server, pki, leaves):
    """A client's header does not become a key that only TLS makes."""
    peer, _ = handshake(server, client_context(pki, None, leaves["good"]))
    with peer:
        answer = peer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nSSL_CLIENT_S_DN: CN=Root\r\nSSL-Client-Verify: NONE\r\n"
                          b"SSL_CLIENT_CERT: x\r\n\r\n")
        assert answer.json()["SSL_CLIENT_S_DN"] == "CN=Ann" and answer.json()["SSL_CLIENT_VERIFY"] == "SUCCESS"


def test_large_certificate(start, pki, clients):
    """Nearly of the greatest size that is taken, 16 KB."""
    names = [f"name-{number}.{'x' * 50}.test" for number in range(220)]
    leaf = clients.issue("Large", names=names, usage="client")
    assert 14_000 < len(leaf.der()) < 16_000
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require")
    for version in VERSIONS:
        assert facts(server, pki, version, leaf)["SSL_CLIENT_S_DN_CN"] == "Large"


def test_expiry_while_the_connection_lasts(start, pki, clients):
    """Dates count when the certificate is shown."""
    server = start("--tls-client-ca", clients.certificate, "--tls-client-verify", "require")
    leaf = clients.issue("Short", names=[], usage="client", days=3 / 86400)
    context, until = client_context(pki, None, leaf), time.monotonic() + TIMEOUT_S
    peer, _ = handshake(server, context)
    with peer:
        while (alert := alert_of(server, context, refused=False)) is None:
            assert time.monotonic() < until, "it is taken for ever"
        assert alert == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
        assert peer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").json()["SSL_CLIENT_S_DN_CN"] == "Short"
