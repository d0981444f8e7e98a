"""Request targets: what of them comes to the application raw, and what decoded."""

import json

import pytest
from raw_client import Peer, request

pytestmark = pytest.mark.also_validated

APPLICATION = '''
import json

def app(environ, start_response):
    keys = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "RAW_URI", "HTTP_HOST")
    body = json.dumps({key: environ.get(key) for key in keys}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture(scope="module")
def server(serve_once):
    return serve_once(APPLICATION)


def see(peer, target, method="GET", *fields):
    answer = peer.ask(request(method, target, None, *fields), "GET")
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.parametrize("target, path, query", [
    ("/", "/", ""),
    ("/a%2Fb//c?x=%zz", "/a/b//c", "x=%zz"),
    ("/a%2fb", "/a/b", ""),
    ("//", "//", ""),
    ("//evil.example/x", "//evil.example/x", ""),
    ("/a/../b/./c", "/a/../b/./c", ""),
    ("/%2e%2e/etc", "/../etc", ""),
    ("/a;b=c/d?e=f;g=h", "/a;b=c/d", "e=f;g=h"),
    ("/?", "/", ""),
    ("/??a=b?c", "/", "?a=b?c"),
    ("/a?b=http://x/?y", "/a", "b=http://x/?y"),
    ("/a+b%20c?d+e=%20", "/a+b c", "d+e=%20"),
    ("/caf%C3%A9", "/caf\u00c3\u00a9", ""),
    ("/%E2%82%AC/%F0%9F%90%9A", "/\u00e2\u0082\u00ac/\u00f0\u009f\u0090\u009a", ""),
    ("/%ff", "/\u00ff", ""),
    ("/%25%32%46", "/%2F", ""),
    ("/a%0d%0aX-Injected:%20y?%0d%0a", "/a\r\nX-Injected: y", "%0d%0a"),
    ("/~!$&'()*,:@=", "/~!$&'()*,:@=", ""),
    ("/a|b^c`d{e}\"<>\\", "/a|b^c`d{e}\"<>\\", ""),
    ("/" + "x" * 4000 + "?" + "y" * 3000, "/" + "x" * 4000, "y" * 3000),
    ("http://example.org/a%2Fb?c=%64", "/a/b", "c=%64"),
    ("http://example.org", "/", ""),
    ("http://example.org?q", "/", "q"),
    ("HTTP://example.org:8080//a//b", "//a//b", ""),
    ("http://[::1]:80/x", "/x", ""),
], ids=lambda text: text[:30])
def test_path_and_query(server, target, path, query):
    with Peer(server) as peer:
        seen = see(peer, target)
        assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == (path, query)
        assert seen["REQUEST_URI"] == seen["RAW_URI"] == target
        assert seen["SCRIPT_NAME"] == ""
        assert see(peer, "/next")["PATH_INFO"] == "/next"


@pytest.mark.parametrize("target", ["/%zz", "/%", "/%4", "/a%", "/%%41", "/%00", "/a%00b", "/%u0041"])
def test_path_that_cannot_be_decoded(server, target):
    """Refused, or passed on as it is: never half decoded."""
    with Peer(server) as peer:
        answer = peer.ask(request("GET", target))
        if answer.status == 400:
            assert answer.closes and peer.ended()
            return
        seen = json.loads(answer.body)
        assert seen["PATH_INFO"] in (target, target.replace("%00", "\0").replace("%41", "A"))
        assert seen["REQUEST_URI"] == target


@pytest.mark.unvalidated(reason='the validator wants a path to begin with "/" or to be empty')
def test_options_of_the_server(server):
    with Peer(server) as peer:
        seen = see(peer, "*", "OPTIONS")
        assert (seen["REQUEST_METHOD"], seen["REQUEST_URI"], seen["RAW_URI"]) == ("OPTIONS", "*", "*")
        assert seen["PATH_INFO"] in ("*", "")
        assert see(peer, "/next")["PATH_INFO"] == "/next"


@pytest.mark.unvalidated(reason='the validator wants a path to begin with "/" or to be empty')
@pytest.mark.parametrize("target", ["x", "example.org/x", "*", "?a", "#", "/a#b", "mailto:x", "http:/x", "http://",
                                    "http://user:pw@x/"])
def test_odd_forms(server, target):
    """Only OPTIONS takes "*", only CONNECT an authority (RFC 9112 section 3.2): refused or handed on, nothing breaks."""
    with Peer(server) as peer:
        answer = peer.ask(request("GET", target))
        assert answer.status in (200, 400)
        if answer.status == 200:
            assert json.loads(answer.body)["REQUEST_URI"] == target
            assert see(peer, "/next")["PATH_INFO"] == "/next"
        else:
            assert answer.closes and peer.ended()


@pytest.mark.unvalidated(reason="the validator warns of the method")
@pytest.mark.parametrize("method", ["CONNECT", "BREW", "get", "M-SEARCH", "TRACE", "PROPFIND", "X" * 500])
def test_any_method(server, method):
    """Methods are the application's to judge; CONNECT may be refused, since there is no tunnel."""
    with Peer(server) as peer:
        peer.send(request(method, "example.org:80" if method == "CONNECT" else "/x"))
        try:
            answer = peer.answer()
        except EOFError:
            assert method == "CONNECT"
            return
        if method != "CONNECT":
            assert answer.json()["REQUEST_METHOD"] == method
    with Peer(server) as peer:
        assert see(peer, "/next")["PATH_INFO"] == "/next"


@pytest.mark.parametrize("size, status", [(8000, 200), (100_000, 414)])
def test_length_of_a_target(server, size, status):
    with Peer(server) as peer:
        peer.send(request("GET", "/" + "x" * size))
        assert peer.answer().status == status


def test_host_of_the_absolute_form(server):
    """RFC 9112 section 3.2.2: it takes the place of Host."""
    with Peer(server) as peer:
        seen = see(peer, "http://example.org/x")
        assert seen["HTTP_HOST"] == "example.org" and seen["REQUEST_URI"] == "http://example.org/x"
