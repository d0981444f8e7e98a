"""A TLS client that tells what it has decided: one case a line on standard input (JSON), one answer a line on standard
output. For any Python from 3.11 on: what newer ones do otherwise by default is set here.

A case: address (the path of a unix socket, or host and port), host, and what is set on the context (see setup).
"""

import hashlib
import json
import socket
import ssl
import sys
import warnings

TIMEOUT_S = 60
# Python's own default; how a Python was configured is not to count.
CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
VERSIONS = {"1.0": "TLSv1", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}


def setup(case):
    """The context of a case."""
    context = ssl.create_default_context() if case.get("default") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(case.get("ciphers") or CIPHERS)
    context.minimum_version = ssl.TLSVersion[VERSIONS[case.get("min", "1.2")]]
    context.maximum_version = ssl.TLSVersion[VERSIONS[case.get("max", "1.3")]]
    context.check_hostname = case.get("check_hostname", True)
    context.verify_mode = ssl.VerifyMode[case.get("verify_mode", "CERT_REQUIRED")]
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    for name in case.get("flags", ()):
        context.verify_flags |= ssl.VerifyFlags[name]
    if "common_name" in case:
        context.hostname_checks_common_name = case["common_name"]
    for path in case.get("cafiles", ()):
        context.load_verify_locations(cafile=path)
    for path in case.get("capaths", ()):
        context.load_verify_locations(capath=path)
    for path in case.get("cadata", ()):
        with open(path, encoding="ascii") as file:
            context.load_verify_locations(cadata=file.read())
    if "client" in case:
        context.load_cert_chain(*case["client"])
    if "alpn" in case:
        context.set_alpn_protocols(case["alpn"])
    if "curve" in case:
        context.set_ecdh_curve(case["curve"])
    return context


def digests(chain):
    """The start of the SHA-256 digest of each certificate. In 3.11 they are objects."""
    ders = [each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in chain or ()]
    return [hashlib.sha256(der).hexdigest()[:12] for der in ders]


def look(peer):
    """What a connection that is up knows."""
    name, version, bits = peer.cipher()
    binary = peer.getpeercert(True)
    # Before 3.13 the chains had no public name.
    chains = peer if hasattr(peer, "get_verified_chain") else peer._sslobj
    return {"cipher": name, "cipher_version": version, "bits": bits, "version": peer.version(),
            "alpn": peer.selected_alpn_protocol(), "certificate": peer.getpeercert(),
            "digest": binary and hashlib.sha256(binary).hexdigest(), "reused": peer.session_reused,
            "sent": digests(chains.get_unverified_chain()), "verified": digests(chains.get_verified_chain()),
            # For TLS 1.3 "tls-unique" has no meaning (RFC 9266), though OpenSSL gives something out.
            "binding": peer.version() == "TLSv1.2" and len(peer.get_channel_binding() or b""), "compression": peer.compression()}


def ask(peer):
    """The answer to a request. With TLS 1.3 a server judges a client's certificate only now."""
    peer.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    received = b""
    while piece := peer.recv(65536):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return {"status": head.split(b"\r\n")[0].decode(), "body": body.decode(errors="replace")}


def decide(case):
    answer = {"decision": "refuse", "stage": "setup"}
    try:
        context = setup(case)
        address = case["address"]
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as plain:
            plain.settimeout(TIMEOUT_S)
            plain.connect(address if isinstance(address, str) else tuple(address))
            answer["stage"] = "handshake"
            with context.wrap_socket(plain, server_hostname=case.get("host")) as peer:
                answer |= look(peer)
                answer["stage"] = "request"
                answer |= ask(peer)
        answer |= {"decision": "accept", "stage": "end"}
    except Exception as error:
        answer |= {"class": type(error).__name__, "bases": [each.__name__ for each in type(error).__mro__],
                   "text": str(error).partition(" (_ssl.c")[0], "errno": getattr(error, "errno", None)}
        for name in ("verify_code", "verify_message", "reason", "library"):
            answer[name] = getattr(error, name, None)
    return answer


def main():
    warnings.simplefilter("ignore", DeprecationWarning)
    for line in sys.stdin:
        print(json.dumps(decide(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
