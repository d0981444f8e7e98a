"""apps/chat, packed, and real WebSocket clients."""

import base64
import json
import os
import pathlib
import re
import socket
import struct
import urllib.error
import urllib.request

import pytest
from server import eventually
from websocket_people import Socket, refusal

CHAT = pathlib.Path(__file__).resolve().parents[2] / "apps/chat"


@pytest.fixture(scope="module")
def binary(packed):
    return packed(CHAT, name="chat")


@pytest.fixture
def server(binary, serve):
    return serve(binary=binary)


class Person(Socket):
    """Somebody in a room. welcome: what was said on entering; id: their own."""

    def __init__(self, server, name, room="harbour", tab=None, **known):
        super().__init__(f"{server.url}/talk/{room}")
        self.tab = tab or f"{name.encode().hex():0<20}"
        self.send({"type": "hello", "tab": self.tab, "name": name, **known})
        self.welcome = self.heard("welcome")
        self.id = self.welcome["you"]

    def heard(self, kind):
        """The next message of this kind; others before it are dropped."""
        while (message := json.loads(self.receive()))["type"] != kind:
            pass
        return message

    def say(self, text, key):
        self.send({"type": "say", "key": key, "text": text})


def names(message):
    return [person["name"] for person in message["people"]]


def texts(message):
    return [each["text"] for each in message["messages"]]


def get(server, path, method="GET", **headers):
    """Status, headers and body, whatever the status is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url + path, headers=named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def rooms_of(server):
    return json.loads(get(server, "/rooms")[2])["rooms"]


def test_two_people_talk(server):
    with Person(server, "Ada") as ada:
        assert (names(ada.welcome), ada.welcome["messages"], ada.welcome["gap"]) == (["Ada"], [], False)
        with Person(server, "Grace") as grace:
            assert names(grace.welcome) == ["Ada", "Grace"] == names(ada.heard("joined"))
            grace.say("Ünïcødé 🐚\n<b>bold</b>", "k1")
            for person in (ada, grace):
                message = person.heard("message")
                assert message["text"] == "Ünïcødé 🐚\n<b>bold</b>" and message["from"] == grace.id
                assert (message["name"], message["id"], message["key"]) == ("Grace", 1, "k1")
            grace.send({"type": "name", "name": "  Admiral \u202e Hopper "})
            assert ada.heard("renamed")["name"] == "Admiral Hopper"
        assert ada.heard("left")["people"] == [{"id": ada.id, "name": "Ada"}]


def test_history_and_what_was_missed(server):
    with Person(server, "Ada") as ada:
        for number in range(3):
            ada.say(f"number {number}", str(number))
        ada.heard("message"), ada.heard("message"), ada.heard("message")
        with Person(server, "Bob") as bob:
            assert texts(bob.welcome) == ["number 0", "number 1", "number 2"]
            epoch = bob.welcome["epoch"]
        with Person(server, "Bob", epoch=epoch, since=2) as bob:
            assert texts(bob.welcome) == ["number 2"] and not bob.welcome["gap"]
        with Person(server, "Bob", epoch="another", since=2) as bob:
            assert len(bob.welcome["messages"]) == 3
        with Person(server, "Bob", room="elsewhere") as bob:
            assert bob.welcome["messages"] == []


def test_what_is_sent_again_is_said_once(server):
    with Person(server, "Ada") as ada, Person(server, "Bob") as bob:
        ada.say("once", "same")
        ada.say("once", "same")
        ada.say("twice", "other")
        assert [ada.heard("message")["text"] for _ in range(3)] == ["once", "once", "twice"]
        assert [bob.heard("message")["text"] for _ in range(2)] == ["once", "twice"]


def test_a_tab_that_comes_back_takes_its_place(server):
    with Person(server, "Ada", tab="a" * 20) as before, Person(server, "Bob") as bob:
        with Person(server, "Ada", tab="a" * 20) as after:
            assert after.id == before.id and names(after.welcome) == ["Ada", "Bob"]
            assert before.ending() == (4002, "came back on another connection")
            after.say("here", "1")
            assert json.loads(bob.receive())["type"] == "message"  # and nothing of joining or leaving


def test_a_name_is_nobody_elses(server):
    with Person(server, "Ada", tab="a" * 20), Person(server, "ADA", tab="b" * 20) as second:
        assert names(second.welcome) == ["Ada", "ADA 2"]


@pytest.mark.parametrize("message, code", [
    (b"\0\1", 1003), ("no JSON", 1008), ("[1]", 1008), ("[" * 10_000, 1008), ('{"type": "say"}', 1008),
    ('{"type": "hello", "tab": "short", "name": "x"}', 1008), ('{"type": "hello", "tab": 7, "name": "x"}', 1008),
    ('{"type": "hello", "tab": "' + "a" * 20 + '", "name": " "}', 1008), ("x" * 40_000, 1009)])
def test_what_is_no_hello_ends_it(server, message, code):
    with Socket(f"{server.url}/talk/harbour") as somebody:
        somebody.send(message)
        assert somebody.ending()[0] == code
    assert json.loads(get(server, "/rooms")[2]) == {"rooms": []}


@pytest.mark.parametrize("text, word", [("", "nothing"), (" \n ", "nothing"), ("x" * 2001, "2,000"), (7, "not text"),
                                        ("half \ud800", "damaged")])
def test_what_cannot_be_said_is_refused_and_nothing_ends(server, text, word):
    with Person(server, "Ada") as ada:
        ada.say(text, "k")
        refused = ada.heard("refused")
        assert (refused["what"], refused["key"]) == ("say", "k") and word in refused["why"]
        ada.say("x" * 2000, "k")
        assert len(ada.heard("message")["text"]) == 2000
        ada.send({"type": "name", "name": "x" * 31})
        assert ada.heard("refused")["what"] == "name"
        ada.send({"type": "beat"})
        assert ada.heard("beat")


def test_nobody_says_too_much(server):
    with Person(server, "Ada") as ada, Person(server, "Bob") as bob:
        for number in range(40):
            ada.say(str(number), str(number))
        refused = ada.heard("refused")
        assert "too much" in refused["why"]
        bob.say("me, too", "1")
        heard = [bob.heard("message")["text"]]
        while heard[-1] != "me, too":
            heard.append(bob.heard("message")["text"])
        assert refused["key"] not in heard and 12 < len(heard) < 40


def test_who_reads_nothing_is_dropped_and_holds_nobody_up(server):
    """It has a small window and never reads: when the kernel's buffers and its outbox are full, it goes."""
    with slow_reader(server):
        for number in range(300):
            with Person(server, f"Talker {number}") as talker:
                if "Deaf" not in names(talker.welcome):
                    return
                for key in range(12):
                    talker.say("🐚" * 2000, str(key))
                assert [talker.heard("message")["key"] for _ in range(12)] == [str(key) for key in range(12)]
    raise AssertionError("it is still there")


def slow_reader(server):
    """A member of the room, Deaf, on a socket that takes as little as can be."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.settimeout(60)
    client.connect(("127.0.0.1", server.port))
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall(f"GET /talk/harbour HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    hello = b'{"type": "hello", "tab": "ffffffffffffffffffff", "name": "Deaf"}'
    client.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(hello)) + hello)
    return client


def test_a_room_remembers_its_latest_messages(server):
    people = [Person(server, f"P{number}") for number in range(20)]
    for number in range(220):
        people[number % 20].say(f"number {number}", str(number))
        while people[number % 20].heard("message")["key"] != str(number):
            pass
    with Person(server, "Late") as late:
        assert texts(late.welcome) == [f"number {number}" for number in range(20, 220)] and late.welcome["gap"]
    for person in people:
        person.close()


def test_a_room_is_full_and_there_are_no_more_rooms(server):
    people = [Person(server, f"P{number}") for number in range(100)]
    with Socket(f"{server.url}/talk/harbour") as late:
        late.send({"type": "hello", "tab": "f" * 20, "name": "Late"})
        assert late.ending() == (1013, "There are 100 people in this room already.")
    for number in range(199):
        people.append(Person(server, "Alone", room=f"room{number}"))
    with Socket(f"{server.url}/talk/another") as late:
        late.send({"type": "hello", "tab": "f" * 20, "name": "Late"})
        assert late.ending() == (1013, "All 200 rooms are in use.")
    people[-1].close()
    eventually(lambda: len(rooms_of(server)) < 200)
    with Person(server, "Late", room="another"):
        rooms = rooms_of(server)
        assert rooms[0] == {"room": "harbour", "people": 100} and {"room": "another", "people": 1} in rooms
        assert len(rooms) == 200
    for person in people:
        person.close()


def test_rooms_have_names(server):
    with Person(server, "Ada", room="H%C3%A4fen%20%20Wacht") as ada:
        assert rooms_of(server) == [{"room": "häfen-wacht", "people": 1}]
        ada.say("x", "1")
        with Person(server, "Bob", room="h%C3%A4fen-wacht") as bob:
            assert texts(bob.welcome) == ["x"]
    for path in ("/talk/", "/talk/%2e%2e", "/talk/a%2fb", "/talk/" + "x" * 41, "/elsewhere", "/"):
        assert refusal(server.url + path) == 403, path


def test_only_pages_of_this_site_talk_here(server):
    url = f"{server.url}/talk/harbour"
    for origin in ("https://evil.test", "null", f"http://127.0.0.1:{server.port}.evil.test"):
        assert refusal(url, origin=origin) == 403, origin
    Socket(url, origin=server.url).close()


def test_a_stop_closes_with_1001_and_a_new_server_takes_the_port(binary, serve):
    server = serve(binary=binary)
    with Person(server, "Ada") as ada:
        server.process.terminate()
        assert ada.ending()[0] in (1001, 1012)
    server.stop()
    again = serve(binary=binary, port=server.port)
    with Person(again, "Ada", tab=ada.tab, epoch=ada.welcome["epoch"], since=0) as back:
        assert back.id == ada.id and back.welcome["epoch"] != ada.welcome["epoch"]


def test_pages_and_their_files(server):
    status, headers, page = get(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert get(server, "/room/harbour")[2] == page
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.decode())
    assert len(set(addresses)) == 3
    for address in ("/", *addresses):
        status, headers, body = get(server, address)
        assert status == 200 and int(headers["Content-Length"]) == len(body)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        again = get(server, address, If_None_Match=f'"other", W/{headers["ETag"]}')
        assert (again[0], again[2], again[1]["ETag"]) == (304, b"", headers["ETag"])
        head = get(server, address, method="HEAD")
        assert (head[0], head[2], head[1]["Content-Length"]) == (200, b"", str(len(body)))
    assert "immutable" in get(server, addresses[0])[1]["Cache-Control"]
    assert get(server, addresses[0].partition("?")[0])[1]["Cache-Control"] == "no-cache"
    for path in ("/static/none.css", "/static/../app.py", "/static/page.html", "/room/", "/room/a%2fb", "/nowhere",
                 "/talk/x"):
        assert get(server, path)[0] == 404, path
    status, headers, _ = get(server, "/", method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_pages_keep_to_the_policy():
    page = (CHAT / "chat/static/page.html").read_text()
    assert not re.search(r"style=|<style|\son\w+=|<script(?! src=)", page)
    script = (CHAT / "chat/static/script.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
