"""Paths that want out of the folder of files: the secret beside it is never sent, from disk nor from the archive."""

import itertools

import pytest
from raw_client import request
from serving import serving
from static_house import PAGE, SECRET, TRANSPORTS, House, make_application
from static_site import start_site

pytestmark = pytest.mark.unvalidated(reason="hardly an application answers")

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_application(tmp_path_factory.mktemp("application"))


@pytest.fixture(scope="module")
def houses(limpet, packed, folder, pki_of_session, tmp_path_factory):
    with serving(limpet, False, tmp_path_factory.mktemp) as start:
        options = ["--static", "/static=static"]
        yield {
            "disk": House(start_site(start, pki_of_session, limpet, ["app:app"], *options, "--working-dir", folder),
                          pki_of_session),
            "archive": House(start_site(start, pki_of_session, packed(folder, name="hostile"), [], *options,
                                        folder=folder), pki_of_session),
        }


@pytest.fixture(params=["disk", "archive"])
def house(request, houses):
    yield houses[request.param]
    houses[request.param].check_unharmed()


DOTS = [
    "..", "%2e%2e", "%2E%2E", "%2e.", ".%2e", "%252e%252e", "%25252e%25252e", "%c0%ae%c0%ae", "%C0%2E%C0%2E",
    "%e0%80%ae%e0%80%ae", "%f0%80%80%ae%f0%80%80%ae", "%f8%80%80%80%ae%f8%80%80%80%ae", "%c0%ae.", "..%00", "%00..",
    "..%20", "..%09", "..;", "..;x=y", "..%3b", "...", "....", ".%00.", "%u002e%u002e", "%uff0e%uff0e",
    "%ef%bc%8e%ef%bc%8e", "%e2%80%a4%e2%80%a4", "..%0d%0a", "..%0a", "..%ff", "..%80", "%2e%2e%2e", "..%c2%a0", "..?",
    "..%3f",
    "..%23", "0x2e0x2e", "&#46;&#46;", "%2e%2e%5c..", "..%ef%bb%bf",
]
SLASHES = ["/", "%2f", "%2F", "\\", "%5c", "%5C", "//", "/./", "%252f", "%255c", "%c0%af", "%C1%9C", "%e0%80%af",
           "%ef%bc%8f",
           "/%2f", "%2f/", "\\/", "/\\", "%00/", "%u2215", "%e2%88%95", "/%2e/", ";/", "%3b/", "/.%2f", "/%20/"]


def wayward_targets():
    """Every form of the dots with every form of the slash, from several places."""
    for dots, slash in itertools.product(DOTS, SLASHES):
        way = dots + slash
        yield f"/static/{way}secret.txt"
        yield f"/static/css/{way}{way}secret.txt"
        yield f"/static{slash}{way}secret.txt"
        yield f"/static/{way * 8}secret.txt"
        yield f"/{way}secret.txt"
    for slash in SLASHES:
        yield f"/static/css{slash}..{slash}..{slash}secret.txt"
        yield f"/static{slash}.secret"
        yield f"/static{slash}css{slash}.secret.txt"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_traversal(house, transport):
    """On kept connections: each answer is one, and has no secret."""
    targets = list(wayward_targets())
    if transport == "tls":
        targets = targets[::7]
    served, peer = 0, house.connect(transport)
    for target in targets:
        answer = peer.ask(request("GET", target))
        where = (target, answer)
        assert SECRET not in answer.body, where
        # What is outside the route is the application's; "..%3f" and such are names of nothing.
        if answer.get("X-Application") is None:
            assert answer.status in (400, 404), where
            served += 1
        if answer.closes:
            peer.socket.close()
            peer = house.connect(transport)
    peer.socket.close()
    assert served > len(targets) / 3


RAW = {
    "nul": b"GET /static/\0../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "high-bytes": b"GET /static/\xc0\xae\xc0\xae/secret.txt HTTP/1.1\r\nHost: x\r\n",
    "utf-8-dots": "GET /static/\uff0e\uff0e/secret.txt HTTP/1.1\r\nHost: x\r\n".encode(),
    "backslashes": b"GET \\static\\..\\secret.txt HTTP/1.1\r\nHost: x\r\n",
    "no-slash": b"GET ../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "no-slash-static": b"GET static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "absolute-form": b"GET http://x/static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "absolute-form-encoded": b"GET http://x/static/%2e%2e/secret.txt HTTP/1.1\r\nHost: x\r\n",
    "absolute-form-no-host": b"GET http:///static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "absolute-form-userinfo": b"GET http://x/static@/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "absolute-form-dots": b"GET http://../static/../secret.txt HTTP/1.1\r\nHost: ..\r\n",
    "file-scheme": b"GET file:///static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "file-scheme-host": b"GET file://x/static/../../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "two-slashes": b"GET //static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "authority": b"GET //x/static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "tab": b"GET /static/..\t/secret.txt HTTP/1.1\r\nHost: x\r\n",
    "blank": b"GET /static/.. /secret.txt HTTP/1.1\r\nHost: x\r\n",
    "vertical-tab": b"GET /static/..\v/secret.txt HTTP/1.1\r\nHost: x\r\n",
    "fragment": b"GET /static/page.txt#/../../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "query": b"GET /static/?/../../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "host-dots": b"GET /static/secret.txt HTTP/1.1\r\nHost: ../..\r\n",
    "http-1.0": b"GET /static/../secret.txt HTTP/1.0\r\n",
    "bare-newlines": b"GET /static/../secret.txt HTTP/1.1\nHost: x\n",
    "bare-return": b"GET /static/..\r/secret.txt HTTP/1.1\r\nHost: x\r\n",
    "folded": b"GET /static/\r\n ../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "head": b"HEAD /static/../secret.txt HTTP/1.1\r\nHost: x\r\n",
    "range": b"GET /static/%2e%2e/secret.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nHost: x\r\n",
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", RAW)
def test_raw_requests(house, transport, name):
    out = house.all_of(RAW[name] + b"Connection: close\r\n\r\n", transport)
    assert SECRET not in out
    # Either it is answered, or it is no HTTP that could be.
    assert out == b"" or out.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4", b"HTTP/1.1 301")), out[:200]


@pytest.mark.parametrize("target", [
    "/staticX/secret.txt", "/static2/secret.txt", "/static.txt", "/static..", "/static../secret.txt",
    "/static/../secret.txt",
    "/static%2f..%2fsecret.txt", "/STATIC/page.txt", "/static%00/page.txt", "/stati", "/other/css/secret.txt",
    "//static2/secret.txt"])
def test_boundary_of_the_prefix(house, target):
    """None of these is the route's file."""
    answer = house.ask(target)
    assert SECRET not in answer.body and PAGE not in answer.body
    assert answer.status in (400, 404) or answer.get("X-Application") == "yes"


@pytest.mark.parametrize("name", [".secret", ".hidden/secret.txt", "css/.secret.txt", "..secret", ".", "..", ".hidden",
                                  "./.secret",
                                  "%2esecret", "%2e", ".secret/", "css/%2esecret.txt", ".secret?x", ".git/config"])
def test_hidden_files(house, name):
    answer = house.ask(f"/static/{name}")
    assert (answer.status, SECRET in answer.body) == (404, False)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name,statuses", [
    ("a" * 255, (404,)), ("a" * 256, (404,)), ("a" * 1000, (404,)), ("a" * 4000, (404,)), ("a/" * 1500, (404,)),
    ("%61" * 1200, (404,)), ("/" * 3000 + "page.txt", (200, 404)), ("css/../" * 400 + "page.txt", (404,)),
    ("a" * 20000, (404, 414)), ("%c3%a4" * 127, (404,)), ("%c3%a4" * 128, (404,)),
    ("a/" * 500 + "page.txt", (404,)),
    ("a" * 1014, (404,)), ("a" * 1015, (404,)), ("a" * 1016, (404,)), ("a" * 1017, (404,)), ("a" * 1013 + "/", (404,)),
    ("a/b/c/" + "." * 300, (404,)),
], ids=lambda value: f"{value[:6]}{len(value)}" if isinstance(value, str) else "")
def test_long_names(house, transport, name, statuses):
    assert house.ask(f"/static/{name}", transport=transport).status in statuses


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_endless_name(house, transport):
    """Refused before it has come as a whole, so that who sends the rest may find the connection closed."""
    with house.connect(transport) as peer:
        try:
            peer.send(request("GET", "/static/" + "a" * 1_000_000))
            assert peer.head().status in (414, 431)
        except (EOFError, OSError) as error:
            assert not isinstance(error, TimeoutError)
