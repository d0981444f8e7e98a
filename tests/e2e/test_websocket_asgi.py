"""WebSocket as an ASGI application sees it: the scope, each message in both directions, and every way to begin and to
end."""

import json
import socket
import urllib.parse

import pytest
from raw_client import Peer, request
from server import eventually
from websocket_client import (
    BINARY, PING, TEXT, WebSocket, check_accepted, close_frame, cut, frame, handshake, open_websocket, upgrade)
from websocket_service import APPLICATION, LIMIT, ending, nobody_is_left, said, status, worker

pytestmark = pytest.mark.unvalidated(reason="an asynchronous application")

@pytest.fixture(scope="module")
def server(serve_once):
    """The application, by one worker, with messages of up to a megabyte."""
    return serve_once(APPLICATION.read_text(), "--ws-max-size", LIMIT)


# --- The scope ---

def test_scope(server):
    fields = ["X-Twice: one", "X-Twice: two", "X-Bytes: \xfc"]
    target = "/scope/%C3%A9%2Fx?a=%20b&c"
    with open_websocket(server, target, fields=fields, subprotocols=["chat", "v2.chat"]) as opened:
        scope = json.loads(opened.event()[1])
        client = list(opened.peer.socket.getsockname())
        opened.close()
    assert scope["type"] == "websocket" and scope["scheme"] == "ws" and scope["http_version"] == "1.1"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["path"] == "/scope/\u00e9/x" and scope["raw_path"] == ["bytes", "/scope/%C3%A9%2Fx"]
    assert scope["query_string"] == ["bytes", "a=%20b&c"] and scope["root_path"] == ""
    assert scope["client"] == client and scope["server"] == ["127.0.0.1", server.port]
    assert scope["subprotocols"] == ["chat", "v2.chat"] and scope["extensions"].get("websocket.http.response") == {}
    assert scope["state"] == {"greeting": "hello"} and "method" not in scope


def test_headers_of_the_scope(server):
    """Names in lower case, in the order of the client, and repeated ones as they came."""
    with open_websocket(server, "/scope", fields=["X-Twice: one", "x-other:", "X-TWICE: two"]) as opened:
        headers = [[name[1], value[1]] for name, value in json.loads(opened.event()[1])["headers"]]
    names = [name for name, _ in headers]
    own = ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]
    assert names == [*own, "x-twice", "x-other", "x-twice"]
    assert [value for name, value in headers if name.startswith("x-")] == ["one", "", "two"]


def test_subprotocols_in_several_fields(server):
    fields = ["Sec-WebSocket-Protocol: a ,b", "Sec-WebSocket-Protocol: ,c,, d"]
    with Peer(server) as peer:
        answer = peer.ask(handshake("/echo", *fields))
        check_accepted(answer, subprotocols=["a"])
        assert answer.get("Sec-WebSocket-Protocol") == "a"


# --- To accept and to refuse ---

def accepted(server, name, offered="x", **accept):
    """The answer to a handshake that is accepted in that way, and what the application says of it."""
    first = urllib.parse.quote(json.dumps(accept), safe="")
    with Peer(server) as peer:
        answer = peer.ask(handshake(f"/accept?{name}", f"Sec-WebSocket-Protocol: {first}, {offered}"))
        return answer, said(server, name)["raised"]


def test_accept_with_a_subprotocol(server):
    with open_websocket(server, "/echo?subprotocol", subprotocols=["superchat", "chat"]) as opened:
        assert opened.subprotocol == "superchat"
        assert opened.close() == []
    answer, raised = accepted(server, "second", "chat", subprotocol="chat")
    assert answer.get("Sec-WebSocket-Protocol") == "chat" and raised is None
    answer, raised = accepted(server, "none", subprotocol=None)
    assert answer.status == 101 and answer.get("Sec-WebSocket-Protocol") is None and raised is None


def test_accept_with_headers(server):
    answer, raised = accepted(server, "headers", headers=[["x-one", "1"], ["set-cookie", "a=1"], ["Set-Cookie", "b=2"],
                                                          ["x-bytes", "\xfc"]])
    check_accepted(answer)
    assert raised is None and answer.get("x-one") == "1" and answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.get("x-bytes") == "\xfc"


HEADERS_REFUSED = {
    "line feed": [["x", "a\nb: c"]], "carriage return": [["x", "a\rb"]], "both": [["x", "a\r\nInjected: 1"]],
    "nul": [["x", "a\0b"]], "in a name": [["x\r\nInjected", "1"]], "blank in a name": [["x y", "1"]],
    "colon in a name": [["x:", "1"]], "no name": [["", "1"]],
}


@pytest.mark.parametrize("name", HEADERS_REFUSED)
def test_headers_that_would_break_the_answer(server, name):
    answer, raised = accepted(server, f"refused {name}".replace(" ", "-"), headers=HEADERS_REFUSED[name])
    assert raised and answer.status == 403 and "injected" not in str(answer.headers).lower()


def test_a_subprotocol_that_was_not_offered(server):
    """RFC 6455 section 4.1: the client would have to give up the connection."""
    answer, raised = accepted(server, "not-offered", subprotocol="other")
    assert raised and answer.status == 403
    answer, raised = accepted(server, "hostile", subprotocol="x\r\nInjected: 1")
    assert raised and answer.status == 403


def test_reject(server):
    """403, and the connection is still one for requests."""
    with Peer(server) as peer:
        answer = peer.ask(handshake("/reject?reject"))
        assert answer.status == 403 and answer.get("Upgrade") is None and answer.get("Sec-WebSocket-Accept") is None
        assert answer.closes or peer.ask(request("GET", "/")).status == 200
    assert said(server, "reject")["raised"]


def test_denial_response(server):
    with Peer(server) as peer:
        answer = peer.ask(handshake("/deny?deny"))
        assert answer.status == 418 and answer.body == b"short and stout" and answer.get("x-reason") == "tea"
        assert answer.all("set-cookie") == ["a=1", "b=2"] and answer.get("Upgrade") is None
        assert answer.closes or peer.ask(request("GET", "/")).status == 200
        assert said(server, "deny")["raised"]
    with Peer(server) as peer:
        answer = peer.ask(handshake("/deny-empty"))
        assert answer.status == 401 and answer.body == b"" and answer.get("www-authenticate") == "Basic"


@pytest.mark.parametrize("path, pattern", [("/return-early", "."), ("/raise-early", "raised before it was accepted"),
                                           ("/there-is-none", "KeyError")])
def test_ended_without_an_answer(server, path, pattern):
    with Peer(server) as peer:
        assert peer.ask(handshake(path)).status == 500
    server.wait_for(pattern)


# --- Messages ---

def test_keys_of_messages(server):
    with open_websocket(server, "/receive") as opened:
        for opcode, payload, key in ((TEXT, b"caf\xc3\xa9", "text"), (BINARY, b"\0\xff", "bytes"), (TEXT, b"", "text"),
                                     (BINARY, b"", "bytes")):
            opened.send_message(opcode, payload)
            message = eval(opened.event()[1])
            assert message["type"] == "websocket.receive"
            expected = payload.decode() if key == "text" else payload
            assert {name: value for name, value in message.items() if value is not None} == \
                {"type": "websocket.receive", key: expected} and type(message[key]) is type(expected)
        assert opened.close() == []


def test_kinds_of_messages(server):
    with open_websocket(server, "/kinds") as opened:
        events = [opened.event() for _ in range(8)]
        assert events[:6] == [("text", "a"), ("text", "b"), ("text", ""), ("binary", b"c"), ("binary", b"d"),
                              ("binary", b"")]
        # Only bytes is promised: what else holds bytes is sent as they are, or refused.
        assert all(event in (sent, ("text", "raised"))
                   for event, sent in zip(events[6:], [("binary", b"e"), ("binary", b"f")]))


def test_text_and_bytes_at_once(server):
    """One of them, or an exception: never both."""
    with open_websocket(server, "/both?both") as opened:
        before = [opened.event()]
        while before[-1] != ("text", "end"):
            before.append(opened.event())
        raised = said(server, "both")["raised"]
        assert len(before) == 1 if raised else before[:-1] in ([("binary", b"bytes")], [("text", "text")])


def test_wrong_messages(server):
    """Each raises where it was sent, and does no harm otherwise."""
    with open_websocket(server, "/wrong?wrong") as opened:
        assert opened.event() == ("text", "still open")
        assert opened.close() == []
    raised = said(server, "wrong")
    assert len(raised) == 17 and [name for name, kinds in raised.items() if not kinds] == []
    assert [name for name, kinds in raised.items() if kinds and "OSError" in kinds] == []


def test_wrong_messages_before_it_is_accepted(server):
    with open_websocket(server, "/wrong-early?wrong-early") as opened:
        assert opened.event() == ("text", "open after all")
        assert opened.close() == []
    assert [name for name, kinds in said(server, "wrong-early").items() if not kinds] == []


def test_tasks_that_send_at_once(server):
    with open_websocket(server, "/broadcast?broadcast") as opened:
        opened.send_text("n")
        assert sorted(opened.event()[1] for _ in range(100)) == sorted(f"n {number}" for number in range(100))
        opened.close(1000)
    assert said(server, "broadcast") == ending(1000)


def test_a_receive_that_is_given_up(server):
    with open_websocket(server, "/cancelled-receive") as opened:
        assert opened.event() == ("text", "go on")
        opened.send_text("not lost")
        assert opened.event() == ("text", "not lost")
        assert opened.close() == []


def test_messages_that_are_waiting_are_received_before_the_end(server):
    with open_websocket(server, "/wait?waiting") as opened:
        opened.send(b"".join(frame(TEXT, b"%d" % number) for number in range(100)) + close_frame(1001, b"bye"))
        opened.closed_by_server(answer=False)
    assert said(server, "waiting", '{.*"ended".*}') == ending(1001, "bye", state="ended", messages=100)


# --- The end ---

@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "going away"), (1012, ""), (3000, "x"),
                                          (4999, "\u00e9" * 61), (1005, "")])
def test_codes_of_the_client(server, code, reason):
    with open_websocket(server, f"/echo?client-{code}") as opened:
        assert opened.close(None if code == 1005 else code, reason.encode()) == []
    assert said(server, f"client-{code}") == ending(code, reason)


CLOSES = [({}, 1000, ""), ({"code": 1000, "reason": "done"}, 1000, "done"), ({"code": 1001}, 1001, ""),
          ({"code": 1011, "reason": None}, 1011, ""), ({"code": 3000}, 3000, ""), ({"code": 4999}, 4999, ""),
          ({"code": 4000, "reason": "x" * 123}, 4000, "x" * 123),
          # What does not fit is cut at a character's border.
          ({"code": 4000, "reason": "x" * 122 + "\u00e9"}, 4000, "x" * 122), ({"code": 4000, "reason": "\u20ac" * 50},
                                                                               4000, "\u20ac" * 41)]


@pytest.mark.parametrize("number", range(len(CLOSES)))
def test_codes_of_the_application(server, number):
    close, code, reason = CLOSES[number]
    with open_websocket(server, f"/close?close-{number}") as opened:
        opened.send_text(json.dumps(close))
        assert opened.closed_by_server() == ([], code, reason)
    end = said(server, f"close-{number}")
    assert end["type"] == "websocket.disconnect" and end["code"] == code and end["messages"] == 0
    assert end["after"][0]  # to send once more raises


def test_closed_from_both_ends_at_once(server):
    """Close frames that cross: the client's counts as the answer (RFC 6455 section 7.1.3)."""
    with open_websocket(server, "/close?crossing") as opened:
        opened.send(frame(TEXT, b'{"code": 4001}') + close_frame(4002))
        before, (_, code, _) = opened.events_until_close()
        assert before == [] and code in (4001, 4002) and opened.ended()
    assert said(server, "crossing")["code"] in (4001, 4002)


def test_a_client_that_does_not_answer_a_close_but_ends(server):
    with open_websocket(server, "/close?unanswered") as opened:
        opened.send_text("{}")
        assert opened.events_until_close() == ([], ("close", 1000, ""))
        opened.vanish()
    assert said(server, "unanswered")["code"] in (1000, 1006)
    nobody_is_left(server)


@pytest.mark.long
def test_a_client_that_does_not_answer_a_close_and_stays(server):
    """The connection is ended all the same."""
    with open_websocket(server, "/close?stubborn") as opened:
        opened.send_text("{}")
        assert opened.closed_by_server(answer=False) == ([], 1000, "")


def test_return_and_raise_while_open(server):
    for path, code in (("/return", 1000), ("/raise", 1011)):
        with open_websocket(server, path) as opened:
            before, closed, _ = opened.closed_by_server()
            assert (before, closed) == ([("text", "the last")], code)
    server.wait_for("ValueError: raised while it was open")


def test_send_after_disconnect(server):
    with open_websocket(server, "/send-after-disconnect?after-close") as opened:
        opened.close(4000, b"why")
    with open_websocket(server, "/send-after-disconnect?after-reset") as opened:
        opened.vanish()
    for name, code, reason in (("after-close", 4000, "why"), ("after-reset", 1006, "")):
        end = said(server, name)
        sent, closed = end.pop("raised")
        assert "OSError" in sent and (closed is None or "OSError" in closed)
        assert end == ending(code, reason, again=ending(code, reason))


@pytest.mark.parametrize("way", ["close", "end", "reset"])
def test_a_sender_that_does_not_receive_is_told(server, way):
    with open_websocket(server, f"/send-until-it-raises?until-{way}") as opened:
        assert opened.event() == ("binary", bytes(1000))
        if way == "close":
            opened.send(close_frame(1000))
            assert opened.events_until_close()[1][1] == 1000
        elif way == "end":
            opened.peer.socket.shutdown(socket.SHUT_WR)
        else:
            opened.vanish()
        assert "OSError" in said(server, f"until-{way}")["raised"]


# --- Connections that break off ---

BREAKS = {
    "in the request": b"GET /wait?broken HTTP/1.1\r\nHost: x\r\nUpgrade: webso",
    "behind the handshake": handshake("/wait?broken"),
    "in a frame's head": handshake("/wait?broken") + b"\x81",
    "in an extended length": handshake("/wait?broken") + b"\x82\xff\0\0",
    "in a key": handshake("/wait?broken") + b"\x81\x85\0",
    "in a payload": handshake("/wait?broken") + frame(TEXT, b"hello")[:-1],
    "between fragments": handshake("/wait?broken") + frame(TEXT, b"hello", fin=False),
    "in a ping": handshake("/wait?broken") + frame(PING, b"hello")[:-2],
    "in a close frame": handshake("/wait?broken") + close_frame(1000)[:-1],
    "behind a close frame": handshake("/wait?broken") + close_frame(1000),
    "before it is accepted": handshake("/wait-before?broken"),
    "in a message before it is accepted": handshake("/wait-before?broken") + frame(TEXT, b"hello")[:-1],
    "while much is sent": handshake("/send-until-it-raises?broken"),
}


@pytest.mark.parametrize("way", ["end", "reset", "half"])
@pytest.mark.parametrize("when", BREAKS)
def test_connections_that_break_off(server, when, way):
    """The application is told, nothing is kept, and the next one is served."""
    peer = Peer(server)
    peer.send(BREAKS[when])
    if way == "reset":
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if way == "half":
        peer.socket.shutdown(socket.SHUT_WR)
        try:
            peer.rest()  # until the server has closed as well
        except ConnectionResetError:
            pass
    peer.socket.close()
    with open_websocket(server, "/echo") as opened:
        assert opened.close() == []
    nobody_is_left(server)


def test_a_client_that_goes_before_it_is_accepted(server):
    with Peer(server) as peer:
        peer.send(handshake("/wait-before?early"))
        assert said(server, "early", '{.*"waiting".*}')
    end = said(server, "early", '{.*"gone".*}')
    assert end["type"] == "websocket.disconnect" and end["code"] == 1006
    assert end["raised"] is None or "OSError" in end["raised"]


def test_half_closed(server):
    """A client that ends its side without a close frame has gone: 1006 (RFC 6455 section 7.1.5)."""
    with open_websocket(server, "/wait?half") as opened:
        opened.send_text("one")
        opened.peer.socket.shutdown(socket.SHUT_WR)
        opened.peer.rest()
        end = said(server, "half", '{.*"ended".*}')
    assert (end["code"], end["messages"]) == (1006, 1)


def test_descriptors_are_given_back(server):
    nobody_is_left(server)
    pid = worker(server)
    before = server.descriptors(pid)
    for number in range(50):
        with open_websocket(server, "/echo") as opened:
            opened.close() if number % 2 else opened.vanish()
    nobody_is_left(server)
    eventually(lambda: server.descriptors(pid) <= before)


# --- Handshakes ---

def asking(*, method="GET", version="1.1", without=(), **instead):
    """The bytes of a handshake. without: names of fields; instead: other values; a list: several fields."""
    fields = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    fields.update({name.replace("_", "-"): value for name, value in instead.items()})
    lines = [f"{method} /echo HTTP/{version}"]
    for name, value in fields.items():
        if name not in without:
            lines += [f"{name}: {each}" for each in (value if isinstance(value, list) else [value])]
    return "\r\n".join([*lines, "", ""]).encode()


KEY = "dGhlIHNhbXBsZSBub25jZQ=="
# Handshakes that are wrong, and the answer's status; 200: an ordinary request.
WRONG_HANDSHAKES = {
    "no key": (asking(without=["Sec-WebSocket-Key"]), 400),
    "two keys": (asking(Sec_WebSocket_Key=[KEY, KEY]), 400),
    "key of 15 bytes": (asking(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25j"), 400),
    "key of 17 bytes": (asking(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZWQ="), 400),
    "key that is no base64": (asking(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25!ZQ=="), 400),
    "empty key": (asking(Sec_WebSocket_Key=""), 400),
    "version 8": (asking(Sec_WebSocket_Version="8"), 426),
    "version 14": (asking(Sec_WebSocket_Version="14"), 426),
    "version 0": (asking(Sec_WebSocket_Version="0"), 426),
    "no version": (asking(without=["Sec-WebSocket-Version"]), (400, 426)),
    "version that is no number": (asking(Sec_WebSocket_Version="13x"), (400, 426)),
    "POST": (asking(method="POST", Content_Length="0"), (400, 405)),
    "HEAD": (asking(method="HEAD"), (400, 405)),
    "no host": (asking(without=["Host"]), 400),
    "without Connection": (asking(without=["Connection"]), (200, 400)),
    "Connection: close": (asking(Connection="close"), (200, 400)),
    "Upgrade to something else": (asking(Upgrade="h2c"), 200),
    "without Upgrade": (asking(without=["Upgrade"]), 200),
    "HTTP/1.0": (asking(version="1.0"), (200, 400, 426)),
}


@pytest.mark.parametrize("name", WRONG_HANDSHAKES)
def test_wrong_handshakes(server, name):
    sent, expected = WRONG_HANDSHAKES[name]
    nobody_is_left(server)  # of the tests before
    with Peer(server) as peer:
        answer = peer.ask(sent)
        assert answer.status in (expected if isinstance(expected, tuple) else (expected,)), answer
        assert answer.get("Sec-WebSocket-Accept") is None
        if answer.status == 426:
            assert answer.get("Sec-WebSocket-Version") == "13" and answer.get("Upgrade").lower() == "websocket"
    assert status(server)["connected"] == 0


GOOD_HANDSHAKES = {
    "several connection options": asking(Connection="keep-alive, Upgrade"),
    "two connection fields": asking(Connection=["keep-alive", "Upgrade"]),
    "other case": asking(Upgrade="WebSocket", Connection="upgrade"),
    "several protocols": asking(Upgrade="h2c, websocket"),
    "blanks": asking(Sec_WebSocket_Version="  13  ", Upgrade=" websocket\t"),
    "an origin": asking(Origin="http://x"),
    "an empty body": asking(Content_Length="0"),
}


@pytest.mark.parametrize("name", GOOD_HANDSHAKES)
def test_good_handshakes(server, name):
    with Peer(server) as peer:
        check_accepted(peer.ask(GOOD_HANDSHAKES[name]))
        peer.send(frame(TEXT, b"x") + close_frame(1000))
        assert peer.rest() in (b"\x81\x01x\x88\x02\x03\xe8", b"\x88\x02\x03\xe8")


def test_data_along_with_the_handshake(server):
    """A client may not wait for the answer: what comes in the same segment is not lost."""
    first = frame(TEXT, b"at once") + frame(PING, b"p") + frame(BINARY, bytes(5000))
    with upgrade(Peer(server), "/echo", first=first) as opened:
        events = [opened.event() for _ in range(3)]
        assert sorted(events, key=lambda event: event[0]) == [
            ("binary", bytes(5000)), ("pong", b"p"), ("text", "at once")]
        assert events.index(("text", "at once")) < events.index(("binary", bytes(5000)))
        assert opened.close() == []


def test_much_data_along_with_the_handshake(server):
    """More than a buffer holds, while the application has not even accepted."""
    payload = bytes(range(256)) * 2000
    with upgrade(Peer(server), "/echo", first=frame(BINARY, payload)) as opened:
        assert opened.event() == ("binary", payload)
        assert opened.close() == []


def test_a_request_before_the_handshake(server):
    """On the same connection, in the same segment."""
    with Peer(server) as peer:
        peer.send(request("GET", "/") + handshake("/echo") + frame(TEXT, b"x"))
        assert peer.answer().status == 200
        check_accepted(peer.answer())
        assert peer.take(3) == b"\x81\x01x"


def test_one_byte_at_a_time(server):
    data = handshake("/echo?slowly") + frame(TEXT, b"hello") + frame(BINARY, bytes(130))
    with Peer(server) as peer:
        peer.send(*cut(data, 1))
        answer = peer.answer()
        check_accepted(answer)
        opened = WebSocket(peer, answer)
        assert [opened.event(), opened.event()] == [("text", "hello"), ("binary", bytes(130))]
        opened.send(*cut(close_frame(4000, b"r"), 1))
        assert opened.closed_by_server(answer=False)[:2] == ([], 4000)
    assert said(server, "slowly") == ending(4000, "r")
