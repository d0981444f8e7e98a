"""ASGI's extensions: early hints, trailers, files by path and by descriptor, what is known of TLS."""

import ast
import pathlib
import re

import pytest
from applications.asgi_pattern import pattern
from raw_client import request
from server import eventually
from tls_client import TlsPeer, client_context, options_of
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="no WSGI application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
BIG = pattern(3_000_000)
TE = "TE: trailers"


@pytest.fixture(scope="module")
def everywhere(serve_everywhere):
    return serve_everywhere("asgi_extensions:app")


@pytest.fixture(params=TRANSPORTS)
def peer(everywhere, request):
    with everywhere.connect(request.param) as connected:
        yield connected


def check_alive(peer):
    assert peer.ask(request("GET", "/ok")).body == b"ok"


def extensions(peer, *fields, version="1.1"):
    return ast.literal_eval(peer.ask(request("GET", "/show", None, *fields, version=version)).body.decode())


def check_failed(everywhere, seen, path, last):
    eventually(lambda: re.search(rf"GET {re.escape(path)}\n(?:.*\n)*?{last}", everywhere.server.log[seen:]))
    assert everywhere.ask("/ok").body == b"ok"


# --- what is offered ---


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_offered(everywhere, transport):
    with everywhere.connect(transport) as peer:
        offered = extensions(peer, TE)
        assert set(offered) - {"tls"} == {"http.response.early_hint", "http.response.trailers", "http.response.pathsend",
                                          "http.response.zerocopysend"}
        assert ("tls" in offered) == (transport == "tls")
        assert all(value == {} for key, value in offered.items() if key != "tls")


# --- early hints (RFC 8297) ---


@pytest.mark.parametrize("count", [0, 1, 3])
def test_early_hints(peer, count):
    peer.send(request("GET", f"/hints?{count}"))
    for number in range(count):
        hint = peer.head()
        assert hint.status == 103 and hint.all("Link") == [f"</{number}.css>; rel=preload", f"</{number}.js>; rel=preload"]
        assert hint.get("Content-Length") is hint.get("Transfer-Encoding") is None
    answer = peer.answer()
    assert (answer.status, answer.body, answer.all("Link")) == (200, b"ok", [])
    check_alive(peer)


def test_no_hints_for_http_1_0(peer):
    """RFC 9110 section 15.2: it does not know interim answers."""
    assert peer.ask(request("GET", "/hints?3", version="1.0")).body == b"ok"


def test_a_hint_that_is_bad(everywhere, peer):
    seen = len(everywhere.server.log)
    answer = peer.ask(request("GET", "/bad-hint"))
    assert answer.status == 500 and "X-Injected" not in dict(answer.headers)
    check_failed(everywhere, seen, "/bad-hint", "ValueError: .*control characters")


def test_a_hint_that_is_late(peer):
    assert peer.ask(request("GET", "/late-hint")).body == b"onetwo"
    check_alive(peer)


# --- trailers (RFC 9110 section 6.5) ---


def with_trailers(peer, head):
    """The body in chunks, and the fields behind it."""
    body = b""
    assert head.get("Transfer-Encoding") == "chunked"
    while size := int(peer.until(b"\r\n"), 16):
        body += peer.take(size)
        assert peer.take(2) == b"\r\n"
    fields = []
    while line := peer.until(b"\r\n"):
        name, _, value = line.partition(b":")
        fields.append((name.lower(), value.strip()))
    return body, fields


def test_trailers(peer):
    peer.send(request("GET", "/trailers", None, TE))
    head = peer.head()
    assert head.get("Trailer") == "x-sum, x-end"
    assert with_trailers(peer, head) == (b"onetwo", [(b"x-sum", b"6"), (b"x-sum", b"7"), (b"x-end", b"yes")])
    check_alive(peer)


@pytest.mark.parametrize("field", ["te: gzip;q=0.5, trailers", "TE: Trailers", "TE: trailers;q=1"])
def test_te_in_other_words(peer, field):
    peer.send(request("GET", "/trailers", None, field))
    assert with_trailers(peer, peer.head())[0] == b"onetwo"
    check_alive(peer)


@pytest.mark.parametrize("fields", [(), ("TE: gzip",), ("X-TE: trailers",), ("TE: trailersx",)])
def test_no_trailers_for_who_does_not_ask(peer, fields):
    assert peer.ask(request("GET", "/trailers", None, *fields)).body == b"onetwo"
    check_alive(peer)


def test_no_trailers_for_http_1_0(peer):
    assert peer.ask(request("GET", "/trailers", None, TE, version="1.0")).body == b"onetwo"


def test_no_trailers_behind_a_length(peer):
    """They would have no place."""
    answer = peer.ask(request("GET", "/trailers-length", None, TE))
    if answer.get("Content-Length"):
        assert answer.body == b"onetwo"
    check_alive(peer)


def test_no_trailers_for_head(everywhere, peer):
    answer = peer.ask(request("HEAD", "/trailers?head", None, TE))
    assert (answer.status, answer.body) == (200, b"")
    check_alive(peer)
    everywhere.server.wait_for("trailers sent head\n")


def test_announced_trailers_that_do_not_come(everywhere):
    """Cut, or ended without them: nobody waits for ever."""
    with everywhere.connect() as peer:
        peer.send(request("GET", "/trailers-missing", None, TE))
        try:
            assert peer.answer().body == b"one"
        except EOFError:
            pass
    assert everywhere.ask("/ok").body == b"ok"


def test_trailers_that_are_bad(everywhere, peer):
    seen = len(everywhere.server.log)
    peer.send(request("GET", "/trailers-bad", None, TE))
    try:
        assert with_trailers(peer, peer.head()) == (b"one", [])
    except (OSError, EOFError, AssertionError):
        pass
    assert "X-Injected" not in repr(peer._received)
    check_failed(everywhere, seen, "/trailers-bad", "ValueError: .*control characters")


def test_trailers_that_were_not_announced(everywhere, peer):
    """The answer was complete before."""
    answer = peer.ask(request("GET", "/trailers-unannounced", None, TE))
    assert answer.body == b"one"
    check_alive(peer)


# --- files by their path ---


@pytest.mark.parametrize("name, body", [("small", b"0123456789"), ("big", BIG), ("empty", b"")])
@pytest.mark.parametrize("length", [True, False])
def test_path(peer, name, body, length):
    target = f"/path?{name},{len(body) if length else ''}"
    for method in ("GET", "HEAD", "GET"):
        answer = peer.ask(request(method, target))
        assert answer.status == 200 and answer.body == (b"" if method == "HEAD" else body)
        assert answer.get("Content-Length") == str(len(body))
    check_alive(peer)


def test_path_for_http_1_0(peer):
    assert peer.ask(request("GET", "/path?big,", version="1.0")).body == BIG and peer.ended()


def test_path_that_was_removed_afterwards(peer):
    assert peer.ask(request("GET", "/replaced")).body == pattern(3_000_000, 7)
    check_alive(peer)


def test_path_is_all_of_the_answer(peer):
    assert peer.ask(request("GET", "/path-and-more")).body == b"0123456789"
    check_alive(peer)


@pytest.mark.parametrize("target, last", [
    ("/path?missing,", "FileNotFoundError: .*missing"),
    ("/path?./relative,", "ValueError: .*"),
    ("/path?,", "(?:IsADirectoryError|ValueError|OSError): .*"),
    ("/path-object", "TypeError: .*"),
])
def test_path_that_is_none(everywhere, peer, target, last):
    """send() raises while nothing has gone out."""
    seen = len(everywhere.server.log)
    answer = peer.ask(request("GET", target))
    assert answer.status == 500
    check_failed(everywhere, seen, target, last)


# --- files by their descriptor ---


@pytest.mark.parametrize("position, offset, count", [
    (0, "", ""), (1000, "", ""), (0, 0, 10), (0, 7, ""), (1000, 7, 100_001), (5, "", 3), (0, 2_999_999, 1), (0, 3_000_000, ""),
    (0, 2_999_990, 100)])
def test_copy(everywhere, position, offset, count):
    """From the position, or the offset; up to the count, or the end of the file."""
    begin = position if offset == "" else offset
    expected = BIG[begin:] if count == "" else BIG[begin:begin + count]
    with everywhere.connect() as peer:
        answer = peer.ask(request("GET", f"/copy?{position},{offset},{count}"))
        assert answer.body == expected
        check_alive(peer)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_copy_everywhere(peer, version):
    answer = peer.ask(request("GET", "/copy-length", version=version))
    assert answer.body == BIG and answer.get("Content-Length") == str(len(BIG))
    assert peer.ended() if version == "1.0" else check_alive(peer) is None


def test_copy_between_pieces(peer):
    for _ in range(2):
        answer = peer.ask(request("GET", "/mixed"))
        assert answer.body == b"begin " + BIG[5:100_005] + b" middle 012389 end"
    check_alive(peer)


def test_copy_for_head(peer):
    assert peer.ask(request("HEAD", "/copy-length")).get("Content-Length") == str(len(BIG))
    check_alive(peer)


@pytest.mark.parametrize("kind, last", [("memory", r"(?:io\.UnsupportedOperation|ValueError|TypeError|OSError)"),
                                        ("none", "(?:TypeError|ValueError|AttributeError): "),
                                        ("text", "(?:TypeError|ValueError|AttributeError): ")])
def test_copy_of_what_is_no_file(everywhere, peer, kind, last):
    seen = len(everywhere.server.log)
    assert peer.ask(request("GET", f"/no-file?{kind}")).status == 500
    check_failed(everywhere, seen, f"/no-file?{kind}", last)


@pytest.mark.parametrize("path", ["/path?big,", "/copy?0,,", "/mixed"])
def test_files_leave_no_descriptors(everywhere, path):
    before = int(everywhere.ask("/descriptors").body)
    for transport in TRANSPORTS * 4:
        with everywhere.connect(transport, receive_buffer=4096) as peer:
            peer.send(request("GET", path))
            assert peer.head().status == 200
    eventually(lambda: int(everywhere.ask("/descriptors").body) <= before)


# --- TLS ---


def first_certificate(file):
    return re.search(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", pathlib.Path(file).read_text())[0]


@pytest.mark.parametrize("version, number", [("TLSv1.2", 0x0303), ("TLSv1.3", 0x0304)])
def test_tls(everywhere, version, number):
    context = client_context(everywhere.pki, version)
    with everywhere.connect("tls", context=context) as peer:
        tls = extensions(peer)["tls"]
        name = peer.socket.cipher()[0]
        suite, = {cipher["id"] & 0xffff for cipher in context.get_ciphers() if cipher["name"] == name}
    assert (tls["tls_version"], tls["cipher_suite"]) == (number, suite)
    # "Some may be unable to provide this": None, or the very one.
    assert tls["server_cert"] is None or tls["server_cert"].strip() == first_certificate(everywhere.pki.local.chain)
    assert list(tls["client_cert_chain"]) == [] and tls["client_cert_name"] is tls["client_cert_error"] is None


def test_clients_certificates(serve, pki_of_session):
    pki = pki_of_session
    client = pki.root.issue("visitor", names=[], usage="client")
    server = serve("asgi_extensions:app", "--workers", 1, "--working-dir", APPLICATIONS, *options_of(pki.local),
                   "--tls-client-ca", pki.root.certificate, "--tls-client-verify", "optional")
    with TlsPeer(server, client_context(pki, leaf=client)) as peer:
        tls = extensions(peer)["tls"]
        assert tls["client_cert_chain"][0].strip() == first_certificate(client.chain)
        assert "CN=visitor" in tls["client_cert_name"] and tls["client_cert_error"] is None
    with TlsPeer(server, client_context(pki)) as peer:
        tls = extensions(peer)["tls"]
        assert list(tls["client_cert_chain"]) == [] and tls["client_cert_name"] is None
