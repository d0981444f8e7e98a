"""What the standard library's ssl imports as _ssl, in a build that has no TLS for connections of the application's own.

anyio, and with it Starlette and FastAPI, httpx, and many more import ssl whether they use it or not, and make contexts
ahead of need. Both is possible; a connection is refused, by an error that says why. The server's own TLS has nothing to
do with it.
"""

import os as _os

_REFUSAL = ("this binary has no TLS for connections of the application's own: "
            "it serves HTTPS, and speaks plain HTTP to others")

OPENSSL_VERSION_NUMBER, OPENSSL_VERSION_INFO, OPENSSL_VERSION = 0, (0, 0, 0, 0, 0), "none"
_OPENSSL_API_VERSION, _DEFAULT_CIPHERS = (0, 0, 0, 0, 0), ""
HAS_SNI = HAS_ECDH = HAS_ALPN = HAS_TLSv1_2 = HAS_TLSv1_3 = HAS_PHA = True
HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = HAS_PSK = False

# Numbers as everywhere, for code that compares or combines them.
PROTOCOL_TLS, PROTOCOL_TLSv1_2, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 2, 5, 16, 17
PROTO_MINIMUM_SUPPORTED, PROTO_MAXIMUM_SUPPORTED = -2, -1
PROTO_SSLv3, PROTO_TLSv1, PROTO_TLSv1_1, PROTO_TLSv1_2, PROTO_TLSv1_3 = range(768, 773)
CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = range(3)
VERIFY_DEFAULT, VERIFY_CRL_CHECK_LEAF, VERIFY_CRL_CHECK_CHAIN, VERIFY_X509_STRICT = 0, 4, 12, 32
VERIFY_ALLOW_PROXY_CERTS, VERIFY_X509_TRUSTED_FIRST, VERIFY_X509_PARTIAL_CHAIN = 1 << 6, 1 << 15, 1 << 19
OP_ALL, OP_NO_SSLv2, OP_NO_SSLv3, OP_NO_TLSv1, OP_NO_TLSv1_1 = 0x80000050, 0, 1 << 25, 1 << 26, 1 << 28
OP_NO_TLSv1_2, OP_NO_TLSv1_3, OP_NO_RENEGOTIATION, OP_NO_TICKET = 1 << 27, 1 << 29, 1 << 30, 1 << 14
OP_CIPHER_SERVER_PREFERENCE, OP_NO_COMPRESSION, OP_ENABLE_MIDDLEBOX_COMPAT = 1 << 22, 1 << 17, 1 << 20
OP_SINGLE_DH_USE, OP_SINGLE_ECDH_USE, OP_IGNORE_UNEXPECTED_EOF, OP_LEGACY_SERVER_CONNECT = 0, 0, 1 << 7, 1 << 2
SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_X509_LOOKUP = range(1, 5)
SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN, SSL_ERROR_WANT_CONNECT, SSL_ERROR_EOF = range(5, 9)
SSL_ERROR_INVALID_ERROR_CODE = 10
ALERT_DESCRIPTION_CLOSE_NOTIFY, ALERT_DESCRIPTION_HANDSHAKE_FAILURE, ALERT_DESCRIPTION_INTERNAL_ERROR = 0, 40, 80
ENCODING_PEM, ENCODING_DER = 1, 2
HOSTFLAG_NEVER_CHECK_SUBJECT = 1 << 5

_OBJECTS = ((129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
            (130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"))


class SSLError(OSError):
    """As the real one."""

    reason = library = None


class SSLZeroReturnError(SSLError):
    """As the real one."""


class SSLWantReadError(SSLError):
    """As the real one."""


class SSLWantWriteError(SSLError):
    """As the real one."""


class SSLSyscallError(SSLError):
    """As the real one."""


class SSLEOFError(SSLError):
    """As the real one."""


class SSLCertVerificationError(SSLError, ValueError):
    """As the real one."""


class SSLSession:
    """Never made."""


class MemoryBIO:
    """Part of a connection, of which there is none."""

    def __init__(self):
        _refuse()


class _SSLContext:
    """Keeps what it is told and makes no connection. ssl.SSLContext puts properties before these, hence __slots__."""

    __slots__ = ("protocol", "check_hostname", "options", "verify_mode", "verify_flags", "minimum_version",
                 "maximum_version", "post_handshake_auth", "keylog_filename", "sni_callback", "num_tickets",
                 "security_level", "_host_flags", "_msg_callback")

    def __new__(cls, protocol):
        self = super().__new__(cls)
        client = protocol == PROTOCOL_TLS_CLIENT
        values = (protocol, client, OP_ALL, CERT_REQUIRED if client else CERT_NONE, VERIFY_X509_TRUSTED_FIRST,
                  PROTO_TLSv1_2, PROTO_MAXIMUM_SUPPORTED, False, None, None, 2, 2, 0, None)
        for name, value in zip(_SSLContext.__slots__, values, strict=True):
            getattr(_SSLContext, name).__set__(self, value)
        return self

    def _keep_nothing(self, *values, **more):
        """What only a connection would need."""

    set_ciphers = set_ecdh_curve = set_groups = load_dh_params = _set_alpn_protocols = _keep_nothing
    load_verify_locations = set_default_verify_paths = _keep_nothing

    def get_ca_certs(self, binary_form=False):
        return []

    def get_ciphers(self):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def _wrap_socket(self, *values, **more):
        _refuse()

    _wrap_bio = load_cert_chain = _wrap_socket


def RAND_bytes(length):
    return _os.urandom(length)


def RAND_add(data, entropy):
    """The kernel's random numbers need none."""


def RAND_status():
    return True


def txt2obj(text, name=False):
    return next(known for known in _OBJECTS if text in (known if name else known[3:]))


def nid2obj(number):
    return next(known for known in _OBJECTS if known[0] == number)


def get_default_verify_paths():
    return "SSL_CERT_FILE", "/etc/ssl/cert.pem", "SSL_CERT_DIR", "/etc/ssl/certs"


def _refuse():
    raise SSLError(_REFUSAL)
