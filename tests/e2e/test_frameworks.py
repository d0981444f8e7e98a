"""The same small site by four frameworks, each packed, alone in an empty root.

Falcon is compiled in its package: pack takes the sources that lie beside. WebOb needs the module cgi, which Python has
no more: of Debian's python3-legacy-cgi.
"""

import hashlib
import http.client
import json
import os
import pathlib
import urllib.parse

import pytest
from visitor import Visitor, multipart

pytestmark = pytest.mark.static

APPLICATIONS = pathlib.Path(__file__).parent / "applications"
JARACO = ("python3-jaraco.functools", "python3-jaraco.text", "python3-jaraco.context", "python3-more-itertools",
          "python3-autocommand", "python3-inflect", "python3-typeguard", "python3-typing-extensions")
FRAMEWORKS = {
    "falcon": ("python3-falcon", "python3-mimeparse"),
    "bottle": ("python3-bottle",),
    "pyramid": ("python3-pyramid", "python3-hupper", "python3-plaster", "python3-plaster-pastedeploy",
                "python3-translationstring", "python3-venusian", "python3-webob", "python3-legacy-cgi",
                "python3-zope.deprecation", "python3-zope.interface", "python3-pkg-resources", *JARACO),
    "cherrypy": ("python3-cherrypy3", "python3-cheroot", "python3-jaraco.collections", "python3-portend",
                 "python3-tempora", "python3-zc.lockfile", "python3-dateutil", *JARACO),
}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request):
    return request.param


@pytest.fixture(scope="module")
def server(framework, packed, debian_packages, alone):
    packages = debian_packages(*FRAMEWORKS[framework])
    server = alone(packed(APPLICATIONS / f"things_{framework}", "--with", packages, name=framework)).serve(
        "--workers", 2, "--body-buffer", "64k", "--writable", "/data")
    server.keeps = "uploads stay open until Python collects what refers to itself"
    return server


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def test_page(server):
    response, body = ask(server, "GET", "/")
    assert (response.status, body.decode().strip()) == (200, "<h1>Thïngs</h1>")
    assert response.headers.get_content_type() == "text/html"
    head, nothing = ask(server, "HEAD", "/")
    assert (head.status, nothing, head.headers["Content-Length"]) == (200, b"", str(len(body)))


def test_json_and_parameters(server):
    response, body = ask(server, "GET", "/things/17?q=%C3%BC%26")
    assert (response.status, json.loads(body)) == (200, {"number": 17, "q": "ü&"})
    for path in ("/things/x", "/nothing"):
        assert ask(server, "GET", path)[0].status == 404


def test_form(server):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    response, _ = ask(server, "POST", "/form", b"name=%C3%9Cn%26+%3C", kind)
    assert response.status == 303
    assert urllib.parse.unquote(response.headers["Location"]).removeprefix(server.url) == "/hello/Ün& <"
    page = Visitor(server.url).request("POST", "/form", b"name=%C3%9Cn%26+%3C", kind)
    assert (page.status, page.text) == (200, "Hello, Ün& <")


@pytest.mark.parametrize("size", [10, 300_000, 3_000_000])
def test_uploads(server, size):
    data = os.urandom(size)
    expected = {"size": size, "sha256": hashlib.sha256(data).hexdigest()}
    kind, body = multipart({"other": "field"}, {"file": ("a file.bin", data)})
    response, answer = ask(server, "POST", "/upload", body, {"Content-Type": kind})
    assert (response.status, json.loads(answer)) == (200, {"name": "a file.bin", **expected})
    response, answer = ask(server, "PUT", "/upload", data, {"Content-Type": "application/octet-stream"})
    assert (response.status, json.loads(answer)) == (200, expected)
    in_chunks = (data[i:i + 10_000] for i in range(0, size, 10_000))
    response, answer = ask(server, "PUT", "/upload", in_chunks, {"Content-Type": "application/octet-stream"})
    assert (response.status, json.loads(answer)) == (200, expected)


def test_stream(server):
    response, body = ask(server, "GET", "/stream")
    assert (response.headers["Transfer-Encoding"] == "chunked") != (response.headers["Content-Length"] == str(len(body)))
    assert body == b"".join(b"%d\n" % i for i in range(1000))


def test_cookies(server):
    visitor = Visitor(server.url)
    assert [json.loads(visitor.get("/visits").body)["visits"] for _ in range(5)] == [1, 2, 3, 4, 5]
    assert json.loads(Visitor(server.url).get("/visits").body) == {"visits": 1}


def test_static_file(server, framework):
    response, body = ask(server, "GET", "/static/style.css")
    assert (response.status, body) == (200, b"h1 { color: teal }\n")
    assert response.headers["Content-Type"].startswith("text/css")
    if framework != "falcon":  # version 3 tells no time
        known = {"If-Modified-Since": response.headers["Last-Modified"]}
        response, body = ask(server, "GET", "/static/style.css", headers=known)
        assert (response.status, body) == (304, b"")
    response, body = ask(server, "GET", "/static/style.css", headers={"Range": "bytes=5-9"})
    assert (response.status, body) == (206, b"color"), response.headers
    for path in ("/static/none.css", "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert ask(server, "GET", path)[0].status in (403, 404)


def test_an_error_is_in_the_log_and_not_on_the_page(server):
    response, body = ask(server, "GET", "/broken")
    assert response.status == 500 and b"fell apart" not in body and b"Traceback" not in body
    server.wait_for("RuntimeError: a thing fell apart")
    assert 'raise RuntimeError("a thing fell apart")' in server.log


def test_the_sources_of_compiled_modules_are_taken(run, debian_packages, tmp_path):
    packages = debian_packages(*FRAMEWORKS["falcon"])
    done = run("pack", APPLICATIONS / "things_falcon", "--with", packages, "--output", tmp_path / "falcon")
    assert done.returncode == 0, done.stderr
    compiled = [str(path.relative_to(packages)) for path in packages.rglob("*.so")]
    assert any(path.startswith("falcon/request.") for path in compiled)
    told = {line.split(": ")[1].removeprefix("native extension ") for line in done.stdout.splitlines()
            if line.startswith("left out: native extension ") and "fallback: pure Python" in line}
    assert told == set(compiled)
