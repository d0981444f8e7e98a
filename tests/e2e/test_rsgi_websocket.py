"""RSGI over WebSocket: accepted, refused, messages both ways, the end of either side, what an application does wrong."""

import json
import pathlib

import pytest
from raw_client import Peer, request
from server import eventually
from tls_client import Pki, client_context, options_of
from websocket_client import UnixPeer, handshake, open_websocket, upgrade

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
BUFFERED = 32 << 20  # bytes; more than the kernel, the server and we hold together


@pytest.fixture
def server(serve):
    return serve("rsgi_websockets:app", "--workers", 1, "--working-dir", APPLICATIONS)


def seen(server):
    """What the application has noted."""
    with Peer(server) as peer:
        return peer.ask(request("GET", "/seen")).json()


def refusal(server, target):
    with Peer(server) as peer:
        return peer.ask(handshake(target), "GET")


def test_scope(server):
    with open_websocket(server, "/info?a=b") as websocket:
        told = json.loads(websocket.event()[1])
        assert told == {"proto": "ws", "scheme": "http", "http_version": "1.1", "method": "GET", "path": "/info",
                        "query_string": "a=b", "host": "x", "types": [True, True],
                        "client": "%s:%d" % websocket.peer.socket.getsockname()}
        assert websocket.closed_by_server()[1] == 1000


def test_echo(server):
    with open_websocket(server, "/echo") as websocket:
        for text in ("", "grüß €", "x" * 70000):
            websocket.send_text(text)
            assert websocket.event() == ("text", text)
        for data in (b"", bytes(range(256)), b"y" * 300000):
            websocket.send_binary(data)
            assert websocket.event() == ("binary", data)
        websocket.close(1001)
    eventually(lambda: "end" in seen(server))
    assert seen(server)["end"] == [0, None, "<WebsocketMessage kind=0 data=None>",
                                   "ProtocolClosed: the WebSocket is closed"]
    server.stop()
    assert "Traceback" not in server.log


def test_echo_over_tls_and_a_unix_socket(serve, tmp_path):
    pki = Pki(tmp_path)
    over_tls = serve("rsgi_websockets:app", "--workers", 1, "--working-dir", APPLICATIONS, *options_of(pki.local))
    with open_websocket(over_tls, "/info", context=client_context(pki)) as websocket:
        assert json.loads(websocket.event()[1])["scheme"] == "https"
    serve("rsgi_websockets:app", "--workers", 1, "--working-dir", APPLICATIONS, "--listen", f"unix:{tmp_path}/s",
          port=None)
    with upgrade(UnixPeer(tmp_path / "s"), "/echo") as websocket:
        websocket.send_text("unix")
        assert websocket.event() == ("text", "unix")
        websocket.close()


@pytest.mark.parametrize("status, reason", [("", "Forbidden"), ("404", "Not Found"), ("200", "OK")])
def test_refused(server, status, reason):
    answer = refusal(server, f"/refuse?{status}")
    assert (answer.status, answer.reason, answer.body) == (int(status or 403), reason, b"")
    eventually(lambda: "refused" in seen(server))
    assert seen(server)["refused"] == ["ProtocolError: the WebSocket was accepted or closed before", None]


def test_refused_badly(server):
    assert refusal(server, "/refuse-badly").status == 418
    kinds = [error.partition(":")[0] for error in seen(server)["bad"]]
    assert kinds == ["ValueError", "ValueError", "TypeError", "TypeError", "TypeError"]


@pytest.mark.parametrize("status, code", [("", 1000), ("1001", 1001), ("4000", 4000), ("1006", 1000), ("404", 1000)])
def test_closed_by_the_application(server, status, code):
    with open_websocket(server, f"/close?{status}") as websocket:
        assert websocket.closed_by_server() == ([], code, "")
    eventually(lambda: "closed" in seen(server))
    assert seen(server)["closed"] == ["ProtocolClosed: the WebSocket is closed"] * 2 + [None]


def test_application_that_ends(server):
    with open_websocket(server, "/leave") as websocket:
        assert websocket.closed_by_server() == ([], 1000, "")
    assert refusal(server, "/silent").status == 500
    server.wait_for("rsgi: the application has ended without an answer to GET /silent\n")


def test_application_that_fails(server):
    assert refusal(server, "/fail").status == 500
    server.wait_for("rsgi: exception while answering GET /fail\n")
    server.wait_for("\nValueError: before it was accepted")
    with open_websocket(server, "/fail-open") as websocket:
        assert websocket.closed_by_server()[:2] == ([], 1011)
    server.wait_for("rsgi: exception while answering GET /fail-open\n")
    server.wait_for("\nValueError: while it was open")


def test_stop_closes(serve):
    server = serve("rsgi_websockets:app", "--workers", 1, "--graceful-timeout", 3, "--working-dir", APPLICATIONS)
    with open_websocket(server, "/lost") as websocket:
        assert websocket.event() == ("text", "open")
        server.process.terminate()
        assert websocket.closed_by_server()[:2] == ([], 1001)
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log


def test_one_receive_at_a_time(server):
    with open_websocket(server, "/twice") as websocket:
        errors = json.loads(websocket.event()[1])
        assert errors[:4] == ["ProtocolError: the WebSocket was accepted or closed before",
                              "ProtocolError: a message is waited for already", True, True]
        assert [error.partition(":")[0] for error in errors[4:]] == ["TypeError", "TypeError"]
        websocket.send_text("again")
        assert websocket.event() == ("binary", b"again")


def test_receive_with_a_time_limit(server):
    with open_websocket(server, "/timeouts") as websocket:
        assert websocket.event() == ("text", "three")
        websocket.send_text("now")
        assert websocket.event() == ("text", "now")


@pytest.mark.parametrize("way", ["vanish", "close"])
def test_lost_connection(server, way):
    with open_websocket(server, "/lost") as websocket:
        assert websocket.event() == ("text", "open")
        websocket.vanish() if way == "vanish" else websocket.peer.socket.close()
    eventually(lambda: "lost" in seen(server))
    assert seen(server)["lost"].startswith("ProtocolClosed: ")
    server.stop()
    assert "Traceback" not in server.log


def test_slow_client_holds_back_the_application(server):
    with open_websocket(server, "/flood", receive_buffer=4096) as websocket:
        websocket.event()
        before, now = -1, 0
        while before != now:  # until the application waits
            before, now = now, seen(server)["sent"]
        assert 0 < now < BUFFERED
        for _ in range(BUFFERED // 10000):
            assert websocket.event()[0] == "binary"
        eventually(lambda: seen(server)["sent"] >= BUFFERED)


def test_both_ways_at_once(server):
    with open_websocket(server, "/background") as websocket:
        sent = [str(number) for number in range(100)]
        for text in sent:
            websocket.send_text(text)
        assert [websocket.event()[1] for _ in range(100)] == [f"tick {number}" for number in range(100)]
        assert json.loads(websocket.event()[1]) == sent
