"""The files of HTTPS: which are taken, in which layouts, and the line that tells what is wrong with the others."""

import os
import re
import subprocess

import pytest
from certificates import Authority, certbot_layout, encrypt_key, make_key, openssl, traditional_key

PASSWORD = "open sesame"
OK_APPLICATION = r"^ok: wsgi app:app$"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def intermediate(root):
    return root.intermediate()


@pytest.fixture(scope="module")
def leaf(intermediate):
    return intermediate.issue("example.org", names=["example.org", "*.Example.org", "127.0.0.1", "::1"])


@pytest.fixture
def check(run, application):
    """check(status, *arguments, out=, err=): "limpet check" ends so, and says just that on standard error."""
    folder = application("def app(environ, start_response): pass")

    def once(status, *arguments, out=None, err=None, **options):
        done = run("check", "app:app", "--working-dir", folder, *arguments, **options)
        assert done.returncode == status, done.stdout + done.stderr
        lines = done.stderr.splitlines()
        assert len(lines) == (0 if err is None else 1), done.stderr
        if err is not None:
            assert re.search(err, lines[0]), lines[0]
        if status != 0:
            assert "ok: wsgi" not in done.stdout
        else:
            assert re.search(OK_APPLICATION, done.stdout, re.MULTILINE), done.stdout
        if out is not None:
            assert re.search(out, done.stdout, re.MULTILINE), done.stdout
        return done.stdout

    return once


def pair(leaf):
    return ["--tls-certificate", leaf.chain, "--tls-key", leaf.key]


def write(path, *contents):
    path.write_bytes(b"".join(contents))
    path.chmod(0o600)
    return path


# --- what is taken ---


def test_nothing_named(check):
    assert check(0).strip() == "ok: wsgi app:app"


def test_names(check, leaf):
    check(0, *pair(leaf), out=r"^ok: certificate example\.org, \*\.example\.org, 127\.0\.0\.1, ::1 \(ECDSA P-256\), "
          rf"expires \d{{4}}-\d\d-\d\d \(in (89|90) days\), {re.escape(str(leaf.chain))}$")


@pytest.mark.parametrize("kind, name", [
    ("ecdsa:P-256", "ECDSA P-256"),
    ("ecdsa:P-384", "ECDSA P-384"),
    ("ecdsa:P-521", "ECDSA P-521"),
    ("rsa:2048", "RSA 2048"),
    ("rsa:3072", "RSA 3072"),
])
def test_kinds_of_keys(check, root, kind, name):
    check(0, *pair(root.issue("example.org", kind=kind)), out=rf"^ok: certificate example\.org \({name}\)")


@pytest.mark.parametrize("kind", ["ecdsa:P-256", "rsa:2048"])
def test_forms_of_keys(check, root, tmp_path, kind):
    plain = make_key(kind)
    leaf = root.issue("example.org", kind=kind, key=plain)
    forms = {
        "pkcs8": plain,
        "traditional": traditional_key(plain),
        "encrypted": encrypt_key(plain, PASSWORD),
        "traditional-encrypted": encrypt_key(plain, PASSWORD, traditional=True),
    }
    password = write(tmp_path / "password", PASSWORD.encode() + b"\nno part of it\n")
    for form, content in forms.items():
        key = write(tmp_path / form, content)
        secret = ["--tls-key-password-file", password] if form.endswith("encrypted") else []
        check(0, "--tls-certificate", leaf.chain, "--tls-key", key, *secret, out=r"^ok: certificate example\.org")


def test_password_from_the_environment(check, leaf, tmp_path):
    key = write(tmp_path / "key", encrypt_key(leaf.key.read_bytes(), PASSWORD))
    arguments = ["--tls-certificate", leaf.chain, "--tls-key", key]
    check(0, *arguments, env={**os.environ, "LIMPET_TLS_KEY_PASSWORD": PASSWORD})
    check(1, *arguments, env={**os.environ, "LIMPET_TLS_KEY_PASSWORD": "wrong"},
          err=rf"{key}: .*not encrypted with the password in LIMPET_TLS_KEY_PASSWORD")


@pytest.mark.parametrize("key_first", [True, False])
def test_key_in_the_same_file(check, leaf, tmp_path, key_first):
    parts = [leaf.chain.read_bytes(), leaf.key.read_bytes()]
    check(0, "--tls-certificate", write(tmp_path / "both.pem", *(reversed(parts) if key_first else parts)))


def test_keys_in_any_order(check, root, leaf):
    other = root.issue("other.example", kind="rsa:2048")
    out = check(0, "--tls-key", other.key, "--tls-certificate", leaf.chain, "--tls-certificate", other.chain, "--tls-key",
                leaf.key)
    assert re.findall(r"certificate (\S+?),? ", out) == ["example.org", "other.example"]


def test_two_kinds_for_one_name(check, root):
    elliptic, rsa = root.issue("example.org"), root.issue("example.org", kind="rsa:2048")
    check(0, *pair(elliptic), *pair(rsa))


def test_root_at_the_end_of_the_chain(check, root, leaf, tmp_path):
    chain = write(tmp_path / "chain.pem", leaf.chain.read_bytes(), root.certificate.read_bytes())
    check(0, "--tls-certificate", chain, "--tls-key", leaf.key)


def test_self_signed(check, root, tmp_path):
    check(0, *pair(root.issue("example.org", self_signed=True)))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=Example.org", "-config",
            root.folder / "openssl.cnf")
    (tmp_path / "key.pem").chmod(0o600)
    check(0, "--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem",
          out=r"^ok: certificate example\.org \(")


def test_common_name_only_without_alternatives(check, root):
    check(0, *pair(root.issue("Common.example", names=[])), out=r"^ok: certificate common\.example \(")
    check(0, *pair(root.issue("Common.example", names=["other.example"])), out=r"^ok: certificate other\.example \(")


def test_certbot_layout(check, root, leaf, tmp_path):
    live = certbot_layout(tmp_path, root.issue("b.example"), leaf, root.issue("a.example"))
    (live / "empty").mkdir()
    out = check(0, "--tls-certificate", live)
    assert re.findall(r"live/(.*)/fullchain.pem", out) == ["a.example", "b.example", "example.org"]


def test_folder_with_the_two_files(check, leaf):
    check(0, "--tls-certificate", f"{leaf.folder}/", out=r"^ok: certificate example\.org")


def test_settings_of_a_file(check, leaf, tmp_path):
    settings = tmp_path / "limpet.toml"
    settings.write_text(f'tls-certificate = ["{leaf.chain}"]\ntls-key = ["{leaf.key}"]\n')
    check(0, "--config", settings, out=r"^ok: certificate example\.org")


# --- what is refused ---


def test_files_that_cannot_be_read(check, leaf, tmp_path):
    check(1, "--tls-certificate", tmp_path / "nothing", err=rf"limpet: {tmp_path}/nothing: No such file or directory")
    check(1, "--tls-certificate", leaf.chain, "--tls-key", tmp_path / "nothing", err="nothing: No such file")
    check(1, "--tls-certificate", leaf.chain, "--tls-key", tmp_path, err=rf"{tmp_path}: a folder, and not a file")
    write(tmp_path / "empty")
    check(1, "--tls-certificate", tmp_path / "empty", err="empty: the file is empty")
    write(tmp_path / "large", b"x" * (1 << 20) + b"x")
    check(1, "--tls-certificate", tmp_path / "large", err="large: larger than 1M")


def test_pipe_is_not_waited_for(check, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check(1, "--tls-certificate", tmp_path / "pipe", err="pipe: a device or a pipe, and not a file")


def test_no_pem(check, leaf, tmp_path):
    text = write(tmp_path / "text", b"certificate")
    der = write(tmp_path / "der", leaf.der())
    check(1, "--tls-certificate", text, err="text: no certificate in PEM in it")
    check(1, "--tls-certificate", der, err=r"der: no PEM, but maybe DER \(convert it: openssl x509")
    check(1, "--tls-certificate", leaf.chain, "--tls-key", text, err="text: no private key in PEM in it")
    check(1, "--tls-certificate", leaf.key, err="no certificate in PEM in it")


def test_damaged(check, leaf, tmp_path):
    pem = leaf.chain.read_bytes()
    cut = write(tmp_path / "cut", pem[:len(pem) - 60])
    garbage = write(tmp_path / "garbage", re.sub(rb"\n.{8}(?=\w)", b"\n????????", pem, count=1))
    other = write(tmp_path / "other", re.sub(rb"\nMII.{8}", b"\nAAAAAAAAAAA", pem, count=1))
    check(1, "--tls-certificate", cut, err='cut: cut short: "-----BEGIN CERTIFICATE-----" number 2')
    check(1, "--tls-certificate", garbage, err="garbage: .*number 1 is damaged")
    check(1, "--tls-certificate", other, err="other: certificate 1 is not understood")
    body = re.sub(rb"\n\w{8}", b"\nAAAAAAAA", leaf.key.read_bytes(), count=1)
    check(1, "--tls-certificate", leaf.chain, "--tls-key", write(tmp_path / "key", body),
          err="key: the private key is damaged or of a kind not known here")


def test_key_and_certificate_that_do_not_fit(check, root, leaf):
    other = root.issue("other.example")
    check(1, "--tls-certificate", leaf.chain, err=rf"{leaf.chain}: no private key .*name it: --tls-key FILE")
    check(1, "--tls-certificate", leaf.chain, "--tls-key", other.key,
          err=rf"{leaf.chain}: no private key .*none of the keys given is the one of it")
    check(1, *pair(leaf), "--tls-key", other.key, err=rf"{other.key}: a private key that fits none of the certificates")
    both = write(leaf.folder / "both", leaf.key.read_bytes(), other.key.read_bytes())
    check(1, "--tls-certificate", leaf.chain, "--tls-key", both, err="both: more than one private key")


def test_kinds_of_keys_that_are_refused(check, root, leaf, tmp_path):
    cases = {
        "rsa:1024": r"an RSA key of 1024 bits is too weak \(use a key of ECDSA P-256, or RSA from 2048 bits on\)",
        "ecdsa:secp256k1": "TLS has no use for a key of this kind or curve",
        "ecdsa:brainpoolP256r1": "TLS has no use for a key of this kind or curve",
        "ed25519": "a private key of kind Ed25519, which is not served with",
        "ed448": "a private key of kind Ed448, which is not served with",
    }
    for kind, message in cases.items():
        key = write(tmp_path / "privkey.pem", make_key(kind))
        check(1, "--tls-certificate", leaf.chain, "--tls-key", key, err=rf"{key}: {message}")
    check(1, *pair(root.issue("example.org", kind="ed25519")), err=r"certificate 1 has to do with Ed25519.*use ECDSA P-256")
    check(1, *pair(root.issue("example.org", kind="rsa:1024")), err="fullchain.pem: an RSA key of 1024 bits is too weak")


def test_passwords(check, leaf, tmp_path):
    arguments = ["--tls-certificate", leaf.chain, "--tls-key"]
    empty = write(tmp_path / "empty-line", b"\n")
    wrong = write(tmp_path / "wrong", b"wrong\n")
    for traditional in (True, False):
        key = write(tmp_path / "key", encrypt_key(leaf.key.read_bytes(), PASSWORD, traditional))
        check(1, *arguments, key, err=rf"{key}: the private key is encrypted \(.*--tls-key-password-file FILE\)")
        check(1, *arguments, key, "--tls-key-password-file", wrong,
              err=rf"{key}: the private key is not encrypted with the password in --tls-key-password-file")
    check(1, *arguments, key, "--tls-key-password-file", empty, err="empty-line: the first line is empty")
    check(1, *arguments, key, "--tls-key-password-file", tmp_path / "none", err="none: No such file")


def test_chain_that_is_out_of_order(check, intermediate, leaf, root, tmp_path):
    own, above = leaf.certificate.read_bytes(), intermediate.certificate.read_bytes()
    top, foreign = root.certificate.read_bytes(), Authority(tmp_path, "Foreign").certificate.read_bytes()
    wrong = {
        r"certificates are out of order: number 1 \(example.org\) is signed by number 3 \(Test Interm.*\)":
            [own, top, above],
        r"the chain is broken: certificate number 1 \(example.org\) is not signed by .* number 2 \(Foreign\)": [own, foreign],
        r"certificate number 4 \(Foreign\) is superfluous, number 3 \(Test Root\) is signed by nobody but itself":
            [own, above, top, foreign],
        r"the chain is broken: certificate number 1 \(example.org\)": [own, own],
        r"certificates are out of order: number 2 \(example.org\) is signed by number 1 \(Test Intermediate\)": [above, own],
        r"more than 10 certificates": [own, *[above] * 10],
    }
    for message, parts in wrong.items():
        path = write(tmp_path / "chain.pem", *parts)
        check(1, "--tls-certificate", path, "--tls-key", leaf.key, err=rf"{path}: {message}")


def test_dates(check, root):
    expired, early = root.issue("old.example", since=-30, days=-2), root.issue("new.example", since=3, days=9)
    check(1, *pair(expired), err=rf"{expired.chain}: certificate number 1 \(old.example\) has expired on "
          r"\d{4}-\d\d-\d\d \(renew it; the clock here says \d{4}-\d\d-\d\d\)")
    check(1, *pair(early), err=rf"{early.chain}: certificate number 1 \(new.example\) is not valid before .*set the clock")
    old = root.intermediate("Old Intermediate", since=-30, days=-2)
    check(1, *pair(old.issue("example.org")), err=r"certificate number 2 \(Old Intermediate\) has expired")


def test_weak_signatures(check, root, tmp_path):
    check(1, *pair(root.issue("example.org", digest="sha1")),
          err=r"certificate number 1 \(example.org\) has a signature that is too weak")
    weak = root.intermediate("Weak", digest="sha1")
    check(1, *pair(weak.issue("example.org")), err=r"certificate number 2 \(Weak\) has a signature that is too weak")
    # Nobody looks at the signature of a root.
    own = Authority(tmp_path, "Own", digest="sha1")
    leaf = own.issue("example.org")
    chain = write(tmp_path / "chain.pem", leaf.chain.read_bytes(), own.certificate.read_bytes())
    check(0, "--tls-certificate", chain, "--tls-key", leaf.key)


def test_usages_that_forbid_a_server(check, root):
    check(1, *pair(root.issue("example.org", usage="client")), err="not for a server: its extended key usage lacks serverAuth")
    check(1, *pair(root.issue("example.org", usage="any", extensions="keyUsage = critical, keyAgreement\n")),
          err="not for a server: its key usage lacks digitalSignature")
    check(0, *pair(root.issue("example.org", usage="any")))
    check(0, *pair(root.issue("example.org", usage="any", extensions="extendedKeyUsage = clientAuth, serverAuth\n")))


def test_the_same_certificate_twice(check, leaf, tmp_path):
    copy = write(tmp_path / "copy.pem", leaf.chain.read_bytes())
    check(1, *pair(leaf), "--tls-certificate", copy, err=rf"{copy}: the same certificate as in {leaf.chain} \(name it once\)")


def test_folders_without_certificates(check, leaf, tmp_path):
    check(1, "--tls-certificate", tmp_path, err=rf"{tmp_path}: neither fullchain.pem and privkey.pem are in this folder")
    write(tmp_path / "fullchain.pem", leaf.chain.read_bytes())
    check(1, "--tls-certificate", tmp_path, err="fullchain.pem: no private key for this certificate")
    check(0, "--tls-certificate", tmp_path, "--tls-key", leaf.key)


# --- what is warned of ---


def test_key_that_others_may_read(check, leaf, tmp_path):
    key = write(tmp_path / "key.pem", leaf.key.read_bytes())
    key.chmod(0o640)
    check(0, "--tls-certificate", leaf.chain, "--tls-key", key)
    key.chmod(0o644)
    check(0, "--tls-certificate", leaf.chain, "--tls-key", key, err=rf"warning: {key}: .* \(chmod o= {key}\)")
    password = write(tmp_path / "password", PASSWORD.encode())
    password.chmod(0o604)
    check(0, *pair(leaf), "--tls-key-password-file", password, err=rf"warning: {password}: .* \(chmod o= {password}\)")


def test_certificate_without_a_name(check, root):
    nameless = root.issue("", names=[])
    check(0, *pair(nameless), out=r"^ok: certificate without a name \(",
          err=rf"warning: {nameless.chain}: a certificate without any host name")


def test_two_of_one_kind_for_one_name(check, root):
    first, second = root.issue("a.example"), root.issue("b.example", names=["b.example", "A.example"])
    check(0, *pair(first), *pair(second),
          err=rf"warning: {second.chain}: for a.example the certificate in {first.chain} is used, which comes first")


# --- staples ---


def test_staple(check, intermediate, leaf):
    check(0, *pair(leaf), "--tls-ocsp", intermediate.ocsp(leaf))
    check(0, *pair(leaf), "--tls-ocsp", intermediate.ocsp(leaf, days=None))
    old = intermediate.ocsp(leaf, days=-2)
    check(0, *pair(leaf), "--tls-ocsp", old, err=rf"warning: {old}: .* good until \d{{4}}-\d\d-\d\d, it is not stapled")


def test_staple_that_is_refused(check, root, intermediate, leaf, tmp_path):
    bad, other = intermediate.issue("bad.example"), root.issue("other.example")
    intermediate.revoke(bad)
    check(1, *pair(bad), "--tls-ocsp", intermediate.ocsp(bad),
          err=rf"the authority says that the certificate in {bad.chain} is revoked")
    check(1, *pair(leaf), "--tls-ocsp", root.ocsp(other), err="an OCSP response for none of the certificates")
    check(1, *pair(leaf), "--tls-ocsp", leaf.chain, err="no OCSP response in DER")
    check(1, *pair(leaf), "--tls-ocsp", write(tmp_path / "later", b"\x30\x03\x0a\x01\x03"),
          err=r"the OCSP response says that asking went wrong \(status 3\)")
    response = intermediate.ocsp(leaf).read_bytes()
    check(1, *pair(leaf), "--tls-ocsp", write(tmp_path / "cut", response[:-9]), err="cut: no OCSP response in DER")
    check(1, *pair(leaf), "--tls-ocsp",
          write(tmp_path / "kind", response.replace(bytes.fromhex("2b0601050507300101"), bytes.fromhex("2b0601050507300109"))),
          err="kind: an OCSP response of a kind not known here")


# --- clients' authorities and lists ---


def test_client_authorities(check, root, leaf, tmp_path):
    arguments = [*pair(leaf), "--tls-client-verify", "optional", "--tls-client-ca"]
    other = Authority(tmp_path, "Other")
    both = write(tmp_path / "both.pem", root.certificate.read_bytes(), other.certificate.read_bytes())
    check(0, *arguments, both, "--tls-client-ca", root.certificate)
    check(0, *arguments, leaf.certificate, err="warning: .*certificate 1 is not an authority's")
    check(1, *arguments, leaf.key, err="no certificate in PEM in it")
    old = Authority(tmp_path, "Old", since=-30, days=-2)
    check(0, *arguments, old.certificate, err=rf"warning: {old.certificate}: authority 1 has expired on")


def test_lists_of_revoked_certificates(check, root, leaf, tmp_path):
    arguments = [*pair(leaf), "--tls-client-verify", "require", "--tls-client-ca", root.certificate, "--tls-crl"]
    pem = root.crl()
    check(0, *arguments, pem)
    check(0, *arguments, write(tmp_path / "list.der", openssl("crl", "-in", pem, "-outform", "DER")))
    old = root.crl(since=-9, days=-2)
    check(0, *arguments, old, err=rf"warning: {old}: the list of revoked certificates was due for renewal on")
    foreign = Authority(tmp_path, "Foreign").crl()
    check(1, *arguments, foreign, err=rf"{foreign}: a list of revoked certificates that none of the authorities")
    check(1, *arguments, leaf.chain, err="no list of revoked certificates, neither PEM nor DER")


# --- what does not show ---


def test_nothing_secret_is_said(limpet, leaf, tmp_path):
    key = write(tmp_path / "key", encrypt_key(leaf.key.read_bytes(), PASSWORD))
    done = subprocess.run([limpet, "check", "app", "--tls-certificate", leaf.chain, "--tls-key", key, "--print-config"],
                          env={**os.environ, "LIMPET_TLS_KEY_PASSWORD": PASSWORD}, capture_output=True, text=True)
    assert done.returncode == 0 and "tls-key" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_more_than_fits_into_a_handshake(check, root):
    """16 KB, as clients would see by a handshake that fails."""
    for count, status in ((235, 0), (250, 1)):
        leaf = root.issue("large.test", names=[f"name-{number}.{'x' * 50}.test" for number in range(count)])
        check(status, *pair(leaf), err=None if status == 0 else rf"{leaf.chain}: its certificates have \d+ bytes, but clients "
              r"can be sent 16256 ")
