"""Chains to be judged: good ones, and ones with one thing wrong."""

import dataclasses
import itertools

import certificate_maker as make
from certificate_maker import (Maker, alternative, authority, basic, constraints, extended, extension, key_id, name,
                               netscape, tlv, unknown, usage)

LEAF_NAMES = ("dns:www.example.org",)


@dataclasses.dataclass
class Case:
    name: str
    chain: list  # DER, the peer's own first
    trust: list  # (DER, label)
    hosts: list = dataclasses.field(default_factory=list)
    host_flags: list = dataclasses.field(default_factory=lambda: [0])


_cases = []


def add(case_name, chain, *anchors, lists=(), **more):
    trust = [anchor if isinstance(anchor, tuple) else (anchor, "CERTIFICATE") for anchor in anchors]
    _cases.append(Case(case_name, chain, trust + [(revoked, "X509 CRL") for revoked in lists], **more))


def of_ca(maker, issuer, *, keep=(), drop=(), length=None, **replaced):
    """What a proper CA has, but for what is dropped or replaced: basic, usage, key, authority."""
    parts = {"basic": basic(length=length), "usage": usage("keyCertSign", "cRLSign"), "key": key_id(maker.key_id),
             "authority": authority(issuer.key_id)}
    parts.update(replaced)
    return [part for part_name, part in parts.items() if part_name not in drop] + list(keep)


def of_leaf(issuer, *, keep=(), drop=(), named=LEAF_NAMES, **replaced):
    parts = {"basic": basic(ca=False), "usage": usage("digitalSignature"), "extended": extended("server", "client"),
             "names": alternative(*named), "authority": authority(issuer.key_id)}
    parts.update(replaced)
    return [part for part_name, part in parts.items() if part_name not in drop] + list(keep)


ROOT, MIDDLE, LOWER, LEAF = Maker("Root", number=1), Maker("Middle", number=2), Maker("Lower", number=3), \
    Maker("www.example.org", number=4)
OTHER = Maker("Other root", number=5)
ROOT_DER = ROOT.certify(ROOT, of_ca(ROOT, ROOT))
OTHER_DER = OTHER.certify(OTHER, of_ca(OTHER, OTHER))
MIDDLE_DER = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT))
LOWER_DER = MIDDLE.certify(LOWER, of_ca(LOWER, MIDDLE))
LEAF_DER = MIDDLE.certify(LEAF, of_leaf(MIDDLE), serial=77)
DEEP_DER = LOWER.certify(LEAF, of_leaf(LOWER))


def add_paths():
    add("short", [LEAF_DER, MIDDLE_DER], ROOT_DER)
    add("with root", [LEAF_DER, MIDDLE_DER, ROOT_DER], ROOT_DER)
    add("root is not trusted", [LEAF_DER, MIDDLE_DER, ROOT_DER])
    add("root is another", [LEAF_DER, MIDDLE_DER, ROOT_DER], OTHER_DER)
    add("no root", [LEAF_DER, MIDDLE_DER], OTHER_DER)
    add("leaf alone", [LEAF_DER], ROOT_DER)
    add("leaf alone, middle trusted", [LEAF_DER], ROOT_DER, MIDDLE_DER)
    add("middle alone trusted", [LEAF_DER], MIDDLE_DER)
    add("middle alone trusted, sent", [LEAF_DER, MIDDLE_DER, ROOT_DER], MIDDLE_DER)
    add("leaf trusted", [LEAF_DER], LEAF_DER)
    add("leaf trusted, all sent", [LEAF_DER, MIDDLE_DER, ROOT_DER], LEAF_DER)
    add("leaf trusted, some sent", [LEAF_DER, MIDDLE_DER], LEAF_DER)
    add("leaf twice", [LEAF_DER, LEAF_DER, MIDDLE_DER], ROOT_DER)
    for number, order in enumerate(itertools.permutations([LOWER_DER, MIDDLE_DER, ROOT_DER, OTHER_DER])):
        add(f"any order {number}", [DEEP_DER, *order], ROOT_DER)
    for missing in range(3):
        sent = [LOWER_DER, MIDDLE_DER, ROOT_DER]
        del sent[missing]
        add(f"one is missing {missing}", [DEEP_DER, *sent], ROOT_DER)
        add(f"one is missing {missing}, nothing trusted", [DEEP_DER, *sent])
    add("broken signature of leaf", [MIDDLE.certify(LEAF, of_leaf(MIDDLE), broken=True), MIDDLE_DER], ROOT_DER)
    broken = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT), broken=True)
    add("broken signature of middle", [LEAF_DER, broken], ROOT_DER)
    add("broken signature of root", [LEAF_DER, MIDDLE_DER], ROOT.certify(ROOT, of_ca(ROOT, ROOT), broken=True))
    add("broken signature of trusted middle", [LEAF_DER], broken)
    add("two middles, first is broken", [LEAF_DER, broken, MIDDLE_DER], ROOT_DER)


def add_self_signed():
    lone = Maker("lone.example.org")
    plain = lone.certify(lone, [alternative("dns:lone.example.org")])
    add("self-signed", [plain], ROOT_DER)
    add("self-signed, trusted", [plain], plain)
    add("self-signed, sent twice", [plain, plain])
    add("self-signed, sent twice, trusted", [plain, plain], plain)
    mimic = Maker("lone.example.org", number=9)
    add("self-signed mimic of what is trusted", [mimic.certify(mimic, [alternative("dns:lone.example.org")])], plain)
    no_ca = lone.certify(lone, of_leaf(lone, authority=key_id(lone.key_id)))
    add("self-signed, no CA, trusted", [no_ca], no_ca)
    ca = lone.certify(lone, of_ca(lone, lone))
    add("self-signed CA as leaf", [ca], ca)
    false_root = Maker("Root", number=11)
    false_der = false_root.certify(false_root, of_ca(false_root, false_root))
    leaf = false_root.certify(LEAF, of_leaf(false_root))
    add("mimic of the root sent", [leaf, false_der], ROOT_DER)
    add("mimic of the root, no key identifiers",
        [false_root.certify(LEAF, of_leaf(false_root, drop=["authority"])),
         false_root.certify(false_root, of_ca(false_root, false_root, drop=["authority", "key"]))],
        ROOT.certify(ROOT, of_ca(ROOT, ROOT, drop=["authority", "key"])))
    issued = Maker(MIDDLE.subject, number=12)
    renewed = MIDDLE.certify(issued, of_ca(issued, MIDDLE))
    add("self-issued middle", [issued.certify(LEAF, of_leaf(issued)), renewed, MIDDLE_DER], ROOT_DER)


def add_times():
    for part, moments in {"past": (-20, -5), "future": (5, 20), "ends now": (-5, 0), "begins now": (0, 5),
                          "far": (-5, make.NOW.replace(year=2060))}.items():
        start, end = moments
        leaf = MIDDLE.certify(LEAF, of_leaf(MIDDLE), start=start, end=end)
        middle = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT), start=start, end=end)
        root = ROOT.certify(ROOT, of_ca(ROOT, ROOT), start=start, end=end)
        add(f"leaf {part}", [leaf, MIDDLE_DER], ROOT_DER)
        add(f"middle {part}", [LEAF_DER, middle], ROOT_DER)
        add(f"root {part}", [LEAF_DER, MIDDLE_DER], root)
        add(f"trusted middle {part}", [LEAF_DER], middle)
        add(f"all {part}", [leaf, middle], root)
        add(f"middle {part}, a valid one as well", [LEAF_DER, middle, MIDDLE_DER], ROOT_DER)
        add(f"middle {part}, a valid one before", [LEAF_DER, MIDDLE_DER, middle], ROOT_DER)
        add(f"middle {part}, a valid one trusted", [LEAF_DER, middle], ROOT_DER, MIDDLE_DER)
        add(f"middle {part} trusted, a valid one sent", [LEAF_DER, MIDDLE_DER], ROOT_DER, middle)
        add(f"root {part}, a valid one as well", [LEAF_DER, MIDDLE_DER, root], root, ROOT_DER)
        add(f"root {part} sent, a valid one trusted", [LEAF_DER, MIDDLE_DER, root], ROOT_DER)
    old, older = (ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT), start=-30, end=end) for end in (-2, -5))
    add("two expired middles", [LEAF_DER, older, old], ROOT_DER)
    add("two expired middles trusted", [LEAF_DER], ROOT_DER, older, old)


def add_crossed():
    crossed = OTHER.certify(MIDDLE, of_ca(MIDDLE, OTHER))
    root_by_other = OTHER.certify(ROOT, of_ca(ROOT, OTHER))
    for trusted in (ROOT_DER, OTHER_DER):
        which = "root" if trusted is ROOT_DER else "other"
        add(f"crossed middle, {which} trusted", [LEAF_DER, crossed, MIDDLE_DER], trusted)
        add(f"crossed middle last, {which} trusted", [LEAF_DER, MIDDLE_DER, crossed], trusted)
        add(f"crossed root, {which} trusted", [LEAF_DER, MIDDLE_DER, root_by_other], trusted)
        add(f"crossed root and itself, {which} trusted", [LEAF_DER, MIDDLE_DER, root_by_other, ROOT_DER], trusted)
        add(f"crossed root and other, {which} trusted", [LEAF_DER, MIDDLE_DER, root_by_other, OTHER_DER], trusted)
    add("crossed by expired", [LEAF_DER, MIDDLE_DER, root_by_other], ROOT_DER,
        OTHER.certify(OTHER, of_ca(OTHER, OTHER), start=-30, end=-2))
    add("crossed root is trusted itself", [LEAF_DER, MIDDLE_DER], root_by_other)
    loop_a, loop_b = Maker("Loop A", number=21), Maker("Loop B", number=22)
    a_by_b, b_by_a = loop_b.certify(loop_a, of_ca(loop_a, loop_b)), loop_a.certify(loop_b, of_ca(loop_b, loop_a))
    add("loop", [loop_a.certify(LEAF, of_leaf(loop_a)), a_by_b, b_by_a], ROOT_DER)
    add("loop is trusted", [loop_a.certify(LEAF, of_leaf(loop_a))], a_by_b, b_by_a)
    twin = Maker("Root", number=23)
    twin_der = twin.certify(twin, of_ca(twin, twin))
    bare = [maker.certify(maker, of_ca(maker, maker, drop=["key", "authority"])) for maker in (ROOT, twin)]
    for number, roots in enumerate(([ROOT_DER, twin_der], [twin_der, ROOT_DER], bare, bare[::-1])):
        add(f"two roots of one name {number}", [LEAF_DER, MIDDLE_DER], *roots)
        leaf = ROOT.certify(LEAF, of_leaf(ROOT, drop=["authority"]))
        add(f"two roots of one name {number}, no identifier", [leaf], *roots)
    middle_twin = Maker("Middle", number=24)
    for drop in ([], ["key", "authority"]):
        sent = [ROOT.certify(maker, of_ca(maker, ROOT, drop=drop)) for maker in (middle_twin, MIDDLE)]
        plain = MIDDLE.certify(LEAF, of_leaf(MIDDLE, drop=drop))
        add(f"two middles of one name {drop}", [plain, *sent], ROOT_DER)
        add(f"two middles of one name {drop}, turned", [plain, *sent[::-1]], ROOT_DER)
    curve, number = Maker("Mixed", key="P-256", number=25), Maker("Mixed", key="rsa2048", number=26)
    mixed = [maker.certify(maker, of_ca(maker, maker, drop=["key", "authority"])) for maker in (curve, number)]
    for maker in (curve, number):
        add(f"roots of one name, one RSA, one not {maker is curve}",
            [maker.certify(LEAF, of_leaf(maker, drop=["authority"]))], *mixed)


def add_identifiers():
    wrong = bytes(20)
    for what, value in {"key": authority(wrong), "issuer and serial": authority(MIDDLE.key_id, ROOT.subject, 4711),
                        "other issuer": authority(MIDDLE.key_id, OTHER.subject, 4711),
                        "other serial": authority(MIDDLE.key_id, ROOT.subject, 4712),
                        "empty": authority(), "critical": authority(MIDDLE.key_id, critical=True),
                        "broken": extension("2.5.29.35", b"\x30\x05\x80")}.items():
        middle = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT), serial=4711)
        add(f"authority of leaf: {what}", [MIDDLE.certify(LEAF, of_leaf(MIDDLE, authority=value)), middle], ROOT_DER)
    for what, drop in {"authority": ["authority"], "key": ["key"], "both": ["key", "authority"]}.items():
        add(f"middle without {what}", [LEAF_DER, ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, drop=drop))], ROOT_DER)
        add(f"root without {what}", [LEAF_DER, MIDDLE_DER], ROOT.certify(ROOT, of_ca(ROOT, ROOT, drop=drop)))
    add("leaf without authority", [MIDDLE.certify(LEAF, of_leaf(MIDDLE, drop=["authority"])), MIDDLE_DER], ROOT_DER)
    add("key identifier critical", [LEAF_DER, ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, key=key_id(
        MIDDLE.key_id, critical=True)))], ROOT_DER)
    for what, value in {"other key": authority(wrong), "own issuer": authority(ROOT.key_id, ROOT.subject, 5)}.items():
        add(f"root's authority: {what}", [LEAF_DER, MIDDLE_DER],
            ROOT.certify(ROOT, of_ca(ROOT, ROOT, authority=value), serial=5))


def add_authorities():
    plain = {"no basic": {"drop": ["basic"]}, "no usage": {"drop": ["usage"]}, "nothing": {"drop": ["basic", "usage"]},
             "no CA": {"basic": basic(ca=False)}, "not critical": {"basic": basic(critical=False)},
             "usage without sign": {"usage": usage("cRLSign")}, "usage empty": {"usage": usage()},
             "usage broken": {"usage": extension("2.5.29.15", b"\x03\x05\x00")},
             "no CA but signs": {"basic": basic(ca=False), "usage": usage("keyCertSign")},
             "no CA with length": {"basic": basic(ca=False, length=1)},
             "length without sign": {"basic": basic(length=3), "drop": ["usage"]},
             "netscape CA": {"drop": ["basic", "usage"], "keep": [netscape(0x04)]},
             "netscape mail CA": {"drop": ["basic", "usage"], "keep": [netscape(0x02)]},
             "netscape other": {"drop": ["basic", "usage"], "keep": [netscape(0x80)]},
             "netscape beside": {"keep": [netscape(0x01)]},
             "for servers": {"keep": [extended("server")]}, "for clients": {"keep": [extended("client")]},
             "for code": {"keep": [extended("code")]}, "for any": {"keep": [extended("any")]},
             "gated": {"keep": [extended("ms")]}, "gated of old": {"keep": [extended("ns")]},
             "unknown critical": {"keep": [unknown()]}, "unknown": {"keep": [unknown(critical=False)]},
             "policies": {"keep": [extension("2.5.29.32", b"\x30\x06\x30\x04\x06\x02\x2a\x03", critical=True)]},
             "policy constraints": {"keep": [extension("2.5.29.36", b"\x30\x03\x80\x01\x00", critical=True)]},
             "policy mappings": {"keep": [extension("2.5.29.33", make.sequence(make.sequence(
                 make.oid("1.2.3"), make.oid("1.2.4"))), critical=True)]},
             "inhibits any policy": {"keep": [extension("2.5.29.54", b"\x02\x01\x00", critical=True)]},
             "OCSP no check": {"keep": [extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00", critical=True)]}}
    for what, change in plain.items():
        middle = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, **change))
        add(f"middle: {what}", [LEAF_DER, middle], ROOT_DER)
        add(f"trusted middle: {what}", [LEAF_DER], middle)
        add(f"root: {what}", [LEAF_DER, MIDDLE_DER], ROOT.certify(ROOT, of_ca(ROOT, ROOT, **change)))
    for version in (1, 2):
        middle = ROOT.certify(MIDDLE, version=version)
        root = ROOT.certify(ROOT, version=version)
        leaf = MIDDLE.certify(LEAF, version=version)
        add(f"middle of version {version}", [LEAF_DER, middle], ROOT_DER)
        add(f"root of version {version}", [LEAF_DER, MIDDLE_DER], root)
        add(f"leaf of version {version}", [leaf, MIDDLE_DER], ROOT_DER)
        add(f"trusted middle of version {version}", [LEAF_DER], middle)
    lone = Maker("version.example.org", number=30)
    add("self-signed of version 1", [lone.certify(lone, version=1)], lone.certify(lone, version=1))
    leaf_der = MIDDLE.certify(OTHER, of_leaf(MIDDLE))
    add("leaf issues", [OTHER.certify(LEAF, of_leaf(OTHER)), leaf_der, MIDDLE_DER], ROOT_DER)


def add_leaves():
    for what, change in {
            "no basic": {"drop": ["basic"]}, "CA": {"basic": basic()}, "CA with length": {"basic": basic(length=0)},
            "length without CA": {"basic": basic(ca=False, length=0)}, "no usage": {"drop": ["usage"]},
            "usage empty": {"usage": usage()}, "usage signs": {"usage": usage("digitalSignature", "keyCertSign")},
            "usage lists": {"usage": usage("digitalSignature", "cRLSign")},
            "usage key": {"usage": usage("keyEncipherment")}, "usage agreement": {"usage": usage("keyAgreement")},
            "usage data": {"usage": usage("dataEncipherment")}, "usage far": {"usage": usage("decipherOnly")},
            "no extended": {"drop": ["extended"]}, "for server": {"extended": extended("server")},
            "for client": {"extended": extended("client")}, "for code": {"extended": extended("code")},
            "for any": {"extended": extended("any")}, "for none": {"extended": extension("2.5.29.37", b"\x30\x00")},
            "gated": {"extended": extended("ms")}, "extended critical": {"extended": extended("server", critical=True)},
            "netscape server": {"keep": [netscape(0x40)]}, "netscape client": {"keep": [netscape(0x80)]},
            "no names": {"drop": ["names"]}, "names empty": {"names": alternative()},
            "names critical": {"names": alternative(*LEAF_NAMES, critical=True)},
            "names broken": {"names": extension("2.5.29.17", b"\x30\x05\x82")},
            "unknown critical": {"keep": [unknown()]}, "unknown": {"keep": [unknown(critical=False)]},
            "key critical": {"keep": [key_id(LEAF.key_id, critical=True)]},
            "constraints": {"keep": [constraints(permitted=["dns:example.org"])]},
            "must staple": {"keep": [extension("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x05")]},
            "distribution point": {"keep": [extension("2.5.29.31", make.sequence(make.sequence(tlv(0xa0, tlv(
                0xa0, make.general("uri:http://example.org/list"))))), critical=True)]},
            "CT poison": {"keep": [extension("1.3.6.1.4.1.11129.2.4.3", b"\x05\x00", critical=True)]},
            "proxy": {"drop": ["names"], "keep": [extension("1.3.6.1.5.5.7.1.14", make.sequence(make.sequence(
                make.oid("1.3.6.1.5.5.7.21.1"))), critical=True)]}}.items():
        leaf = MIDDLE.certify(LEAF, of_leaf(MIDDLE, **change))
        add(f"leaf: {what}", [leaf, MIDDLE_DER], ROOT_DER)
        add(f"leaf trusted: {what}", [leaf], leaf)
    empty = Maker(name(), number=31)
    for what, names in {"": {}, ", names critical": {"names": alternative(*LEAF_NAMES, critical=True)},
                        ", no names": {"drop": ["names"]}}.items():
        add(f"no subject{what}", [MIDDLE.certify(empty, of_leaf(MIDDLE, **names)), MIDDLE_DER], ROOT_DER)
    nameless = ROOT.certify(empty, of_ca(empty, ROOT))
    add("middle without subject", [empty.certify(LEAF, of_leaf(empty)), nameless], ROOT_DER)


def add_lengths():
    for root_length, middle_length in itertools.product((None, 0, 1, 2), repeat=2):
        root = ROOT.certify(ROOT, of_ca(ROOT, ROOT, length=root_length))
        middle = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, length=middle_length))
        add(f"lengths {root_length} {middle_length}", [DEEP_DER, LOWER_DER, middle], root)
        add(f"lengths {root_length} {middle_length}, short", [LEAF_DER, middle], root)
    again = Maker(MIDDLE.subject, number=32)
    renewed = MIDDLE.certify(again, of_ca(again, MIDDLE, length=0))
    lower = again.certify(LOWER, of_ca(LOWER, again))
    for length in (0, 1):
        middle = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, length=length))
        add(f"self-issued does not count {length}", [again.certify(LEAF, of_leaf(again)), renewed, middle], ROOT_DER)
        add(f"self-issued does not count {length}, below", [DEEP_DER, lower, renewed, middle], ROOT_DER)
    for count in (98, 99, 100, 101, 102):
        makers = [Maker(f"Step {number}", number=40) for number in range(count)]
        chain = [below.certify(above, of_ca(above, below)) for below, above in zip([ROOT, *makers], makers)]
        leaf = makers[-1].certify(LEAF, of_leaf(makers[-1]))
        add(f"long {count}", [leaf, *reversed(chain)], ROOT_DER)
        add(f"long {count}, root is not trusted", [leaf, *reversed(chain), ROOT_DER])


def add_levels():
    for kind in ("rsa1024", "rsa2048", "rsa3072", "P-384", "P-521", "secp256k1", "rsa1962", "rsa1963"):
        root, middle, leaf = (Maker(text, key=kind) for text in ("Level root", "Level middle", "Level leaf"))
        root_der = ROOT.certify(root, of_ca(root, ROOT))
        add(f"keys {kind}", [middle.certify(leaf, of_leaf(middle)), root.certify(middle, of_ca(middle, root))],
            root.certify(root, of_ca(root, root)))
        add(f"leaf {kind}", [MIDDLE.certify(leaf, of_leaf(MIDDLE)), MIDDLE_DER], ROOT_DER)
        add(f"middle {kind}", [root.certify(LEAF, of_leaf(root)), root_der], ROOT_DER)
    for digest in ("sha1", "sha224", "sha384", "sha512"):
        for kind in ("P-256", "rsa2048"):
            root, middle = Maker("Level root", key=kind), Maker("Level middle", key=kind)
            root_der = root.certify(root, of_ca(root, root), digest=digest)
            middle_der = root.certify(middle, of_ca(middle, root), digest=digest)
            good = root.certify(middle, of_ca(middle, root))
            leaf = middle.certify(LEAF, of_leaf(middle), digest=digest)
            add(f"all {digest} {kind}", [leaf, middle_der], root_der)
            add(f"root {digest} {kind}", [middle.certify(LEAF, of_leaf(middle)), good], root_der)
            add(f"middle {digest} {kind}", [middle.certify(LEAF, of_leaf(middle)), middle_der], root_der)
            add(f"leaf {digest} {kind}", [leaf, good], root_der)
    for kind in ("Ed25519", "P-224"):
        root = Maker("New root", key=kind)
        root_der = root.certify(root, of_ca(root, root))
        add(f"not known: {kind} signs", [root.certify(LEAF, of_leaf(root))], root_der)
        add(f"not known: {kind} is the leaf's", [MIDDLE.certify(root, of_leaf(MIDDLE)), MIDDLE_DER], ROOT_DER)
        add(f"known beside {kind}", [LEAF_DER, MIDDLE_DER], root_der, ROOT_DER)
    root = Maker("PSS root", key="rsa2048", number=50)
    for digest in ("sha256", "sha384"):
        leaf = root.certify(LEAF, of_leaf(root), digest=digest, pss=True)
        root_der = root.certify(root, of_ca(root, root), digest=digest, pss=True)
        add(f"RSA-PSS {digest}", [leaf], root_der)
        add(f"RSA-PSS {digest} broken", [root.certify(LEAF, of_leaf(root), digest=digest, pss=True, broken=True)],
            root_der)


def add_constraints():
    def one(case_name, names, subject=None, drop=(), **limits):
        limit = constraints(**limits)
        maker = LEAF if subject is None else Maker(subject, number=4)
        middle = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, keep=[limit]))
        leaf = MIDDLE.certify(maker, of_leaf(MIDDLE, named=names, drop=drop))
        add(f"constraints: {case_name}", [leaf, middle], ROOT_DER)
        root = ROOT.certify(ROOT, of_ca(ROOT, ROOT, keep=[limit]))
        add(f"constraints: {case_name}, of root", [leaf, MIDDLE_DER], root)

    dns = ["dns:example.org"]
    for text in ("www.example.org", "example.org", "EXAMPLE.ORG", "badexample.org", "example.com", "a.b.example.org",
                 "*.example.org", ".example.org", "example.org."):
        one(f"permitted {text}", [f"dns:{text}"], permitted=dns)
        one(f"excluded {text}", [f"dns:{text}"], excluded=dns)
        one(f"permitted below {text}", [f"dns:{text}"], permitted=["dns:.example.org"])
    one("one of two is outside", ["dns:www.example.org", "dns:www.example.com"], permitted=dns)
    one("one of two permits", ["dns:www.example.com"], permitted=["dns:example.com", "dns:example.org"])
    one("permitted and excluded", ["dns:www.example.org"], permitted=dns, excluded=["dns:www.example.org"])
    one("all excluded", ["dns:www.example.org"], excluded=["dns:"])
    one("all permitted", ["dns:www.example.org"], permitted=["dns:"])
    for address in ("10.1.2.3", "10.2.0.1", "192.168.0.1", "fe80::1"):
        one(f"address {address}", [f"ip:{address}"], permitted=["ip:10.1.0.0/16"])
        one(f"not address {address}", [f"ip:{address}"], excluded=["ip:10.1.0.0/16"])
        one(f"address of six {address}", [f"ip:{address}"], permitted=["ip:fe80::/10"])
    one("address of odd size", ["ip:10.1.2.3"], permitted=["rawip:0a0100ff"])
    one("odd address", ["rawip:0a01"], permitted=["ip:10.1.0.0/16"])
    for text in ("joe@example.org", "ann@example.org", "joe@www.example.org", "joe@example.com", "JOE@EXAMPLE.ORG", "joe",
                 "a@b@example.org"):
        for base in ("example.org", ".example.org", "joe@example.org", "@example.org", ""):
            one(f"email {text} in {base}", [f"email:{text}"], permitted=[f"email:{base}"])
        one(f"not email {text}", [f"email:{text}"], excluded=["email:example.org"])
    for text in ("http://example.org/x", "https://www.example.org:8443/", "http://example.com", "http:/example.org",
                 "http://user@example.org/", "urn:x", "http://", "http://EXAMPLE.org"):
        for base in ("example.org", ".example.org"):
            one(f"uri {text} in {base}", [f"uri:{text}"], permitted=[f"uri:{base}"])
    one("other kind", ["other:1.2.3.4=x"], permitted=["other:1.2.3.4=y"])
    one("other kind of another sort", ["other:1.2.3.5=x"], permitted=["other:1.2.3.4=y"])
    one("registered", ["rid:1.2.3"], permitted=["rid:1.2"])
    one("registered, excluded", ["rid:1.2.3"], excluded=["rid:1.2"])
    one("kinds do not meet", ["dns:www.example.org"], permitted=["email:example.org"])
    one("directory", LEAF_NAMES, permitted=["dirO:Example"])
    one("directory of others", LEAF_NAMES, permitted=["dirO:Others"])
    one("directory of none", LEAF_NAMES, permitted=["dir:"])
    one("directory excluded", LEAF_NAMES, excluded=["dirO:EXAMPLE"])
    one("directory excluded, spaces", LEAF_NAMES, excluded=["dirO:  exAMPLE  "])
    one("directory name among names", ["dns:a.example.org", "dir:x"], permitted=["dirO:Example"])
    one("minimum 0", LEAF_NAMES, permitted=dns, bounds=tlv(0x80, b"\0"))
    one("minimum 1", LEAF_NAMES, permitted=dns, bounds=tlv(0x80, b"\1"))
    one("maximum", LEAF_NAMES, permitted=dns, bounds=tlv(0x81, b"\1"))
    one("minimum of others", ["email:a@b.c"], permitted=dns, bounds=tlv(0x80, b"\1"))
    one("empty", LEAF_NAMES)
    for text in ("www.example.com", "www.example.org", "no host", "host", "-a.b", "a_b.c.example.com", "a..b", "x.-y",
                 "www.example.com\0", "www.example.org\0.evil.com"):
        one(f"common name {text!r}", [], subject=name(("CN", text)), drop=["names"], permitted=dns)
        one(f"common name {text!r} beside names", LEAF_NAMES, subject=name(("CN", text)), permitted=dns)
    one("common name in wide characters", [], subject=name(("CN", "www.example.com", 0x1e)), drop=["names"],
        permitted=dns)
    one("email in subject", LEAF_NAMES, subject=name(("CN", "x"), ("email", "joe@example.com", 0x16)),
        permitted=["email:example.org"])
    one("email in subject, good", LEAF_NAMES, subject=name(("CN", "x"), ("email", "joe@example.org", 0x16)),
        permitted=["email:example.org"])
    one("email in subject, of another type", LEAF_NAMES, subject=name(("CN", "x"), ("email", "joe@example.org")),
        permitted=["email:example.org"])
    broken = ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, keep=[extension("2.5.29.30", b"\x30\x03\xa0\x05\x30", True)]))
    add("constraints: broken", [LEAF_DER, broken], ROOT_DER)


def add_names():
    def pair(case_name, subject, issuer):
        maker = Maker(subject, number=60)
        root = maker.certify(maker, of_ca(maker, maker))
        add(f"name: {case_name}", [maker.certify(LEAF, of_leaf(maker), issuer=issuer)], root)

    plain = name(("O", "Example Org"), ("CN", "A Root"))
    for what, other in {
            "case": name(("O", "EXAMPLE ORG"), ("CN", "a root")), "spaces": name(("O", "  Example   Org "), ("CN", "A Root")),
            "tabs": name(("O", "Example\t\nOrg"), ("CN", "A Root")), "printable": name(("O", "Example Org"), (
                "CN", "A Root"), tag=0x13), "wide": name(("O", "Example Org"), ("CN", "A Root"), tag=0x1e),
            "wider": name(("O", "Example Org"), ("CN", "A Root"), tag=0x1c), "order": name(("CN", "A Root"), (
                "O", "Example Org")), "fewer": name(("O", "Example Org")), "joined": name([("O", "Example Org"), (
                    "CN", "A Root")]), "other": name(("O", "Example Org"), ("CN", "B Root")),
            "no space": name(("O", "ExampleOrg"), ("CN", "A Root"))}.items():
        pair(what, plain, other)
    pair("letters", name(("CN", "Bücher Ä")), name(("CN", "Bücher Ä", 0x1e)))
    pair("letters of Latin 1", name(("CN", "Bücher Ä")), name(("CN", "Bücher Ä", 0x14)))
    pair("letters in other case", name(("CN", "Bücher Ä")), name(("CN", "BÜCHER Ä")))
    pair("several in one", name([("O", "B"), ("CN", "a")]), name([("O", "b"), ("CN", "A")]))


def add_revocations():
    chain = [LEAF_DER, MIDDLE_DER]
    by_root = ROOT.revoke()
    for what, lists in {
            "none revoked": [MIDDLE.revoke()], "others revoked": [MIDDLE.revoke(1, 2)],
            "revoked": [MIDDLE.revoke(77)], "revoked, with reason": [MIDDLE.revoke(77, reason=1)],
            "removed": [MIDDLE.revoke(77, reason=8)], "expired": [MIDDLE.revoke(start=-5, end=-1)],
            "expired, revoked": [MIDDLE.revoke(77, start=-5, end=-1)], "future": [MIDDLE.revoke(start=1, end=5)],
            "no end": [MIDDLE.revoke(end=None)], "ends now": [MIDDLE.revoke(end=0)],
            "begins now": [MIDDLE.revoke(start=0)],
            "broken": [MIDDLE.revoke(broken=True)], "by others": [OTHER.revoke(77, issuer=MIDDLE.subject)],
            "by others, named": [OTHER.revoke(77, issuer=MIDDLE.subject, extensions=[authority(OTHER.key_id)])],
            "named": [MIDDLE.revoke(77, extensions=[authority(MIDDLE.key_id)])],
            "older and newer": [MIDDLE.revoke(77, start=-3), MIDDLE.revoke(start=-2)],
            "newer and older": [MIDDLE.revoke(start=-2), MIDDLE.revoke(77, start=-3)],
            "expired and valid": [MIDDLE.revoke(start=-5, end=-1), MIDDLE.revoke(77, start=-6)],
            "of the root only": [], "of users only": [MIDDLE.revoke(77, extensions=[
                extension("2.5.29.28", make.sequence(tlv(0x81, b"\xff")))])],
            "of authorities only": [MIDDLE.revoke(77, extensions=[
                extension("2.5.29.28", make.sequence(tlv(0x82, b"\xff")))])],
            "of attributes only": [MIDDLE.revoke(77, extensions=[
                extension("2.5.29.28", make.sequence(tlv(0x85, b"\xff")))])],
            "indirect": [MIDDLE.revoke(77, extensions=[extension("2.5.29.28", make.sequence(tlv(0x84, b"\xff")))])],
            "delta": [MIDDLE.revoke(77, extensions=[extension("2.5.29.27", make.integer(1))])],
            "with number": [MIDDLE.revoke(77, extensions=[extension("2.5.29.20", make.integer(1))])],
            "unknown": [MIDDLE.revoke(extensions=[unknown(critical=False)])],
            "unknown critical": [MIDDLE.revoke(77, extensions=[unknown()])],
            "critical scope": [MIDDLE.revoke(extensions=[
                extension("2.5.29.28", make.sequence(tlv(0x81, b"\xff")), critical=True)])]}.items():
        add(f"list: {what}", chain, ROOT_DER, lists=[*lists, by_root])
    add("list: middle revoked", [LEAF_DER, ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT), serial=88)], ROOT_DER,
        lists=[MIDDLE.revoke(), ROOT.revoke(88)])
    add("list: root revoked", chain, ROOT.certify(ROOT, of_ca(ROOT, ROOT), serial=99),
        lists=[MIDDLE.revoke(), ROOT.revoke(99)])
    add("list: may not sign", [LEAF_DER, ROOT.certify(MIDDLE, of_ca(MIDDLE, ROOT, usage=usage("keyCertSign")))],
        ROOT_DER, lists=[MIDDLE.revoke(), by_root])
    add("list: trusted middle", [LEAF_DER], MIDDLE_DER, lists=[MIDDLE.revoke()])
    add("list: trusted leaf", [LEAF_DER], LEAF_DER, lists=[MIDDLE.revoke(77)])
    big = MIDDLE.certify(LEAF, of_leaf(MIDDLE), serial=2**80)
    add("list: large serial", [big, MIDDLE_DER], ROOT_DER, lists=[MIDDLE.revoke(2**80), by_root])


def add_hosts():
    flags = [0, 0x1, 0x2, 0x4, 0x8, 0x20, 0x4 | 0x1]

    def one(case_name, names, hosts, subject=None, drop=()):
        maker = LEAF if subject is None else Maker(subject, number=4)
        leaf = MIDDLE.certify(maker, of_leaf(MIDDLE, named=names, drop=drop))
        add(f"host: {case_name}", [leaf, MIDDLE_DER], ROOT_DER, hosts=hosts, host_flags=flags)

    hosts = ["example.org", "www.example.org", "WWW.EXAMPLE.ORG", "a.b.example.org", "xn--bcher-kva.example.org",
             "www.example.org.", "example.com", ".example.org", "fooexample.org", "foo.example.org", "f-.example.org",
             "*.example.org", "_x.example.org"]
    for pattern in ("www.example.org", "*.example.org", "w*.example.org", "*w.example.org", "w*w.example.org",
                    "*.*.example.org", "www.*.org", "*.org", "*", "*.example.org.", "xn--*.example.org", "f*.example.org",
                    "xn--bcher-kva.example.org", "*.b.example.org", "*-.example.org", "_x.example.org", "*._.example.org",
                    "", "example.org", ".example.org", "*example.org", "www.example.org\0.evil.com"):
        one(f"of {pattern!r}", [f"dns:{pattern}"], hosts)
    one("of two", ["dns:example.com", "dns:www.example.org"], hosts)
    one("of none", ["email:a@example.org"], hosts)
    addresses = ["10.1.2.3", "10.1.2.4", "fe80::1", "FE80:0::1", "::ffff:10.1.2.3", "www.example.org"]
    one("addresses", ["ip:10.1.2.3", "ip:fe80::1"], addresses)
    one("address as text", ["dns:10.1.2.3", "dns:fe80::1"], addresses)
    one("address in common name", [], addresses, subject=name(("CN", "10.1.2.3")), drop=["names"])
    for text in ("www.example.org", "*.example.org", "10.1.2.3", "www.example.org\0", "www.example.org\0.evil.com"):
        one(f"common name {text!r}", [], hosts, subject=name(("CN", text)), drop=["names"])
        one(f"common name {text!r} beside an address", ["ip:10.1.2.3"], hosts, subject=name(("CN", text)))
        one(f"common name {text!r} beside a name", ["dns:other.example.org"], hosts, subject=name(("CN", text)))
    one("common names", [], hosts, subject=name(("CN", "a.example.org"), ("CN", "www.example.org")), drop=["names"])
    one("common name in wide characters", [], hosts, subject=name(("CN", "www.example.org", 0x1e)), drop=["names"])
    one("common name of no text", [], hosts, subject=name(("CN", b"\xff\xff")), drop=["names"])


def add_purposes():
    def with_purposes(der, trusted=(), rejected=()):
        lists = [make.sequence(*(make.oid(make.PURPOSES[text]) for text in trusted))] if trusted else []
        if rejected:
            lists.append(tlv(0xa0, *(make.oid(make.PURPOSES[text]) for text in rejected)))
        return (der + make.sequence(*lists), "TRUSTED CERTIFICATE")

    for what, purposes in {"none": {}, "server": {"trusted": ["server"]}, "client": {"trusted": ["client"]},
                           "any": {"trusted": ["any"]}, "not server": {"rejected": ["server"]},
                           "not client": {"rejected": ["client"]}, "not any": {"rejected": ["any"]},
                           "code": {"trusted": ["code"]}}.items():
        add(f"root is trusted for: {what}", [LEAF_DER, MIDDLE_DER], with_purposes(ROOT_DER, **purposes))
        add(f"middle is trusted for: {what}", [LEAF_DER, MIDDLE_DER], ROOT_DER, with_purposes(MIDDLE_DER, **purposes))
        add(f"leaf is trusted for: {what}", [LEAF_DER], with_purposes(LEAF_DER, **purposes))


GROUPS = {make_some.__name__.removeprefix("add_"): make_some for make_some in (
    add_paths, add_self_signed, add_times, add_crossed, add_identifiers, add_authorities, add_leaves, add_lengths,
    add_levels, add_constraints, add_names, add_revocations, add_hosts, add_purposes)}


def cases_of(group):
    _cases.clear()
    GROUPS[group]()
    return list(_cases)
