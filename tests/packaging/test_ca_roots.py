"""toolchain/ca_roots.py: which certificates of Debian's ca-certificates become limpet's CA roots.

The "certificates" here are a few bytes: the program does not look into them.
"""

import gzip
import importlib.util
import subprocess
import sys

import pytest
from build_python import ROOT

PROGRAM = ROOT / "toolchain/ca_roots.py"
specification = importlib.util.spec_from_file_location("ca_roots", PROGRAM)
ca_roots = importlib.util.module_from_spec(specification)
specification.loader.exec_module(ca_roots)

HEADER = '#define NSS_BUILTINS_LIBRARY_VERSION "2.90"\n'
CHANGELOG = """ca-certificates (20260816+nmu1) unstable; urgency=medium

  * Non-maintainer upload.

 -- Somebody <somebody@example.org>  Tue, 20 Oct 2026 16:40:44 +0200

ca-certificates (20260816) unstable; urgency=medium

  * Update Mozilla certificate authority bundle to version 2.90
    + "New CA"

 -- Somebody Else <else@example.org>  Sun, 16 Aug 2026 23:04:36 +0200

ca-certificates (20260601) unstable; urgency=medium

  * Update Mozilla certificate authority bundle to version 2.86

 -- Somebody Else <else@example.org>  Mon, 01 Jun 2026 15:39:00 +0200
"""


def octal(name, content):
    """A multi-line attribute, two bytes a line."""
    lines = ["".join(f"\\{byte:03o}" for byte in content[at:at + 2]) for at in range(0, len(content), 2)]
    return "\n".join([f"{name} MULTILINE_OCTAL", *lines, "END\n"])


def certificate(label, number, after=None):
    """A certificate's object. number stands for what is its own; after: when distrust begins."""
    distrust = "CKA_NSS_SERVER_DISTRUST_AFTER CK_BBOOL CK_FALSE\n"
    if after:
        distrust = octal("CKA_NSS_SERVER_DISTRUST_AFTER", after)
    return (f'#\n# Certificate "{label}"\n#\nCKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE\nCKA_LABEL UTF8 "{label}"\n'
            + octal("CKA_ISSUER", b"issuer") + octal("CKA_SERIAL_NUMBER", bytes([number]))
            + octal("CKA_VALUE", b"certificate %d" % number) + distrust + "\n")


def trust(label, number, server="CKT_NSS_TRUSTED_DELEGATOR", email="CKT_NSS_MUST_VERIFY_TRUST"):
    """A trust object."""
    return (f'CKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST\nCKA_LABEL UTF8 "{label}"\n'
            + octal("CKA_ISSUER", b"issuer") + octal("CKA_SERIAL_NUMBER", bytes([number]))
            + f"CKA_TRUST_SERVER_AUTH CK_TRUST {server}\nCKA_TRUST_EMAIL_PROTECTION CK_TRUST {email}\n\n")


def both(label, number, after=None, **levels):
    """A certificate and the trust in it."""
    return certificate(label, number, after) + trust(label, number, **levels)


def certdata(*entries):
    """A file of them."""
    return ("# Object definitions:\n#  CKA_TRUST_SERVER_AUTH  CK_TRUST  (varies)\n\n"
            'BEGINDATA\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_BUILTIN_ROOT_LIST\nCKA_LABEL UTF8 "Mozilla Builtin Roots"\n\n'
            + "".join(entries))


SAMPLE = certdata(
    both("Trusted (TLS), Inc/Root", 65),
    both("E-mail", 66, server="CKT_NSS_MUST_VERIFY_TRUST", email="CKT_NSS_TRUSTED_DELEGATOR"),
    both("Distrusted", 67, server="CKT_NSS_NOT_TRUSTED", email="CKT_NSS_NOT_TRUSTED"),
    both("Barred after a day", 68, after=b"241130235959Z"),
    certificate("Nobody trusts it", 69),
    trust("Explicitly Distrust a Root", 70, server="CKT_NSS_NOT_TRUSTED"),
    both("Named in the blacklist", 71),
    both("Both trusted and distrusted", 72), trust("again", 72, server="CKT_NSS_NOT_TRUSTED"),
    both(r"F\xC5\x91 F\xC5\x91", 73))
BLACKLIST = '# why\n"Named in the blacklist"  # because\n\n'
EXPECTED = [("Barred after a day", b"certificate 68"), ("F\u0151 F\u0151", b"certificate 73"),
            ("Trusted (TLS), Inc/Root", b"certificate 65")]


@pytest.fixture
def source(folder):
    """source(certdata, ...) makes an unpacked source package."""
    def make(text, changelog=CHANGELOG, header=HEADER):
        return folder("source", {"mozilla/certdata.txt": text, "mozilla/nssckbi.h": header,
                                 "mozilla/blacklist.txt": BLACKLIST, "debian/changelog": changelog})
    return make


@pytest.fixture
def binary(folder):
    """binary({file name: text}) makes an unpacked binary package."""
    def make(files):
        return folder("binary", {
            "usr/share/doc/ca-certificates/changelog.gz": gzip.compress(CHANGELOG.encode()),
            **{f"usr/share/ca-certificates/mozilla/{name}": text for name, text in files.items()}})
    return make


def run_program(package, output):
    """Run it by this Python."""
    command = [sys.executable, "-B", PROGRAM, package, output]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def make(tmp_path):
    """make(package) runs the program; the file's text."""
    def run(package):
        output = tmp_path / "roots.pem"
        done = run_program(package, output)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return output.read_text(encoding="ascii")
    return run


def test_who_is_trusted():
    roots = ca_roots.trusted_roots(SAMPLE, BLACKLIST)
    assert sorted((root.label, root.der) for root in roots) == EXPECTED
    assert "Named in the blacklist" in {root.label for root in ca_roots.trusted_roots(SAMPLE)}


def test_file(source, make):
    assert make(source(SAMPLE)) == """\
# Mozilla's CA roots for TLS servers: NSS 2.90, of 2026-08-16

# Barred after a day
-----BEGIN CERTIFICATE-----
Y2VydGlmaWNhdGUgNjg=
-----END CERTIFICATE-----

# F\\u0151 F\\u0151
-----BEGIN CERTIFICATE-----
Y2VydGlmaWNhdGUgNzM=
-----END CERTIFICATE-----

# Trusted (TLS), Inc/Root
-----BEGIN CERTIFICATE-----
Y2VydGlmaWNhdGUgNjU=
-----END CERTIFICATE-----
"""


def test_order_of_the_source_does_not_matter(source):
    turned = certdata(both("B", 66), both("A", 67), both("A", 65), both("B", 66))
    straight = certdata(both("A", 65), both("A", 67), both("B", 66))
    texts = {ca_roots.bundle(ca_roots.trusted_roots(text), "2.90", "2026-08-16") for text in (turned, straight)}
    assert len(texts) == 1 and texts.pop().count("BEGIN") == 3


def test_binary_package_is_the_same(source, binary, make):
    def pem(number):
        return ca_roots.bundle([ca_roots.Root("", b"certificate %d" % number)], "", "").split("\n", 3)[3]
    one = make(binary({"Trusted_=TLS=.crt": pem(65), "F\u0151_F\u0151.crt": pem(73)}))
    assert one == make(source(certdata(both("Trusted (TLS)", 65), both(r"F\xC5\x91 F\xC5\x91", 73))))


def test_build_python(run_python, source, tmp_path, make):
    package = source(SAMPLE)
    done = run_python("-B", PROGRAM, package, tmp_path / "by-build-python.pem")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "by-build-python.pem").read_text() == make(package)


@pytest.mark.parametrize("text, options, expected", [
    (SAMPLE.replace("BEGINDATA", "BEGIN"), {}, "certdata.txt: it has no line BEGINDATA"),
    (SAMPLE.replace("CKT_NSS_NOT_TRUSTED", "CKT_NEW"), {}, "certdata.txt: Distrusted: unknown level of trust CKT_NEW"),
    (SAMPLE[:SAMPLE.rindex("END")], {}, "certdata.txt: CKA_SERIAL_NUMBER has no END"),
    (SAMPLE.replace("BEGINDATA\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_BUILTIN_ROOT_LIST", "BEGINDATA"), {},
     "certdata.txt: CKA_LABEL stands before any CKA_CLASS"),
    (certdata(), {}, "there is no root in it"),
    (SAMPLE, {"header": HEADER.replace("2.90", "2.92")}, "nssckbi.h does not say version 2.90, as the changelog does"),
    (SAMPLE, {"changelog": ""}, "changelog: it does not tell of Mozilla's list"),
    (SAMPLE.replace("CKA_VALUE", "CKA_VALVE"), {}, ": not as such a package is written: KeyError('CKA_VALUE')"),
])
def test_packages_that_are_refused(source, tmp_path, text, options, expected):
    package = source(text, **options)
    done = run_program(package, tmp_path / "out")
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert done.stderr.startswith("ca_roots.py: ") and done.stderr.endswith(expected + "\n")
    assert done.stderr.count("\n") == 1


def test_binary_packages_that_are_refused(binary, tmp_path):
    package = binary({"Two.crt": "nothing\n"})
    with pytest.raises(ca_roots.RootsError, match="Two.crt: is not one certificate"):
        ca_roots.of_binary(package)
    assert ca_roots.main(tmp_path / "none", tmp_path / "out") == 1
