"""--security-headers: fields for browsers in every answer, unless the application has set them itself."""

import types

import pytest
from raw_client import Peer, request
from test_static_nginx import free_ports
from tls_client import TlsPeer, client_context, options_of

pytestmark = pytest.mark.unvalidated(reason="no application answers anything of interest")
FIELDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SOURCE = '''
def fields_of(query):
    return [tuple(pair.split("=")) for pair in query.split("&") if pair]

def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("on purpose")
    start_response("200 OK", fields_of(environ["QUERY_STRING"]))
    if environ["PATH_INFO"] == "/pieces":
        return iter([b"a", b"b"])
    return [b"ok" * (1000 if environ["PATH_INFO"] == "/large" else 1)]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/fails":
        raise RuntimeError("on purpose")
    fields = [(name.encode(), value.encode()) for name, value in fields_of(scope["query_string"].decode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    if scope["path"] == "/pieces":
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})
    else:
        await send({"type": "http.response.body", "body": b"ok"})

class RSGI:
    async def __rsgi__(self, scope, protocol):
        if scope.path == "/fails":
            raise RuntimeError("on purpose")
        protocol.response_bytes(200, fields_of(scope.query_string), b"ok")

rsgi = RSGI()
'''


@pytest.fixture
def start(serve, application):
    def start_server(interface="wsgi", *options, **server_options):
        folder = application(SOURCE)
        (folder / "static").mkdir(exist_ok=True)
        (folder / "static" / "a.txt").write_text("file")
        return serve(f"app:{interface}", "--interface", interface, "--workers", 1, *options, "--working-dir", folder,
                     "--static", f"/static={folder / 'static'}", **server_options)

    return start_server


def answer(server, path="/", method="GET", *fields):
    with Peer(server) as peer:
        return peer.ask(request(method, path, None, *fields))


def secured(seen):
    """Which of the fields an answer has."""
    return {name: seen.get(name) for name in FIELDS if seen.get(name) is not None}


@pytest.mark.parametrize("interface", ["wsgi", "asgi", "rsgi"])
def test_answers(start, interface):
    server = start(interface, "--security-headers")
    for path in "/", "/pieces", "/static/a.txt", "/static/none", "/fails", "/health/live":
        assert secured(answer(server, path)) == FIELDS, path
    assert secured(answer(server, "/", "HEAD")) == FIELDS
    assert secured(answer(server, "/static/a.txt", "GET", "Range: bytes=0-1")) == FIELDS
    tag = answer(server, "/static/a.txt").get("ETag")
    seen = answer(server, "/static/a.txt", "GET", f"If-None-Match: {tag}")
    assert seen.status == 304 and secured(seen) == FIELDS


@pytest.mark.parametrize("interface", ["wsgi", "asgi", "rsgi"])
def test_the_applications_own_are_the_better_ones(start, interface):
    server = start(interface, "--security-headers")
    assert secured(answer(server, "/?X-Frame-Options=DENY")) == FIELDS | {"X-Frame-Options": "DENY"}
    assert secured(answer(server, "/?x-frame-options=DENY&referrer-policy=no-referrer")) == FIELDS | {
        "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
    own = {name: "own" for name in FIELDS}
    query = "&".join(f"{name}=own" for name in FIELDS)
    assert secured(answer(server, f"/?{query}")) == own
    with Peer(server) as peer:  # one answer's fields are not the next one's
        assert secured(peer.ask(request("GET", f"/?{query}"))) == own
        assert secured(peer.ask(request("GET", "/"))) == FIELDS


def test_refusals(start):
    server = start("wsgi", "--security-headers", "--allowed-hosts", "x", "--max-body-size", "10")
    with Peer(server) as peer:
        seen = peer.ask(b"GET / HTTP/1.1\r\nHost: y\r\n\r\n")
        assert seen.status == 421 and secured(seen) == FIELDS
    with Peer(server) as peer:
        peer.send(request("POST", "/", b"x" * 100))
        seen = peer.answer("POST")
        assert seen.status == 413 and secured(seen) == FIELDS


def test_with_hsts_and_redirects(start, pki_of_session):
    https, plain = free_ports(2)
    server = start("wsgi", "--security-headers", "--hsts", "300s", *options_of(pki_of_session.local), "--listen",
                   f"127.0.0.1:{https}", "--redirect-https", plain, "--request-id", port=None)
    with TlsPeer(server, client_context(pki_of_session)) as peer:
        for path in "/", "/fails":
            seen = peer.ask(request("GET", path))
            assert secured(seen) == FIELDS and seen.get("Strict-Transport-Security") == "max-age=300"
            assert seen.get("X-Request-ID")
    seen = answer(types.SimpleNamespace(port=plain))
    assert seen.status == 308 and secured(seen) == FIELDS


def test_a_request_that_is_given_up(serve, application):
    server = serve("app:app", "--security-headers", "--request-timeout", "1s", "--request-id", "--workers", 1,
                   "--working-dir", application("import time\n"
                                                "def app(environ, start_response):\n    time.sleep(3600)\n"))
    seen = answer(server)
    assert seen.status == 504 and secured(seen) == FIELDS
    server.kill()


def test_compressed(start):
    server = start("wsgi", "--security-headers", "--compress")
    seen = answer(server, "/large?Content-Type=text/plain", "GET", "Accept-Encoding: gzip")
    assert seen.get("Content-Encoding") == "gzip" and secured(seen) == FIELDS


def test_without_the_option(start):
    server = start()
    for path in "/", "/static/a.txt", "/fails":
        assert secured(answer(server, path)) == {}


DJANGO = '''
import sys
sys.path.insert(0, {packages!r})
import django
from django.conf import settings
settings.configure(DEBUG=False, SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
                   MIDDLEWARE=["django.middleware.security.SecurityMiddleware",
                               "django.middleware.clickjacking.XFrameOptionsMiddleware"])
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("ok"))]
app = get_wsgi_application()
'''


def test_django_has_its_own(serve, application, debian_packages):
    packages = debian_packages("python3-django", "python3-asgiref", "python3-sqlparse")
    server = serve("app:app", "--security-headers", "--workers", 1, "--readable", packages, "--working-dir",
                   application(DJANGO.format(packages=str(packages))))
    assert secured(answer(server)) == {
        "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin"}
