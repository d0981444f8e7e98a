"""TLS by hand, for tests that break it: ClientHellos and records as bytes, and a client whose handshake is OpenSSL's
(through memory, so that what it sends can be altered) while the records after that may be made here.

    client = Client(server.port)                    # handshake done, or Client(port, start=False) and client.shake(alter)
    client.socket.sendall(client.seal(ALERT, b"\\x01\\x5a"))   # any record, with the next number, under the client's keys
    client.ask(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
"""

import hashlib
import hmac
import os
import pathlib
import socket
import ssl
import struct
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24  # types of records
CLIENT_HELLO, FINISHED, KEY_UPDATE = 1, 20, 24                              # and of handshake messages
WARNING, FATAL = 1, 2
CLOSE_NOTIFY, NO_RENEGOTIATION, USER_CANCELED = 0, 100, 90
SUITES = (0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8)
GROUP_X25519 = 0x001d
TIMEOUT = 60  # seconds


# --- bytes ---

def record(kind, payload=b"", version=0x0303, length=None):
    """length: what its header says, else what is true."""
    return struct.pack(">BHH", kind, version, len(payload) if length is None else length) + payload


def alert(level, description):
    return record(ALERT, bytes((level, description)))


def message(kind, body=b"", length=None):
    """A handshake message."""
    return bytes((kind, )) + (len(body) if length is None else length).to_bytes(3, "big") + body


def vector(data, width):
    """The data behind its length, of so many bytes."""
    return len(data).to_bytes(width, "big") + data


def extensions(name="localhost", versions=(0x0304, 0x0303)):
    """(type, bytes) of those that a client of both versions sends."""
    return [(0, vector(b"\0" + vector(name.encode(), 2), 2)),
            (10, vector(struct.pack(">2H", GROUP_X25519, 0x0017), 2)),
            (11, b"\1\0"),
            (13, vector(struct.pack(">6H", 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501), 2)),
            (16, vector(vector(b"http/1.1", 1), 2)),
            (43, vector(struct.pack(f">{len(versions)}H", *versions), 1)),
            (45, b"\1\1"),
            (51, vector(struct.pack(">H", GROUP_X25519) + vector(os.urandom(32), 2), 2))]


def client_hello(added=(), *, suites=SUITES, session=None, version=0x0303, listed=None, compressions=b"\0"):
    """A ClientHello without its record. added: more extensions; listed: these in place of the usual ones, None of
    which is no list at all."""
    listed = extensions() if listed is None else listed
    body = struct.pack(">H", version) + os.urandom(32) + vector(os.urandom(32) if session is None else session, 1)
    body += vector(struct.pack(f">{len(suites)}H", *suites), 2) + vector(compressions, 1)
    body += vector(b"".join(struct.pack(">H", kind) + vector(data, 2) for kind, data in [*listed, *added]), 2)
    return message(CLIENT_HELLO, body)


def fragments(payload, size, kind=HANDSHAKE):
    """The payload in records of so many bytes each."""
    return b"".join(record(kind, payload[i:i + size]) for i in range(0, len(payload), size))


def records(data):
    """(type, version, payload) of each whole record in these bytes."""
    while len(data) >= 5:
        kind, version, size = struct.unpack(">BHH", data[:5])
        yield kind, version, data[5:5 + size]
        data = data[5 + size:]


# --- keys ---

def _expand(digest, secret, info, size):
    out, block, number = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes((number, )), digest)
        out, number = out + block, number + 1
    return out[:size]


def expand_label(digest, secret, label, size):
    """RFC 8446 section 7.1, without a context."""
    return _expand(digest, secret, struct.pack(">H", size) + vector(b"tls13 " + label, 1) + b"\0", size)


def _prf(digest, secret, seed, size):
    """RFC 5246 section 5."""
    out, chained = b"", seed
    while len(out) < size:
        chained = hmac.digest(secret, chained, digest)
        out += hmac.digest(secret, chained + seed, digest)
    return out[:size]


class Keys:
    """One direction's: seal() makes records of any type with the next number."""

    def __init__(self, tls13, cipher, key, iv, number=0):
        self._tls13, self._iv, self.number = tls13, iv, number
        self._is_chacha = "CHACHA" in cipher
        self._cipher = ChaCha20Poly1305(key) if self._is_chacha else AESGCM(key)

    def _nonce(self):
        counter = struct.pack(">Q", self.number)
        if not self._tls13 and not self._is_chacha:
            return self._iv + counter
        return bytes(a ^ b for a, b in zip(self._iv, bytes(len(self._iv) - 8) + counter))

    def seal(self, kind, payload=b"", padding=0):
        nonce, counter = self._nonce(), struct.pack(">Q", self.number)
        self.number += 1
        if self._tls13:
            payload += bytes((kind, )) + bytes(padding)
            head = struct.pack(">BHH", DATA, 0x0303, len(payload) + 16)
            return head + self._cipher.encrypt(nonce, payload, head)
        head = struct.pack(">BHH", kind, 0x0303, len(payload))
        explicit = b"" if self._is_chacha else counter
        return record(kind, explicit + self._cipher.encrypt(nonce, payload, counter + head))


def _digest_of(cipher):
    return "sha384" if "SHA384" in cipher else "sha256"


def _key_size(cipher):
    return 16 if "128" in cipher else 32


def keys_tls13(cipher, secret, number=0):
    digest = _digest_of(cipher)
    return Keys(True, cipher, expand_label(digest, secret, b"key", _key_size(cipher)),
                expand_label(digest, secret, b"iv", 12), number)


def keys_tls12(cipher, master, client_random, server_random):
    """The client's; its Finished had number 0."""
    size, salt = _key_size(cipher), 12 if "CHACHA" in cipher else 4
    block = _prf(_digest_of(cipher), master, b"key expansion" + server_random + client_random, 2 * (size + salt))
    return Keys(False, cipher, block[:size], block[2 * size:2 * size + salt], 1)


# --- connections ---

def connect(port, host="127.0.0.1", source=None, receive_buffer=None, timeout=TIMEOUT):
    """A connected socket. source: an address of ours."""
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(timeout)
    if source is not None:
        plain.bind((source, 0))
    plain.connect((host, port))
    return plain


def reset(plain):
    """Close with a reset, not a FIN."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def rest(plain):
    """All that comes until the server closes; a reset is an end as well."""
    data = b""
    try:
        while part := plain.recv(1 << 16):
            data += part
    except ConnectionError:
        pass
    return data


def reply(port, *parts, ends=False):
    """What the server sends for these bytes until it closes. ends: close our side behind them."""
    with connect(port) as plain:
        try:
            for part in parts:
                plain.sendall(part)
            if ends:
                plain.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it has had enough
        return rest(plain)


def alerts(data):
    """Descriptions of the fatal alerts, not encrypted, in these bytes."""
    return [payload[1] for kind, _, payload in records(data) if kind == ALERT and len(payload) == 2]


class Client:
    """OpenSSL's handshake over a socket of ours."""

    def __init__(self, port, *, version=ssl.TLSVersion.TLSv1_3, start=True, session=None, ciphers=None, **options):
        """options: those of connect(). start: do the handshake."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = self.context.maximum_version = version
        if ciphers is not None:
            self.context.set_ciphers(ciphers)
        self._folder = tempfile.TemporaryDirectory()
        self._log = pathlib.Path(self._folder.name, "keys")
        self.context.keylog_filename = str(self._log)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost", session=session)
        self.is_tls13 = version == ssl.TLSVersion.TLSv1_3
        self.sent = self.received = b""  # until data is sent
        self.socket = connect(port, **options)
        self._plain = b""
        self._keys = self.failure = None
        if start:
            self.shake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()
        self._folder.cleanup()

    def secret(self, label):
        for line in self._log.read_text().splitlines():
            words = line.split()
            if words and words[0] == label:
                return bytes.fromhex(words[2])
        raise KeyError(label)

    def flight(self):
        """Bytes that OpenSSL wants to send."""
        return self._outgoing.read()

    def feed(self, size=1 << 16):
        """Give OpenSSL what has come. False at the end."""
        data = self.socket.recv(size)
        if self._keys is None:
            self.received += data
        if data:
            self._incoming.write(data)
        return bool(data)

    def shake(self, alter=None, until=None):
        """Do the handshake. alter(number, bytes): what to send in place of a flight; until: stop in front of that
        one and return it."""
        number = 0
        while True:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            flight = self.flight()
            if flight:
                if number == until:
                    return flight
                self.sent += flight
                self.socket.sendall(flight if alter is None else alter(number, flight))
                number += 1
            if done:
                return None
            if not self.feed():
                raise EOFError("the server closed in the handshake")

    def _random_of(self, data, kind):
        """The random number in a hello."""
        for record_kind, _, payload in records(data):
            if record_kind == HANDSHAKE and payload[0] == kind:
                return payload[6:38]
        raise KeyError(kind)

    def keys(self):
        """Ours for data, to be used by nobody else from now on."""
        if self._keys is None:
            cipher = self.tls.cipher()[0]
            if self.is_tls13:
                self._keys = keys_tls13(cipher, self.secret("CLIENT_TRAFFIC_SECRET_0"))
            else:
                self._keys = keys_tls12(cipher, self.secret("CLIENT_RANDOM"), self._random_of(self.sent, CLIENT_HELLO),
                                        self._random_of(self.received, 2))
        return self._keys

    def seal(self, kind, payload=b"", padding=0):
        return self.keys().seal(kind, payload, padding)

    def update_keys(self):
        """What RFC 8446 section 7.2 does to ours, behind a KeyUpdate that was sent."""
        cipher = self.tls.cipher()[0]
        self._secret = expand_label(_digest_of(cipher), getattr(self, "_secret", None) or
                                    self.secret("CLIENT_TRAFFIC_SECRET_0"), b"traffic upd",
                                    hashlib.new(_digest_of(cipher)).digest_size)
        self._keys = keys_tls13(cipher, self._secret)

    def read(self, size=1 << 16):
        """Some of the server's data, b"" at the end, however that came."""
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                try:
                    more = self.feed(size)
                except ConnectionError:
                    more = False
                if not more:
                    return b""
            except ssl.SSLError as error:
                self.failure = error  # the end, an alert, or what cannot be read
                return b""

    def until(self, mark):
        while mark not in self._plain:
            data = self.read()
            if not data:
                raise EOFError(f"the server closed behind {self._plain[-200:]!r}")
            self._plain += data
        head, _, self._plain = self._plain.partition(mark)
        return head

    def answer(self):
        """(status, body) of the next answer."""
        lines = self.until(b"\r\n\r\n").split(b"\r\n")
        size = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")][0]
        return int(lines[0].split()[1]), self.take(size)

    def take(self, count, size=1 << 16):
        """That many bytes, of which so many are taken from the socket at once."""
        parts, missing = [self._plain], count - len(self._plain)
        while missing > 0:
            parts.append(self.read(size))
            if not parts[-1]:
                raise EOFError(f"the server closed {missing} bytes too early")
            missing -= len(parts[-1])
        data = b"".join(parts)
        self._plain = data[count:]
        return data[:count]

    def send(self, data):
        self.socket.sendall(self.seal(DATA, data))

    def ask(self, request):
        self.send(request)
        return self.answer()

    def rest(self):
        """All data until the server closes."""
        data, self._plain = self._plain, b""
        return b"".join([data, *iter(self.read, b"")])
