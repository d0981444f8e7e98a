"""Certificates as DER (X.690) put together by hand: also such as no tool makes. Their signatures are none.

    der.certificate(subject=der.name([("2.5.4.3", der.utf8("example.org"))]), serial=der.integer(-1))
"""

import base64

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, UTF8, SEQUENCE, SET = 1, 2, 3, 4, 5, 6, 12, 0x30, 0x31
NUMERIC, PRINTABLE, T61, IA5, UTC, GENERALIZED, VISIBLE, UNIVERSAL, BMP = 18, 19, 20, 22, 23, 24, 26, 28, 30


def element(tag, *contents):
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def implicit(number, *contents):
    return element(0x80 | number, *contents)


def explicit(number, *contents):
    return element(0xA0 | number, *contents)


def sequence(*elements):
    return element(SEQUENCE, *elements)


def oid(dotted):
    numbers = [int(number) for number in dotted.split(".")]
    body = b""
    for number in [numbers[0] * 40 + numbers[1], *numbers[2:]]:
        parts = [number & 0x7F]
        while number := number >> 7:
            parts.insert(0, number & 0x7F | 0x80)
        body += bytes(parts)
    return element(OID, body)


def integer(value):
    return element(INTEGER, value.to_bytes((value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1,
                                           "big", signed=True))


def text(tag, value, encoding="ascii"):
    return element(tag, value if isinstance(value, bytes) else value.encode(encoding))


def utf8(value):
    return text(UTF8, value, "utf-8")


def name(*relative_names):
    """Each a list of (dotted, value)."""
    return sequence(*(element(SET, *(sequence(oid(kind), value) for kind, value in parts))
                      for parts in relative_names))


def common_name(value="example.org"):
    return name([("2.5.4.3", utf8(value))])


def extension(kind, *contents, critical=b""):
    return sequence(oid(kind), critical, element(OCTET_STRING, *contents))


def alt_names(*names):
    return extension("2.5.29.17", sequence(*names))


ALGORITHM = sequence(oid("1.2.840.10045.4.3.2"))
# The generator of P-256: a point that is one.
POINT = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
KEY = sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), element(BIT_STRING, b"\0", POINT))


def certificate(subject=common_name(), serial=integer(1), begin=text(UTC, "250101000000Z"),
                end=text(UTC, "350101000000Z"), version=explicit(0, integer(2)), issuer=common_name("issuer"),
                rest=b"", extensions=()):
    if extensions:
        rest += explicit(3, sequence(*extensions))
    facts = sequence(version, serial, ALGORITHM, issuer, sequence(begin, end), subject, KEY, rest)
    return sequence(facts, ALGORITHM, element(BIT_STRING, b"\0", sequence(integer(1), integer(1))))


def pem(der, label="CERTIFICATE"):
    lines = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n"
