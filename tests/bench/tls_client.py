#!/usr/bin/python3
"""A TLS client for the benchmarks, by the system's OpenSSL.

    tls_client.py PORT connect COUNT [--resume] [--tls 1.2|1.3]   so many connections, one request each
    tls_client.py PORT hold COUNT       so many connections that stay; a line is written when they are there, and
                                        they are closed at the end of standard input
"""

import argparse
import resource
import socket
import ssl
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def client_context(version):
    """Speaks one version, and believes every certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def connect(context, port, session=None):
    """A connection after its handshake."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=60)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(peer, server_hostname="localhost", session=session)


def ask(peer, field=b""):
    """One request; the answer's last bytes are known."""
    peer.sendall(REQUEST % field)
    answer = b""
    while not answer.endswith(b"Hello, World!"):
        piece = peer.recv(4096)
        if not piece:
            raise SystemExit("the server closed a connection")
        answer += piece


def connect_often(context, port, count, resume):
    """New connections, one after the other. With resume all but the first take up the session before."""
    session, reused = None, 0
    for _ in range(count):
        with connect(context, port, session) as peer:
            ask(peer, b"Connection: close\r\n")
            peer.recv(1)
            reused += peer.session_reused
            if resume:
                session = peer.session
    if reused < (count - 1 if resume else 0):
        raise SystemExit(f"{reused} of {count} sessions were resumed")


def hold(context, port, count):
    """Connections that have had one request, all at once."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    peers = []
    for _ in range(count):
        peers.append(connect(context, port))
        ask(peers[-1])
    print("there", flush=True)
    sys.stdin.read()


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("what", choices=("connect", "hold"))
    parser.add_argument("count", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--tls", choices=VERSIONS, default="1.3")
    options = parser.parse_args()
    context = client_context(options.tls)
    if options.what == "hold":
        hold(context, options.port, options.count)
    else:
        connect_often(context, options.port, options.count, options.resume)


if __name__ == "__main__":
    main()
