"""HTTPS with real clients: versions, suites, groups, certificates by name, forms of keys, and what is refused how."""

import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import urllib.request

import pytest
from certificates import certbot_layout, encrypt_key, openssl, traditional_key
from empty_root import NOBODY
from tls_client import (
    HANDSHAKE_FAILURE, NO_APPLICATION_PROTOCOL, PROTOCOL_VERSION, Pki, alert_of, alerts, client_context, handshake,
    options_of, raw_hello, s_client)

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def rsa(pki):
    """A certificate for the same names with a key of the other kind."""
    return pki.renewed(kind="rsa:2048")


@pytest.fixture(scope="module")
def server(pki, rsa, serve_once):
    """Both kinds of certificates, one worker."""
    return serve_once((APPLICATIONS / "over_tls.py").read_text(), *options_of(pki.local, rsa))


@pytest.fixture
def start(serve):
    return lambda *options, **more: serve("over_tls:app", "--workers", 1, "--working-dir", APPLICATIONS, *options,
                                          **more)


def facts(server, context, name="localhost"):
    """What the application is told over a new connection."""
    peer, body = handshake(server, context, name)
    peer.socket.close()
    return json.loads(body)


def curl(server, pki, *arguments):
    command = ["curl", "-sS", "--max-time", "30", "--cacert", pki.root.certificate, "--resolve",
               f"localhost:{server.port}:127.0.0.1", *arguments, f"https://localhost:{server.port}/"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


# --- clients ---


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl(server, pki, version):
    status, out, err = curl(server, pki, f"--tlsv{version}", "--tls-max", version)
    assert status == 0, err
    assert json.loads(out)["SSL_PROTOCOL"] == f"TLSv{version}"


def test_curl_asks_for_http2_and_gets_the_first(server, pki):
    told = curl(server, pki, "--http2", "-o", "/dev/null", "-w", "%{http_version} %{ssl_verify_result}")
    assert told == (0, "1.1 0", "")


def test_wget(server, pki):
    done = subprocess.run(["wget", "-q", "-O", "-", "--ca-certificate", pki.root.certificate,
                           f"https://localhost:{server.port}/"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wsgi.url_scheme"] == "https"


def test_urllib(server, pki):
    with urllib.request.urlopen(f"https://localhost:{server.port}/", context=client_context(pki), timeout=30) as answer:
        assert json.load(answer)["HTTPS"] == "on"


def test_the_address_is_told_as_https(server):
    assert server.url == f"https://127.0.0.1:{server.port}"


# --- what the application is told ---


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_environ(server, pki, version):
    peer, body = handshake(server, client_context(pki, version))
    with peer:
        told = json.loads(body)
        assert {key: told[key] for key in told if not key.startswith("SERVER_")} == {
            "pid": server.workers()[0], "wsgi.url_scheme": "https", "HTTPS": "on", "HTTP_HOST": "localhost",
            "SSL_PROTOCOL": version, "SSL_CIPHER": peer.socket.cipher()[0], "SSL_TLS_SNI": "localhost",
            "SSL_CLIENT_VERIFY": "NONE"}
        assert told["SERVER_PORT"] == str(server.port)


def test_environ_without_a_name(server, pki):
    context = client_context(pki)
    context.check_hostname = False
    assert "SSL_TLS_SNI" not in facts(server, context, None)


def test_names_are_told_in_lower_case(server, pki):
    assert facts(server, client_context(pki), "LocalHost")["SSL_TLS_SNI"] == "localhost"


# --- versions and suites ---


def test_only_the_newest(start, pki):
    server = start(*options_of(pki.local), "--tls-min", "1.3")
    assert facts(server, client_context(pki))["SSL_PROTOCOL"] == "TLSv1.3"
    assert alert_of(server, client_context(pki, "TLSv1.2")) == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused_with_an_alert(server, version):
    out = s_client(server, version, "-cipher", "ALL:@SECLEVEL=0", status=1)
    assert alerts(out) == [PROTOCOL_VERSION], out


@pytest.mark.parametrize("suites", [
    "AES128-GCM-SHA256",  # no forward secrecy
    "AES256-SHA",
    "DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",  # not authenticated as a whole
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-CCM8",
    "AECDH-AES128-SHA",
    "ECDHE-ECDSA-NULL-SHA",
    "PSK-AES128-GCM-SHA256",
])
def test_weak_suites_are_refused_with_an_alert(server, suites):
    psk = ["-psk", "00"] if suites.startswith("PSK") else []
    out = s_client(server, "-tls1_2", "-cipher", f"{suites}:@SECLEVEL=0", *psk, status=1)
    assert alerts(out) == [HANDSHAKE_FAILURE], out


@pytest.mark.parametrize("suite", [
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
])
def test_suites_of_1_2_choose_the_certificate(server, pki, rsa, suite):
    peer, body = handshake(server, client_context(pki, "TLSv1.2", ciphers=suite))
    with peer:
        assert json.loads(body)["SSL_CIPHER"] == suite == peer.socket.cipher()[0]
        assert peer.serial() == (rsa if "RSA-" in suite.replace("ECDSA-", "") else pki.local).serial()


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_suites_of_1_3(server, suite):
    out = s_client(server, "-tls1_3", "-ciphersuites", suite, data=GET)
    assert f"Cipher is {suite}" in out and f'"SSL_CIPHER": "{suite}"' in out


def test_unknown_suite_of_1_3(server):
    out = s_client(server, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256", status=1)
    assert alerts(out) == [HANDSHAKE_FAILURE], out


@pytest.mark.parametrize("version, algorithms, kind", [
    ("-tls1_2", "ECDSA+SHA256", "ECDSA"),
    ("-tls1_2", "RSA+SHA256", "RSA"),
    ("-tls1_2", "RSA+SHA512:RSA-PSS+SHA256", "RSA"),
    ("-tls1_3", "ECDSA+SHA256", "ECDSA"),
    ("-tls1_3", "RSA-PSS+SHA256:RSA+SHA256", "RSA-PSS"),
    ("-tls1_3", "RSA-PSS+SHA512", "RSA-PSS"),
    ("-tls1_3", "ECDSA+SHA256:RSA-PSS+SHA384", "ECDSA"),
])
def test_signatures_choose_the_certificate(server, pki, rsa, version, algorithms, kind):
    out = s_client(server, version, "-sigalgs", algorithms, "-CAfile", pki.root.certificate, data=GET)
    assert re.search(r"Peer signature type: (\S+)", out)[1] == kind
    certificate = ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN.*?END CERTIFICATE-----\n", out, re.DOTALL)[0])
    assert certificate == (pki.local if kind == "ECDSA" else rsa).der()
    assert "HTTP/1.1 200" in out and "Verify return code: 0" in out


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_signature_in_common(server, version):
    out = s_client(server, version, "-sigalgs", "ed25519", status=1)
    assert alerts(out) == [HANDSHAKE_FAILURE], out


# --- groups ---


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("group, named", [("X25519", "X25519, 253 bits"), ("P-256", "ECDH, prime256v1, 256 bits"),
                                          ("P-384", "ECDH, secp384r1, 384 bits")])
def test_groups(server, version, group, named):
    out = s_client(server, version, "-groups", group, data=GET)
    assert f"Server Temp Key: {named}" in out and "HTTP/1.1 200" in out


@pytest.mark.parametrize("groups, named", [("P-521:X25519", "X25519"), ("X448:P-384", "secp384r1"),
                                           ("ffdhe2048:P-521:P-256", "prime256v1")])
def test_another_key_share_is_asked_for(server, groups, named):
    """RFC 8446 section 4.1.4: HelloRetryRequest, and so a second ClientHello."""
    out = s_client(server, "-tls1_3", "-groups", groups, "-msg", data=GET)
    assert len(re.findall(r">>> TLS 1.3, Handshake \[length \w+\], ClientHello", out)) == 2
    assert re.search(rf"Server Temp Key: .*{named}", out) and "HTTP/1.1 200" in out


@pytest.mark.parametrize("kind", ["ECDSA", "RSA-PSS"])
def test_another_key_share_with_either_certificate(server, kind):
    out = s_client(server, "-tls1_3", "-groups", "P-521:P-256", "-sigalgs", f"{kind}+SHA256", data=GET)
    assert f"Peer signature type: {kind}" in out and "HTTP/1.1 200" in out


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_group_in_common(server, version):
    out = s_client(server, version, "-groups", "P-521", status=1)
    assert alerts(out) == [HANDSHAKE_FAILURE], out


# --- ALPN (RFC 7301) ---


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_protocols(server, pki, version):
    for offered, chosen in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (None, None)):
        peer, _ = handshake(server, client_context(pki, version, protocols=offered))
        with peer:
            assert peer.socket.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_protocol_in_common(server, version):
    out = s_client(server, version, "-alpn", "h2,spdy/3", status=1)
    assert alerts(out) == [NO_APPLICATION_PROTOCOL], out


# --- what is no TLS ---


def test_plain_http(server):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=30)
    assert refused.value.code == 400 and b"https" in refused.value.read()


def test_plain_http_with_a_long_body(server):
    """The answer arrives although not all was read."""
    done = subprocess.run(["curl", "-sS", "--max-time", "30", "--data-binary", "@-", "-o", "/dev/null", "-w",
                           "%{http_code}", f"http://127.0.0.1:{server.port}/"],
                          input=b"x" * 300_000, capture_output=True, timeout=60)
    assert done.stdout == b"400", done.stderr


def test_something_else(server):
    assert raw_hello(server, b"\0\1\2\3\4\5\6\7\10\11")[:1] in (b"", b"\x15")
    assert raw_hello(server, b"SSH-2.0-OpenSSH_9.2\r\n")[:1] != b"\x16"


def test_sslv2_hello(server):
    assert raw_hello(server, bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0")
                     + bytes(16))[:1] in (b"", b"\x15")


# --- certificates by name ---


@pytest.fixture(scope="module")
def named(pki):
    issue = pki.root.issue
    return {
        "first": issue("first.test", names=["first.test", "other.test"]),
        "wildcard": issue("wild.test", names=["*.wild.test"], kind="rsa:2048"),
        "exact": issue("exact.wild.test"),
        "address": issue("10.1.2.3", names=["10.1.2.3"]),
        "common": issue("common.test", names=[]),
    }


@pytest.fixture(scope="module")
def shop(named, serve_once):
    return serve_once((APPLICATIONS / "over_tls.py").read_text(), *options_of(*named.values()))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("asked, shown", [
    ("first.test", "first"), ("OTHER.test", "first"), ("a.wild.test", "wildcard"), ("A.WILD.TEST", "wildcard"),
    ("exact.wild.test", "exact"), ("a.b.wild.test", "first"), ("wild.test", "first"), (".wild.test", "first"),
    ("unknown.example", "first"), (None, "first"), ("common.test", "common"), ("xn--bcher-kva.test", "first"),
    ("*.wild.test", "wildcard"), ("a" * 240 + ".wild.test", "wildcard"),
])
def test_name_chooses_the_certificate(shop, named, version, asked, shown):
    name = ["-noservername"] if asked is None else ["-servername", asked]
    out = s_client(shop, version, *name)
    certificate = ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN.*?END CERTIFICATE-----\n", out, re.DOTALL)[0])
    assert certificate == named[shown].der()


def test_name_and_another_key_share(shop, named):
    """The certificate is chosen once more for the second ClientHello."""
    for name, shown in (("exact.wild.test", "exact"), ("a.wild.test", "wildcard")):
        out = s_client(shop, "-tls1_3", "-servername", name, "-groups", "P-521:X25519", data=GET)
        certificate = ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN.*?END CERTIFICATE-----\n", out, re.DOTALL)[0])
        assert certificate == named[shown].der() and f'"SSL_TLS_SNI": "{name}"' in out


def test_certbot_folder(start, pki, tmp_path):
    leaves = [pki.root.issue("b.test"), pki.root.issue("a.test"), pki.local]
    server = start("--tls-certificate", certbot_layout(tmp_path, *leaves))
    for leaf in leaves:
        peer, _ = handshake(server, client_context(pki), leaf.name)
        with peer:
            assert peer.serial() == leaf.serial()


def test_chain_is_sent(start, pki):
    below = pki.root.intermediate()
    server = start(*options_of(below.issue("localhost")))
    assert facts(server, client_context(pki))["SSL_TLS_SNI"] == "localhost"


def test_large_chain(start, pki):
    """Nearly of the greatest size that is taken; with a staple beside it in TLS 1.3."""
    leaf = pki.renewed(extensions="nsComment = " + "x" * 15_400 + "\n")
    size = len(leaf.der()) + pki.root.ocsp(leaf).stat().st_size
    assert 15_900 < size < 16_256
    server = start(*options_of(leaf), "--tls-ocsp", pki.root.ocsp(leaf))
    for version in ("-tls1_2", "-tls1_3"):
        out = s_client(server, version, "-status", data=GET)
        assert "HTTP/1.1 200" in out and "Cert Status: good" in out


# --- keys ---


@pytest.mark.parametrize("kind", ["ecdsa:P-256", "ecdsa:P-384", "ecdsa:P-521", "rsa:3072"])
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_kinds_of_keys(start, pki, kind, version):
    server = start(*options_of(pki.renewed(kind=kind)))
    assert facts(server, client_context(pki, version))["SSL_PROTOCOL"] == version


@pytest.mark.parametrize("kind", ["ecdsa:P-256", "rsa:2048"])
@pytest.mark.parametrize("form", ["pkcs8", "traditional", "password-file", "password-variable"])
def test_forms_of_keys(start, pki, tmp_path, kind, form):
    leaf, key, environment, options = pki.renewed(kind=kind), tmp_path / "key.pem", None, []
    plain = leaf.key.read_bytes()
    if form == "traditional":
        plain = traditional_key(plain)
        assert b"BEGIN EC PRIVATE" in plain or b"BEGIN RSA PRIVATE" in plain
    elif form != "pkcs8":
        plain = encrypt_key(plain, PASSWORD)
        (tmp_path / "password").write_text(PASSWORD + "\n")
        (tmp_path / "password").chmod(0o600)
    if form == "password-file":
        options = ["--tls-key-password-file", tmp_path / "password"]
    elif form == "password-variable":
        environment = {**os.environ, "LIMPET_TLS_KEY_PASSWORD": PASSWORD}
    key.write_bytes(plain)
    key.chmod(0o600)
    server = start("--tls-certificate", leaf.chain, "--tls-key", key, *options, environment=environment)
    peer, _ = handshake(server, client_context(pki))
    with peer:
        assert peer.serial() == leaf.serial()


@pytest.mark.native("what /proc tells of a process is qemu's")
def test_password_is_not_passed_on(serve, application, pki, tmp_path):
    """Neither the application nor whoever reads its environment gets it."""
    key = tmp_path / "key.pem"
    key.write_bytes(encrypt_key(pki.local.key.read_bytes(), PASSWORD))
    key.chmod(0o600)
    folder = application("import os, start\napp = start.app\n")
    (folder / "start.py").write_text(
        "import os\ndef app(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [repr([dict(os.environ), open('/proc/self/environ').read()]).encode()]\n")
    server = serve("app:app", "--workers", 1, "--working-dir", folder, "--tls-certificate", pki.local.chain,
                   "--tls-key", key, environment={**os.environ, "LIMPET_TLS_KEY_PASSWORD": PASSWORD, "MARK": "kept"})
    peer, body = handshake(server, client_context(pki))
    with peer:
        assert b"kept" in body and PASSWORD.encode() not in body


@pytest.mark.static
def test_alone_in_an_empty_root(pki, packed, alone, tmp_path_factory):
    """There is no /dev to take random numbers from, and nothing else either."""
    folder = tmp_path_factory.mktemp("over_tls")
    shutil.copy(APPLICATIONS / "over_tls.py", folder / "app.py")
    root = alone(packed(folder, name="over_tls"))
    for name, source in {"chain.pem": pki.local.chain, "key.pem": pki.local.key}.items():
        shutil.copy(source, root.path / "data" / name)
        shutil.chown(root.path / "data" / name, NOBODY, NOBODY)
    server = root.serve("--workers", 1, "--tls-certificate", "/data/chain.pem", "--tls-key", "/data/key.pem")
    peer, _ = handshake(server, client_context(pki))
    with peer:
        assert peer.serial() == pki.local.serial()


def test_openssl_is_there():
    """What the tests above stand on: this openssl still speaks what is refused."""
    assert b"TLSv1" in openssl("ciphers", "-v", "-tls1", "ALL:@SECLEVEL=0")
