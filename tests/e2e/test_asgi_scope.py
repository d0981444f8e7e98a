"""The scope of a request (ASGI 3.0, HTTP 2.5): every key, its type, and what it says over each transport."""

import ast
import pathlib
import re
import socket

import pytest
from raw_client import Peer, chunked_request, request
from test_listeners import HAS_IPV6
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
TYPES = {"type": "str", "asgi": "dict", "http_version": "str", "method": "str", "scheme": "str", "path": "str",
         "raw_path": "bytes", "query_string": "bytes", "root_path": "str", "headers": "list", "client": "tuple",
         "server": "tuple", "state": "dict", "extensions": "dict"}


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_scope:app")


@pytest.fixture(scope="module")
def below(serve_everywhere):
    """The same below /shop."""
    return serve_everywhere("asgi_scope:app", "--url-path-prefix", "/shop")


def parse(answer):
    assert answer.status == 200, answer
    return ast.literal_eval(answer.body.decode())


def see(peer, target="/", *fields, method="GET", body=None, version="1.1"):
    """The scope that an application gets."""
    return parse(peer.ask(request(method, target, body, *fields, version=version), "GET"))["scope"]


@pytest.fixture
def peer(everywhere):
    with everywhere.connect() as connected:
        yield connected


# --- all of it ---


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_keys_and_types(everywhere, transport, version):
    with everywhere.connect(transport) as peer:
        seen = parse(peer.ask(request("GET", "/a?b=c", None, "X-One: 1", version=version)))
    types = dict(TYPES, client="NoneType" if transport == "unix" else "tuple")
    assert seen["types"] == {**types, "header": [("tuple", "bytes", "bytes")]}
    scope = seen["scope"]
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["http_version"], scope["method"], scope["root_path"]) == (version, "GET", "")
    assert scope["scheme"] == ("https" if transport == "tls" else "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a", b"/a", b"b=c")
    assert scope["headers"] == [*([(b"host", b"x")] if version == "1.1" else []), (b"x-one", b"1")]


def test_it_says_how_it_is_called(everywhere):
    assert "serving asgi_scope:app (asgi) on " in everywhere.server.log


# --- method, target ---


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "X-OWN"])
def test_methods(everywhere, method):
    with everywhere.connect() as peer:
        if method == "HEAD":
            assert int(peer.ask(request("HEAD", "/")).get("Content-Length")) > 0
        else:
            assert see(peer, method=method)["method"] == method
        assert see(peer)["method"] == "GET"


@pytest.mark.parametrize("target, raw, path, query", [
    ("/", b"/", "/", b""),
    ("/a%2Fb//c?x=%zz", b"/a%2Fb//c", "/a/b//c", b"x=%zz"),
    ("/a%2fb", b"/a%2fb", "/a/b", b""),
    ("//evil.example/x", b"//evil.example/x", "//evil.example/x", b""),
    ("/a/../b/./c", b"/a/../b/./c", "/a/../b/./c", b""),
    ("/%2e%2e/etc", b"/%2e%2e/etc", "/../etc", b""),
    ("/?", b"/", "/", b""),
    ("/??a=b?c", b"/", "/", b"?a=b?c"),
    ("/a+b%20c?d+e=%20", b"/a+b%20c", "/a+b c", b"d+e=%20"),
    ("/caf%C3%A9", b"/caf%C3%A9", "/caf\u00e9", b""),
    ("/caf%c3%a9?caf%c3%a9", b"/caf%c3%a9", "/caf\u00e9", b"caf%c3%a9"),
    ("/%E2%82%AC/%F0%9F%90%9A", b"/%E2%82%AC/%F0%9F%90%9A", "/\u20ac/\U0001f41a", b""),
    ("/%25%32%46", b"/%25%32%46", "/%2F", b""),
    ("/a%0d%0aX:%20y?%0d%0a", b"/a%0d%0aX:%20y", "/a\r\nX: y", b"%0d%0a"),
    ("/~!$&'()*,:@=;", b"/~!$&'()*,:@=;", "/~!$&'()*,:@=;", b""),
    ("/" + "x" * 4000 + "?" + "y" * 3000, b"/" + b"x" * 4000, "/" + "x" * 4000, b"y" * 3000),
    ("http://example.org/a%2Fb?c=%64", b"/a%2Fb", "/a/b", b"c=%64"),
    ("http://example.org", b"/", "/", b""),
    # Bytes that are no UTF-8: each of them, or each wrong sequence, is U+FFFD.
    ("/%ff", b"/%ff", "/\ufffd", b""),
    ("/%ff%41", b"/%ff%41", "/\ufffdA", b""),
    ("/%C3", b"/%C3", "/\ufffd", b""),
    ("/%e2%82/x", b"/%e2%82/x", "/\ufffd/x", b""),
    ("/%c0%af", b"/%c0%af", "/\ufffd\ufffd", b""),
    ("/%ed%a0%80", b"/%ed%a0%80", "/\ufffd\ufffd\ufffd", b""),
], ids=lambda value: str(value)[:30])
def test_paths(peer, target, raw, path, query):
    scope = see(peer, target)
    assert (scope["raw_path"], scope["path"], scope["query_string"]) == (raw, path, query)
    assert see(peer, "/next")["path"] == "/next"


@pytest.mark.parametrize("target", ["/caf\u00c3\u00a9?\u00c3\u00a9", "/\u00ff"])
def test_bytes_above_ascii_in_a_target(peer, target):
    """They should have been encoded: refused, or taken for what they are."""
    answer = peer.ask(request("GET", target))
    if answer.status == 400:
        return
    scope = parse(answer)["scope"]
    path, _, query = target.encode("latin-1").partition(b"?")
    assert (scope["raw_path"], scope["query_string"]) == (path, query)
    assert scope["path"] == path.decode("utf-8", "replace")


@pytest.mark.parametrize("target", ["/%zz", "/%", "/%4", "/a%", "/%%41", "/%00", "/a%00b", "/%u0041"])
def test_path_that_cannot_be_decoded(everywhere, target):
    """Refused, or passed on as it is: never half decoded."""
    answer = everywhere.ask(target)
    if answer.status == 400:
        return
    scope = parse(answer)["scope"]
    assert scope["raw_path"] == target.encode()
    assert scope["path"] in (target, target.replace("%00", "\0").replace("%41", "A"))


# --- --url-path-prefix ---


@pytest.mark.parametrize("target, path", [
    ("/shop", "/shop"), ("/shop/", "/shop/"), ("/shop/a%2Fb?c", "/shop/a/b"), ("/shop//x", "/shop//x"),
    ("/shop/shop", "/shop/shop"), ("/shop/%E2%82%AC", "/shop/\u20ac"),
])
def test_root_path(below, target, path):
    """HTTP 2.5: root_path is what the path begins with; raw_path is the request's."""
    with below.connect() as peer:
        scope = see(peer, target)
    assert (scope["root_path"], scope["path"]) == ("/shop", path)
    assert scope["raw_path"] == target.partition("?")[0].encode()


@pytest.mark.parametrize("target", ["/", "/other", "/shopping", "/sho", "/Shop/x", "//shop/x"])
def test_not_below_the_prefix(below, target):
    assert below.ask(target).status == 404


def test_prefix_in_other_letters(below):
    """Whatever is served lies below the prefix for the application as well."""
    answer = below.ask("/sh%6fp/x")
    assert answer.status == 404 or parse(answer)["scope"]["path"] == "/shop/x"


# --- headers ---


def test_headers_in_order_with_duplicates(peer):
    fields = ["X-B: 2", "X-A: 1", "Cookie: a=1", "X-B: 3", "ACCEPT: */*", "Cookie: b=2", "x-b: 2"]
    scope = see(peer, "/", *fields)
    assert scope["headers"] == [(b"host", b"x"), (b"x-b", b"2"), (b"x-a", b"1"), (b"cookie", b"a=1"), (b"x-b", b"3"),
                                (b"accept", b"*/*"), (b"cookie", b"b=2"), (b"x-b", b"2")]


def test_names_and_values_are_kept(peer):
    scope = see(peer, "/", "X-Under_Score: 1", "X-Empty:", "X-Blanks: \t a  b \t", "X-Latin: caf\u00e9",
                "X-UTF-8: \u00e2\u0082\u00ac", "X~!#$%&'*+^`|.: odd", "X-Colons: a:b:c")
    assert scope["headers"][1:] == [
        (b"x-under_score", b"1"), (b"x-empty", b""), (b"x-blanks", b"a  b"), (b"x-latin", b"caf\xe9"),
        (b"x-utf-8", b"\xe2\x82\xac"), (b"x~!#$%&'*+^`|.", b"odd"), (b"x-colons", b"a:b:c")]


def test_headers_of_bodies(peer):
    headers = dict(see(peer, method="POST", body=b"abc")["headers"])
    assert headers[b"content-length"] == b"3" and b"transfer-encoding" not in headers
    headers = dict(parse(peer.ask(chunked_request("POST", "/", [b"abc"])))["scope"]["headers"])
    assert headers[b"transfer-encoding"] == b"chunked" and b"content-length" not in headers


def test_many_headers(peer):
    fields = [f"X-{number}: {number}" for number in range(90)]
    assert see(peer, "/", *fields)["headers"][1:] == [(b"x-%d" % number, b"%d" % number) for number in range(90)]


def test_a_value_that_is_long(peer):
    assert dict(see(peer, "/", "X-Long: " + "v" * 6000)["headers"])[b"x-long"] == b"v" * 6000


# --- client, server ---


@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_addresses(everywhere, transport):
    with everywhere.connect(transport) as peer:
        for _ in range(2):
            scope = see(peer)
            assert scope["client"] == peer.socket.getsockname()
            assert scope["server"] == peer.socket.getpeername()


def test_addresses_of_a_unix_socket(everywhere):
    with everywhere.connect("unix") as peer:
        scope = see(peer)
    assert scope["client"] is None and scope["server"] == (str(everywhere.path), None)


def test_addresses_where_it_listens_on_all(serve):
    """The client's IPv4 address stays one; the server's is that of the listener."""
    server = serve("asgi_scope:app", "--workers", 1, "--working-dir", APPLICATIONS, "--listen", ":0", port=None)
    with Peer(server) as peer:
        scope = see(peer)
        assert scope["client"] == peer.socket.getsockname()
        assert scope["server"] in [(host, server.port) for host in ("::", "0.0.0.0", "127.0.0.1")]


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_addresses_of_ipv6(serve):
    server = serve("asgi_scope:app", "--workers", 1, "--working-dir", APPLICATIONS, "--listen", "[::1]:0", port=None)
    with socket.create_connection(("::1", server.port), 60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        scope = ast.literal_eval(answer.partition(b"\r\n\r\n")[2].decode())["scope"]
        assert scope["client"] == connection.getsockname()[:2] and scope["server"] == connection.getpeername()[:2]


# --- state, and that each request has its own ---


def test_state_is_a_shallow_copy(peer):
    before = len(ast.literal_eval(peer.ask(request("GET", "/count")).body.decode())["shared"])
    for number in range(1, 4):
        state = ast.literal_eval(peer.ask(request("GET", "/count")).body.decode())
        assert state["count"] == 1 and len(state["shared"]) == before + number
        assert [key for key in state if key.startswith("new")] == [f"new {before + number}"]
        assert state["text"] == "of the lifespan"


def test_what_is_changed_is_ones_own(everywhere):
    for transport in TRANSPORTS:
        with everywhere.connect(transport) as peer:
            before = see(peer)
            assert peer.ask(request("GET", "/spoil")).body == b"spoilt"
            assert see(peer) == before


# --- applications of other kinds ---

WITHOUT_LIFESPAN = '''
async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = repr(scope.get("state", "none")).encode()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})
'''
CALLABLES = {
    "object": "class App:\n    async def __call__(self, scope, receive, send):\n        await app_(scope, receive, send)\n"
              "app = App()\n",
    "method": "class App:\n    async def call(self, scope, receive, send):\n        await app_(scope, receive, send)\n"
              "app = App().call\n",
    "partial": "import functools\nasync def with_more(more, scope, receive, send):\n"
               "    await app_(scope, receive, send)\napp = functools.partial(with_more, 1)\n",
    "double": "class app:\n    def __init__(self, scope):\n        self.scope = scope\n"
              "    async def __call__(self, receive, send):\n        await app_(self.scope, receive, send)\n",
    "decorated": "import functools\n@functools.wraps(app_)\nasync def app(*arguments):\n    await app_(*arguments)\n",
}


def test_state_without_a_lifespan(serve, application):
    """Nothing, or nothing in it."""
    server = serve("app:app", "--workers", 1, "--working-dir", application(WITHOUT_LIFESPAN))
    assert server.get().read() in (b"'none'", b"{}")


@pytest.mark.parametrize("kind", CALLABLES)
def test_kinds_of_applications(serve, application, kind):
    """What is a coroutine function is seen through; ASGI 2.0's applications are called twice."""
    source = WITHOUT_LIFESPAN.replace("def app(", "def app_(") + CALLABLES[kind]
    server = serve("app:app", "--workers", 1, "--working-dir", application(source))
    assert re.search(r"serving app:app \(asgi2?\) on ", server.log), server.log
    assert server.get().status == 200


def test_interface_is_said(serve, application):
    """A callable that does not show what it is."""
    source = WITHOUT_LIFESPAN.replace("async def app(", "async def app_(") + "def app(*arguments): return app_(*arguments)\n"
    server = serve("app:app", "--workers", 1, "--interface", "asgi", "--working-dir", application(source))
    assert server.get().status == 200
