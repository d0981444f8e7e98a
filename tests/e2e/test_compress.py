"""--compress: which answers are coded and what their heads say then, streams that stay streams, clients that are slow or
leave, and memory. By each interface the same."""

import contextlib
import itertools
import re
import shutil
import socket
import struct
import subprocess

import pytest
from applications.coded import content
from decoding import CODINGS, Decoder, decoded
from raw_client import request
from server import eventually, is_sanitized
from tls_client import client_context
from transports import TRANSPORTS

pytestmark = pytest.mark.unvalidated(reason="its applications speak three interfaces")

INTERFACES = ["wsgi", "asgi", "rsgi"]
NAMES = map("c{}".format, itertools.count())  # of gates, each used once
OPTIONS = ["--compress", "--blocking-threads", "16"]
STREAMS = 500
STREAM_KB = 400  # that each of them may take, with all that a connection takes


@pytest.fixture(scope="module")
def servers(serve_everywhere):
    """servers(interface, *more options) -> Everywhere, one for each combination."""
    made = {}

    def server(interface, *more):
        if (interface, more) not in made:
            threads = OPTIONS if interface == "wsgi" else OPTIONS[:1]
            made[interface, more] = serve_everywhere(f"coded:{interface}", "--interface", interface, *threads, *more)
        return made[interface, more]

    return server


@pytest.fixture(params=INTERFACES)
def interface(request):
    return request.param


@pytest.fixture
def everywhere(servers, interface):
    return servers(interface)


def accept(*codings):
    return "Accept-Encoding: " + ", ".join(codings)


def get(everywhere, target, coding="gzip", *fields, **options):
    return everywhere.ask(target, None, accept(coding), *fields, **options)


def check_coded(answer, coding, size=5000):
    assert answer.get("Content-Encoding") == coding
    assert decoded(answer) == content(size)
    assert answer.get("Vary") == "Accept-Encoding"


# --- what is coded ---


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_whole(everywhere, transport, coding):
    answer = get(everywhere, "/?announce=1", coding, transport=transport)
    check_coded(answer, coding)
    assert len(answer.body) < 2500 and answer.get("Transfer-Encoding") is None
    assert answer.get("Content-Length") == str(len(answer.body))


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size, pieces", [(5000, 3), (200_000, 200), (300_000, 2), (10_000, 10_000), (3_000_000, 1),
                                          (3_000_000, 0), (131_072, 0), (131_073, 0)])
def test_sizes_and_pieces(everywhere, transport, coding, size, pieces):
    """As many bytes as it takes, with their length where all is there before anything leaves, and on the same connection
    the next answer."""
    with everywhere.connect(transport) as peer:
        for announce in ("", "&announce=1"):
            target = f"/?size={size}&pieces={pieces}{announce}"
            check_coded(peer.ask(request("GET", target, None, accept(coding))), coding, size)


def test_small_pieces_leave_together(everywhere, interface):
    """Ten thousand of a byte each do not come to ten thousand flushes."""
    answer = get(everywhere, "/?size=10000&pieces=10000")
    check_coded(answer, "gzip", 10_000)
    # What an event loop pushes waits for the loop's turn. A generator's piece that is late leaves by itself: how many are
    # is the machine's affair.
    most = 80_000 if interface == "wsgi" or is_sanitized() else len(get(everywhere, "/?size=10000").body) * 1.5
    assert len(answer.body) < most


def test_curl(everywhere):
    """A client that has its own decoders."""
    command = ["curl", "--silent", "--show-error", "--compressed", "--include"]
    out = subprocess.run([*command, f"http://127.0.0.1:{everywhere.port('plain')}/?size=300000&pieces=7"],
                         capture_output=True, check=True, timeout=60).stdout
    head, _, body = out.partition(b"\r\n\r\n")
    assert re.search(rb"(?im)^content-encoding: (gzip|zstd)\r?$", head) and body == content(300_000)


@pytest.mark.parametrize("fields, coding", [
    ((), None), (("Accept-Encoding: br",), None), (("Accept-Encoding: gzip;q=0",), None), (("Accept-Encoding: *",), "zstd"),
    (("Accept-Encoding: gzip, deflate, br, zstd",), "zstd"), (("Accept-Encoding: gzip, zstd;q=0.9",), "gzip"),
    (("Accept-Encoding: br", "Accept-Encoding: gzip"), "gzip"), (("Accept-Encoding: identity, gzip;q=0.5",), None),
    (("Accept-Encoding: ",), None), (("Accept-Encoding: " + "x" * 2000 + ", gzip",), None)])
@pytest.mark.parametrize("pieces", [0, 3])
def test_what_the_client_takes(everywhere, fields, coding, pieces):
    """One that takes none is told that others get something else."""
    answer = everywhere.ask(f"/?announce=1&pieces={pieces}", None, *fields)
    check_coded(answer, coding)
    if coding is None:
        assert (answer.get("Content-Length"), answer.body) == ("5000", content(5000))


# --- what is not ---


@pytest.mark.parametrize("query", [
    "h=Content-Encoding:br", "h=Content-Range:bytes 0-1/2", "h=Cache-Control:private, no-transform", "type=image/png",
    "type=image/webp", "type=font/woff2", "type=application/zip", "type=application/pdf", "type=application/octet-stream",
    "type=none", "status=301", "status=206", "size=1023", "h=Content-MD5:x", "h=Digest:x", "size=1"])
@pytest.mark.parametrize("pieces", [0, 3])
def test_what_is_left_alone(everywhere, query, pieces):
    target = f"/?announce=1&pieces={pieces}&{query}".replace(" ", "%20")
    answer, plain = get(everywhere, target), everywhere.ask(target)
    coding = "br" if "br" in query else None
    assert (answer.body, answer.get("Content-Encoding"), answer.get("Vary")) == (plain.body, coding, None)
    assert answer.get("Content-Length") == plain.get("Content-Length") == str(len(plain.body))


@pytest.mark.parametrize("query", ["status=404", "status=500", "status=201", "type=application/json;charset=utf-8",
                                   "type=image/svg%2Bxml", "type=application/problem%2Bjson", "size=1024",
                                   "h=Cache-Control:private,max-age=5"])
@pytest.mark.parametrize("pieces", [0, 3])
def test_what_is_coded_all_the_same(everywhere, query, pieces):
    size = int(query[5:]) if query.startswith("size") else 5000
    check_coded(get(everywhere, f"/?announce=1&pieces={pieces}&{query}"), "gzip", size)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(everywhere, status):
    with everywhere.connect() as peer:
        answer = peer.ask(request("GET", f"/?size=0&status={status}&h=ETag:%22x%22", None, accept("gzip")))
        assert (answer.status, answer.body, answer.get("ETag")) == (status, b"", '"x"')
        assert answer.get("Content-Encoding") is None
        check_coded(peer.ask(request("GET", "/", None, accept("gzip"))), "gzip")


@pytest.mark.parametrize("query, vary", [
    ("", "Accept-Encoding"), ("h=Vary:Cookie", "Cookie, Accept-Encoding"), ("type=image/png", None),
    ("type=none", "Accept-Encoding"), ("h=Cache-Control:no-transform", None), ("h=Vary:*", "*")])
@pytest.mark.parametrize("fields", [[accept("gzip")], []])
def test_not_modified_varies_as_its_200_does(everywhere, query, vary, fields):
    with everywhere.connect() as peer:
        answer = peer.ask(request("GET", f"/?size=0&status=304&{query}", None, *fields))
        assert (answer.status, answer.get("Vary"), answer.get("Content-Encoding")) == (304, vary, None)


@pytest.mark.parametrize("query, varies", [("announce=1", True), ("", True), ("type=image/png", False),
                                           ("pieces=3&announce=1", True), ("announce=1&size=100", False)])
def test_head(everywhere, query, varies):
    """The fields of GET, but for a length that is known only when the body is coded."""
    target = f"/?{query}&h=ETag:%22a%22&h=Accept-Ranges:bytes"
    names = ["Content-Encoding", "Vary", "ETag", "Accept-Ranges", "Content-Type"]
    with everywhere.connect() as peer:
        for codings in (["gzip"], ["zstd"], []):
            head = peer.ask(request("HEAD", target, None, accept(*codings)), "HEAD")
            get = peer.ask(request("GET", target, None, accept(*codings)))
            assert (head.status, head.body) == (200, b"")
            assert [head.get(name) for name in names] == [get.get(name) for name in names]
            assert head.get("Vary") == ("Accept-Encoding" if varies else None)
            assert head.get("Content-Encoding") == (codings[0] if codings and varies else None)
            assert head.get("ETag") == ('W/"a"' if codings and varies else '"a"')
            if codings and varies:
                assert head.get("Content-Length") is None
            elif "announce" in query:
                assert head.get("Content-Length") == get.get("Content-Length") == ("100" if "size" in query else "5000")
        check_coded(peer.ask(request("GET", "/", None, accept("gzip"))), "gzip")


@pytest.mark.parametrize("pieces", [0, 3])
def test_http_1_0(everywhere, pieces):
    """Whose clients and proxies are not known to keep the two apart."""
    answer = get(everywhere, f"/?pieces={pieces}&announce=1", version="1.0")
    check_coded(answer, None)


def test_files_are_sent_as_they_are(everywhere):
    answer = get(everywhere, "/file")
    assert (answer.body, answer.get("Content-Encoding"), answer.get("Vary")) == (content(5000), None, None)


def test_noise_goes_as_it_is(servers):
    """What does not become smaller: text of few bytes here."""
    answer = get(servers("wsgi", "--compress-min-size", "0"), "/?size=10")
    assert (answer.body, answer.get("Content-Encoding"), answer.get("Vary")) == (content(10), None, "Accept-Encoding")


# --- fields ---


@pytest.mark.parametrize("before, after", [
    ("Cookie", "Cookie, Accept-Encoding"), ("Accept-Encoding", "Accept-Encoding"), ("*", "*"),
    ("accept-encoding, Cookie", "accept-encoding, Cookie"), ("", "Accept-Encoding"),
    ("Accept-Encodings", "Accept-Encodings, Accept-Encoding")])
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_vary(everywhere, before, after, coding):
    answer = get(everywhere, f"/?h=Vary:{before.replace(' ', '%20')}&pieces=3", coding)
    assert (answer.get("Vary"), decoded(answer)) == (after, content(5000))


def test_several_vary(everywhere):
    answer = get(everywhere, "/?h=Vary:A&h=Vary:B&h=X-Last:1")
    assert (answer.all("Vary"), answer.get("X-Last")) == (["A, Accept-Encoding", "B"], "1")
    assert get(everywhere, "/?h=Vary:A&h=Vary:Accept-Encoding").all("Vary") == ["A", "Accept-Encoding"]


@pytest.mark.parametrize("pieces", [0, 3])
def test_validators(everywhere, pieces):
    target = f"/?pieces={pieces}&h=ETag:%22a%22&h=Accept-Ranges:bytes&h=Last-Modified:x&h=X-Last:1"
    answer = get(everywhere, target)
    assert (answer.get("ETag"), answer.get("Accept-Ranges"), answer.get("X-Last")) == ('W/"a"', None, "1")
    plain = get(everywhere, target, "identity")
    assert (plain.get("ETag"), plain.get("Accept-Ranges"), plain.get("X-Last")) == ('"a"', "bytes", "1")
    assert get(everywhere, "/?h=ETag:W/%22a%22&h=X-Last:1").get("ETag") == 'W/"a"'


def test_a_full_head(everywhere):
    """One more field may find no room: then nothing is coded, and nothing breaks."""
    with everywhere.connect() as peer:
        for size in (31_000, *range(32_500, 32_700, 10)):
            answer = peer.ask(request("GET", f"/?h=X-Long:{'x' * 100}&h=X-Much:" + "y" * (size % 100), None, accept("gzip")))
            assert decoded(answer) == content(5000)


# --- settings ---


def test_min_size(servers):
    everywhere = servers("wsgi", "--compress-min-size", "3k")
    assert get(everywhere, "/?size=3071").get("Content-Encoding") is None
    check_coded(get(everywhere, "/?size=3072"), "gzip", 3072)
    check_coded(get(everywhere, "/?size=100&pieces=2"), "gzip", 100)  # of a size that is not known


def test_types(servers):
    everywhere = servers("asgi", "--compress-types", "application/pdf", "--compress-types", "text/*", "--compress-types",
                         "image/*")
    check_coded(get(everywhere, "/?type=application/pdf"), "gzip")
    check_coded(get(everywhere, "/?type=text/x-some"), "gzip")
    check_coded(get(everywhere, "/?type=image/svg%2Bxml"), "gzip")
    for other in ("application/json", "image/png"):
        answer = get(everywhere, f"/?type={other}")
        assert (answer.get("Content-Encoding"), answer.get("Vary")) == (None, None)


def test_off(serve_everywhere):
    answer = get(serve_everywhere("coded:wsgi"), "/")
    assert (answer.get("Content-Encoding"), answer.get("Vary"), answer.body) == (None, None, content(5000))


@pytest.mark.parametrize("value, message", [("text", "must be a media type, as text/html or text/*"),
                                            ("text/h*", "a * stands for all behind the slash, as in text/*")])
def test_bad_types(run, value, message):
    done = run("serve", "coded:wsgi", "--compress", "--compress-types", value)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


# --- secrets ---


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("field", ["Cookie: a=b", "Authorization: Basic eDp5"])
def test_padding(everywhere, coding, field):
    """The size of an answer to somebody who is known does not tell how well it was coded."""
    def sizes(*fields):
        with everywhere.connect("tls") as peer:
            answers = [peer.ask(request("GET", "/", None, accept(coding), *fields)) for _ in range(50)]
        assert all(decoded(answer) == content(5000) for answer in answers)
        return {len(answer.body) for answer in answers}

    plain, = sizes()
    padded = sizes(field)
    assert len(padded) > 5 and plain <= min(padded) and max(padded) <= plain + 101


@pytest.mark.parametrize("coding", CODINGS)
def test_padding_for_a_client_certificate(servers, pki_of_session, coding):
    """Which names somebody as well as a cookie does."""
    ann = pki_of_session.root.issue("ann", names=[], usage="client")
    everywhere = servers("wsgi", "--tls-client-ca", pki_of_session.root.certificate, "--tls-client-verify", "optional")

    def sizes(context):
        with everywhere.connect("tls", context=context) as peer:
            answers = [peer.ask(request("GET", "/", None, accept(coding))) for _ in range(50)]
        assert all(decoded(answer) == content(5000) for answer in answers)
        return {len(answer.body) for answer in answers}

    plain, = sizes(client_context(pki_of_session))
    padded = sizes(client_context(pki_of_session, leaf=ann))
    assert len(padded) > 5 and plain <= min(padded) and max(padded) <= plain + 101


# --- streams ---


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("coding", CODINGS)
def test_events_arrive_one_by_one(everywhere, coding, transport):
    name = next(NAMES)
    with everywhere.connect(transport) as peer:
        peer.send(request("GET", f"/events?type=text/event-stream&name={name}", None, accept(coding), "Cookie: a=b"))
        head = peer.head()
        assert (head.get("Content-Encoding"), head.get("Transfer-Encoding")) == (coding, "chunked")
        decoder = Decoder(coding)
        for number in range(3):
            text, event = b"", b"data: %d\n\n" % number
            while len(text) < len(event):
                text += decoder.take(peer.take(int(peer.until(b"\r\n"), 16)))
                assert peer.take(2) == b"\r\n"
            assert text == event and not decoder.ended
            assert get(everywhere, f"/set?name={name}{number}", "identity").status == 200
        while size := int(peer.until(b"\r\n"), 16):
            assert decoder.take(peer.take(size)) == b"" and peer.take(2) == b"\r\n"
        assert peer.take(2) == b"\r\n" and decoder.ended
        check_coded(peer.ask(request("GET", "/", None, accept(coding))), coding)


@pytest.mark.parametrize("coding", CODINGS)
def test_slow_client_holds_the_application_back(everywhere, coding):
    """Noise stays as large as it is, so what is held back shows in what the application gives."""
    name = next(NAMES)
    produced = lambda: int(decoded(get(everywhere, f"/produced?name={name}", "identity")))  # noqa: E731
    with everywhere.connect(receive_buffer=4096) as peer:
        peer.send(request("GET", f"/endless?name={name}", None, accept(coding)))
        assert peer.head().get("Content-Encoding") == coding
        eventually(lambda: (before := produced()) > 0 and [produced() for _ in range(50)][-1] == before)
        held = produced()
        assert held < 16 << 20
        peer.take(4 << 20)
        eventually(lambda: produced() > held)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    check_coded(get(everywhere, "/", coding), coding)


@pytest.mark.parametrize("coding", CODINGS)
def test_failure_in_the_middle(everywhere, coding):
    """What was made before has arrived, and has no end: neither as a body nor as a frame."""
    with everywhere.connect() as peer:
        peer.send(request("GET", "/fail", None, accept(coding)))
        peer.head()
        decoder, text = Decoder(coding), b""
        with pytest.raises((EOFError, ConnectionError)):
            while size := int(peer.until(b"\r\n"), 16):
                text += decoder.take(peer.take(size))
                peer.take(2)
        assert text == b"begun" * 100 and not decoder.ended
    everywhere.server.wait_for("ValueError: in the middle")


def test_too_long_a_body(servers):
    """What is more than its Content-Length is dropped, as without a coding."""
    answer = get(servers("wsgi"), "/?size=5000&pieces=5&announce=1&more=-100")
    assert (answer.get("Content-Encoding"), decoded(answer)) == ("gzip", content(4900))


def test_too_short_a_body(servers):
    with servers("wsgi").connect() as peer:
        peer.send(request("GET", "/?size=5000&pieces=5&announce=1&more=100", None, accept("gzip")))
        with pytest.raises((EOFError, ConnectionError)):
            peer.answer()
    servers("wsgi").server.wait_for("the body ended after 5000 of 5100 bytes")


@pytest.mark.unsanitized(reason="their memory is not ours")
@pytest.mark.parametrize("coding", CODINGS)
def test_memory_of_open_streams(serve, coding):
    """Some hundred clients that listen to events for long."""
    name = next(NAMES)
    server = serve("coded:asgi", "--interface", "asgi", "--workers", 1, "--compress", "--backpressure", 2 * STREAMS,
                   "--working-dir", shutil.os.path.join(shutil.os.path.dirname(__file__), "applications"))
    server.keeps = "calls that never end hold what is left of their clients' connections"
    worker, = server.workers()

    def memory_kb():
        with open(f"/proc/{worker}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    with contextlib.ExitStack() as stack:
        peers = []
        before = memory_kb()
        for _ in range(STREAMS):
            peer = stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 60)))
            peer.sendall(request("GET", f"/held?type=text/event-stream&name={name}", None, accept(coding)))
            peers.append(peer)
        for peer in peers:
            received = b""
            while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
                received += peer.recv(4096)
            assert b"Content-Encoding: " + coding.encode() in received
        each = (memory_kb() - before) / STREAMS
        print(f"{each:.0f} KB a stream")
        assert is_sanitized() or each < STREAM_KB
