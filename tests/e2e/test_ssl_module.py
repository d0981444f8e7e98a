"""The module ssl inside the binary, where CPython's own tests do not look: threads on one connection, waiting, forks,
the server name callback, memory. The other side is an ordinary Python's ssl, or the binary's own."""

import contextlib

import socket
import ssl
import threading

import pytest
from tls_client import client_context

PRELUDE = """
import contextlib, os, select, signal, socket, ssl, sys, threading, time
certificate, key, authority, port = sys.argv[1:5]
POLL = {7, 73, 271}  # poll and ppoll, as the kernel numbers them on the processors that there are

def client(**options):
    return ssl.create_default_context(cafile=authority)

def server():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context

def connect(context=None, timeout=60):
    plain = socket.create_connection(("127.0.0.1", int(port)), timeout)
    return (context or client()).wrap_socket(plain, server_hostname="localhost")

def start(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread

def polls(thread):
    with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
        number = file.read().split()[0]
    return number.isdecimal() and int(number) in POLL

def until_it_polls(*threads):
    '''Wait for one of them to wait for a descriptor.'''
    while not any(map(polls, threads)):
        assert all(thread.is_alive() for thread in threads)
        time.sleep(0.001)

def pair(server_context=None, client_context=None, **options):
    '''Two ends of one connection, after the handshake.'''
    left, right = socket.socketpair()
    ends = [None, None]
    def serve():
        ends[0] = (server_context or server()).wrap_socket(left, server_side=True)
    thread = start(serve)
    ends[1] = (client_context or client()).wrap_socket(right, server_hostname="localhost", **options)
    thread.join()
    return ends

def failing(function, *arguments):
    '''The exception that it raises.'''
    try:
        result = function(*arguments)
    except Exception as error:
        return error
    raise SystemExit(f"no exception, but {result!r}")
"""


class Echo:
    """An ordinary Python's TLS server: it gives back what comes. "silent": it accepts, and says nothing."""

    def __init__(self, pki):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pki.local.chain, pki.local.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.is_silent = False
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                if not self.is_silent:
                    threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as wrapped:
            while data := wrapped.recv(65536):
                wrapped.sendall(data)

    def close(self):
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.close()


@pytest.fixture
def echo(pki_of_session):
    server = Echo(pki_of_session)
    yield server
    server.close()


@pytest.fixture
def script(run, pki_of_session, echo, tmp_path):
    """script(source) -> the lines it prints; it must succeed and be silent otherwise."""

    def run_script(source, **options):
        path = tmp_path / "script.py"
        path.write_text(PRELUDE + source)
        pki = pki_of_session
        done = run("python", "-W", "ignore", path, pki.local.chain, pki.local.key, pki.root.certificate, echo.port, **options)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.splitlines()

    return run_script


# --- threads ---


def test_a_thread_that_waits_to_read_lets_another_write(script):
    assert script("""
s = connect(timeout=None)
got = []
reader = start(lambda: got.append(s.recv(100)))
until_it_polls(reader)
s.sendall(b"hello")
reader.join()
print(got)
""") == ["[b'hello']"]


def test_writers_do_not_mix_what_they_write(script):
    assert script("""
there, here = pair()
pieces = [bytes([65 + i]) * 50_000 for i in range(4)]
def write(piece):
    for _ in range(20):
        here.sendall(piece)
writers = [start(write, piece) for piece in pieces]
until_it_polls(*writers)
got = bytearray()
while len(got) < 4 * 20 * 50_000:
    got += there.recv(65536)
for writer in writers: writer.join()
written = [bytes(got[at:at + 50_000]) for at in range(0, len(got), 50_000)]
print(sorted(map(written.count, pieces)))
""") == ["[20, 20, 20, 20]"]


def test_others_run_while_a_handshake_waits(script, echo):
    echo.is_silent = True
    assert script("""
failed = []
def shake():
    failed.append(failing(connect, None, 5))
thread = start(shake)
until_it_polls(thread)
print(sum(range(1000)))
thread.join()
print(type(failed[0]).__name__, failed[0])
""") == ["499500", "TimeoutError The handshake operation timed out"]


def test_a_connection_outlives_its_socket_as_long_as_it_is_used(script):
    assert script("""
import gc
there, here = pair()
here.settimeout(None)
failed = []
def read():
    failed.append(failing(here._sslobj.read, 10))
thread = start(read)
until_it_polls(thread)
here.close()
gc.collect()
there.sendall(b"x")
thread.join()
print(type(failed[0]).__name__, failed[0])
""") == ["SSLError Underlying socket has been closed."]


# --- waiting ---


def test_timeouts(script):
    assert script("""
s = connect(timeout=0.1)
print(repr(failing(s.recv, 1)))
there, here = pair()
here.settimeout(0.1)
print(repr(failing(lambda: [here.sendall(bytes(100_000)) for _ in range(1000)])))
print(repr(failing(here.unwrap)))
print(isinstance(failing(s.recv, 1), OSError))
""") == ["TimeoutError('The read operation timed out')", "TimeoutError('The write operation timed out')",
         "TimeoutError('The write operation timed out')", "True"]


def test_non_blocking(script):
    """What a write could not send comes first when it is repeated; nothing is lost or doubled."""
    assert script("""
plain = socket.create_connection(("127.0.0.1", int(port)))
plain.setblocking(False)
s = client().wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
wanted = set()
def go(function, *arguments):
    while True:
        try:
            return function(*arguments)
        except ssl.SSLWantReadError as error:
            assert error.errno == ssl.SSL_ERROR_WANT_READ
            select.select([s], [], [], 60)
        except ssl.SSLWantWriteError:
            wanted.add("write")
            select.select([], [s], [], 60)
go(s.do_handshake)
print(s.version(), type(failing(s.recv, 1)).__name__)
there, s = pair()
s.setblocking(False)
data = bytes(range(256)) * 20_000
def drain():
    got = bytearray()
    while len(got) < len(data):
        got += there.recv(65536)
    print(bytes(got) == data)
sent = 0
with contextlib.suppress(ssl.SSLWantWriteError):
    while True:
        sent += s.send(memoryview(data)[sent:])
print(sent < len(data))
reader = start(drain)
while sent < len(data):
    sent += go(s.send, memoryview(data)[sent:])
reader.join()
print("write" in wanted)
""") == ["TLSv1.3 SSLWantReadError", "True", "True", "True"]


def test_signals_while_it_waits(script):
    assert script("""
s = connect(timeout=None)
calls = []
main = threading.main_thread()
def pester(number):
    until_it_polls(main)
    os.kill(os.getpid(), number)
class Enough(Exception): pass
def leave(*_): raise Enough
signal.signal(signal.SIGUSR1, lambda *_: (calls.append("seen"), s.send(b"answer")))
signal.signal(signal.SIGUSR2, leave)
start(pester, signal.SIGUSR1)
print(s.recv(100), calls)
start(pester, signal.SIGUSR2)
print(repr(failing(s.recv, 100)))
s.sendall(b"still here")
print(s.recv(100))
""") == ["b'answer' ['seen']", "Enough()", "b'still here'"]


# --- forks ---


def test_children_have_random_numbers_of_their_own(script):
    """Of a client's first message: its random number and key share (RFC 8446 section 4.1.2)."""
    source = """
context = client()
def hello():
    out = ssl.MemoryBIO()
    failing(context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake)
    return out.read()
hellos = [hello()]
for _ in range(3):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, hello())
        os._exit(0)
    hellos.append(os.read(reading, 10000))
    os.wait()
hellos.append(hello())
share = b"\\x00\\x1d\\x00\\x20"  # of X25519: 32 bytes
print(len({h[11:43] for h in hellos}), len({h.split(share)[1][:32] for h in hellos}))
"""
    assert script(source) == ["5 5"]


def test_a_child_connects(script):
    assert script("""
s = connect()
if os.fork() == 0:
    c = connect()
    c.sendall(b"child")
    print(c.recv(10), flush=True)
    os._exit(0)
os.wait()
s.sendall(b"parent")
print(s.recv(10))
""") == ["b'child'", "b'parent'"]


def test_a_child_goes_on_with_what_its_parent_has(script):
    """Certificates that were loaded before the fork serve; so does a connection that was made before it."""
    assert script("""
context = server()
listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
s = connect()
child = os.fork()
if child == 0:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(100).upper())
    s.sendall(b"of the parent")
    print(s.recv(100), flush=True)
    os._exit(0)
port = listener.getsockname()[1]
mine = connect()
mine.sendall(b"of the child")
answer = mine.recv(100)
print(answer, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""") == ["b'of the parent'", "b'OF THE CHILD' 0"]


@pytest.mark.static  # the sanitizer's own locks do not survive such a fork
def test_forks_while_other_threads_are_busy(script):
    """Whatever they were in the middle of, the child's library works."""
    assert script("""
def shake():
    while not over:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        here = client_side.wrap_bio(down, up, server_hostname="localhost")
        there = server_side.wrap_bio(up, down, server_side=True)
        done = set()
        while len(done) < 2:
            for end in (here, there):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                    done.add(end)
pair()  # imports what it needs: a child waits for ever for an import that another thread had begun
client_side, server_side = client(), server()
over = False
threads = [start(shake) for _ in range(2)]
statuses = []
for _ in range(30):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        client_side, server_side = client(), server()
        there, here = pair()
        there.sendall(b"x")
        os._exit(0 if here.recv(1) == b"x" else 1)
    statuses.append(os.waitpid(child, 0)[1])
over = True
print(set(statuses))
for thread in threads: thread.join()
""") == ["{0}"]


# --- the server name callback ---


@pytest.fixture
def other(pki_of_session):
    """Another server's certificate: for other.test."""
    return pki_of_session.root.issue("other.test")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_server_name_callback_chooses_a_context(script, other, version):
    """What is asked of the connection there is answered; what would wait for the handshake is refused."""
    assert script(f"""
other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
other.load_cert_chain({str(other.chain)!r}, {str(other.key)!r})
front = server()
def choose(connection, name, context):
    print(type(connection).__name__, name, context is front, connection.version(), connection.cipher())
    print(type(failing(connection.read, 1)).__name__)
    if name == "other.test":
        connection.context = other
front.sni_callback = choose
limited = client()
limited.maximum_version = ssl.TLSVersion.{version}
for name in ("localhost", "other.test"):
    left, right = socket.socketpair()
    thread = start(lambda: front.wrap_socket(left, server_side=True))
    s = limited.wrap_socket(right, server_hostname=name)
    thread.join()
    print(s.getpeercert()["subjectAltName"][0][1])
""") == ["SSLSocket localhost True None None", "SSLError", "localhost",
         "SSLSocket other.test True None None", "SSLError", "other.test"]


def test_server_name_callback_that_fails(run, script, pki_of_session, echo, tmp_path):
    source = """
front = server()
front.set_servername_callback({callback})
left, right = socket.socketpair()
failed = []
thread = start(lambda: failed.append(failing(lambda: front.wrap_socket(left, server_side=True))))
print(failing(lambda: client().wrap_socket(right, server_hostname="localhost")).reason)
thread.join()
print(failed[0].reason)
"""
    assert script(source.format(callback="lambda *_: ssl.ALERT_DESCRIPTION_ACCESS_DENIED")) == [
        "TLSV1_ALERT_ACCESS_DENIED", "CALLBACK_FAILED"]
    path = tmp_path / "script.py"
    path.write_text(PRELUDE + source.format(callback="lambda *_: 1 / 0"))
    pki = pki_of_session
    done = run("python", path, pki.local.chain, pki.local.key, pki.root.certificate, echo.port)
    assert done.stdout.splitlines() == ["SSLV3_ALERT_HANDSHAKE_FAILURE", "CALLBACK_FAILED"], done.stderr
    assert "Exception ignored in ssl servername callback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


# --- secrets ---


def test_keylog(script, tmp_path):
    assert script(f"""
context = client()
context.keylog_filename = {str(tmp_path / "keys")!r}
connect(context)
print(context.keylog_filename == {str(tmp_path / "keys")!r})
print(repr(failing(setattr, context, "keylog_filename", "/nonexistent/keys")))
print(context.keylog_filename)
""") == ["True", "FileNotFoundError(2, 'No such file or directory')", "None"]
    lines = (tmp_path / "keys").read_text().splitlines()
    assert lines[0].startswith("#")
    assert {line.split()[0] for line in lines[1:]} >= {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0"}


def test_key_passwords(script, pki_of_session, tmp_path):
    """The callback is asked once, where a key is encrypted, and may do what it likes."""
    from certificates import encrypt_key
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(encrypt_key(pki_of_session.local.key.read_bytes(), "secret"))
    assert script(f"""
encrypted = {str(encrypted)!r}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
asked = []
def ask():
    asked.append(1)
    context.set_ciphers("DEFAULT")
    return bytearray(b"secret")
context.load_cert_chain(certificate, key, ask)
print(asked)
context.load_cert_chain(certificate, encrypted, ask)
print(asked)
context.load_cert_chain(certificate, encrypted, "secret")
print(type(failing(context.load_cert_chain, certificate, encrypted, "wrong")).__name__)
print(type(failing(context.load_cert_chain, certificate, encrypted)).__name__)
print(repr(failing(context.load_cert_chain, certificate, encrypted, lambda: 1 / 0)))
print(repr(failing(context.load_cert_chain, certificate, encrypted, lambda: 1)))
print(type(failing(context.load_cert_chain, certificate, encrypted, "s" * 100_000)).__name__)
there, here = pair(context)
there.sendall(b"x")
print(here.recv(1))
""") == ["[]", "[1]", "SSLError", "SSLError", "ZeroDivisionError('division by zero')",
         "TypeError('password callback must return a string')", "ValueError", "b'x'"]


# --- memory ---


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_over_memory(script, version):
    assert script(f"""
limited = client()
limited.maximum_version = ssl.TLSVersion.{version}
up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
here = limited.wrap_bio(down, up, server_hostname="localhost")
there = server().wrap_bio(up, down, server_side=True)
done = set()
while len(done) < 2:
    for end in (here, there):
        try:
            end.do_handshake()
            done.add(end)
        except ssl.SSLWantReadError:
            pass
data = bytes(range(256)) * 4096
print(here.write(data), there.read(5), there.pending() > 0)
got = data[:5]
while len(got) < len(data):
    got += there.read(1 << 20)
print(got == data, here.version(), here.shared_ciphers(), there.shared_ciphers() is not None)
print(type(failing(there.read)).__name__)
there.write(b"bye")
print(type(failing(there.unwrap)).__name__)
print(here.read(), here.read(), here.unwrap(), there.unwrap())
print(type(failing(there.read)).__name__)
""") == ["1048576 b'\\x00\\x01\\x02\\x03\\x04' True", f"True {version.replace('_', '.')} None True", "SSLWantReadError",
         "SSLWantReadError", "b'bye' b'' None None", "SSLZeroReturnError"]


def test_an_end_that_was_not_told(script):
    """An error over memory and where it is asked for; an end like any other with OP_IGNORE_UNEXPECTED_EOF."""
    assert script("""
def cut(context=None, **options):
    there, here = pair(None, context, **options)
    socket.socket(fileno=there.detach()).close()
    return here
s = cut(suppress_ragged_eofs=False)
error = failing(s.recv, 1)
print(repr(error), error.library, error.reason)
print(cut().recv(1))
lenient = client()
lenient.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
print(cut(lenient, suppress_ragged_eofs=False).recv(1))
""") == ["SSLEOFError(8, '[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol') SSL "
         "UNEXPECTED_EOF_WHILE_READING", "b''", "b''"]


# --- what there is not ---


def test_what_there_is_not_says_so(script):
    assert script("""
context = client()
for mistake in (lambda: context.set_psk_client_callback(lambda hint: (None, b"key")),
                lambda: setattr(context, "post_handshake_auth", True),
                lambda: setattr(context, "_msg_callback", print)):
    print(type(failing(mistake)).__name__)
print(context.post_handshake_auth, context._msg_callback, ssl.HAS_PSK, ssl.HAS_PHA)
context.post_handshake_auth = False
s = connect()
print(s.get_channel_binding())
print(repr(failing(s.get_channel_binding, "tls-exporter")))
print(type(failing(s.verify_client_post_handshake)).__name__)
context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
context.options |= ssl.OP_NO_TLSv1_2
print(failing(connect, context))
""") == ["NotImplementedError", "AttributeError", "NotImplementedError",
        "None None False False", "None", "ValueError(\"'tls-exporter' channel binding type not implemented\")",
        "NotImplementedError", "[SSL: NO_PROTOCOLS_AVAILABLE] no protocols available"]


def test_an_ordinary_client(script, pki_of_session, echo):
    """Both ways: what the binary serves, an ordinary Python's ssl and openssl believe."""
    listener = socket.create_server(("127.0.0.1", 0))
    got = []

    def ask():
        with socket.create_connection(listener.getsockname()) as plain, \
                client_context(pki_of_session).wrap_socket(plain, server_hostname="localhost") as wrapped:
            wrapped.sendall(b"question")
            got.append((wrapped.recv(100), wrapped.version()))

    asking = threading.Thread(target=ask)
    asking.start()
    assert script(f"""
s = server().wrap_socket(socket.socket(fileno={listener.fileno()}), server_side=True)
connection, _ = s.accept()
print(connection.recv(100), connection.shared_ciphers()[0][1])
connection.sendall(b"answer")
print(connection.recv(1))
s.detach()
""", pass_fds=[listener.fileno()]) == ["b'question' TLSv1.3", "b''"]
    asking.join()
    listener.close()
    assert got == [(b"answer", "TLSv1.3")]


def test_an_upload_is_whole_whatever_is_read_meanwhile(script):
    """A record that the socket has not taken yet goes out once, also if a read (of a ticket) sends it on the way."""
    assert script("""
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = client()
    context.maximum_version = version
    far, near = pair(client_context=context)
    body = b"".join(b"%08d" % number for number in range(400_000))
    got = bytearray()
    sender = start(lambda: (near.sendall(body), near.shutdown(socket.SHUT_WR)))
    until_it_polls(sender)
    reader = start(lambda: near.recv(10))
    until_it_polls(reader)
    with contextlib.suppress(ssl.SSLEOFError):
        while data := far.recv(65536):
            got += data
    sender.join()
    far.close()
    reader.join()
    print(got == body)
    # Without threads: whoever does not wait offers the same bytes again.
    far, near = pair(client_context=context)
    for end in far, near:
        end.setblocking(False)
    sent, got = 0, bytearray()
    while len(got) < len(body):
        with contextlib.suppress(ssl.SSLWantWriteError):
            sent += near.send(body[sent:])
        with contextlib.suppress(ssl.SSLWantReadError):
            near.recv(10)
        with contextlib.suppress(ssl.SSLWantReadError):
            got += far.recv(65536)
    print(got == body)
""") == ["True"] * 4


def test_what_has_come_can_be_read_where_nothing_can_be_sent(script):
    """A server that refuses a request may close before it is there; its answer is what the client wants to know."""
    assert script("""
far, near = pair()
far.sendall(b"HTTP/1.1 413 Content Too Large")
far.close()
print(type(failing(lambda: [near.sendall(bytes(100_000)) for _ in range(100)])).__name__)
print(near.recv(100))
print(type(failing(near.send, b"x")).__name__)
""") == ["BrokenPipeError", "b'HTTP/1.1 413 Content Too Large'", "BrokenPipeError"]


def test_another_context_has_authorities_of_its_own(script, pki_of_session):
    """A server name callback that changes the context changes whose clients are believed, too."""
    ann = pki_of_session.root.issue("ann", names=[], usage="client")
    assert script(f"shown = {str(ann.chain)!r}, {str(ann.key)!r}" + """
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    strict, lenient = server(), server()
    for context in strict, lenient:
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = version
    lenient.load_verify_locations(authority)
    mine = client()
    mine.load_cert_chain(*shown)
    for first, second in ((strict, lenient), (lenient, strict)):
        first.sni_callback = lambda connection, name, context: setattr(connection, "context", second)
        left, right = socket.socketpair()
        results = []
        def serve():
            try:
                with first.wrap_socket(left, server_side=True) as end:
                    results.append(end.recv(1))
            except ssl.SSLError as error:
                results.append(error.reason)
        thread = start(serve)
        with contextlib.suppress(OSError), mine.wrap_socket(right, server_hostname="localhost") as end:
            end.send(b"x")
            end.recv(1)
        thread.join()
        print(results)
""") == ["[b'x']", "['CERTIFICATE_VERIFY_FAILED']"] * 2


def test_an_interrupted_end_is_said(script):
    """close_notify comes behind a record that the socket has not taken, not in its place."""
    assert script("""
far, near = pair()
near.settimeout(0)
with contextlib.suppress(ssl.SSLWantWriteError):
    while True:
        near.send(bytes(16384))
print(type(failing(near.unwrap)).__name__)
far.settimeout(0)
ended = False
while not ended:
    with contextlib.suppress(ssl.SSLWantReadError):
        ended = far.recv(65536) == b""
    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
        near.unwrap() if not ended else None
print("ended")
""") == ["SSLWantWriteError", "ended"]


def test_interpreters_of_their_own(script):
    assert script("""
import concurrent.interpreters
other = concurrent.interpreters.create()
other.exec("import ssl; print(ssl.create_default_context().verify_mode.name)")
other.close()
print(pair()[1].version())
""") == ["CERT_REQUIRED", "TLSv1.3"]
