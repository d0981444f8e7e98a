"""Files that the server answers itself: from disk and from the archive, plain and over TLS, by curl."""

import email.utils
import gzip
import os
import pathlib
import re
import ssl
import tempfile
import time
import types

import pytest
from raw_client import Peer
from server import eventually
from serving import serving
from static_site import APPLICATION, FILES, NOISE, TEXT, Site, make_site, parts_of, start_site
from tls_client import TlsPeer, client_context

PLAIN_FILES = [name for name in FILES if "/." not in f"/{name}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An application, with its site in static/."""
    out = tmp_path_factory.mktemp("application")
    (out / "app.py").write_text(APPLICATION)
    make_site(out / "static")
    return out


@pytest.fixture(scope="module")
def servers(limpet, packed, folder, pki_of_session, tmp_path_factory):
    """By where the files are."""
    with serving(limpet, False, tmp_path_factory.mktemp) as start:
        options = ["--static", "/static=static"]
        yield {
            "disk": start_site(start, pki_of_session, limpet, ["app:app"], *options, "--working-dir", folder),
            "archive": start_site(start, pki_of_session, packed(folder, name="site"), [], *options,
                                  folder=tmp_path_factory.mktemp("elsewhere")),
        }


@pytest.fixture(params=["disk", "archive"])
def source(request):
    return request.param


@pytest.fixture(params=["plain", "tls"])
def site(request, source, servers, pki_of_session):
    return Site(servers[source], pki_of_session, request.param)


def date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


# --- what is there ---

@pytest.mark.parametrize("name", PLAIN_FILES)
def test_content(site, name):
    answer = site.curl(name.replace(" ", "%20").replace("\u00e4", "%c3%a4"))
    assert (answer.status, answer.body) == (200, FILES[name])
    assert answer.fields["content-length"] == str(len(FILES[name]))
    assert "x-application" not in answer.fields and "content-encoding" not in answer.fields


def test_fields(site):
    answer = site.curl("css/main.css")
    assert answer.fields["content-type"] == "text/css; charset=utf-8"
    assert answer.fields["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', answer.fields["etag"])
    assert abs(email.utils.parsedate_to_datetime(answer.fields["last-modified"]).timestamp() - time.time()) < 3600
    assert answer.fields["cache-control"] == "public, max-age=60"
    assert site.curl("noise.bin").fields["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ["css/base.55e7cbb9ba48.css", "js/app-BX82hs9a.js"])
def test_fingerprinted_names(site, name):
    assert site.curl(name).fields["cache-control"] == "public, max-age=31536000, immutable"


def test_head(site):
    get, head = site.curl("css/main.css"), site.curl("css/main.css", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**get.fields, "date": ""} == {**head.fields, "date": ""}


def test_index_and_redirection(site):
    assert site.curl("").body == FILES["index.html"]
    assert site.curl("docs/").body == FILES["docs/index.html"]
    for path, location in [("docs", "/static/docs/"), ("/static", "/static/"), ("docs?a=b&c", "/static/docs/?a=b&c"),
                           ("%64ocs", "/static/docs/"), ("//static//docs", "/static/docs/")]:
        answer = site.curl(path)
        assert (answer.status, answer.fields["location"]) == (301, location)
    for path in ["no-index", "no-index/", "css/main.css/"]:
        assert site.curl(path).status == 404


def test_other_methods(site):
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]:
        answer = site.curl("css/main.css", method=method)
        assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")
    answer = site.curl("css/main.css", method="POST", options=["--data", "a=b"])
    assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/staticX/main.css", "/static.css", "/Static/css/main.css", "/other",
                                  "/static%2fcss/main.css", "/static%2F%2e%2e/app.py", "/%2fstatic/css/main.css"])
def test_other_paths_are_the_applications(site, path):
    answer = site.curl(path)
    assert answer.fields["x-application"] == "yes"
    if "%" not in path:
        assert answer.body == f"application {path}".encode()


# --- what is not there ---

@pytest.mark.parametrize("path", [
    "nope.css", "../app.py", "%2e%2e/app.py", "..%2fapp.py", "%2e%2e%2fapp.py", ".%2e/app.py", "css/../../app.py",
    "%c0%ae%c0%ae/app.py", "..%5capp.py", "css%2fmain.css", ".hidden", ".git/config", "%2egit/config", "css/%2e%2e/index.html",
    "css/./main.css", "/static/../static/index.html", "a%0ab", "%ff", "css/main.css%5c"])
def test_no_way_out(site, path):
    answer = site.curl(path)
    assert (answer.status, answer.body) == (404, b"404 Not Found\n")


@pytest.mark.parametrize("path", ["%00", "css/main.css%00.png", "%", "%zz"])
def test_malformed_paths(site, path):
    assert site.curl(path).status == 400


def test_long_paths(site):
    assert site.curl("a" * 1000).status == 404
    assert site.curl("a/" * 3000).status == 404


# --- conditions ---

def test_not_modified(site):
    whole = site.curl("css/main.css")
    tag, modified = whole.fields["etag"], whole.fields["last-modified"]
    earlier = date(email.utils.parsedate_to_datetime(modified).timestamp() - 1)
    for fields in [[f"If-None-Match: {tag}"], [f"If-None-Match: \"a\", W/{tag}"], ["If-None-Match: *"],
                   [f"If-Modified-Since: {modified}"], [f"If-None-Match: {tag}", f"If-Modified-Since: {earlier}"],
                   ['If-None-Match: "a"', f"If-None-Match: {tag}"]]:
        for method in ["GET", "HEAD"]:
            answer = site.curl("css/main.css", *fields, method=method)
            assert (answer.status, answer.body) == (304, b""), fields
            assert (answer.fields["etag"], answer.fields["last-modified"]) == (tag, modified)
            assert answer.fields["cache-control"] == "public, max-age=60"
            assert "content-type" not in answer.fields
    for fields in [['If-None-Match: "a"'], [f"If-Modified-Since: {earlier}"], ["If-Modified-Since: never"],
                   ['If-None-Match: "a"', f"If-Modified-Since: {modified}"]]:
        assert site.curl("css/main.css", *fields).status == 200, fields


def test_preconditions(site):
    whole = site.curl("css/main.css")
    tag, modified = whole.fields["etag"], whole.fields["last-modified"]
    earlier = date(email.utils.parsedate_to_datetime(modified).timestamp() - 1)
    for fields in [['If-Match: "a"'], [f"If-Match: W/{tag}"], [f"If-Unmodified-Since: {earlier}"]]:
        assert site.curl("css/main.css", *fields).status == 412, fields
    for fields in [[f"If-Match: {tag}"], ["If-Match: *"], [f"If-Unmodified-Since: {modified}"],
                   [f"If-Match: {tag}", f"If-Unmodified-Since: {earlier}"]]:
        assert site.curl("css/main.css", *fields).status == 200, fields


# --- ranges ---

@pytest.mark.parametrize("name", ["css/main.css", "large.txt", "noise.bin"])
@pytest.mark.parametrize("coding", [[], ["Accept-Encoding: gzip"]], ids=["plain", "gzip"])
def test_single_ranges(site, name, coding):
    content = FILES[name]
    size = len(content)
    for value, start, end in [("0-0", 0, 1), ("0-99", 0, 100), (f"{size - 10}-", size - 10, size), ("-5", size - 5, size),
                              ("1000-89999", 1000, 90000), (f"70000-{size * 2}", 70000, size)]:
        answer = site.curl(name, f"Range: bytes={value}", *coding)
        assert answer.status == 206
        assert answer.fields["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer.fields["content-length"] == str(end - start)
        assert answer.body == content[start:end]


def test_ranges_of_what_is_long_to_inflate(site, source):
    """A deflated member beyond 2 MB is sent whole, and says that it has no ranges."""
    content, on_disk = FILES["huge.txt"], source == "disk"
    answer = site.curl("huge.txt", f"Range: bytes={len(content) - 10}-")
    assert (answer.status, answer.body) == ((206, content[-10:]) if on_disk else (200, content))
    assert answer.fields.get("accept-ranges") == ("bytes" if on_disk else None)


@pytest.mark.parametrize("name", ["css/main.css", "noise.bin"])
def test_several_ranges(site, name):
    content = FILES[name]
    size = len(content)
    answer = site.curl(name, "Range: bytes=0-9, 100-40099,-7")
    assert answer.status == 206 and int(answer.fields["content-length"]) == len(answer.body)
    whole = site.curl(name)
    expected = [(0, 10), (100, 40100), (size - 7, size)]
    for (fields, body), (start, end) in zip(parts_of(answer), expected, strict=True):
        assert fields == {"content-type": whole.fields["content-type"], "content-range": f"bytes {start}-{end - 1}/{size}"}
        assert body == content[start:end]


def test_ranges_that_are_none(site):
    size = len(TEXT)
    for value in ["bytes=0-,0-", "lines=1-2", "bytes=" + ",".join(["0-0"] * 100)]:
        answer = site.curl("css/main.css", f"Range: {value}")
        assert (answer.status, answer.body) == (200, TEXT)
    for value in [f"bytes={size}-", "bytes=-0", "bytes=x-y", "bytes=2-1"]:
        answer = site.curl("css/main.css", f"Range: {value}")
        assert (answer.status, answer.fields["content-range"]) == (416, f"bytes */{size}")
    answer = site.curl("css/main.css", "Range: bytes=0-9", method="HEAD")
    assert (answer.status, answer.fields["content-length"]) == (200, str(size))


def test_if_range(site):
    whole = site.curl("css/main.css")
    for value in [whole.fields["etag"], whole.fields["last-modified"]]:
        answer = site.curl("css/main.css", "Range: bytes=0-9", f"If-Range: {value}")
        assert (answer.status, answer.body) == (206, TEXT[:10])
    for value in ['"a"', "W/" + whole.fields["etag"], date(0)]:
        answer = site.curl("css/main.css", "Range: bytes=0-9", f"If-Range: {value}")
        assert (answer.status, answer.body) == (200, TEXT)


def test_curl_resumes(site, tmp_path):
    (tmp_path / "half").write_bytes(NOISE[:100000])
    answer = site.curl("noise.bin", options=["--continue-at", "100000"])
    assert (answer.status, answer.body) == (206, NOISE[100000:])


# --- codings ---

def test_siblings(site):
    plain = site.curl("js/app.js")
    assert plain.fields["vary"] == "Accept-Encoding"
    tags = {plain.fields["etag"]}
    for accept, coding, content in [("gzip", "gzip", FILES["js/app.js.gz"]), ("br, gzip", "br", FILES["js/app.js.br"]),
                                    ("br;q=0.5, gzip", "gzip", FILES["js/app.js.gz"]),
                                    ("gzip, deflate, br, zstd", "br", FILES["js/app.js.br"])]:
        answer = site.curl("js/app.js", f"Accept-Encoding: {accept}")
        assert (answer.status, answer.fields["content-encoding"], answer.body) == (200, coding, content)
        assert answer.fields["content-type"] == "text/javascript; charset=utf-8"
        assert answer.fields["vary"] == "Accept-Encoding"
        tags.add(answer.fields["etag"])
        again = site.curl("js/app.js", f"Accept-Encoding: {accept}", f"If-None-Match: {answer.fields['etag']}")
        assert (again.status, again.fields["vary"]) == (304, "Accept-Encoding")
    assert len(tags) == 3
    for accept in ["identity", "deflate", "gzip;q=0", "identity, gzip;q=0.5"]:
        answer = site.curl("js/app.js", f"Accept-Encoding: {accept}")
        assert answer.body == FILES["js/app.js"] and "content-encoding" not in answer.fields
    answer = site.curl("js/app.js.gz", "Accept-Encoding: gzip")
    assert answer.body == FILES["js/app.js.gz"] and "content-encoding" not in answer.fields


@pytest.mark.parametrize("name", ["css/main.css", "large.txt"])
def test_deflated_members_are_gzip(site, source, name):
    content = FILES[name]
    answer = site.curl(name, "Accept-Encoding: gzip")
    if source == "disk":
        assert answer.body == content
        return
    assert answer.fields["content-encoding"] == "gzip" and answer.fields["vary"] == "Accept-Encoding"
    assert int(answer.fields["content-length"]) == len(answer.body) < len(content) / 2
    assert gzip.decompress(answer.body) == content
    assert answer.fields["etag"].endswith('-gz"') and answer.fields["etag"] != site.curl(name).fields["etag"]
    assert site.curl(name, "Accept-Encoding: gzip", f"If-None-Match: {answer.fields['etag']}").status == 304
    assert site.curl(name, options=["--compressed"]).body == content
    assert site.curl("noise.bin", options=["--compressed"]).body == NOISE


# --- routes ---

@pytest.fixture
def start(serve, limpet, folder, pki_of_session):
    """start(*options) -> Site, from disk."""
    def run(*options, **server_options):
        server = start_site(serve, pki_of_session, limpet, ["app:app"], "--working-dir", folder, *options, **server_options)
        return Site(server, pki_of_session, "plain")
    return run


def test_longest_prefix_wins(start, tmp_path):
    (tmp_path / "main.css").write_bytes(b"other")
    site = start("--static", "/static=static", "--static", f"/static/css={tmp_path}", "--static", f"/a/={tmp_path}")
    assert site.curl("css/main.css").body == b"other"
    assert site.curl("js/app.js").body == FILES["js/app.js"]
    assert site.curl("/a/main.css").body == b"other"


def test_whole_site(start):
    site = start("--static", "/=static")
    assert site.curl("/css/main.css").body == TEXT
    assert site.curl("/").body == FILES["index.html"]
    for path in ["/nope.css", "/.hidden", "/no-index/", "/css/../app", "/a%2fb", "/api"]:
        assert site.curl(path).fields["x-application"] == "yes", path
    assert site.curl("/css/main.css", method="POST").fields["x-application"] == "yes"


def test_requests_of_the_application_are_not_counted_as_files(start):
    site = start("--static", "/=static", "--metrics", "/figures")

    def counted():
        text = site.curl("/figures").body.decode()
        return [sum(float(found) for found in re.findall(rf"(?m)^limpet_{name}(?:{{.*}})? (\S+)$", text))
                for name in ("static_requests_total", "static_errors_total")]

    assert counted() == [0, 0]
    assert site.curl("/nope").fields["x-application"] == "yes"
    assert site.curl("/no-index/").fields["x-application"] == "yes"
    assert counted() == [0, 0]
    assert site.curl("/css/main.css").status == 200 and site.curl("/docs").status == 301
    assert counted() == [2, 0]


def test_fallback(start):
    site = start("--static", "/=static", "--static", "/static=static", "--static-fallback", "index.html")
    for path in ["/shop/42", "/static/shop/42", "/shop/"]:
        answer = site.curl(path, "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
        assert (answer.status, answer.body) == (200, FILES["index.html"])
        assert (answer.fields["cache-control"], answer.fields["vary"]) == ("no-cache", "Accept")
        assert site.curl(path, "Accept: text/html", f"If-None-Match: {answer.fields['etag']}").status == 304
    assert site.curl("/shop/42", "Accept: application/json").fields["x-application"] == "yes"
    assert site.curl("/shop/42.css", "Accept: text/html").fields["x-application"] == "yes"
    answer = site.curl("/static/shop/42", "Accept: */*")
    assert (answer.status, answer.fields["vary"]) == (404, "Accept")
    assert "vary" not in site.curl("/", "Accept: text/html").fields
    assert site.curl("/static/shop.css", "Accept: text/html").status == 404
    assert site.curl("/css/main.css", "Accept: text/html").body == TEXT


@pytest.mark.parametrize("value,expected", [("1h", "public, max-age=3600"), ("0", "no-cache")])
def test_expires(start, value, expected):
    site = start("--static", "/static=static", "--static-expires", value)
    assert site.curl("css/main.css").fields["cache-control"] == expected
    assert "immutable" in site.curl("js/app-BX82hs9a.js").fields["cache-control"]


def test_folders_in_settings(serve, packed, folder, pki_of_session, tmp_path):
    """Packed settings name a folder of the archive; relative ones that are not there are where the server is started,
    absolute ones below the binary are the archive's."""
    make_site(tmp_path / "disk")
    binary = packed(folder, "--static", "/static=static", name="settings")
    site = Site(start_site(serve, pki_of_session, binary, [], folder=tmp_path), pki_of_session, "plain")
    assert site.curl("css/main.css").body == TEXT
    server = start_site(serve, pki_of_session, binary, [], "--static", "/static=disk", "--static",
                        f"/inside={binary}/app/static/css", folder=tmp_path)
    site = Site(server, pki_of_session, "plain")
    (tmp_path / "disk/css/main.css").write_bytes(b"changed")
    assert site.curl("css/main.css").body == b"changed"
    assert site.curl("/inside/main.css").body == TEXT


# --- the disk ---

@pytest.fixture
def live(start, tmp_path):
    """A server of a folder that may change, and the folder."""
    make_site(tmp_path / "site")
    return start("--static", f"/static={tmp_path / 'site'}"), tmp_path / "site"


def test_changes_are_seen(live):
    site, folder = live
    before = site.curl("css/main.css")
    (folder / "css/main.css").write_bytes(b"new")
    after = site.curl("css/main.css", f"If-None-Match: {before.fields['etag']}")
    assert (after.status, after.body) == (200, b"new") and after.fields["etag"] != before.fields["etag"]
    (folder / "css/main.css").unlink()
    assert site.curl("css/main.css").status == 404
    (folder / "more.js").write_bytes(b"more")
    assert site.curl("more.js").body == b"more"


def test_another_folder_in_its_place(live):
    site, folder = live
    make_site(folder.with_name("next"))
    (folder.with_name("next") / "css/main.css").write_bytes(b"next")
    assert site.curl("css/main.css").body == TEXT
    folder.rename(folder.with_name("before"))
    folder.with_name("next").rename(folder)
    eventually(lambda: site.curl("css/main.css").body == b"next")


def test_links(live):
    site, folder = live
    (folder.parent / "outside.txt").write_text("outside")
    links = {"inside": "css/main.css", "up": "css/../css/main.css", "absolute": folder / "css/main.css",
             "out": "../outside.txt", "absolute-out": folder.parent / "outside.txt", "around": "around", "dangling": "nope"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (folder / "folder").symlink_to("css")
    (folder / "folder-out").symlink_to("..")
    (folder / "folder-absolute").symlink_to(folder / "css")
    for name in ["inside", "up", "absolute", "folder/main.css", "folder-absolute/main.css"]:
        assert site.curl(name).body == TEXT, name
    for name in ["out", "absolute-out", "around", "dangling", "folder-out/outside.txt"]:
        assert site.curl(name).status == 404, name


def test_what_is_no_file(live):
    site, folder = live
    os.mkfifo(folder / "fifo")
    os.mknod(folder / "socket", 0o140644)
    (folder / "null").symlink_to("/dev/null")
    for name in ["fifo", "socket", "null"]:
        assert site.curl(name).status == 404


def test_large_file(live):
    site, folder = live
    with open(folder / "huge.bin", "wb") as file:
        file.truncate(5 << 30)
        file.seek((5 << 30) - 5)
        file.write(b"at 5G")
    head = site.curl("huge.bin", method="HEAD")
    assert head.fields["content-length"] == str(5 << 30)
    answer = site.curl("huge.bin", "Range: bytes=-5")
    assert (answer.status, answer.body) == (206, b"at 5G")
    assert site.curl("huge.bin", "Range: bytes=5368709115-5368709116").body == b"at"


@pytest.mark.parametrize("transport", ["plain", "tls"])
@pytest.mark.parametrize("ranges", ["", "Range: bytes=0-1,5-99999999\r\n"], ids=["whole", "parts"])
def test_file_that_becomes_shorter(live, pki_of_session, transport, ranges):
    site, folder = live
    path = folder / "huge.bin"
    with open(path, "wb") as file:
        file.truncate(100 << 20)
    address = types.SimpleNamespace(port=int(site.server.addresses[transport == "tls"].rpartition(":")[2]))
    peer = TlsPeer(address, client_context(pki_of_session), receive_buffer=4096) if transport == "tls" \
        else Peer(address, receive_buffer=4096)
    with peer:
        peer.send(f"GET /static/huge.bin HTTP/1.1\r\nHost: a\r\n{ranges}\r\n".encode())
        received = len(peer.socket.recv(1000))
        os.truncate(path, 1000)
        try:
            while data := peer.socket.recv(1 << 20):
                received += len(data)
        except (ssl.SSLError, ConnectionResetError):
            pass  # no end was told, as it should be
    assert received < 100 << 20
    site.server.wait_for(r"became shorter|ended while it was sent")
    assert site.curl("css/main.css").body == TEXT


@pytest.fixture
def open_folder():
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user")
def test_file_that_may_not_be_read(start, open_folder):
    make_site(open_folder)
    (open_folder / "css/main.css").chmod(0o600)
    (open_folder / "docs").chmod(0o700)
    (open_folder / "app.py").write_text(APPLICATION)
    site = start("--static", f"/static={open_folder}", "--user", "nobody", "--working-dir", open_folder)
    for name in ["css/main.css", "docs/index.html", "docs/"]:
        assert site.curl(name).status == 403
    assert site.curl("js/app.js").status == 200
    site.server.wait_for(r"files: /static/css/main\.css: may not be read")


# --- the start ---

@pytest.mark.parametrize("options,said", [
    (["--static", "/static=nowhere"], r"--static /static=nowhere: \S+/nowhere: No such file or directory \(.*create it"),
    (["--static", "/static=app.py"], r"--static /static=app.py: \S+/app.py: Not a directory"),
    (["--static", "static"], r"PREFIX=FOLDER"),
    (["--static", "/a/../b=static"], r"begins with '\.'"),
    (["--static", "/a%20=static"], r"decoded"),
    (["--static", "/static="], r"folder is missing"),
    (["--static", "/static=static", "--static-fallback", "nope.html"], r"--static-fallback nope.html: there is no such file"),
    (["--static-fallback", "index.html"], r"--static-fallback index.html: .*--static"),
    (["--sendfile", "/files=nowhere"], r"--sendfile /files=nowhere: "),
])
@pytest.mark.parametrize("command", ["serve", "check"])
def test_mistakes(run, folder, command, options, said):
    done = run(command, "app:app", *options, cwd=folder)
    assert done.returncode == 2 and re.search(said, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_check(run, folder):
    done = run("check", "app:app", "--static", "/static=static", "--working-dir", pathlib.Path(folder), cwd="/")
    assert done.returncode == 0, done.stderr
