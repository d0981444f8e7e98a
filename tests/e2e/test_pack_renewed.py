"""limpet pack --ca-bundle and --tzdata: roots and time zones of the operator's, in the place of limpet's own."""

import os
import re
import shutil
import subprocess
import zipfile

import pytest
from certificates import Authority, openssl
from tls_client import Pki

pytestmark = pytest.mark.unsanitized(reason="packing is Python")

APP = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"

CLIENT = """
import socket, ssl
context = ssl.create_default_context()
try:
    with socket.create_connection(("127.0.0.1", {port})) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            print("verified", connection.version(), len(context.get_ca_certs()))
except ssl.SSLCertVerificationError as error:
    print(error.verify_message)
"""


@pytest.fixture
def packs(run, application, tmp_path):
    """packs(*options, name=) -> (path of the packed binary, the lines that pack printed)."""
    folder = application(APP)

    def pack(*options, name="shop"):
        done = run("pack", folder, "-o", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
        return tmp_path / name, done.stdout.splitlines()

    return pack


@pytest.fixture
def refused(run, application, tmp_path):
    """refused(*options) -> the one line that pack refuses these with, without its beginning."""
    folder = application(APP)

    def pack(*options):
        done = run("pack", folder, "-o", tmp_path / "refused", *options)
        assert done.returncode == 1 and not (tmp_path / "refused").exists(), done.stdout
        assert done.stderr.startswith("limpet pack: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr[len("limpet pack: "):-1]

    return pack


def inside(binary, name):
    with zipfile.ZipFile(binary) as archive:
        return archive.read(name).decode()


# --- CA roots ---


@pytest.mark.static
def test_servers_are_verified_by_the_packed_roots(packs, serve, application, alone, pki_of_session, tmp_path):
    """In an empty root, so that no machine's roots come before those of the binary."""
    pki, local = pki_of_session, pki_of_session.local
    other = Pki(tmp_path)
    server = serve("app:app", "--workers", 1, "--working-dir", application(APP), "--tls-certificate", local.chain,
                   "--tls-key", local.key)
    code = CLIENT.format(port=server.port)
    said = {}
    for name, bundle in {"own": None, "renewed": pki.root.certificate, "others": other.root.certificate}.items():
        binary, _ = packs(*(["--ca-bundle", bundle] if bundle else []), name=name)
        said[name] = alone(binary).run("python", "-c", code).strip()
    assert said == {"own": "unable to get local issuer certificate", "renewed": "verified TLSv1.3 1",
                    "others": "unable to get local issuer certificate"}


def test_what_is_packed(packs, run, tmp_path):
    """Each certificate once, of ASCII, with nothing around it; inspect names them."""
    first = Authority(tmp_path, "Schäfer Root")
    second = Authority(tmp_path, "Second Root")
    bundle = tmp_path / "bundle.pem"
    one, two = first.certificate.read_text(), second.certificate.read_text()
    bundle.write_text(f"some words: é\n{one}\n{two.replace(chr(10), chr(13) + chr(10))}{one}and more words\n")
    binary, report = packs("--ca-bundle", bundle)
    assert len(report) == 1  # nothing to warn of
    text = inside(binary, "lib/ca-roots.pem")
    assert text.isascii() and text.count("BEGIN CERTIFICATE") == 2 and "words" not in text
    assert text.startswith("# CA roots of pack --ca-bundle\n\n# Sch") and text.endswith("-----END CERTIFICATE-----\n")
    said = run("inspect", binary).stdout
    assert "\nCA roots\n  2, given by pack --ca-bundle\n  Sch" in said and "\n  Second Root (until 20" in said
    assert "ca-certificates" not in said
    again, _ = packs("--ca-bundle", bundle, name="again")
    assert again.read_bytes() == binary.read_bytes()


def test_newer_roots_of_limpet_keep_their_age(packs, run, limpet, tmp_path):
    """A file as toolchain/ca_roots.py writes it is such a file again."""
    (tmp_path / "roots.pem").write_text(inside(limpet, "lib/ca-roots.pem"))
    binary, _ = packs("--ca-bundle", tmp_path / "roots.pem")

    def told(path):
        return run("inspect", path).stdout.partition("\nCA roots\n")[2].splitlines()[0]

    assert told(binary) == told(limpet) and "NSS" in told(limpet)


def test_expired_roots_and_keys_are_told_of(packs, tmp_path):
    key = tmp_path / "key.pem"
    key.write_bytes(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    bundle = tmp_path / "bundle.pem"
    old = openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=Old Root", "-not_before", "20200101000000Z", "-not_after",
                  "20210101000000Z") if new_openssl() else expired_by_ca(tmp_path, key)
    bundle.write_bytes(old + key.read_bytes())
    binary, report = packs("--ca-bundle", bundle)
    assert report[:-1] == [
        f"warning: --ca-bundle {bundle}: Old Root has ended on 2021-01-01: no server is believed by it",
        f"warning: --ca-bundle {bundle}: it has a private key, which is not packed; do not give it away"]
    assert "PRIVATE" not in inside(binary, "lib/ca-roots.pem")


def new_openssl():
    """Whether openssl req takes dates (3.4)."""
    return b"-not_before" in subprocess.run(["openssl", "req", "-help"], capture_output=True, check=False).stderr


def expired_by_ca(folder, key):
    """A root of 2020, by openssl ca, which takes dates in every version."""
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(f"[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/index\nnew_certs_dir={folder}\nrand_serial=yes\n"
                                    "default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n"
                                    "[x]\nbasicConstraints=critical,CA:TRUE\n")
    openssl("req", "-new", "-key", key, "-subj", "/CN=Old Root", "-out", folder / "ca.csr")
    return openssl("ca", "-batch", "-selfsign", "-config", folder / "ca.conf", "-keyfile", key, "-in", folder / "ca.csr",
                   "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-notext")


def test_what_is_no_root_is_told_of(packs, tmp_path, pki_of_session):
    """A server's own certificate is taken for its root easily."""
    pki = pki_of_session
    bundle = tmp_path / "bundle.pem"
    root = pki.root.certificate.read_text()
    bundle.write_text(root + root + pki.local.certificate.read_text())
    _, report = packs("--ca-bundle", bundle)
    assert report[:-1] == [f"warning: --ca-bundle {bundle}: certificate 3 is no authority's: no server is believed by it but one "
                           "that has it itself; name the root that issued it"]


def test_bad_bundles(refused, tmp_path, pki_of_session):
    pem = pki_of_session.root.certificate.read_text()
    bundle = tmp_path / "bundle.pem"
    where = f"--ca-bundle {bundle}"
    assert refused("--ca-bundle", bundle) == f"{where}: no such file"
    assert refused("--ca-bundle", tmp_path) == f"--ca-bundle {tmp_path}: is a folder: name a file of PEM certificates"
    for content, expected in (
            ("", 'there is no certificate in it (PEM: "-----BEGIN CERTIFICATE-----")'),
            (openssl("x509", "-in", pki_of_session.root.certificate, "-outform", "DER").decode("latin-1"),
             'there is no certificate in it (PEM: "-----BEGIN CERTIFICATE-----")'),
            (openssl("x509", "-in", pki_of_session.root.certificate, "-trustout").decode(),
             'there is a "TRUSTED CERTIFICATE" in it, which is not taken: "openssl x509" writes it as a "CERTIFICATE"'),
            (pem + pem.replace(" CERT", " X509 CERT"),
             'there is a "X509 CERTIFICATE" in it, which is not taken: "openssl x509" writes it as a "CERTIFICATE"'),
            (pem + pem[:200], "a certificate in it has no end (is it cut off?)"),
            (pem + pem.replace("MII", "M*I", 1), "certificate 2: is not Base64"),
            (pem + pem.replace("MII", "AAA", 1), "certificate 2: cannot be read")):
        bundle.write_text(content, encoding="latin-1")
        assert refused("--ca-bundle", bundle).startswith(f"{where}: {expected}")


# --- Time zones ---


# Not where users other than root look for programs.
ZIC = shutil.which("zic", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


@pytest.fixture
def zones(tmp_path):
    """A zoneinfo folder in which Berlin is another time, made by zic."""
    folder = tmp_path / "zoneinfo"
    (tmp_path / "source").write_text("Zone Etc/UTC 0 - UTC\nZone Europe/Berlin 5:17 - TST\nLink Etc/UTC UTC\n"
                                     "Link Europe/Berlin right/Europe/Berlin\n")
    subprocess.run([ZIC, "-d", folder, tmp_path / "source"], check=True, timeout=60)
    (folder / "tzdata.zi").write_text("# version 2031x\nZ Etc/UTC 0 - UTC\n")
    (folder / "zone.tab").write_text("DE\t+5230+01322\tEurope/Berlin\n")
    (folder / "Link").symlink_to("Europe/Berlin")
    (folder / "localtime").symlink_to("/etc/hostname")
    return folder


ASK = ("import zoneinfo, datetime as d, importlib.resources as r; "
       "print(d.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')), sorted(zoneinfo.available_timezones()), "
       "r.files('tzdata.zoneinfo').joinpath('zone.tab').is_file())")


@pytest.mark.static
def test_packed_zones_are_used(packs, run, alone, zones):
    """In an empty root, so that no machine's zones come before those of the binary."""
    binary, report = packs("--tzdata", zones)
    assert alone(binary).run("python", "-c", ASK).strip() == (
        "2026-07-01 00:00:00+05:17 ['Etc/UTC', 'Europe/Berlin', 'Link', 'UTC'] True")
    assert report[0].startswith(f"warning: --tzdata {zones}: it lacks zones that limpet has: Africa/Abidjan, ")
    assert report[0].endswith(" more") and len(report) == 2
    said = run("inspect", binary).stdout
    assert "\ntime zones\n  4, tz 2031x\n" in said and re.search(r"\n  tzdata +2031x +public-domain\n", said)
    assert "CA roots\n  " in said


@pytest.mark.static
def test_package_of_zones(packs, run, zones, limpet, tmp_path):
    """Python's package tzdata, and the folder that it is installed in; limpet's own comes back as it is."""
    with zipfile.ZipFile(limpet) as archive:
        archive.extractall(tmp_path / "own", [name for name in archive.namelist() if name.startswith("lib/tzdata/")])
    first, report = packs("--tzdata", tmp_path / "own/lib/tzdata")
    second, _ = packs("--tzdata", tmp_path / "own/lib", name="second")
    plain, _ = packs(name="plain")
    assert len(report) == 1
    assert first.read_bytes() == second.read_bytes() == plain.read_bytes()


def test_zones_of_this_machine(packs, run, limpet):
    """What Debian installs, if it is there, with its links and its two further sets."""
    if not os.path.exists("/usr/share/zoneinfo/tzdata.zi"):
        pytest.skip("this machine has no zoneinfo")
    binary, _ = packs("--tzdata", "/usr/share/zoneinfo")
    names = inside(binary, "lib/tzdata/zones").split()
    assert {"Europe/Berlin", "Etc/UTC", "UTC"} < set(names)
    assert not any(name.startswith(("right/", "posix/")) or name in ("localtime", "posixrules") for name in names)


def test_bad_zones(refused, zones, tmp_path):
    where = f"--tzdata {zones}"
    assert refused("--tzdata", tmp_path / "none") == (
        f"--tzdata {tmp_path}/none: no such folder: name one like /usr/share/zoneinfo")
    assert refused("--tzdata", zones / "UTC") == f"{where}/UTC: is no folder: name one like /usr/share/zoneinfo"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused("--tzdata", empty) == (
        f"--tzdata {empty}: there are no time zones in it (TZif files, as in /usr/share/zoneinfo)")
    (zones / "away").symlink_to("/etc/hostname")
    assert refused("--tzdata", zones) == f"{where}: away is a symbolic link out of it"
    (zones / "away").unlink()
    (zones / "Cut").write_bytes((zones / "Etc/UTC").read_bytes()[:60])
    assert refused("--tzdata", zones).startswith(f"{where}: Cut: is a damaged time zone: ")
    (zones / "Cut").unlink()
    shutil.rmtree(zones / "Etc")
    (zones / "UTC").unlink()
    assert refused("--tzdata", zones).startswith(f"{where}: UTC is not among the time zones in it ")


@pytest.mark.parametrize("form", ["slim", "fat"])
def test_leap_seconds(refused, tmp_path, form):
    """By them, an hour of 2026 is another than on every clock."""
    (tmp_path / "source").write_text("Zone Etc/UTC 0 - UTC\n")
    (tmp_path / "leaps").write_text("Leap\t2016\tDec\t31\t23:59:60\t+\tS\n")
    zones = tmp_path / "zoneinfo"
    subprocess.run([ZIC, "-b", form, "-L", tmp_path / "leaps", "-d", zones, tmp_path / "source"], check=True, timeout=60)
    assert refused("--tzdata", zones) == (
        f"--tzdata {zones}: Etc/UTC: has leap seconds, which computers' clocks do not count: name a folder without them (that "
        'above "right")')
