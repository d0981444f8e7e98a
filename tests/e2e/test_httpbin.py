"""httpbin, packed, alone in an empty root: every endpoint it has, by http.client and curl.

Two packages that it needs are native through and through. jsonschema of bookworm (4.10) does without rpds; for Brotli a
module of that name lies beside the application.
"""

import dataclasses
import hashlib
import http.client
import json
import pathlib
import random
import re
import subprocess
import urllib.parse
import uuid

import pytest

pytestmark = [pytest.mark.static, pytest.mark.unvalidated(
    reason="httpbin breaks the validator's rules itself: answers without a Content-Type, a 204 with one")]

HERE = pathlib.Path(__file__).parent
PACKAGES = ("python3-httpbin", "python3-flask", "python3-werkzeug", "python3-jinja2", "python3-markupsafe",
            "python3-itsdangerous", "python3-click", "python3-blinker", "python3-decorator", "python3-flasgger",
            "python3-yaml", "python3-mistune", "python3-attr")
EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")
JSON, HTML, BYTES = "application/json", "text/html", "application/octet-stream"


@dataclasses.dataclass
class Visit:
    """A request and what its answer must have. json: some of its items; body: all of it, or a pattern found in it."""

    path: str
    method: str = "GET"
    send: dict = dataclasses.field(default_factory=dict)
    payload: bytes = None
    status: int = 200
    kind: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    json: dict = dataclasses.field(default_factory=dict)
    body: object = None

    def __str__(self):
        return f"{self.method} {self.path}"


def seeded(seed, count):
    """What httpbin makes of a seed."""
    random.seed(seed)
    return bytes(random.randint(0, 255) for _ in range(count))


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VISITS = [
    # Methods.
    Visit("/get?a=1&a=2&b=%C3%BC", kind=JSON, json={"args": {"a": ["1", "2"], "b": "ü"}, "origin": "127.0.0.1"}),
    Visit("/delete", "DELETE", kind=JSON, json={"data": "", "json": None}),
    *(Visit(f"/{method.lower()}", method, FORM, b"x=%26&y=2", kind=JSON, json={"form": {"x": "&", "y": "2"}})
      for method in ("POST", "PUT", "PATCH")),
    *(Visit("/anything?q=1", method, kind=JSON, json={"method": method, "args": {"q": "1"}})
      for method in EVERY_METHOD),
    *(Visit("/anything/a%20b/%C3%BC", method, kind=JSON, json={"method": method}, body=r"/anything/a%20b/\\u00fc")
      for method in EVERY_METHOD),
    Visit("/anything", "POST", {"Content-Type": JSON}, b'{"n": [1, null]}', json={"json": {"n": [1, None]}}),
    # Authentication.
    Visit("/basic-auth/user/pass", status=401, headers={"WWW-Authenticate": 'Basic realm="Fake Realm"'}),
    Visit("/hidden-basic-auth/user/pass", status=404),
    Visit("/bearer", status=401, headers={"WWW-Authenticate": "Bearer"}),
    Visit("/bearer", send={"Authorization": "Bearer abc"}, json={"authenticated": True, "token": "abc"}),
    *(Visit(f"/digest-auth/auth/user/pass{more}", status=401) for more in ("", "/SHA-256", "/SHA-512/2")),
    # Status codes.
    *(Visit(f"/status/{code}", method, status=code) for method, code in zip(
        EVERY_METHOD, (200, 201, 204, 304, 404, 503))),
    Visit("/status/418", status=418, body="teapot"),
    Visit("/status/302", status=302, headers={"Location": "/redirect/1"}),
    Visit("/status/200,abc", status=400, body="Invalid status code"),
    # What was asked.
    Visit("/headers", send={"X-Some-Thing": "1, 2"}, json={}, body='"X-Some-Thing": "1, 2"'),
    Visit("/ip", kind=JSON, json={"origin": "127.0.0.1"}),
    Visit("/user-agent", send={"User-Agent": "visitor/1"}, json={"user-agent": "visitor/1"}),
    # What is answered.
    Visit("/cache", kind=JSON, headers={"ETag": ...}, json={"url": ...}),
    Visit("/cache", send={"If-None-Match": "x"}, status=304),
    Visit("/cache/60", headers={"Cache-Control": "public, max-age=60"}),
    Visit("/etag/x", headers={"ETag": "x"}, json={"args": {}}),
    Visit("/etag/x", send={"If-None-Match": '"y", "x"'}, status=304, headers={"ETag": "x"}),
    Visit("/etag/x", send={"If-Match": '"y"'}, status=412),
    *(Visit("/response-headers?X-One=1&X-Two=%22", method, kind=JSON, headers={"X-One": "1", "X-Two": '"'})
      for method in ("GET", "POST")),
    # Formats.
    Visit("/brotli", kind=JSON, headers={"Content-Encoding": "br"}),
    Visit("/deflate", kind=JSON, headers={"Content-Encoding": "deflate"}),
    Visit("/gzip", kind=JSON, headers={"Content-Encoding": "gzip"}),
    Visit("/deny", kind="text/plain", body="YOU SHOULDN'T BE HERE"),
    Visit("/encoding/utf8", kind=HTML, body=...),
    Visit("/html", kind=HTML, body="Herman Melville - Moby-Dick"),
    Visit("/json", kind=JSON, json={"slideshow": ...}),
    Visit("/robots.txt", kind="text/plain", body=b"User-agent: *\nDisallow: /deny\n"),
    Visit("/xml", kind="application/xml", body="<slideshow"),
    # Made on the fly.
    Visit("/base64/SGVsbG8sIMO8", body="Hello, ü".encode()),
    Visit("/base64/%2B", body="Incorrect Base64 data"),
    Visit("/bytes/1000?seed=7", kind=BYTES, body=seeded(7, 1000), headers={"Content-Length": "1000"}),
    Visit("/bytes/0", kind=BYTES, body=b"", headers={"Content-Length": "0"}),
    Visit("/bytes/999999", headers={"Content-Length": "102400"}),
    *(Visit("/delay/0.01?a=b", method, json={"args": {"a": "b"}}) for method in EVERY_METHOD),
    Visit("/drip?duration=0.1&numbytes=5&code=203", status=203, body=b"*****", headers={"Content-Length": "5"}),
    Visit("/drip?numbytes=0", status=400, body=b"number of bytes must be positive"),
    Visit("/links/10", status=302, headers={"Location": "/links/10/0"}),
    Visit("/links/3/1", kind=HTML, body="<a href='/links/3/0'>0</a> 1 <a href='/links/3/2'>2</a>"),
    Visit("/range/26", kind=BYTES, body=b"abcdefghijklmnopqrstuvwxyz", headers={"ETag": "range26"}),
    Visit("/range/26?chunk_size=3", send={"Range": "bytes=5-9"}, status=206, body=b"fghij",
          headers={"Content-Range": "bytes 5-9/26", "Content-Length": "5"}),
    Visit("/range/26", send={"Range": "bytes=26-"}, status=416, body=b"", headers={"Content-Range": "bytes */26"}),
    Visit("/range/0", status=404, body="number of bytes must be in the range"),
    Visit("/stream/20", kind=JSON, body=r'"id": 19\}\n$'),  # chunked, or with a length where the pieces were quick
    Visit("/stream-bytes/25000?seed=3", kind=BYTES, body=seeded(3, 25000)),
    Visit("/uuid", kind=JSON, json={"uuid": ...}),
    # Cookies.
    Visit("/cookies", send={"Cookie": "a=1; b=2"}, json={"cookies": {"a": "1", "b": "2"}}),
    Visit("/cookies/set?a=1", status=302, headers={"Set-Cookie": "a=1; Path=/", "Location": "/cookies"}),
    Visit("/cookies/set/b/2", status=302, headers={"Set-Cookie": "b=2; Path=/"}),
    Visit("/cookies/delete?a", status=302, headers={
        "Set-Cookie": "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"}),
    # Images.
    Visit("/image", send={"Accept": "image/webp"}, kind="image/webp"),
    Visit("/image", status=406, send={"Accept": "text/plain"}, kind=JSON),
    Visit("/image/jpeg", kind="image/jpeg", body=("images/jackal.jpg", b"\xff\xd8")),
    Visit("/image/png", kind="image/png", body=("images/pig_icon.png", b"\x89PNG")),
    Visit("/image/svg", kind="image/svg+xml", body=("images/svg_logo.svg", b"<svg")),
    Visit("/image/webp", kind="image/webp", body=("images/wolf_1.webp", b"RIFF")),
    # Redirects.
    Visit("/absolute-redirect/2", status=302, headers={
        "Location": re.compile(r"http://127\.0\.0\.1:\d+/absolute-redirect/1")}),
    Visit("/redirect/3", status=302, headers={"Location": "/relative-redirect/2"}),
    Visit("/relative-redirect/1", status=302, headers={"Location": "/get"}),
    *(Visit("/redirect-to?url=http%3A%2F%2Fexample.com%2F&status_code=307", method, status=307,
            headers={"Location": "http://example.com/"}) for method in EVERY_METHOD),
    # Pages, and the files of the packages.
    Visit("/", kind=HTML, body="swagger-ui-bundle.js"),
    Visit("/legacy", kind=HTML, body="httpbin\\(1\\): HTTP Client Testing Service"),
    Visit("/forms/post", kind=HTML, body=...),
    Visit("/apidocs/index.html", status=302, headers={"Location": "/"}),
    Visit("/oauth2-redirect.html", kind=HTML, body="oauth2"),
    Visit("/spec.json", kind=JSON, json={"swagger": "2.0"}),
    Visit("/static/favicon.ico", headers={"Content-Length": "22382"}),
    Visit("/flasgger_static/swagger-ui.css", kind="text/css", body="swagger-ui"),
]

# Run in the packed binary: for each [path, method] the rule that takes it; and every [rule, method] there is.
RULES = """
import json, sys
from app import app
ours = {"HEAD", "OPTIONS"}
match = app.url_map.bind("localhost").match
print(json.dumps({"all": [[str(rule), method] for rule in app.url_map.iter_rules() for method in rule.methods - ours],
    "visited": [[str(match(path, method, return_rule=True)[0]), method] for path, method in json.loads(sys.argv[1])]}))
"""


@pytest.fixture(scope="module")
def packages(debian_packages):
    return debian_packages(*PACKAGES)


@pytest.fixture(scope="module")
def root(packed, packages, debian_packages, alone):
    return alone(packed(HERE / "applications/httpbin", "--with", packages, "--with",
                        debian_packages("python3-jsonschema", "python3-pyrsistent", suite="bookworm"), name="httpbin"))


@pytest.fixture(scope="module")
def server(root):
    return root.serve("--workers", 2)


@pytest.fixture(scope="module")
def connection(server):
    """One connection, kept for all visits: an answer whose length is wrong breaks those after it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    yield connection
    connection.close()


def curl(*arguments):
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "60", *map(str, arguments)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_rule_is_visited(root):
    asked = json.dumps([[urllib.parse.unquote(visit.path.partition("?")[0]), visit.method] for visit in VISITS])
    told = json.loads(root.run("python", "-c", RULES, asked))
    missing = {tuple(pair) for pair in told["all"]} - {tuple(pair) for pair in told["visited"]}
    assert not missing and len(told["all"]) > 80


def expect(found, wanted, what):
    """A value must be as wanted: "..." for anything, a pattern, or itself."""
    if isinstance(wanted, re.Pattern):
        assert wanted.fullmatch(found or ""), what
    elif wanted is ...:
        assert found, what
    else:
        assert found == wanted, what


@pytest.mark.parametrize("visit", VISITS, ids=str)
def test_visit(visit, connection, packages):
    connection.request(visit.method, visit.path, visit.payload, visit.send)
    response = connection.getresponse()
    body = response.read()
    assert response.status == visit.status, body
    assert response.headers.get("Content-Type", "").startswith(visit.kind)
    for name, wanted in visit.headers.items():
        expect(response.headers[name], wanted, name)
    for key, wanted in visit.json.items():
        expect(json.loads(body).get(key), wanted, key)
    if isinstance(visit.body, tuple):
        name, start = visit.body
        assert body == (packages / "httpbin/templates" / name).read_bytes() and body.startswith(start)
    elif isinstance(visit.body, str):
        assert re.search(visit.body, body.decode())
    elif visit.body is not None:
        expect(body, visit.body, "body")


TELL_THE_METHOD = ("/anything", "/brotli", "/deflate", "/gzip")


@pytest.mark.parametrize("path", sorted({visit.path for visit in VISITS if visit.method == "GET" and not visit.send
                                         and not visit.path.startswith(TELL_THE_METHOD)}))
def test_head_is_get_without_its_body(path, connection):
    # Made anew each time; and HEAD need not tell how a body of unknown length would have been sent.
    changing = {"Date", "ETag", "Last-Modified", "Set-Cookie", "WWW-Authenticate", "Transfer-Encoding"}
    answers = []
    for method in ("GET", "HEAD"):
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        headers = {name: value for name, value in response.getheaders() if name not in changing}
        answers.append((response.status, headers))
    (status, wanted), (head_status, headers) = answers
    if path.startswith("/stream"):
        wanted.pop("Content-Length", None)  # known only when all pieces came within a moment
    assert (head_status, body) == (status, b"")
    assert {name: headers.get(name) for name in wanted} == wanted


def test_options_tell_the_methods(connection):
    connection.request("OPTIONS", "/anything", headers={"Access-Control-Request-Headers": "X-A"})
    response = connection.getresponse()
    response.read()
    assert set(response.headers["Allow"].split(", ")) == {*EVERY_METHOD, "HEAD", "OPTIONS"}
    assert response.headers["Access-Control-Allow-Headers"] == "X-A"


def test_other_methods_and_paths(connection):
    for method, path, status in (("POST", "/get", 405), ("GET", "/post", 405), ("GET", "/nothing", 404)):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        assert response.status == status


@pytest.mark.parametrize("path, flag", [("/brotli", "brotli"), ("/deflate", "deflated"), ("/gzip", "gzipped")])
def test_curl_inflates(server, path, flag):
    assert json.loads(curl("--compressed", server.url + path))[flag] is True


def test_stream_has_its_lines(server):
    lines = curl(server.url + "/stream/100").splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(100))


def test_unique_ids(server):
    found = {uuid.UUID(json.loads(curl(server.url + "/uuid"))["uuid"]) for _ in range(3)}
    assert len(found) == 3


@pytest.mark.parametrize("path", ["/redirect/5", "/relative-redirect/5", "/absolute-redirect/5",
                                  "/redirect/5?absolute=true"])
def test_curl_follows_redirects(server, path):
    out = curl("--location", "--write-out", "\n%{num_redirects} %{url_effective}", server.url + path)
    assert out.splitlines()[-1] == f"5 {server.url}/get"


def test_curl_keeps_cookies(server, tmp_path):
    def cookies(path):
        answer = curl("--location", "-b", tmp_path / "jar", "-c", tmp_path / "jar", server.url + path)
        return json.loads(answer)["cookies"]

    assert cookies("/cookies/set?a=1&b=2") == {"a": "1", "b": "2"}
    assert cookies("/cookies/set/c/%C3%BC") == {"a": "1", "b": "2", "c": "ü"}
    assert cookies("/cookies/delete?a&c") == {"b": "2"}


@pytest.mark.parametrize("options, path", [
    (["--basic"], "/basic-auth/user/pass"), (["--basic"], "/hidden-basic-auth/user/pass"),
    (["--digest", "-b", ""], "/digest-auth/auth/user/pass"),
    (["--digest", "-b", ""], "/digest-auth/auth/user/pass/SHA-256"),
    (["--digest", "-b", ""], "/digest-auth/auth/user/pass/MD5/5"),
])
def test_curl_authenticates(server, options, path):
    assert json.loads(curl(*options, "-u", "user:pass", server.url + path)) == {"authenticated": True, "user": "user"}
    refused = curl(*options, "-u", "user:wrong", "-o", "/dev/null", "--write-out", "%{http_code}", server.url + path)
    assert refused == ("404" if "hidden" in path else "401")


def test_curl_uploads(server, tmp_path):
    """A file of 3 MB, beyond --body-buffer."""
    text = "0123456789abcdef" * 200_000
    (tmp_path / "file.txt").write_text(text)
    answer = json.loads(curl("-F", f"file=@{tmp_path}/file.txt", "-F", "name=Ünïcødé", server.url + "/post"))
    assert answer["form"] == {"name": "Ünïcødé"}
    assert hashlib.sha256(answer["files"]["file"].encode()).digest() == hashlib.sha256(text.encode()).digest()
