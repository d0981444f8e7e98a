"""What certificates, cipher lists and object identifiers are called: to the letter what an ordinary Python on OpenSSL
says. The driver tests/unit/print_tls.c speaks for limpet."""

import json
import pathlib
import ssl
import subprocess

import der
import pytest
from certificates import openssl

UPN, SRV, NAI, XMPP, MAILBOX = ("1.3.6.1.4.1.311.20.2.3", "1.3.6.1.5.5.7.8.7", "1.3.6.1.5.5.7.8.8",
                                "1.3.6.1.5.5.7.8.5", "1.3.6.1.5.5.7.8.9")


@pytest.fixture(scope="module")
def driver(limpet):
    """Runs print_tls: the lines that it prints, as bytes."""
    folders = [limpet.parent / "unit", limpet.parent / "fast/unit"]
    path = next((folder / "print_tls" for folder in folders if (folder / "print_tls").exists()), None)
    assert path is not None, "print_tls is not built: ./build.sh test makes it"

    def run(*arguments):
        done = subprocess.run([path, *arguments], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.splitlines()

    run.folder = path.parent
    return run


# --- certificates ---

def ordinary(path):
    try:
        facts = ssl._ssl._test_decode_cert(str(path))
    except (ssl.SSLError, UnicodeDecodeError):
        return "error"
    return json.loads(json.dumps(facts, default=lambda value: {"bytes": value.hex()}))


def ours(line):
    try:
        facts = json.loads(line)
    except UnicodeDecodeError:
        return "error"
    return "error" if "error" in facts else facts


def compare(driver, paths):
    lines = driver("certificates", *paths)
    assert len(lines) == len(paths) > 0
    different = [(path.name, ours(line), ordinary(path)) for path, line in zip(paths, lines)
                 if ours(line) != ordinary(path)]
    assert different == []


def test_certificates_of_cpythons_tests(driver):
    paths = sorted((driver.folder / "certdata").glob("*.pem"))
    assert {"nullbytecert.pem", "talos-2019-0758.pem", "allsans.pem", "nokia.pem"} <= {path.name for path in paths}
    compare(driver, paths)


def test_certificates_of_the_system(driver):
    compare(driver, sorted(pathlib.Path("/etc/ssl/certs").glob("*.pem")))


ODD_NAMES = {
    "printable": der.text(der.PRINTABLE, "a printable one"),
    "printable with a high byte": der.text(der.PRINTABLE, b"caf\xe9"),
    "numeric": der.text(der.NUMERIC, "0123"),
    "latin 1": der.text(der.T61, b"caf\xe9 \x80\xff"),
    "ia5": der.text(der.IA5, b"user@example.org \xfc"),
    "two bytes": der.text(der.BMP, "Größe ☃", "utf-16-be"),
    "two bytes, an odd number": der.text(der.BMP, b"\0a\0"),
    "two bytes, surrogates": der.text(der.BMP, "😀", "utf-16-be"),
    "four bytes": der.text(der.UNIVERSAL, "Größe 😀", "utf-32-be"),
    "four bytes, beyond": der.text(der.UNIVERSAL, b"\0\x11\0\0"),
    "four bytes, cut": der.text(der.UNIVERSAL, b"\0\0\0"),
    "utf-8": der.utf8("Größe ☃ 😀 \x7f\x80\u07ff\u0800\uffff"),
    "utf-8, overlong": der.text(der.UTF8, b"\xc0\xaf"),
    "utf-8, surrogate": der.text(der.UTF8, b"\xed\xa0\x80"),
    "utf-8, cut": der.text(der.UTF8, b"abc\xe2\x98"),
    "utf-8, not": der.text(der.UTF8, b"\xff\xfe"),
    "utf-8, beyond": der.text(der.UTF8, b"\xf4\x90\x80\x80"),
    "zero bytes": der.utf8("www.example.org\0.example.com"),
    "empty": der.utf8(""),
    "bits": der.element(der.BIT_STRING, b"\3\xff\xff"),
    "visible": der.text(der.VISIBLE, "visible"),
    "octets": der.element(der.OCTET_STRING, b"octets"),
    "a number": der.integer(7),
    "a sequence": der.sequence(der.integer(7)),
}

ODD_KINDS = ["2.5.4.3", "2.5.4.97", "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", "1.2.3.4", "2.999.1",
             "2.5.4.45", "1.3.6.1.4.1.311.60.2.1.3", "2.40.0", "0.39.127", "1.39.128", "2.47.16383.16384", "2.48",
             "1.2.4294967296.18446744073709551615.18446744073709551616",
             "1.3.340282366920938463463374607431768211456", "2.5.4." + ".".join(["300"] * 200),
             "2.340282366920938463463374607431768211456.0"]

TIMES = [(der.UTC, value) for value in (
    "491231235959Z", "500101000000Z", "000229120000Z", "010229120000Z", "2501010000Z", "250101000060Z",
    "251301000000Z", "250100000000Z", "250132000000Z", "250101240000Z", "250101000000+0100", "250101000000-0130",
    "250101000000+0000", "250101000000+1300", "250101000000", "250101000000Z0", "", "25010100000Z", "2501010000+0100",
    "25010100000aZ", "250101000000.5Z")] + [(der.GENERALIZED, value) for value in (
        "20500101000000Z", "99991231235959Z", "00000101000000Z", "19000228000000Z", "19000229000000Z",
        "20000229000000Z", "205001010000Z", "20500101000000.5Z", "20500101000000.123456Z", "20500101000000.Z",
        "20500101000000+0530", "99991231235959-0100", "19000101000000+0100", "20500101000000.5+0100", "20500101",
        "205001010000.5Z", "20500101000000,5Z")]

SERIALS = [der.integer(value) for value in (
    0, 1, 127, 128, 255, 256, 2**63, 2**159, -1, -128, -129, -255, -256, -257, -65536, -2**63, 2**272, 2**279 - 1,
    2**280, 2**300, -2**280, -2**287)] + [der.element(der.INTEGER, value) for value in (
        b"", b"\0\0", b"\0\1", b"\xff\xff", b"\xff\x80", b"\xff\0", b"\x80")]


def other(kind, value):
    return der.explicit(0, der.oid(kind), der.explicit(0, value))


ALT_NAMES = {
    "nothing": [],
    "dns": [der.implicit(2, b"example.org"), der.implicit(2, b"*.example.org"), der.implicit(2, b"")],
    "zero bytes": [der.implicit(2, b"a.example\0.b"), der.implicit(1, b"a@b\0c"), der.implicit(6, b"http://a\0/")],
    "not utf-8": [der.implicit(2, b"caf\xe9")],
    "email": [der.implicit(1, b"user@example.org")],
    "addresses": [der.implicit(7, bytes(size)) for size in (0, 1, 4, 5, 8, 15, 16, 17, 32)],
    "an address": [der.implicit(7, bytes.fromhex("20010db8000000000000ff00abcd0001"))],
    "numbers": [der.element(0x88, der.oid(kind)[2:]) for kind in ("1.2.3.4.5", "2.5.4.3", "1.3.6.1.5.5.7.3.1")],
    "no number": [der.element(0x88)],
    "a broken number": [der.element(0x88, b"\x55\x80\x01")],
    "directory": [der.explicit(4, der.name([("2.5.4.3", der.utf8("a")), ("2.5.4.10", der.utf8("b"))],
                                           [("2.5.4.6", der.text(der.PRINTABLE, "DE"))]))],
    "an empty directory name": [der.explicit(4, der.name())],
    "a broken directory name": [der.implicit(2, b"x"), der.explicit(4, der.common_name(), b"\5\0")],
    "upn": [other(UPN, der.utf8("user@example.org"))],
    "upn of another type": [other(UPN, der.text(der.IA5, "user@example.org"))],
    "srv": [other(SRV, der.text(der.IA5, "_imap.example.org")), other(SRV, der.utf8("_imap.example.org"))],
    "nai": [other(NAI, der.utf8("example.org"))],
    "xmpp": [other(XMPP, der.utf8("zoë@example.org"))],
    "mailbox": [other(MAILBOX, der.utf8("zoë@example.org"))],
    "lines": [other(UPN, der.utf8("one\ntwo"))],
    "cut by a zero byte": [other(UPN, der.utf8("one\0two"))],
    "long": [other(UPN, der.utf8("x" * 5000))],
    "another": [other("1.2.3.4", der.utf8("x")), other("1.2.3.4", der.integer(1))],
    "x400": [der.explicit(3, b"")],
    "edi party": [der.explicit(5, der.explicit(1, der.utf8("x")))],
    "no such kind": [der.implicit(2, b"x"), der.implicit(9, b"x")],
    "a number in place of a name": [der.integer(1)],
}

URI = der.implicit(6, b"http://example.org/")


def access(*entries):
    return der.extension("1.3.6.1.5.5.7.1.1", der.sequence(*(
        der.sequence(der.oid(method), location) for method, location in entries)))


def points(*entries):
    return der.extension("2.5.29.31", der.sequence(*entries))


EXTENSIONS = {
    "ocsp": [access(("1.3.6.1.5.5.7.48.1", URI), ("1.3.6.1.5.5.7.48.1", der.implicit(6, b"http://b/")))],
    "issuers": [access(("1.3.6.1.5.5.7.48.2", URI), ("1.3.6.1.5.5.7.48.1", der.implicit(2, b"example.org")))],
    "another access": [access(("1.3.6.1.5.5.7.48.3", URI))],
    "no access": [access()],
    "broken access": [access(("1.3.6.1.5.5.7.48.1", URI), ("1.3.6.1.5.5.7.48.2", der.integer(1)))],
    "points": [points(der.sequence(der.explicit(0, der.explicit(0, URI, der.implicit(2, b"x"), URI))),
                      der.sequence(der.explicit(0, der.explicit(0, URI))))],
    "empty points": [points(der.sequence(), der.sequence(der.explicit(0, der.explicit(0, URI))))],
    "points with reasons": [points(der.sequence(der.explicit(0, der.explicit(0, URI)), der.implicit(1, b"\6\x40"),
                                                der.explicit(2, der.explicit(4, der.common_name()))))],
    "broken points": [points(der.sequence(der.explicit(0, der.explicit(0, URI))), der.integer(1))],
    "critical": [der.extension("2.5.29.17", der.sequence(der.implicit(2, b"x")),
                               critical=der.element(der.BOOLEAN, b"\xff"))],
    "twice": [der.alt_names(der.implicit(2, b"a")), der.alt_names(der.implicit(2, b"b"))],
    "something behind": [der.extension("2.5.29.17", der.sequence(der.implicit(2, b"a")), b"behind")],
    "no sequence": [der.extension("2.5.29.17", der.implicit(2, b"a"))],
    "nothing in it": [der.extension("2.5.29.17")],
    "cut": [der.extension("2.5.29.17", der.sequence(der.implicit(2, b"example.org"))[:-3])],
    "unknown": [der.extension("1.2.3.4", b"anything")],
    "no value": [der.sequence(der.oid("2.5.29.17"))],
}

FRAMES = {
    "version 1": der.certificate(version=b""),
    "version 2": der.certificate(version=der.explicit(0, der.integer(1))),
    "version 9": der.certificate(version=der.explicit(0, der.integer(8))),
    "unique identifiers": der.certificate(rest=der.implicit(1, b"\0a") + der.implicit(2, b"\0b")),
    "no extensions": der.certificate(rest=der.explicit(3, der.sequence())),
    "something behind": der.certificate() + b"\0",
    "cut": der.certificate()[:-1],
    "nothing": b"",
    "no name": der.certificate(subject=der.name()),
    "an empty part": der.certificate(subject=der.name([], [("2.5.4.3", der.utf8("x"))], [])),
    "many parts": der.certificate(subject=der.name(
        [("2.5.4.3", der.utf8("a")), ("2.5.4.10", der.utf8("b"))], [("2.5.4.3", der.utf8("c"))],
        [("2.5.4.11", der.utf8("d")), ("2.5.4.11", der.utf8("e")), ("2.5.4.5", der.text(der.PRINTABLE, "1"))])),
    "a name of no pairs": der.certificate(subject=der.sequence(der.element(der.SET, der.integer(1)))),
    "time of another type": der.certificate(end=der.utf8("350101000000Z")),
}


def odd_certificates():
    for what, value in ODD_NAMES.items():
        yield f"name {what}", der.certificate(subject=der.name([("2.5.4.10", value)]))
    for number, kind in enumerate(ODD_KINDS):
        yield f"kind {number}", der.certificate(issuer=der.name([(kind, der.utf8("x"))]))
    for number, (tag, value) in enumerate(TIMES):
        yield f"time {number}", der.certificate(end=der.text(tag, value))
    for number, value in enumerate(SERIALS):
        yield f"serial {number}", der.certificate(serial=value)
    for what, names in ALT_NAMES.items():
        yield f"alternative {what}", der.certificate(extensions=[der.alt_names(*names)])
    for what, extensions in EXTENSIONS.items():
        yield f"extension {what}", der.certificate(extensions=extensions)
    yield from FRAMES.items()


def test_odd_certificates(driver, tmp_path):
    paths = []
    for what, value in odd_certificates():
        paths.append(tmp_path / f"{what}.pem")
        paths[-1].write_text(der.pem(value))
    assert len(paths) > 100
    compare(driver, paths)


MADE = {
    "rsa": ["-newkey", "rsa:2048", "-subj", "/C=DE/ST=Bayern/L=Nürnberg/O=Größe & Söhne/CN=example.org"],
    "several": ["-multivalue-rdn", "-subj", "/DC=org/DC=example/CN=example.org+UID=17+serialNumber=0815"],
    "street": ["-subj", "/businessCategory=Private/jurisdictionC=DE/postalCode=90402/street=Am Markt 1/CN=x"],
    "person": ["-subj", "/GN=Zoë/SN=Müller/initials=ZM/pseudonym=z/dnQualifier=q/title=Dr/emailAddress=z@example.org"],
    "names": ["-addext", "subjectAltName=DNS:a.example,DNS:*.b.example,email:u@example.org,URI:https://example.org/?a=b,"
              "IP:10.0.0.1,IP:2001:db8::1,IP:::ffff:10.0.0.1,RID:1.2.3.4,otherName:1.2.3.4;UTF8:x,"
              "otherName:msUPN;UTF8:u@example.org"],
    "access": ["-addext", "authorityInfoAccess=OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/a.cer,"
               "OCSP;URI:http://ocsp2.example/"],
    "points": ["-addext", "crlDistributionPoints=URI:http://crl.example/a.crl,URI:http://crl.example/b.crl"],
    "ed25519": ["-newkey", "ed25519"],
    "long": ["-days", "40000"],
    "serial": ["-set_serial", "0x" + "ab" * 20],
    "negative": ["-set_serial", "-4711"],
}


def test_made_by_openssl(driver, tmp_path):
    paths = []
    for what, arguments in MADE.items():
        paths.append(tmp_path / f"{what}.pem")
        subject = [] if "-subj" in arguments else ["-subj", f"/CN={what}"]
        kind = [] if "-newkey" in arguments else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("req", "-x509", "-utf8", "-noenc", "-keyout", tmp_path / "key.pem", "-out", paths[-1], *kind, *subject,
                *arguments)
    compare(driver, paths)


GOOD = der.pem(der.certificate())
OTHER_BLOCK = der.pem(b"something else", "SOMETHING ELSE")

FILES = {
    "text around": "some text\n" + GOOD + "more text\n",
    "another block before": OTHER_BLOCK + GOOD,
    "a broken block before": OTHER_BLOCK.replace("=", "") + GOOD,
    "old label": der.pem(der.certificate(), "X509 CERTIFICATE"),
    "trusted": der.pem(der.certificate(), "TRUSTED CERTIFICATE"),
    "line ends": GOOD.replace("\n", "\r\n"),
    "blanks behind lines": GOOD.replace("\n", " \t\n"),
    "two": GOOD + der.pem(der.certificate(serial=der.integer(2))),
    "no end": GOOD[:GOOD.index("-----END")],
    "another end": GOOD.replace("END CERTIFICATE", "END SOMETHING"),
    "begin not at the line's beginning": " " + GOOD,
    "no line end at the end": GOOD.rstrip("\n"),
    "headers": GOOD.replace("-----\n", "-----\nProc-Type: 4,CLEAR\n\n", 1),
    "nothing in it": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "no certificate": "hello\n",
    "empty": "",
    "bad base64": GOOD.replace("M", "!", 1),
}


def test_files(driver, tmp_path):
    paths = [tmp_path / "missing.pem"]
    for what, value in FILES.items():
        paths.append(tmp_path / f"{what}.pem")
        paths[-1].write_bytes(value.encode())
    compare(driver, paths)


# --- cipher lists ---

# An ordinary Python's default, Mozilla's (intermediate, and an old one), urllib3's of two ages, and what else the
# language has.
LISTS = """
@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM
ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384
EECDH+ECDSA+AESGCM:EECDH+aRSA+AESGCM:EECDH+ECDSA+SHA384:EECDH+ECDSA+SHA256:EECDH+aRSA+SHA384:EECDH+aRSA+SHA256:\
EECDH+aRSA+RC4:EECDH:EDH+aRSA:RC4:!aNULL:!eNULL:!LOW:!3DES:!MD5:!EXP:!PSK:!SRP:!DSS
ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDH+AESGCM:DH+AESGCM:ECDH+AES:DH+AES:RSA+AESGCM:RSA+AES:!aNULL:\
!eNULL:!MD5:!DSS:!AESCCM
ECDH+AESGCM:DH+AESGCM:ECDH+AES256:DH+AES256:ECDH+AES128:DH+AES:RSA+AESGCM:RSA+AES:!aNULL:!eNULL:!MD5
ALL
COMPLEMENTOFALL
COMPLEMENTOFDEFAULT:AESGCM
DEFAULT
DEFAULT:@SECLEVEL=1
DEFAULT@SECLEVEL=0
DEFAULT:!SHA:!SHA256:!SHA384
DEFAULTAES
AES:DEFAULT
HIGH
MEDIUM
LOW
FIPS
HIGH:!aNULL:!MD5
HIGH+FIPS
EECDH
ECDH
kECDHE
ECDHE
ECDSA
aECDSA
RSA
aRSA
AES
AES128
AES256
AESGCM
AESCCM
CHACHA20
CBC
SHA
SHA1
SHA256
SHA384
DHE
PSK
3DES
RC4
TLSv1.2
TLSv1.0
TLSv1
SSLv3
NULL
ADH
GOST89
ALL:@STRENGTH
AES128:AES256
AES128:AES256:@STRENGTH
ALL:+AES128
ALL:-AES256
ALL:-AES256:AES
ALL:!AES256:AES
ALL:-SHA:-SHA384:AES256
ALL:+ECDSA:+RSA:+aRSA
ALL:+SHA:+SHA256:+AES256
ALL:!ADH:!LOW:!EXP:!MD5:@STRENGTH
ALL:!kRSA+AES
ECDHE-RSA-AES128-SHA,ECDHE-RSA-AES256-SHA
ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA
ECDHE-RSA-AES128-SHA:-ECDHE-RSA-AES128-SHA:AES256:ECDHE-RSA-AES128-SHA
ECDHE-RSA-AES128-GCM-SHA256+AES256
ECDHE-RSA-AES128-GCM-SHA256+ECDHE-RSA-AES128-SHA
ECDHE-RSA-AES128-SHA+TLSv1.2
AES128;AES256
AES::CHACHA20
AES128+AES256
AES+AES128
ECDSA+aRSA
TLSv1.2+HIGH:TLSv1+HIGH
@SECLEVEL=1:AESGCM
AES:@SECLEVEL=3
@SECLEVEL=3
ALL:@SECLEVEL=6
ALL:@SECLEVEL=12
ALL:@NOTHING
@STRENGTH
nothing
nothing:AES
AES+nothing:CHACHA20
!ALL:AES
+AES
-AES
!
ALL:!
AES:$
AESGCM+:AES
AES128-SHA
TLS_AES_128_GCM_SHA256
TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-SHA
SUITEB128
SUITEB192
SUITEB128ONLY:ALL
SUITEB128C2
""".replace("\\\n", "").strip("\n").split("\n") + ["", " AES : CHACHA20 "]


def is_ours(cipher):
    """Whether this build has it."""
    others = ("CCM", "ARIA", "CAMELLIA", "NULL", "DES", "RC4")
    return cipher["protocol"] == "TLSv1.3" and "CCM" not in cipher["name"] or (
        cipher["name"].startswith(("ECDHE-RSA-", "ECDHE-ECDSA-")) and not any(o in cipher["name"] for o in others))


def ordinary_ciphers(text):
    """Level and suites, as far as there are such in TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.set_ciphers(text)
    except ssl.SSLError as error:
        return {"error": error.args[0]}
    ciphers = [cipher for cipher in context.get_ciphers() if is_ours(cipher)]
    if all(cipher["protocol"] == "TLSv1.3" for cipher in ciphers):
        return {"error": "No cipher can be selected."}
    return {"level": context.security_level, "ciphers": ciphers}


def test_cipher_lists(driver):
    lines = driver("ciphers", *LISTS)
    assert len(lines) == len(LISTS)
    standard = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).security_level
    for text, line in zip(LISTS, lines):
        chosen = json.loads(line)
        if chosen.get("level") == -1:  # not in the list
            chosen["level"] = standard
        assert chosen == ordinary_ciphers(text), text


def test_ciphers_by_the_names_of_their_rfcs(driver):
    line, = driver("ciphers", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")
    names = [cipher["name"] for cipher in json.loads(line)["ciphers"]]
    assert names[3:] == ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]


# --- object identifiers ---

def test_objects(driver):
    objects = [tuple(json.loads(line)) for line in driver("objects")]
    assert len(objects) > 500
    for number, *texts in objects:
        assert ssl._nid2obj(number) == (number, *texts)


def test_objects_by_text(driver):
    texts = ["serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1", "commonName", "CN", "2.5.4.3", "MD5",
             "prime256v1", "sha256WithRSAEncryption", "1.2.3.4.5.6", "no such name", ""]
    for text, line in zip(texts, driver("objects", *texts)):
        try:
            expected = list(ssl._txt2obj(text, name=True))
        except ValueError:
            expected = None
        assert json.loads(line) == expected, text
