"""RSGI 1.6 over HTTP: the scope, the body, answers of every kind, and what an application does wrong."""

import json
import os
import pathlib
import socket
import urllib.parse

import pytest
from raw_client import Peer, chunked_request, request
from server import eventually
from tls_client import Pki, TlsPeer, client_context, options_of
from websocket_client import UnixPeer

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
SOURCE = (APPLICATIONS / "rsgi_calls.py").read_text()
LARGE = 20 << 20


@pytest.fixture(scope="module")
def server(serve_once):
    return serve_once(SOURCE, "--interface", "rsgi", "--max-request-line", "64k")  # tests write what is called there


@pytest.fixture
def own_server(serve):
    """For a test that breaks things, or looks at the log."""
    return serve("rsgi_calls:app", "--workers", 1, "--interface", "rsgi", "--working-dir", APPLICATIONS)


@pytest.fixture
def peer(server):
    with Peer(server) as connected:
        yield connected


@pytest.fixture(scope="module", params=["tcp", "tls", "unix"])
def connect(request, server, serve_once, tmp_path_factory):
    """connect() -> a peer, over each way to a server."""
    if request.param == "tcp":
        return lambda: Peer(server)
    if request.param == "tls":
        pki = Pki(tmp_path_factory.mktemp("pki"))
        over_tls = serve_once(SOURCE, "--interface", "rsgi", *options_of(pki.local))
        return lambda: TlsPeer(over_tls, client_context(pki))
    path = tmp_path_factory.mktemp("unix") / "s"
    serve_once(SOURCE, "--interface", "rsgi", "--listen", "127.0.0.1:0", "--listen", f"unix:{path}", port=None)
    return lambda: UnixPeer(path)


def seen(server):
    """What the application has noted."""
    with Peer(server) as other:
        return other.ask(request("GET", "/tell-seen")).json()


def open_gate(server, name):
    with Peer(server) as other:
        assert other.ask(request("GET", f"/open-gate?{name}")).status == 204


# --- the scope ---


def test_scope(peer, server):
    told = peer.ask(request("GET", "/gr%C3%BC%C3%9F/%2F%25?a=%20b&c=%C3%A4")).json()
    host, port = peer.socket.getsockname()
    assert told == {
        "proto": "http", "rsgi_version": "1.6", "http_version": "1.1", "server": f"127.0.0.1:{server.port}",
        "client": f"{host}:{port}", "scheme": "http", "method": "GET", "path": "/grüß//%",
        "query_string": "a=%20b&c=%C3%A4", "authority": None, "types": [True, True, True]}


def test_scope_of_http_1_0(peer):
    told = peer.ask(request("POST", "/info", b"", version="1.0")).json()
    assert (told["http_version"], told["method"]) == ("1", "POST")


def test_scope_of_other_targets(peer):
    told = peer.ask(request("PURGE", "http://shop.example:81/info?x")).json()
    assert (told["method"], told["path"], told["query_string"]) == ("PURGE", "/info", "x")
    assert told["authority"] == "shop.example:81"
    assert peer.ask(request("GET", "/info%FF")).json()["path"] == "/info\ufffd"


def test_scope_over(connect):
    with connect() as peer:
        told = peer.ask(request("GET", "/info")).json()
        if isinstance(peer, UnixPeer):
            assert (told["client"], told["server"]) == ("", peer.socket.getpeername())
        else:
            assert told["client"] == "%s:%d" % peer.socket.getsockname()
            assert told["server"] == "127.0.0.1:%d" % peer.socket.getpeername()[1]
        assert told["scheme"] == ("https" if isinstance(peer, TlsPeer) else "http")


def test_scope_of_ipv6(serve_once):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6 on the loopback")
    over_6 = serve_once(SOURCE, "--interface", "rsgi", "--listen", "127.0.0.1:0", "--listen", "[::1]:0", port=None)
    port = int(over_6.addresses[1].rpartition(":")[2])
    peer = UnixPeer.__new__(UnixPeer)
    peer.socket, peer._received = socket.create_connection(("::1", port), 60), b""
    with peer:
        told = peer.ask(request("GET", "/info")).json()
        assert told["server"] == f"[::1]:{port}"
        assert told["client"] == f"[::1]:{peer.socket.getsockname()[1]}"


def test_headers(peer):
    told = peer.ask(request("GET", "/headers", None, "X-One: 1", "X-Many: a", "x-many: b", "X-MANY: \xe4")).json()
    assert told["items"] == [["host", "x"], ["x-one", "1"], ["x-many", "a"], ["x-many", "b"], ["x-many", "ä"]]
    assert told["keys"] == told["iter"] == ["host", "x-one", "x-many"] and told["len"] == 3
    assert told["values"] == ["x", "1", "a", "b", "ä"]
    assert told["get"] == ["1", "1", None, 7]
    assert told["get_all"] == [["a", "b", "ä"], []]
    assert told["in"] == [True, False, True, False]
    assert told["item"] == "1"
    assert told["missing"] == "KeyError: 'x-none'"
    assert all(error.startswith("TypeError: ") for error in told["wrong"])


def test_scope_outlives_its_request(own_server):
    """Also where other requests have come on its connection."""
    with Peer(own_server) as peer:
        assert peer.ask(request("POST", "/late?q=1", b"body", "X-One: 1")).body == b"early"
        assert peer.ask(request("GET", "/info?other=request", None, "X-Two: 22222222")).status == 200
        open_gate(own_server, "late")
        eventually(lambda: "late" in seen(own_server))
        late = seen(own_server)["late"]
        assert (late["path"], late["query_string"], late["method"]) == ("/late", "q=1", "POST")
        assert late["headers"] == late["again"] == [["host", "x"], ["x-one", "1"], ["content-length", "4"]]
        assert late["client"] == "%s:%d" % peer.socket.getsockname()
        assert late["body"].startswith("ProtocolClosed: ")


# --- answers ---


def test_empty(peer):
    answer = peer.ask(request("GET", "/empty"))
    assert (answer.status, answer.body, answer.get("X-Is")) == (204, b"", "empty")
    assert answer.get("Content-Length") is None
    answer = peer.ask(request("GET", "/empty?400"))
    assert (answer.status, answer.reason, answer.get("Content-Length")) == (400, "Bad Request", "0")


@pytest.mark.parametrize("call", ["response_empty", "response_str", "response_bytes", "response_stream"])
def test_defaults(peer, call):
    answer = peer.ask(request("GET", f"/defaults?{call}"))
    assert (answer.status, answer.body) == (200, b"")


def test_answers_over(connect):
    with connect() as peer:
        answer = peer.ask(request("GET", "/text"))
        assert (answer.body.decode(), answer.get("Content-Type")) == ("grüß €", "text/plain")
        assert answer.get("Content-Length") == "10" and answer.get("Date")
        assert peer.ask(request("HEAD", "/text")).get("Content-Length") == "10"
        body = os.urandom(300000)
        assert peer.ask(request("POST", "/echo", body)).body == body
        assert peer.ask(chunked_request("POST", "/echo", [body, b"more"])).body == body + b"more"
        assert peer.ask(request("POST", "/echo-stream", body)).body == body
        assert peer.ask(request("GET", f"/large?{LARGE}")).body == b"0123456789abcdef" * (LARGE // 16)


def test_http_1_0(server):
    with Peer(server) as peer:
        peer.send(request("GET", "/stream", version="1.0"))
        answer = peer.answer()
        assert answer.body.decode() == "one twö three four" and answer.get("Transfer-Encoding") is None
    with Peer(server) as peer:
        answer = peer.ask(request("POST", "/echo", b"body", version="1.0"))
        assert answer.body == b"body" and peer.ended()


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview"])
def test_octets(peer, kind):
    answer = peer.ask(request("GET", f"/octets?{kind}"))
    assert (answer.status, answer.body, answer.get("X-Is")) == (201, b"\x00\xff octets", "list")


def test_named_arguments(peer):
    answer = peer.ask(request("GET", "/named"))
    assert (answer.status, answer.body, answer.all("X-Is")) == (202, b"named", ["named", "twice"])


def test_announced_length(peer):
    assert peer.ask(request("GET", "/announced?right")).body == b"short"
    assert peer.ask(request("GET", "/announced?wrong")).status == 500


def test_connection_is_the_servers(peer):
    answer = peer.ask(request("GET", "/closing"))
    assert answer.body == b"last" and answer.closes and answer.get("Transfer-Encoding") is None
    assert peer.ended()


def test_first_answer_wins(peer, server):
    assert peer.ask(request("GET", "/first-wins")).body == b"first"
    assert seen(server)["again"] == [None, "ProtocolError: the request was answered before", None]
    assert peer.ask(request("GET", "/stream-wins")).body == b"streamed"


# --- bodies ---


def test_body_is_bytes(peer):
    answer = peer.ask(request("POST", "/echo", b"some"))
    assert (answer.body, answer.get("X-Type")) == (b"some", "bytes")
    answer = peer.ask(request("GET", "/echo"))
    assert (answer.body, answer.get("X-Type")) == (b"", "bytes")


def test_body_that_comes_late(peer):
    message = request("POST", "/echo", b"0123456789")
    peer.send(message[:-10])
    for i in range(10):
        peer.send(b"%d" % i)
    assert peer.answer().body == b"0123456789"


def test_body_in_pieces(peer):
    assert peer.ask(request("POST", "/chunks", b"")).json() == []
    sizes = peer.ask(request("POST", "/chunks", b"x" * 1000000)).json()
    assert sum(sizes) == 1000000 and all(sizes)


def test_body_that_was_asked_for(peer):
    peer.send(request("POST", "/echo", None, "Content-Length: 4", "Expect: 100-continue"))
    assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    assert peer.ask(b"body", "POST").body == b"body"


def test_body_that_was_not_asked_for(peer):
    peer.send(request("POST", "/text", None, "Content-Length: 4", "Expect: 100-continue"))
    assert peer.answer().body.decode() == "grüß €"


def test_body_that_was_not_read(server):
    with Peer(server) as peer:
        assert peer.ask(request("POST", "/text", b"x" * 1000)).body.decode() == "grüß €"
        assert peer.ask(request("GET", "/text")).status == 200
    with Peer(server) as peer:  # nor sent
        answer = peer.ask(request("POST", "/text", None, "Content-Length: 3000000") + b"x", "POST")
        assert answer.body.decode() == "grüß €" and answer.closes
        assert peer.ended()


def test_second_reads(peer):
    told = peer.ask(request("POST", "/read-twice", b"body")).json()
    assert told == [["ProtocolError: the body was read before", True]] * 2
    before, *behind, end = peer.ask(request("POST", "/iterate-twice", b"body")).json()
    assert before.startswith("ProtocolError: ") and end == "StopAsyncIteration"
    assert behind == ["ProtocolError: the body was read before"] * 2


def test_client_that_leaves_in_its_body(own_server):
    with Peer(own_server) as peer:
        peer.send(request("POST", "/echo", None, "Content-Length: 1000") + b"a part")
        open_gate(own_server, "none")
    with Peer(own_server) as peer:
        assert peer.ask(request("GET", "/text")).status == 200
    own_server.stop()
    assert "Traceback" not in own_server.log


# --- files ---


def ask_file(peer, path, method="GET", **query):
    return peer.ask(request(method, "/file?" + urllib.parse.urlencode({"path": path, **query})))


@pytest.fixture
def digits(tmp_path):
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    return path


def test_file_over(connect, tmp_path):
    data = os.urandom(3000000)
    (tmp_path / "file").write_bytes(data)
    with connect() as peer:
        answer = ask_file(peer, tmp_path / "file")
        assert answer.body == data and answer.get("Content-Type") == "text/x-file"
        assert ask_file(peer, tmp_path / "file", start=10, end=2000000).body == data[10:2000000]
        assert ask_file(peer, tmp_path / "file", method="HEAD").get("Content-Length") == "3000000"
        assert ask_file(peer, tmp_path / "file").status == 200


@pytest.mark.parametrize("start, end, body", [(0, 10, b"0123456789"), (3, 8, b"34567"), (9, 10, b"9"), (4, 99, b"456789")])
def test_file_range(peer, digits, start, end, body):
    answer = ask_file(peer, digits, start=start, end=end)
    assert (answer.status, answer.body, answer.get("Content-Length")) == (206, body, str(len(body)))


def test_file_length(peer, digits):
    assert ask_file(peer, digits, length=10).body == b"0123456789"
    assert ask_file(peer, digits, length=4).body == b"0123"  # it has grown since
    assert ask_file(peer, digits, start=2, end=6, length=4).body == b"2345"
    digits.write_bytes(b"")
    assert ask_file(peer, digits).body == b""


def refused(peer, call, *arguments):
    """What a call raises in the application, which then answers."""
    answer = peer.ask(request("GET", "/bad?" + urllib.parse.quote(json.dumps([call, arguments]))))
    assert answer.status == 200
    return answer.body.decode()


def test_files_that_are_none(peer, digits, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert refused(peer, "response_file", 200, [], f"{tmp_path}/none").startswith("FileNotFoundError: ")
    assert refused(peer, "response_file", 200, [], str(tmp_path)).startswith("IsADirectoryError: ")
    assert refused(peer, "response_file", 200, [], str(tmp_path / "fifo")).startswith("OSError: ")
    assert refused(peer, "response_file", 200, [], "nul\0").startswith("ValueError: ")
    assert refused(peer, "response_file", 200, [["content-length", "11"]], str(digits)).startswith("ValueError: ")


@pytest.mark.parametrize("start, end", [(5, 5), (6, 5), (-1, 5), (0, 0), (10, 20), (1 << 70, 1 << 71)])
def test_ranges_that_are_none(peer, digits, start, end):
    error = refused(peer, "response_file_range", 206, [], str(digits), start, end)
    assert error.startswith("OverflowError: " if start > 1 << 63 else "ValueError: ")


# --- what is wrong ---


@pytest.mark.parametrize("arguments, error", [
    ([99], "ValueError: status 99: must be"), ([1000], "ValueError: status 1000"), ([-1], "ValueError: status -1"),
    ([1 << 80], "ValueError: status 1208925819614629174706176"), (["200"], "TypeError: "), ([None], "TypeError: "),
    ([2.5], "TypeError: "), ([101], "ValueError: status 101"),
    ([200, [["x\r", "y"]]], "ValueError: header name"), ([200, [["x", "y\nz: 1"]]], "ValueError: header value"),
    ([200, [["x", "y\0"]]], "ValueError: header value"), ([200, [["x y", "z"]]], "ValueError: header name 'x y'"),
    ([200, [["", "z"]]], "ValueError: header name"), ([200, [["x", 7]]], "TypeError: "), ([200, [["x"]]], "TypeError: "),
    ([200, [7]], "TypeError: "), ([200, "ab"], "TypeError: "), ([200, 7], "TypeError: "), ([200, None], "TypeError: "),
    ([200, [["content-length", "x"]]], "ValueError: "), ([200, [["content-length", "1"]], ""], "ValueError: "),
    ([200, [["x", "y" * 40000]]], "ValueError: the headers are too many"),
])
def test_bad_arguments(peer, arguments, error):
    assert refused(peer, "response_str", *arguments).startswith(error)
    if len(arguments) < 3:
        assert refused(peer, "response_empty", *arguments).startswith(error)
        assert refused(peer, "response_stream", *arguments).startswith(error)


def test_bad_types(peer):
    errors, of_transport = peer.ask(request("GET", "/bad-types")).json()
    assert [error.partition(":")[0] for error in errors] == [
        *["TypeError"] * 2, "UnicodeEncodeError", *["TypeError"] * 7, "ValueError", "TypeError"]
    assert all(error.startswith("TypeError: data is ") for error in of_transport)


@pytest.mark.parametrize("path, raised", [
    ("/fail", "ValueError: of the application"), ("/fail-later", "ValueError: of the application"),
    ("/fail-early", "ValueError: before a coroutine"), ("/no-coroutine", "TypeError: "), ("/leave", "SystemExit: 3")])
def test_failures(own_server, path, raised):
    with Peer(own_server) as peer:
        assert peer.ask(request("GET", path)).status == 500
        assert peer.ask(request("GET", "/text")).status == 200
    own_server.wait_for(f"rsgi: exception while answering GET {path}\n")
    own_server.wait_for(f"\n{raised}")


def test_application_without_an_answer(own_server):
    with Peer(own_server) as peer:
        assert peer.ask(request("GET", "/silent?x")).status == 500
    own_server.wait_for(r"rsgi: the application has ended without an answer to GET /silent\?x\n")


def test_failure_behind_an_answer(own_server):
    with Peer(own_server) as peer:
        assert peer.ask(request("GET", "/fail-behind")).body == b"answered"
        assert peer.ask(request("GET", "/text")).status == 200
    own_server.wait_for("rsgi: exception while answering GET /fail-behind\n")


def test_other_threads(peer):
    errors = peer.ask(request("GET", "/in-thread")).json()
    assert len(errors) == 3
    assert all(error.startswith("RuntimeError: ") and "call_soon_threadsafe" in error for error in errors)


# --- an application's life ---


def test_init_and_del(own_server):
    assert seen(own_server)["init"] == ["ran", False]
    own_server.stop()
    assert "rsgi_del ran False\n" in own_server.log
