"""http.client, urllib.request and xmlrpc.client; sessions that are resumed."""

import concurrent.futures
import http.client
import select
import socket
import ssl
import urllib.parse
import urllib.request
import xmlrpc.client

import common
from common import URL, task

PORT = urllib.parse.urlsplit(URL).port


def opened(url, context=None, **options):
    return urllib.request.urlopen(url, context=context or common.context(), timeout=common.TIMEOUT_S, **options)


def fetch(url, context=None):
    with opened(url, context) as response:
        return response.read().decode()


@task
def get():
    return common.seen(fetch(URL))["version"]


@task
def post():
    return opened(URL + "/digest", data=common.UPLOAD).read().decode()


@task
def download():
    with opened(URL + "/large") as response:
        return common.digest(iter(lambda: response.read(50_000), b""))


@task
def keep_alive():
    connection = http.client.HTTPSConnection("localhost", PORT, context=common.context(), timeout=common.TIMEOUT_S)
    texts = []
    for _ in range(5):
        connection.request("GET", "/")
        texts.append(connection.getresponse().read().decode())
    connection.close()
    return common.connections(texts)


@task
def unknown_authority():
    return common.failure(fetch, URL, ssl.create_default_context())


@task
def wrong_host():
    return common.failure(fetch, common.SETTINGS["wrong_host"])


@task
def expired():
    return common.failure(fetch, common.SETTINGS["expired"])


@task
def not_verified():
    return common.seen(fetch(common.SETTINGS["expired"], ssl._create_unverified_context()))["version"]


@task
def client_certificate():
    return [common.seen(fetch(URL + "/client", context))["client"] for context in (None, common.with_client())]


@task
def at_once():
    with concurrent.futures.ThreadPoolExecutor(common.AT_ONCE) as pool:
        return sum(pool.map(lambda _: bool(fetch(URL)), range(common.AT_ONCE)))


@task
def at_once_with_one_context():
    context = common.context()
    with concurrent.futures.ThreadPoolExecutor(common.AT_ONCE) as pool:
        return sum(pool.map(lambda _: bool(fetch(URL, context)), range(common.AT_ONCE)))


@task
def early_end():
    return common.failure(fetch, common.SETTINGS["early_end"])


@task
def no_answer():
    return common.failure(fetch, common.SETTINGS["no_answer"])


@task
def proxy():
    connection = http.client.HTTPSConnection("localhost", urllib.parse.urlsplit(common.SETTINGS["proxy"]).port,
                                             context=common.context(), timeout=common.TIMEOUT_S)
    connection.set_tunnel("localhost", PORT)
    connection.request("GET", "/")
    return common.seen(connection.getresponse().read().decode())["version"]


@task
def xml_rpc():
    with xmlrpc.client.ServerProxy(URL + "/RPC2", context=common.context()) as server:
        return [server.pow(2, 10), server.pow(3, 12)]


def connected():
    """A connection of the module ssl alone."""
    return common.context().wrap_socket(socket.create_connection(("localhost", PORT)), server_hostname="localhost")


def resumed(version):
    """What nginx says of three connections with one context, each with the session of the one before."""
    context, session, said = common.context(), None, []
    context.maximum_version = version
    for _ in range(3):
        connection = http.client.HTTPSConnection("localhost", PORT, context=context, timeout=common.TIMEOUT_S)
        plain = socket.create_connection(("localhost", PORT), common.TIMEOUT_S)
        connection.sock = context.wrap_socket(plain, server_hostname="localhost", session=session)
        connection.request("GET", "/")
        answer = common.seen(connection.getresponse().read().decode())
        said.append([answer["reused"], connection.sock.session_reused])
        session = connection.sock.session
        connection.close()
    return [*said, type(session).__name__, session.has_ticket, session.timeout > 0, session.time > 0]


@task
def resumption_1_2():
    return resumed(ssl.TLSVersion.TLSv1_2)


@task
def resumption_1_3():
    return resumed(ssl.TLSVersion.TLSv1_3)


@task
def session_of_another_context():
    first = common.context()
    with first.wrap_socket(socket.create_connection(("localhost", PORT)), server_hostname="localhost") as peer:
        session = peer.session
    with socket.create_connection(("localhost", PORT)) as plain:
        return common.failure(common.context().wrap_socket, plain, server_hostname="localhost", session=session)


def ended(ignored, **options):
    """How reading ends where the peer is gone without TLS having been ended."""
    address = urllib.parse.urlsplit(common.SETTINGS["early_end"])
    context = common.context()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if ignored:  # as it was by default before Python 3.13
        context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    with context.wrap_socket(socket.create_connection((address.hostname, address.port)), server_hostname="localhost",
                             **options) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = b""
        try:
            while piece := peer.recv(4096):
                received += piece
        except OSError as error:
            return [type(error).__name__, received.count(b"x")]
        return ["end", received.count(b"x")]


@task
def ragged_end():
    return [ended(ignored, suppress_ragged_eofs=suppress) for ignored in (True, False) for suppress in (True, False)]


@task
def unwrapped():
    """Both sides end TLS, and go on without."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(common.file("server"), common.file("server-key"))
    one, other = socket.socketpair()
    for each in (one, other):
        each.settimeout(common.TIMEOUT_S)

    def serve():
        with server.wrap_socket(other, server_side=True) as peer:
            said = peer.recv(100)
            with peer.unwrap() as plain:
                plain.sendall(b"in the clear")
        return said.decode()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        with common.context().wrap_socket(one, server_hostname="localhost") as peer:
            peer.sendall(b"over TLS")
            with peer.unwrap() as plain:
                said = plain.recv(100).decode()
        return [type(plain).__name__, said, served.result(common.TIMEOUT_S)]


@task
def buffers():
    """TLS without a socket: SSLObject over two MemoryBIO."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = common.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("localhost", PORT), common.TIMEOUT_S) as plain:
        def until(action, *arguments):
            while True:
                try:
                    return action(*arguments)
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    if piece := plain.recv(1000):
                        incoming.write(piece)
                    else:
                        incoming.write_eof()

        until(peer.do_handshake)
        peer.write(b"GET / HTTP/1.0\r\n\r\n")
        plain.sendall(outgoing.read())
        received = b""
        while piece := until(peer.read, 4096):
            received += piece
        return [received[:15].decode(), peer.version(), incoming.pending]


@task
def not_blocking():
    """A peer that has said nothing yet; then one that does."""
    one, other = socket.socketpair()
    with other, common.context().wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False) as peer:
        peer.setblocking(False)
        silent = common.failure(peer.do_handshake)["class"]
    with connected() as peer:
        peer.setblocking(False)
        nothing = common.failure(peer.recv, 10)["class"]
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while True:
            try:
                first = peer.recv(4)
                return [silent, nothing, first.decode(), peer.pending() > 100]
            except ssl.SSLWantReadError:
                select.select([peer], [], [], common.TIMEOUT_S)


@task
def timeout():
    """A peer that never says anything."""
    one, other = socket.socketpair()
    with other, one:
        one.settimeout(0.05)
        return common.failure(common.context().wrap_socket, one, server_hostname="localhost")["class"]


@task
def makefile():
    with connected() as peer:
        with peer.makefile("rwb") as file:
            file.write(b"GET / HTTP/1.0\r\n\r\n")
            file.flush()
            return [file.readline().decode(), len(file.read()) > 100]


@task
def certificate_of_a_server():
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", PORT), ca_certs=common.file("root"))).hex()


if __name__ == "__main__":
    common.main()
