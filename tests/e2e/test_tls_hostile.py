"""What a network may send where TLS is spoken: broken records, broken handshakes, the right messages in the wrong order,
ends at any point. Whatever it was, the same worker serves the next client."""

import os
import re
import socket
import ssl
import struct
import subprocess

import pytest
import tls_attacker as tls
from certificates import Authority
from server import is_sanitized
from serving import serving

APPLICATION = """
import os

BIG = bytes(i * 7 % 251 for i in range(1 << 20)) * 8

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/big":
        body = BIG
    elif path == "/pieces":
        start_response("200 OK", [("Content-Length", str(len(BIG)))])
        return (BIG[i:i + 1000 + i % 30000] for i in PLACES)
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    else:
        body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

PLACES = [0]
while PLACES[-1] + 1000 + PLACES[-1] % 30000 < len(BIG):
    PLACES.append(PLACES[-1] + 1000 + PLACES[-1] % 30000)
"""
BIG_SIZE = 8 << 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
VERSIONS = [pytest.param(ssl.TLSVersion.TLSv1_2, id="1.2"), pytest.param(ssl.TLSVersion.TLSv1_3, id="1.3")]
SERVER_HELLO = 2
DECODE_ERROR, PROTOCOL_VERSION, UNEXPECTED_MESSAGE, RECORD_OVERFLOW = 50, 70, 10, 22

pytestmark = pytest.mark.unvalidated("what is tested is below HTTP")


class Target:
    """A server of one worker, which is to stay the same."""

    def __init__(self, server):
        self.server, self.port = server, server.port
        self.pid = self.visit()

    def visit(self):
        """A whole request on a connection of its own: the worker's pid."""
        with tls.Client(self.port) as client:
            status, body = client.ask(GET)
        assert status == 200
        return int(body)

    def check(self):
        assert self.visit() == self.pid
        assert not re.search(r"Z error ", self.server.log), self.server.log

    def reply(self, *parts, **options):
        return tls.reply(self.port, *parts, **options)


@pytest.fixture(scope="module")
def only_target(limpet, tmp_path_factory):
    leaf = Authority(tmp_path_factory.mktemp("authority")).issue("localhost")
    folder = tmp_path_factory.mktemp("application")
    (folder / "app.py").write_text(APPLICATION)
    with serving(limpet, False, tmp_path_factory.mktemp) as start:
        yield Target(start("app:application", "--working-dir", folder, "--workers", 1, "--tls-certificate", leaf.chain,
                           "--tls-key", leaf.key))


@pytest.fixture
def target(only_target):
    """The server, looked at before and after."""
    only_target.check()
    yield only_target
    only_target.check()


def is_answered(data):
    """Whether there is a ServerHello in what came."""
    return any(kind == tls.HANDSHAKE and payload[:1] == bytes((SERVER_HELLO, ))
               for kind, _, payload in tls.records(data))


# --- records ---

def test_hello_cut_at_every_byte(target):
    hello = tls.record(tls.HANDSHAKE, tls.client_hello())
    for size in range(len(hello)):
        assert not is_answered(target.reply(hello[:size], ends=True))
    for size in range(0, len(hello), 7):
        plain = tls.connect(target.port)
        plain.sendall(hello[:size])
        tls.reset(plain)


def test_hello_in_two_segments_at_every_byte(target):
    hello = tls.record(tls.HANDSHAKE, tls.client_hello())
    waiting = []
    for size in range(1, len(hello)):
        plain = tls.connect(target.port)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.sendall(hello[:size])
        waiting.append(plain)
    target.visit()  # by now all of it was read
    for size, plain in enumerate(waiting, 1):
        plain.sendall(hello[size:])
    for plain in waiting:
        assert plain.recv(5)[:1] == bytes((tls.HANDSHAKE, ))
        plain.close()


@pytest.mark.parametrize("kind", [0, tls.CHANGE_CIPHER_SPEC, tls.ALERT, tls.HANDSHAKE, tls.DATA, tls.HEARTBEAT, 63, 255])
@pytest.mark.parametrize("size", [0, 1, 4, 1 << 14, (1 << 14) + 1, (1 << 14) + 256, (1 << 14) + 257, 65535])
def test_first_record_of_any_type_and_size(target, kind, size):
    assert not is_answered(target.reply(tls.record(kind, bytes(size)), ends=True))
    # A header that promises what never comes, and one that lies.
    assert not is_answered(target.reply(tls.record(kind, b"\1", length=size), ends=True))


def test_record_that_is_too_large_is_refused(target):
    """At once, there is no need for the rest of it."""
    assert not is_answered(target.reply(tls.record(tls.HANDSHAKE, b"", length=65535)))


@pytest.mark.parametrize("version", [0, 0x0200, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x7f1c, 0xffff])
def test_versions_of_the_record(target, version):
    answer = target.reply(tls.record(tls.HANDSHAKE, tls.client_hello(), version=version), ends=True)
    assert is_answered(answer) or version not in (0x0301, 0x0303)


def test_old_versions(target):
    without = [entry for entry in tls.extensions() if entry[0] not in (43, 45, 51)]
    for version in (0x0002, 0x0200, 0x0300, 0x0301, 0x0302):
        hello = tls.client_hello(listed=without, version=version)
        assert tls.alerts(target.reply(tls.record(tls.HANDSHAKE, hello, version=0x0301), ends=True)) == \
            [PROTOCOL_VERSION]
        listed = tls.extensions(versions=(version, ))
        assert not is_answered(target.reply(tls.record(tls.HANDSHAKE, tls.client_hello(listed=listed)), ends=True))


def test_sslv2_hello(target):
    body = b"\1\3\1" + struct.pack(">3H", 9, 0, 16) + b"\7\0\xc0\0\0\x39\0\0\x33" + os.urandom(16)
    assert not is_answered(target.reply(struct.pack(">H", 0x8000 | len(body)) + body, ends=True))


def test_http_where_tls_is_spoken(target):
    assert target.reply(GET).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert target.reply(b"P", ends=True) is not None
    assert b"400" in target.reply(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + bytes(100000), ends=True)


def test_bytes_of_chance(target):
    for size in (1, 2, 5, 6, 100, 5000):
        for _ in range(20):
            assert not is_answered(target.reply(os.urandom(size), ends=True))


# --- ClientHello ---

def test_hello_in_small_records(target):
    hello = tls.client_hello()
    assert is_answered(target.reply(tls.record(tls.HANDSHAKE, hello[:4]) + tls.fragments(hello[4:], 1), ends=True))
    for size in (1, 2, 3, 4, 5, 16, 100):
        target.reply(tls.fragments(hello, size), ends=True)


@pytest.mark.parametrize("size", [2000, 9000, 15000, 17000, 40000, 65000])
def test_large_hello(target, size):
    hello = tls.client_hello([(21, bytes(size))])
    for piece in (1 << 14, 1000, 64):
        answer = target.reply(tls.fragments(hello, piece), ends=True)
        assert is_answered(answer) == (size <= 15000)


def test_message_that_promises_sixteen_megabytes(target):
    hello = tls.message(tls.CLIENT_HELLO, bytes(16380), length=(1 << 24) - 1)
    assert not is_answered(target.reply(tls.record(tls.HANDSHAKE, hello), *[tls.record(tls.HANDSHAKE, bytes(1 << 14))] * 8,
                                        ends=True))


def test_extensions_that_nobody_knows(target):
    unknown = [(0x4a4a + i, os.urandom(i)) for i in range(60)]
    assert is_answered(target.reply(tls.record(tls.HANDSHAKE, tls.client_hello(unknown)), ends=True))


@pytest.mark.parametrize("kind", [0, 5, 10, 13, 16, 35, 43, 44, 45, 51, 41, 42, 22, 23, 0xff01])
def test_extensions_of_chance(target, kind):
    others = [entry for entry in tls.extensions() if entry[0] != kind]
    for size in (0, 1, 2, 3, 5, 8, 40, 300):
        for data in (bytes(size), b"\xff" * size, os.urandom(size)):
            hello = tls.client_hello(listed=[*others, (kind, data)])
            target.reply(tls.record(tls.HANDSHAKE, hello), ends=True)
            # Twice.
            target.reply(tls.record(tls.HANDSHAKE, tls.client_hello([(kind, data)])), ends=True)


def test_every_extension_twice(target):
    for kind, data in tls.extensions():
        target.reply(tls.record(tls.HANDSHAKE, tls.client_hello([(kind, data)])), ends=True)


def test_parts_of_a_hello(target):
    def answered(**options):
        return is_answered(target.reply(tls.record(tls.HANDSHAKE, tls.client_hello(**options)), ends=True))

    assert answered(session=b"")
    assert not answered(session=bytes(33))
    assert not answered(session=bytes(255))
    assert not answered(suites=())
    assert not answered(suites=(0x000a, 0x0005))
    assert answered(suites=(*range(0x5a00, 0x5a00 + 2000), 0x1301))
    assert not answered(compressions=b"")
    assert not answered(compressions=b"\1")
    assert not answered(listed=[])


def test_every_byte_of_a_hello_changed(target):
    hello = tls.client_hello()
    step = 3 if is_sanitized() else 1
    for position in range(0, len(hello), step):
        for value in (0, 0xff, hello[position] ^ 1, (hello[position] + 1) & 0xff):
            changed = hello[:position] + bytes((value, )) + hello[position + 1:]
            target.reply(tls.record(tls.HANDSHAKE, changed), ends=True)


def test_names_of_hosts(target):
    for name in ("x" * 255, "a" * 300, "x" * 4000, ".", "..", "a.", "\0", "a\0b", "*.example", "\n\r\x1b[2J", "%s%n", "é"):
        hello = tls.client_hello(listed=tls.extensions(name))
        target.reply(tls.record(tls.HANDSHAKE, hello), ends=True)


def test_second_hello_after_a_retry(target):
    """A group without its key share is asked for (RFC 8446 section 4.1.4)."""
    listed = [entry for entry in tls.extensions() if entry[0] != 51] + [(51, tls.vector(b"", 2))]
    hello = tls.record(tls.HANDSHAKE, tls.client_hello(listed=listed, session=bytes(32)))
    assert is_answered(target.reply(hello, ends=True))
    for second in (hello, tls.record(tls.HANDSHAKE, tls.client_hello(session=bytes(32))),
                   tls.record(tls.DATA, bytes(100)), tls.alert(tls.FATAL, 40),
                   tls.record(tls.CHANGE_CIPHER_SPEC, b"\1") * 2 + hello):
        target.reply(hello + second, ends=True)


# --- messages in the wrong order ---

@pytest.mark.parametrize("kind", [0, 2, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 22, 24, 254, 255])
def test_first_message_is_another(target, kind):
    for body in (b"", bytes(32), os.urandom(500)):
        assert not is_answered(target.reply(tls.record(tls.HANDSHAKE, tls.message(kind, body)), ends=True))


def test_messages_behind_a_hello(target):
    hello = tls.client_hello()
    first = tls.record(tls.HANDSHAKE, hello)
    for second in (first, tls.record(tls.HANDSHAKE, tls.message(tls.FINISHED, bytes(32))), tls.record(tls.DATA, bytes(99)),
                   tls.record(tls.CHANGE_CIPHER_SPEC, b"\1"), tls.record(tls.CHANGE_CIPHER_SPEC, b"\2"),
                   tls.record(tls.CHANGE_CIPHER_SPEC, b""), tls.record(tls.HEARTBEAT, b"\1\x40\0"),
                   tls.record(tls.ALERT, b"\1"), tls.record(tls.ALERT, b"\2\x28\0"), GET):
        assert is_answered(target.reply(first + second, ends=True))
    # Two in one record, and one and a half.
    target.reply(tls.record(tls.HANDSHAKE, hello * 2), ends=True)
    target.reply(tls.record(tls.HANDSHAKE, hello + hello[:50]), ends=True)


def flights_of(version):
    """How many records a client sends in its two flights of that version."""
    return 1, 3 if version == ssl.TLSVersion.TLSv1_2 else 2


def split(flight):
    return [tls.record(kind, payload, version=number) for kind, number, payload in tls.records(flight)]


def shaken_until(target, version, count):
    """A client that has sent so many records of its handshake, and those that are left of that flight."""
    client = tls.Client(target.port, version=version, start=False)
    if count == 0:
        return client, split(client.shake(until=0))
    flight = split(client.shake(until=1))
    client.socket.sendall(b"".join(flight[:count - 1]))
    return client, flight[count - 1:]


ALERTS = [(tls.WARNING, tls.CLOSE_NOTIFY), (tls.WARNING, tls.USER_CANCELED), (tls.WARNING, tls.NO_RENEGOTIATION),
          (tls.FATAL, tls.CLOSE_NOTIFY), (tls.FATAL, 40), (0, 0), (3, 255), (1, ), (2, 40, 0), (2, 40, 2, 40), ()]


@pytest.mark.parametrize("version", VERSIONS)
def test_alerts_in_every_state(target, version):
    for count in range(sum(flights_of(version))):
        for text in ALERTS:
            client, left = shaken_until(target, version, count)
            with client:
                client.socket.sendall(tls.record(tls.ALERT, bytes(text)) + b"".join(left))
                client.socket.shutdown(socket.SHUT_WR)
                tls.rest(client.socket)


def test_sealed_alerts_before_finished(target):
    for text in ALERTS:
        client, left = shaken_until(target, ssl.TLSVersion.TLSv1_3, 1)
        with client:
            keys = tls.keys_tls13(client.tls.cipher()[0], client.secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
            client.socket.sendall(keys.seal(tls.ALERT, bytes(text)) + b"".join(left))
            client.socket.shutdown(socket.SHUT_WR)
            tls.rest(client.socket)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ends", ["fin", "reset"])
def test_end_in_every_state(target, version, ends):
    for count in range(sum(flights_of(version)) + 1):
        for part in (0, 1, 5, 6):
            client, left = shaken_until(target, version, count)
            with client:
                client.socket.sendall(b"".join(left)[:part])
                if ends == "fin":
                    client.socket.shutdown(socket.SHUT_WR)
                    tls.rest(client.socket)
                else:
                    tls.reset(client.socket)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_record_twice_or_left_out(target, version):
    first, second = flights_of(version)
    for count in range(second):
        for times in (0, 2):
            client, left = shaken_until(target, version, 1)
            with client:
                left[count] *= times
                client.socket.sendall(b"".join(left))
                client.socket.shutdown(socket.SHUT_WR)
                tls.rest(client.socket)
    client, left = shaken_until(target, version, 1)
    with client:
        client.socket.sendall(b"".join(reversed(left)))
        client.socket.shutdown(socket.SHUT_WR)
        tls.rest(client.socket)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_byte_of_the_second_flight_changed(target, version):
    client, left = shaken_until(target, version, 1)
    client.close()
    step = 5 if is_sanitized() else 2
    for position in range(0, len(b"".join(left)), step):
        client, left = shaken_until(target, version, 1)
        with client:
            flight = bytearray(b"".join(left))
            flight[position % len(flight)] ^= 0x40
            client.socket.sendall(flight)
            client.socket.shutdown(socket.SHUT_WR)
            tls.rest(client.socket)


def test_finished_that_is_not_one(target):
    """Under the right keys, with the wrong proof; and other messages in its place."""
    for body in (tls.message(tls.FINISHED, bytes(32)), tls.message(tls.FINISHED, bytes(48)), tls.message(tls.FINISHED),
                 tls.message(tls.FINISHED, bytes(16000)), tls.message(tls.KEY_UPDATE, b"\1"), tls.client_hello(), b"\x14\0\0",
                 b""):
        client, _ = shaken_until(target, ssl.TLSVersion.TLSv1_3, 1)
        with client:
            keys = tls.keys_tls13(client.tls.cipher()[0], client.secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
            client.socket.sendall(keys.seal(tls.HANDSHAKE, body))
            client.socket.shutdown(socket.SHUT_WR)
            tls.rest(client.socket)


def test_ciphers_are_used_as_they_are_meant(target):
    """The keys that the tests make by hand are right, of all suites: what follows would test nothing."""
    for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"):
        with tls.Client(target.port, version=ssl.TLSVersion.TLSv1_2, ciphers=cipher) as client:
            assert client.tls.cipher()[0] == cipher
            assert client.ask(GET) == (200, str(target.pid).encode())


# --- tickets, early data ---

def resumable(target, version):
    """A session with a ticket."""
    with tls.Client(target.port, version=version) as client:
        client.ask(GET)
        assert client.tls.session.has_ticket
        return client.tls.session, client.context


def resume(target, version, session, context, alter):
    """The hello of a client that resumes, altered, and what came for it."""
    client = tls.Client(target.port, version=version, start=False)
    with client:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        again = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
        with pytest.raises(ssl.SSLWantReadError):
            again.do_handshake()
        client.socket.sendall(alter(outgoing.read()))
        client.socket.shutdown(socket.SHUT_WR)
        return tls.rest(client.socket)


@pytest.mark.parametrize("version", VERSIONS)
def test_ticket_or_binder_that_was_changed(target, version):
    session, context = resumable(target, version)

    def change(position):
        def alter(hello):
            changed = bytearray(hello)
            changed[position] ^= 1
            return bytes(changed)

        return alter

    size = len(resume_hello(session, context))
    # Both lie at the end of the hello.
    for position in range(size - 300, size, 7 if is_sanitized() else 3):
        resume(target, version, session, context, change(position))
    assert is_answered(resume(target, version, session, context, bytes))


def resume_hello(session, context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    again = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
    with pytest.raises(ssl.SSLWantReadError):
        again.do_handshake()
    return outgoing.read()


def test_early_data_is_not_taken(target):
    """Offered without a ticket for it, and sent: the records behind the hello cannot be read, and do not count."""
    hello = tls.record(tls.HANDSHAKE, tls.client_hello([(42, b"")]))
    for count in (0, 1, 20):
        early = b"".join(tls.record(tls.DATA, os.urandom(1000)) for _ in range(count))
        target.reply(hello, early, ends=True)
    target.reply(hello, tls.record(tls.DATA, b""), ends=True)
    target.reply(hello, *[tls.record(tls.DATA, os.urandom(1 << 14))] * 200, ends=True)


# --- after the handshake ---

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", [0, tls.CHANGE_CIPHER_SPEC, tls.ALERT, tls.HANDSHAKE, tls.HEARTBEAT, 63, 255])
def test_sealed_records_of_other_types(target, version, kind):
    for payload in (b"", b"\1", b"\1\0", b"\2\x28", b"\1\0\3abc", bytes(4), os.urandom(1000), bytes(1 << 14)):
        with tls.Client(target.port, version=version) as client:
            client.socket.sendall(client.seal(kind, payload) + client.seal(tls.DATA, GET))
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()


@pytest.mark.parametrize("version", VERSIONS)
def test_plain_records_after_the_handshake(target, version):
    for kind in (0, tls.CHANGE_CIPHER_SPEC, tls.ALERT, tls.HANDSHAKE, tls.DATA, tls.HEARTBEAT, 255):
        for payload in (b"", b"\1", b"\1\0", b"\2\x28", tls.client_hello(), os.urandom(40), bytes(1 << 14)):
            with tls.Client(target.port, version=version) as client:
                client.socket.sendall(tls.record(kind, payload))
                client.socket.shutdown(socket.SHUT_WR)
                client.rest()


@pytest.mark.parametrize("version", VERSIONS)
def test_bad_record_in_a_body(target, version):
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    for change in (-1, 5, 0, 3, 4):
        with tls.Client(target.port, version=version) as client:
            client.send(head + bytes(10000))
            bad = bytearray(client.seal(tls.DATA, bytes(10000)))
            bad[change] ^= 0x80
            client.socket.sendall(bytes(bad))
            client.socket.shutdown(socket.SHUT_WR)
            assert b"200 OK" not in client.rest()


@pytest.mark.parametrize("version", VERSIONS)
def test_records_sent_again_or_out_of_order(target, version):
    for order in ([0, 0], [1, 0], [1]):
        with tls.Client(target.port, version=version) as client:
            sealed = [client.seal(tls.DATA, GET), client.seal(tls.DATA, GET)]
            client.socket.sendall(b"".join(sealed[i] for i in order))
            answers = client.rest()
            assert answers.count(b"200 OK") == (1 if order[0] == 0 else 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_end_in_a_record(target, version):
    for size in (1, 4, 5, 6, 20, 40):
        for ends in (tls.reset, lambda plain: plain.shutdown(socket.SHUT_WR)):
            with tls.Client(target.port, version=version) as client:
                client.socket.sendall(client.seal(tls.DATA, GET)[:size])
                ends(client.socket)
                if client.socket.fileno() >= 0:
                    assert client.rest() == b""


@pytest.mark.parametrize("version", VERSIONS)
def test_record_byte_by_byte(target, version):
    with tls.Client(target.port, version=version) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client.seal(tls.DATA, GET):
            client.socket.sendall(bytes((byte, )))
        assert client.answer() == (200, str(target.pid).encode())


@pytest.mark.parametrize("version", VERSIONS)
def test_request_in_many_records(target, version):
    with tls.Client(target.port, version=version) as client:
        for _ in range(3):
            client.socket.sendall(b"".join(client.seal(tls.DATA, bytes((byte, ))) for byte in GET))
            assert client.answer() == (200, str(target.pid).encode())


@pytest.mark.parametrize("version", VERSIONS)
def test_request_behind_what_says_nothing(target, version):
    """Empty records and a warning in the same segment as the request behind them do not hold it up."""
    for before in (1, 2, 3):
        with tls.Client(target.port, version=version) as client:
            client.socket.sendall(b"".join(client.seal(tls.DATA) for _ in range(before)) + client.seal(tls.DATA, GET))
            assert client.answer() == (200, str(target.pid).encode())
    with tls.Client(target.port, version=version) as client:
        client.socket.sendall(client.seal(tls.ALERT, bytes((tls.WARNING, tls.NO_RENEGOTIATION))) +
                              client.seal(tls.DATA, GET))
        assert client.answer() == (200, str(target.pid).encode())


@pytest.mark.parametrize("version", VERSIONS)
def test_request_that_came_with_finished(target, version):
    """In the same segment: it is not lost between handshake and HTTP, nor are those behind it."""
    client, left = shaken_until(target, version, 1)
    with client:
        if version == ssl.TLSVersion.TLSv1_3:
            client.socket.sendall(b"".join(left) + client.seal(tls.DATA, GET) * 1 + client.seal(tls.DATA, GET))
        else:
            client.socket.sendall(b"".join(left))
            client.shake()
            client.socket.sendall(client.seal(tls.DATA, GET) + client.seal(tls.DATA, GET))
        for _ in range(2):
            assert client.answer() == (200, str(target.pid).encode())


def test_padded_records(target):
    with tls.Client(target.port) as client:
        for padding in (1, 255, (1 << 14) - len(GET)):
            client.socket.sendall(client.seal(tls.DATA, GET, padding=padding))
            assert client.answer() == (200, str(target.pid).encode())
        # Nothing but padding: there is not even a type.
        client.socket.sendall(client.seal(0, b"", padding=100))
        assert client.rest() == b""


@pytest.mark.parametrize("version", VERSIONS)
def test_half_closed_with_an_answer_to_come(target, version):
    """With and without close_notify; the connection is closed behind the answer at once."""
    for last in (b"", bytes((tls.WARNING, tls.CLOSE_NOTIFY))):
        with tls.Client(target.port, version=version) as client:
            request = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
            client.socket.sendall(client.seal(tls.DATA, request) + (client.seal(tls.ALERT, last) if last else b""))
            client.socket.shutdown(socket.SHUT_WR)
            assert len(client.rest().partition(b"\r\n\r\n")[2]) == BIG_SIZE


@pytest.mark.parametrize("version", VERSIONS)
def test_renegotiation_is_refused(target, version):
    option = "-tls1_2" if version == ssl.TLSVersion.TLSv1_2 else "-tls1_3"
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{target.port}", option], input=b"R\n" * 20,
                          capture_output=True, timeout=60)
    assert b"verify return" in done.stderr or b"CONNECTED" in done.stdout
    with tls.Client(target.port, version=version) as client:
        hello = client.seal(tls.HANDSHAKE, tls.client_hello())
        client.socket.sendall(hello + client.seal(tls.DATA, GET))
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()


def test_key_updates(target):
    """Each is followed by a request under the new keys."""
    with tls.Client(target.port) as client:
        for asked in (0, 1, 0, 1, 1):
            client.socket.sendall(client.seal(tls.HANDSHAKE, tls.message(tls.KEY_UPDATE, bytes((asked, )))))
            client.update_keys()
            assert client.ask(GET) == (200, str(target.pid).encode())
    for body in (b"", b"\2", b"\0\0", bytes(1000)):
        with tls.Client(target.port) as client:
            client.socket.sendall(client.seal(tls.HANDSHAKE, tls.message(tls.KEY_UPDATE, body)))
            assert client.rest() == b""


# --- slow readers ---

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/big", "/pieces"])
def test_answer_that_is_read_slowly_is_whole(target, version, path):
    expected = bytes(i * 7 % 251 for i in range(1 << 20)) * (BIG_SIZE >> 20)
    with tls.Client(target.port, version=version, receive_buffer=1 << 16) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.until(b"\r\n\r\n")
        target.visit()  # the socket is full by now
        assert client.take(BIG_SIZE, 3001) == expected
        assert client.ask(GET) == (200, str(target.pid).encode())


def test_clients_that_never_read(target):
    waiting = [tls.Client(target.port, receive_buffer=4096) for _ in range(20)]
    for client in waiting:
        client.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    target.visit()
    for number, client in enumerate(waiting):
        if number % 2:
            tls.reset(client.socket)
        client.close()


def test_bodies_of_both_directions(target):
    body = os.urandom(3 << 20)
    with tls.Client(target.port) as client:
        for start in range(0, len(body), 1 << 14):
            piece = body[start:start + (1 << 14)]
            if start == 0:
                client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            client.send(piece)
        assert client.answer() == (200, body)
