"""Certificates for tests, made by the openssl command: authorities, what they issue, what they revoke.

    authority = Authority(tmp_path)
    leaf = authority.issue("example.org", kind="rsa:2048", days=90)
    leaf.certificate, leaf.key, leaf.chain          # paths of PEM files
    authority.certificate                           # what a client trusts

Kinds of keys: "ecdsa:P-256" (the quick one), "rsa:2048", "ed25519", ...
"""

import datetime
import ipaddress
import itertools
import os
import pathlib
import re
import subprocess

RSA_KEYS = 4  # so many of a size are made in a session, and then used over again

_SETTINGS = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}/issued
certificate = {folder}/certificate.pem
private_key = {folder}/key.pem
rand_serial = yes
unique_subject = no
crlnumber = {folder}/crlnumber
default_md = sha256
policy = any
email_in_dn = no
[any]
commonName = optional
[req]
distinguished_name = none
prompt = no
[none]
CN = none
"""

# Extended key usage and what goes with it.
_USAGES = {
    "server": "extendedKeyUsage = serverAuth\nkeyUsage = critical, digitalSignature, keyEncipherment\n",
    "client": "extendedKeyUsage = clientAuth\nkeyUsage = critical, digitalSignature\n",
    "any": "",
}

_AUTHORITY = ("basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign, digitalSignature\n"
              "subjectKeyIdentifier = hash\n")

_rsa_keys = {}  # by size: (their PEM texts, whose turn it is)


def openssl(*arguments, data=None):
    """The command's standard output, as bytes."""
    # The system's settings (a level of security, say) are not to decide what can be tested.
    environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, env=environment,
                          timeout=120)
    assert done.returncode == 0, f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode()}"
    return done.stdout


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def _stamp(moment):
    return moment.strftime("%Y%m%d%H%M%SZ")


def make_key(kind="ecdsa:P-256"):
    """A new private key, PKCS#8 in PEM, as bytes."""
    algorithm, _, size = kind.partition(":")
    if algorithm == "ecdsa":
        return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{size}")
    if algorithm != "rsa":
        return openssl("genpkey", "-algorithm", algorithm)
    made, turn = _rsa_keys.setdefault(size, ([], itertools.count()))
    index = next(turn) % RSA_KEYS
    if index == len(made):
        made.append(openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{size}"))
    return made[index]


def encrypt_key(key, password, traditional=False):
    """The same key, encrypted: PKCS#8 with PBES2, or PEM's own encryption."""
    form = ["-traditional"] if traditional else []
    return openssl("pkey", "-aes256", *form, "-passout", f"pass:{password}", data=key)


def traditional_key(key):
    """The same key as PKCS#1 or SEC1."""
    return openssl("pkey", "-traditional", data=key)


def _alternative_names(names):
    def kind_of(name):
        try:
            ipaddress.ip_address(name)
            return "IP"
        except ValueError:
            return "DNS"

    entries = ",".join(f"{kind_of(name)}:{name}" for name in names)
    return f"subjectAltName = {entries}\n" if names else ""


def _write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


class Leaf:
    """What an authority issued: certificate, key, chain (the certificate and its issuers but the root)."""

    def __init__(self, folder, name, certificate, key, issuers):
        self.name = name
        self.folder = folder
        self.certificate = _write(folder / "cert.pem", certificate)
        self.key = _write(folder / "privkey.pem", key)
        self.chain = _write(folder / "fullchain.pem", certificate + b"".join(issuers))

    def der(self):
        return openssl("x509", "-in", self.certificate, "-outform", "DER")

    def serial(self):
        return openssl("x509", "-in", self.certificate, "-noout", "-serial").decode().strip().removeprefix("serial=")


class Authority:
    """A root, or with parent an intermediate authority, in a folder of its own below the one given."""

    _numbers = itertools.count(1)

    def __init__(self, folder, name="Test Root", *, kind="ecdsa:P-256", key=None, parent=None, extensions=_AUTHORITY,
                 **options):
        """key: PEM, instead of a new one; extensions: lines of openssl's settings, in place of the usual; options:
        those of issue."""
        self.folder = pathlib.Path(folder) / f"authority-{next(self._numbers)}"
        (self.folder / "issued").mkdir(parents=True)
        self.name = name
        self.parent = parent
        self.certificate = self.folder / "certificate.pem"
        self.key = _write(self.folder / "key.pem", make_key(kind) if key is None else key)
        self._settings = _write(self.folder / "openssl.cnf", _SETTINGS.format(folder=self.folder))
        _write(self.folder / "index.txt", "")
        _write(self.folder / "crlnumber", "01\n")
        options = {"days": 3650, "since": -1, **options}
        signer = self if parent is None else parent
        _write(self.certificate, signer._sign(name, self.key, extensions, self_signed=parent is None, **options))

    def intermediate(self, name="Test Intermediate", **options):
        return Authority(self.folder, name, parent=self, **options)

    def issuers(self):
        """The certificates of this authority and those above it but the root, as bytes."""
        above = [] if self.parent is None else self.parent.issuers()
        return above if self.parent is None else [self.certificate.read_bytes(), *above]

    def issue(self, name, *, kind="ecdsa:P-256", days=90, since=-1, names=None, usage="server", key=None, extensions="",
              **options):
        """A certificate for so many days from now, valid since so many days from now (both may be negative).

        names: host names and addresses, by default the one name; none of them with []. usage: "server", "client",
        "any". key: PEM, instead of a new one. extensions: more lines of openssl's settings; options: digest,
        self_signed.
        """
        folder = self.folder / f"leaf-{next(self._numbers)}"
        folder.mkdir()
        key = make_key(kind) if key is None else key
        _write(folder / "privkey.pem", key)
        text = "basicConstraints = critical, CA:FALSE\n" + _USAGES[usage] + extensions
        text += _alternative_names([name] if names is None else names)
        certificate = self._sign(name, folder / "privkey.pem", text, days=days, since=since, **options)
        return Leaf(folder, name, certificate, key, [] if options.get("self_signed") else self.issuers())

    def _sign(self, name, key, extensions, *, days, since, digest="sha256", self_signed=False):
        """The certificate in PEM for a key that is in a file."""
        stem = self.folder / f"request-{next(self._numbers)}"
        request, settings = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        settings.write_text(f"[own]\n{extensions}")
        subject = f"/CN={name}" if name else "/"
        openssl("req", "-new", "-config", self._settings, "-key", key, "-subj", subject, "-out", request)
        signer = ["-selfsign", "-keyfile", key] if self_signed else []
        # Intermediates' keys that have no digest of their own want none.
        openssl("ca", "-batch", "-notext", "-config", self._settings, "-in", request, "-out", stem.with_suffix(".pem"),
                "-md", digest, "-startdate", _stamp(now() + datetime.timedelta(days=since)), "-enddate",
                _stamp(now() + datetime.timedelta(days=days)), "-extfile", settings, "-extensions", "own", *signer)
        return stem.with_suffix(".pem").read_bytes()

    # --- what it takes back ---

    def revoke(self, leaf):
        openssl("ca", "-config", self._settings, "-revoke", leaf.certificate)

    def crl(self, days=7, since=-1):
        """The path of a new list of what is revoked, in PEM."""
        path = self.folder / f"list-{next(self._numbers)}.pem"
        openssl("ca", "-config", self._settings, "-gencrl", "-crl_lastupdate",
                _stamp(now() + datetime.timedelta(days=since)), "-crl_nextupdate",
                _stamp(now() + datetime.timedelta(days=days)), "-out", path)
        return path

    def ocsp(self, leaf, days=1):
        """The path of a new OCSP response for the leaf, in DER. None as days: it says not until when it holds.

        One that ended in the past is a response whose date was changed: its signature does not fit any more.
        """
        path = self.folder / f"response-{next(self._numbers)}.der"
        held = [] if days is None else ["-ndays", max(days, 1)]
        openssl("ocsp", "-index", self.folder / "index.txt", "-CA", self.certificate, "-rsigner", self.certificate,
                "-rkey", self.key, "-issuer", self.certificate, "-cert", leaf.certificate, "-resp_no_certs", "-respout",
                path, *held)
        if days is not None and days < 1:
            response = path.read_bytes()
            _produced, _this_update, next_update = re.findall(rb"\x18\x0f(\d{14}Z)", response)[:3]
            ended = _stamp(now() + datetime.timedelta(days=days)).encode()
            position = response.rindex(b"\x18\x0f" + next_update) + 2
            path.write_bytes(response[:position] + ended + response[position + len(ended):])
        return path


def certbot_layout(folder, *leaves):
    """A folder as certbot's: live/NAME/*.pem are links to archive/NAME/*1.pem. Returns live."""
    live = pathlib.Path(folder) / "live"
    live.mkdir(parents=True, exist_ok=True)
    (live / "README").write_text("This directory contains your keys and certificates.\n")
    for leaf in leaves:
        renew(live, leaf)
    return live


def renew(live, leaf):
    """What certbot does: the next version in archive, and links to it in place of those to the one before."""
    archive, folder = live.parent / "archive" / leaf.name, live / leaf.name
    archive.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    version = len(list(archive.glob("fullchain*.pem"))) + 1
    for name, source in (("privkey", leaf.key), ("fullchain", leaf.chain)):
        _write(archive / f"{name}{version}.pem", source.read_bytes())
        link = folder / f"{name}.pem"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../archive/{leaf.name}/{name}{version}.pem")
