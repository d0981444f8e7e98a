"""Certificates and lists of revoked ones as their bytes, made by hand (X.690, RFC 5280): also what no
tool would make, version 1, extensions that are broken or critical where they must not be, names of any kind."""

import base64
import datetime
import functools
import hashlib
import ipaddress
import itertools

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1,
          "P-224": ec.SECP224R1}
SERIALS = itertools.count(1000)
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
OIDS = {"CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11", "C": "2.5.4.6", "email": "1.2.840.113549.1.9.1",
        "DC": "0.9.2342.19200300.100.1.25"}


def tlv(tag, *parts):
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts):
    return tlv(0x30, *parts)


def integer(number):
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray()
    for number in (first * 40 + second, *rest):
        septets = [number & 0x7f]
        while number := number >> 7:
            septets.append(number & 0x7f | 0x80)
        out += bytes(reversed(septets))
    return tlv(0x06, bytes(out))


def name(*attributes, tag=0x0c):
    """Of ("CN", "text") or ("CN", "text", tag); a list of them is one RDN of several attributes."""
    rdns = []
    for attribute in attributes:
        members = attribute if isinstance(attribute, list) else [attribute]
        encoded = []
        for kind, text, *tags in members:
            value_tag = tags[0] if tags else tag
            charset = {0x1e: "utf-16-be", 0x1c: "utf-32-be", 0x14: "latin-1"}.get(value_tag, "utf-8")
            value = text if isinstance(text, bytes) else text.encode(charset)
            encoded.append(sequence(oid(OIDS[kind]), tlv(value_tag, value)))
        rdns.append(tlv(0x31, *sorted(encoded)))
    return sequence(*rdns)


def time(when):
    if when.year < 2050:
        return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def days(count):
    return NOW + datetime.timedelta(days=count)


# --- extensions ---------------------------------------------------------------------------------------------------

def extension(dotted, value, critical=False):
    return sequence(oid(dotted), *([tlv(0x01, b"\xff")] if critical else []), tlv(0x04, value))


def basic(ca=True, length=None, critical=True):
    parts = ([tlv(0x01, b"\xff")] if ca else []) + ([integer(length)] if length is not None else [])
    return extension("2.5.29.19", sequence(*parts), critical)


USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
          "cRLSign", "encipherOnly", "decipherOnly")


def usage(*names, critical=True):
    bits = sum(0x8000 >> USAGES.index(usage_name) for usage_name in names)
    unused = (bits & -bits).bit_length() - 1 if bits else 0
    value = bits.to_bytes(2, "big")[:2 if unused < 8 else 1]
    return extension("2.5.29.15", tlv(0x03, bytes([unused % 8]), value if bits else b""), critical)


PURPOSES = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2", "code": "1.3.6.1.5.5.7.3.3",
            "any": "2.5.29.37.0", "ms": "1.3.6.1.4.1.311.10.3.3", "ns": "2.16.840.1.113730.4.1"}


def extended(*names, critical=False):
    return extension("2.5.29.37", sequence(*(oid(PURPOSES[purpose]) for purpose in names)), critical)


def netscape(bits):
    return extension("2.16.840.1.113730.1.1", tlv(0x03, b"\0", bytes([bits])))


def general(text):
    """A GeneralName of "dns:...", "ip:...", "email:...", "uri:...", "dir:<CN>", "rid:...", "other:<oid>=<text>"."""
    kind, _, value = text.partition(":")
    if kind == "ip":
        if "/" in value:
            network = ipaddress.ip_network(value)
            return tlv(0x87, network.network_address.packed, network.netmask.packed)
        return tlv(0x87, ipaddress.ip_address(value).packed)
    if kind == "rawip":
        return tlv(0x87, bytes.fromhex(value))
    if kind == "dir":
        return tlv(0xa4, name(("O", "Example"), ("CN", value)) if value else name())
    if kind == "dirO":
        return tlv(0xa4, name(("O", value)))
    if kind == "rid":
        return bytes([0x88]) + oid(value)[1:]
    if kind == "other":
        dotted, _, value = value.partition("=")
        return tlv(0xa0, oid(dotted), tlv(0xa0, tlv(0x0c, value.encode())))
    return tlv({"dns": 0x82, "email": 0x81, "uri": 0x86}[kind], value.encode())


def alternative(*names, critical=False):
    return extension("2.5.29.17", sequence(*map(general, names)), critical)


def key_id(value, critical=False):
    return extension("2.5.29.14", tlv(0x04, value), critical)


def authority(key=None, issuer=None, serial=None, critical=False):
    parts = [] if key is None else [tlv(0x80, key)]
    if issuer is not None:
        parts.append(tlv(0xa1, tlv(0xa4, issuer)))
    if serial is not None:
        parts.append(tlv(0x82, integer(serial)[2:]))
    return extension("2.5.29.35", sequence(*parts), critical)


def constraints(permitted=(), excluded=(), critical=True, bounds=b""):
    lists = []
    for tag, names in ((0xa0, permitted), (0xa1, excluded)):
        if names:
            lists.append(tlv(tag, *(sequence(general(text), bounds) for text in names)))
    return extension("2.5.29.30", sequence(*lists), critical)


def unknown(critical=True, dotted="1.3.6.1.4.1.55555.1"):
    return extension(dotted, tlv(0x05), critical)


# --- keys and what they sign --------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def make_key(kind, number=0):
    """Of "P-256", ..., "Ed25519", "rsa1024"; another number is another key."""
    del number
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind]())


DIGESTS = {"sha1": (hashes.SHA1, "1.2.840.113549.1.1.5", "1.2.840.10045.4.1"),
           "sha224": (hashes.SHA224, "1.2.840.113549.1.1.14", "1.2.840.10045.4.3.1"),
           "sha256": (hashes.SHA256, "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"),
           "sha384": (hashes.SHA384, "1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"),
           "sha512": (hashes.SHA512, "1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4")}


def algorithm(key, digest, pss):
    made, of_rsa, of_curve = DIGESTS[digest]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return sequence(oid("1.3.101.112"))
    if pss:
        hash_oid = sequence(oid({"sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2"}[digest]),
                            tlv(0x05))
        return sequence(oid("1.2.840.113549.1.1.10"), sequence(
            tlv(0xa0, hash_oid), tlv(0xa1, sequence(oid("1.2.840.113549.1.1.8"), hash_oid)),
            tlv(0xa2, integer(made().digest_size))))
    if isinstance(key, rsa.RSAPrivateKey):
        return sequence(oid(of_rsa), tlv(0x05))
    return sequence(oid(of_curve))


def sign(key, digest, content, pss=False):
    made = DIGESTS[digest][0]()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(content)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(made), made.digest_size) if pss else padding.PKCS1v15()
        return key.sign(content, scheme, made)
    return key.sign(content, ec.ECDSA(made))


class Maker:
    """A name with a key, and the certificates and lists that it signs."""

    def __init__(self, subject, key="P-256", number=0):
        self.subject = name(("O", "Example"), ("CN", subject)) if isinstance(subject, str) else subject
        self.key = make_key(key, number)
        self.public = self.key.public_key().public_bytes(serialization.Encoding.DER,
                                                         serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = hashlib.sha1(self.public).digest()  # noqa: S324 (RFC 5280 section 4.2.1.2)

    def certify(self, subject, extensions=None, *, start=-10, end=10, version=3, digest="sha256", serial=None,
                pss=False, broken=False, issuer=None):
        """A certificate of subject (a Maker) by this one; start and end in days, or datetimes. extensions: all."""
        signature = algorithm(self.key, digest, pss)
        moments = [days(when) if isinstance(when, (int, float)) else when for when in (start, end)]
        body = sequence(
            tlv(0xa0, integer(version - 1)) if version > 1 else b"",
            integer(next(SERIALS) if serial is None else serial), signature,
            self.subject if issuer is None else issuer, sequence(*map(time, moments)), subject.subject, subject.public,
            tlv(0xa3, sequence(*extensions)) if extensions else b"")
        signed = sign(self.key, digest, body, pss)
        if broken:
            signed = signed[:-1] + bytes([signed[-1] ^ 1])
        return sequence(body, signature, tlv(0x03, b"\0", signed))

    def revoke(self, *serials, start=-1, end=1, digest="sha256", extensions=(), reason=None, issuer=None, broken=False):
        """A list of these serial numbers."""
        signature = algorithm(self.key, digest, False)
        entry = [] if reason is None else [sequence(extension("2.5.29.21", tlv(0x0a, bytes([reason]))))]
        entries = [sequence(integer(serial), time(days(-1)), *entry) for serial in serials]
        body = sequence(integer(1), signature, self.subject if issuer is None else issuer, time(days(start)),
                        time(days(end)) if end is not None else b"", sequence(*entries) if entries else b"",
                        tlv(0xa0, sequence(*extensions)) if extensions else b"")
        signed = sign(self.key, digest, body)
        if broken:
            signed = signed[:-1] + bytes([signed[-1] ^ 1])
        return sequence(body, signature, tlv(0x03, b"\0", signed))


def pem(der, label="CERTIFICATE"):
    text = base64.b64encode(der).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
