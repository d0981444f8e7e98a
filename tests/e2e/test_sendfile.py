"""--sendfile: files that applications name in X-Accel-Redirect and X-Sendfile, by each interface the same."""

import gzip
import subprocess
import sys
import urllib.parse

import pytest
from applications.named_files import BODY
from raw_client import request
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="its applications speak three interfaces")

SIZE = 300_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "private.txt").write_bytes(b"0123456789" * (SIZE // 10))
    (folder / "with space.json").write_bytes(b"{}")
    (folder / "empty").write_bytes(b"")
    (folder / "coded.txt").write_bytes(b"0123456789" * 100)
    (folder / "coded.txt.gz").write_bytes(gzip.compress(b"0123456789" * 100))
    (folder.parent / "secret").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def servers(serve_everywhere, folder):
    made = {}

    def server(interface, *options):
        if (interface, options) not in made:
            made[interface, options] = serve_everywhere(f"named_files:{interface}", "--interface", interface, *options)
        return made[interface, options]

    return server


@pytest.fixture(params=["wsgi", "asgi", "rsgi"])
def everywhere(servers, folder, request):
    return servers(request.param, "--sendfile", f"/protected={folder}", "--compress")


def target(*fields, pieces=1, status=200):
    query = [("h", f"{name}:{value}") for name, value in fields] + [("pieces", pieces), ("status", status)]
    return "/?" + urllib.parse.urlencode(query)


ACCEL = ("X-Accel-Redirect", "/protected/private.txt")


def check_private(answer):
    assert (answer.status, answer.body) == (200, b"0123456789" * (SIZE // 10))
    assert answer.get("Content-Length") == str(SIZE)
    assert (answer.get("X-Accel-Redirect"), answer.get("X-Sendfile")) == (None, None)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("pieces", [1, 0, 3])
def test_both_fields(everywhere, folder, transport, pieces):
    """Whatever the application sends beside; and the connection goes on."""
    with everywhere.connect(transport) as peer:
        check_private(peer.ask(request("GET", target(ACCEL, pieces=pieces))))
        check_private(peer.ask(request("GET", target(("X-Sendfile", folder / "private.txt"), pieces=pieces))))
        assert peer.ask(request("GET", target(pieces=pieces))).body == BODY * pieces


@pytest.mark.parametrize("pieces", [1, 3])
def test_other_fields_stay(everywhere, pieces):
    fields = [("Content-Type", "text/x-own"), ("Content-Disposition", 'attachment; filename="a.txt"'),
              ("Cache-Control", "private"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Last", "1")]
    answer = everywhere.ask(target(*fields[:3], ACCEL, *fields[3:], pieces=pieces))
    check_private(answer)
    for name in {name for name, _ in fields}:
        assert answer.all(name) == [value for key, value in fields if key == name]


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("length", [0, 5, SIZE])
def test_length_of_a_body_that_is_dropped(everywhere, length, pieces):
    """Frameworks say there how long the file is."""
    check_private(everywhere.ask(target(ACCEL, ("Content-Length", length), pieces=pieces)))


def test_names(everywhere, folder):
    assert everywhere.ask(target(("X-Accel-Redirect", "/protected/with%20space.json"))).body == b"{}"
    assert everywhere.ask(target(("x-sendfile", folder / "with space.json"))).body == b"{}"
    answer = everywhere.ask(target(("X-ACCEL-REDIRECT", "/protected/empty")))
    assert (answer.status, answer.get("Content-Length"), answer.body) == (200, "0", b"")


def test_of_several_the_first_counts(everywhere, folder):
    answer = everywhere.ask(target(("X-Sendfile", folder / "empty"), ACCEL, ("X-Accel-Redirect", "/protected/empty")))
    check_private(answer)


@pytest.mark.parametrize("field", [
    ("X-Accel-Redirect", "/protected/missing"), ("X-Accel-Redirect", "/protected/../secret"),
    ("X-Accel-Redirect", "/protected/%2e%2e/secret"), ("X-Accel-Redirect", "/other/private.txt"),
    ("X-Accel-Redirect", "/protected"), ("X-Accel-Redirect", ""), ("X-Sendfile", "/etc/passwd"), ("X-Sendfile", ""),
    ("X-Sendfile", "private.txt")])
@pytest.mark.parametrize("pieces", [1, 3])
def test_what_is_not_there(everywhere, field, pieces):
    with everywhere.connect() as peer:
        answer = peer.ask(request("GET", target(field, ("Set-Cookie", "a=1"), pieces=pieces)))
        assert answer.status in (403, 404) and BODY not in answer.body and b"secret" not in answer.body
        assert (answer.get("X-Accel-Redirect"), answer.get("X-Sendfile")) == (None, None)
        check_private(peer.ask(request("GET", target(ACCEL))))


def test_out_of_the_folder(everywhere, folder):
    answer = everywhere.ask(target(("X-Sendfile", folder / "../secret")))
    assert answer.status in (403, 404) and b"secret" not in answer.body


@pytest.mark.parametrize("pieces", [1, 3])
def test_head_ranges_and_conditions(everywhere, pieces):
    with everywhere.connect() as peer:
        answer = peer.ask(request("HEAD", target(ACCEL, pieces=pieces)), "HEAD")
        assert (answer.status, answer.get("Content-Length")) == (200, str(SIZE))
        tag = answer.get("ETag")
        answer = peer.ask(request("GET", target(ACCEL, pieces=pieces), None, "Range: bytes=5-14"))
        assert (answer.status, answer.body) == (206, b"5678901234")
        answer = peer.ask(request("GET", target(ACCEL, pieces=pieces), None, f"If-None-Match: {tag}"))
        assert (answer.status, answer.body) == (304, b"")
        check_private(peer.ask(request("GET", target(ACCEL))))


def test_files_are_not_compressed_again(everywhere):
    answer = everywhere.ask(target(ACCEL, ("Content-Type", "text/plain")), None, "Accept-Encoding: gzip, zstd")
    check_private(answer)
    assert answer.get("Content-Encoding") is None


def test_iterable_is_closed(serve, folder):
    server = serve("named_files:wsgi", "--workers", 1, "--sendfile", f"/protected={folder}",
                   "--working-dir", sys.modules["applications.named_files"].__file__.rpartition("/")[0])
    out = subprocess.run(["curl", "--silent", "--show-error", server.url + target(ACCEL, pieces=3)],
                         capture_output=True, check=True, timeout=60).stdout
    assert len(out) == SIZE
    server.wait_for("closed")


@pytest.mark.parametrize("pieces", [1, 3])
def test_what_is_said_of_the_dropped_body_goes_with_it(everywhere, pieces):
    names = ["Content-Range", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest"]
    fields = [(name, "bytes 0-1/2") for name in names]
    answer = everywhere.ask(target(("X-First", "1"), *fields[:2], ACCEL, *fields[2:], ("X-Last", "1"), pieces=pieces))
    check_private(answer)
    assert [answer.get(name) for name in names] == [None] * 5
    assert (answer.get("X-First"), answer.get("X-Last")) == ("1", "1")
    answer = everywhere.ask(target(*fields, ACCEL, pieces=pieces), None, "Range: bytes=5-14")
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, b"5678901234", f"bytes 5-14/{SIZE}")


def test_statuses_without_the_file(everywhere):
    with everywhere.connect() as peer:
        answer = peer.ask(request("GET", target(ACCEL, status=205)))
        assert (answer.status, answer.body, answer.get("X-Accel-Redirect")) == (205, b"", None)
        check_private(peer.ask(request("GET", target(ACCEL, ("Content-Range", "bytes 0-1/2"), status=206))))


@pytest.mark.parametrize("own, coded", [('"own"', '"own-gz"'), ('W/"own"', 'W/"own"'), ("", None)])
def test_each_coding_has_a_tag_of_its_own(everywhere, folder, own, coded):
    """So that If-Range joins no parts of two of them."""
    named = target(("X-Accel-Redirect", "/protected/coded.txt"), *([("ETag", own)] if own else []), ("X-Last", "1"))
    with everywhere.connect() as peer:
        plain = peer.ask(request("GET", named))
        gzipped = peer.ask(request("GET", named, None, "Accept-Encoding: gzip"))
        assert (plain.get("Content-Encoding"), gzipped.get("Content-Encoding")) == (None, "gzip")
        assert gzipped.body == (folder / "coded.txt.gz").read_bytes() and gzipped.get("X-Last") == "1"
        tag = gzipped.get("ETag")
        if own:
            assert (plain.get("ETag"), tag) == (own, coded)
        else:
            assert tag != plain.get("ETag")
        assert peer.ask(request("GET", named, None, "Accept-Encoding: gzip", f"If-None-Match: {tag}")).status == 304
        if not own.startswith("W/"):
            answer = peer.ask(request("GET", named, None, "Accept-Encoding: gzip", "Range: bytes=1-2",
                                      f"If-Range: {plain.get('ETag')}"))
            assert (answer.status, answer.body) == (200, gzipped.body)
            answer = peer.ask(request("GET", named, None, "Accept-Encoding: gzip", "Range: bytes=1-2", f"If-Range: {tag}"))
            assert (answer.status, answer.body) == (206, gzipped.body[1:3])


@pytest.mark.parametrize("interface", ["wsgi", "asgi", "rsgi"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_without_the_option(servers, interface, pieces):
    """A proxy in front may want it."""
    answer = servers(interface).ask(target(ACCEL, ("X-Sendfile", "/a"), pieces=pieces))
    assert (answer.status, answer.body) == (200, BODY * pieces)
    assert (answer.get("X-Accel-Redirect"), answer.get("X-Sendfile")) == (ACCEL[1], "/a")
