"""What test_client_decisions.py asks of a client: cases, what OpenSSL decides of each, and where limpet differs.

expect is "ok", the number of X509_verify_cert_error, the reason of an SSLError, or the name of another exception.
"""

import dataclasses

LEAF, CHAIN = ["VERIFY_CRL_CHECK_LEAF"], ["VERIFY_CRL_CHECK_CHAIN"]
STRICT, PARTIAL = ["VERIFY_X509_STRICT"], ["VERIFY_X509_PARTIAL_CHAIN"]
TRUSTED_LOW = {"cafiles": ["mid"]}
NOT_CHECKED = {"check_hostname": False}
NONE, OPTIONAL = {"check_hostname": False, "verify_mode": "CERT_NONE"}, {"verify_mode": "CERT_OPTIONAL"}
WEAK = {"ciphers": "ALL:@SECLEVEL=0"}
OK, HOST, ADDRESS, EXPIRED, UNKNOWN, SELF_SIGNED_IN_CHAIN, INVALID_CA = "ok", 62, 64, 10, 20, 19, 79


@dataclasses.dataclass
class Case:
    """site: one of Farm; name: of the case, where the site has several; settings: as decision_client.py takes them,
    with names of Farm.files for files."""

    site: str
    expect: object
    name: str = ""
    host: str = "server.test"
    settings: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        return f"{self.site}+{self.name}" if self.name else self.site

    def task(self, farm, address):
        """What the client is given."""
        task = {"address": address, "host": self.host, "cafiles": ["root"], **self.settings}
        for key in ("cafiles", "capaths", "cadata", "client"):
            if key in task:
                task[key] = [str(farm.files[name]) for name in task[key]]
        return task


def variants(site, **cases):
    """name=(expect, settings) for each."""
    return [Case(site, expect, name.replace("_", "-"), settings=settings) for name, (expect, settings) in cases.items()]


def hosts(site, expect, *names, **settings):
    unchecked = "-unchecked" if settings.get("check_hostname") is False else ""
    mode = f"-{settings['verify_mode']}" if "verify_mode" in settings else ""
    return [Case(site, expect, f"host={name}{unchecked}{mode}", name, settings) for name in names]


KEYS = [
    *(Case(site, OK) for site in ("rsa-2048", "rsa-4096", "ecdsa-p-256", "ecdsa-p-384", "ecdsa-p-521", "ed25519")),
    *(Case(f"by-rsa-{digest}", OK, settings={"cafiles": ["rsa-root"]}) for digest in ("sha256", "sha384", "sha512")),
    *(Case(site, OK, "1.2", settings={"max": "1.2"}) for site in ("rsa-2048", "rsa-4096", "ecdsa-p-256",
                                                                  "ecdsa-p-384", "ecdsa-p-521")),
]

TIMES = [
    *variants("expired", plain=(EXPIRED, {}), none=(OK, NONE), optional=(EXPIRED, OPTIONAL),
              **{"1.2": (EXPIRED, {"max": "1.2"})}),
    Case("not-yet", 9), Case("not-yet", OK, "none", settings=NONE),
    # Which of two faults is told.
    Case("expired-elsewhere", HOST), Case("expired-elsewhere", EXPIRED, "unchecked", settings=NOT_CHECKED),
    Case("mid-expired", EXPIRED), Case("mid-not-yet", 9),
    Case("root-expired", EXPIRED, settings={"cafiles": ["old-root"]}),
    *variants("mid-expired", partial=(EXPIRED, {"flags": PARTIAL})),
]

TRUST = [
    *variants("good", plain=(OK, {}), nobody=(UNKNOWN, {"cafiles": []}), none=(OK, NONE | {"cafiles": []}),
              optional=(OK, OPTIONAL), optional_nobody=(UNKNOWN, OPTIONAL | {"cafiles": []}),
              unchecked=(OK, NOT_CHECKED), both=(OK, {"cafiles": ["both"]}), twin=(UNKNOWN, {"cafiles": ["twin"]}),
              twin_too=(OK, {"cafiles": ["twin", "root"]}), twin_behind=(OK, {"cafiles": ["root", "twin"]}),
              folder=(OK, {"cafiles": [], "capaths": ["capath"]}), data=(OK, {"cafiles": [], "cadata": ["root"]}),
              no_file=("FileNotFoundError", {"cafiles": ["missing"]}), broken_file=("SSLError", {"cafiles": ["key"]}),
              default=(OK, {"default": True}), **{"1.2": (OK, {"max": "1.2"}), "1.3": (OK, {"min": "1.3"})}),
    *variants("self-signed", plain=(18, {}), trusted=(OK, {"cafiles": ["self-signed"]}), none=(OK, NONE),
              trusted_strict=(OK, {"cafiles": ["self-signed"], "flags": STRICT})),
    *variants("unknown", plain=(UNKNOWN, {}), none=(OK, NONE), known=(OK, {"cafiles": ["other"]})),
    *variants("unknown-with-root", plain=(SELF_SIGNED_IN_CHAIN, {}), known=(OK, {"cafiles": ["other"]})),
]

NAMES = [
    *hosts("good", HOST, "other.test", "a.server.test", "test", "server.tes", "serverxtest", "server.test.example"),
    *hosts("good", OK, "SERVER.TEST"), *hosts("good", HOST, "server.test."),
    *hosts("good", "ValueError", "", None), *hosts("good", "UnicodeError", ".server.test"),
    *hosts("good", OK, None, **NOT_CHECKED), *hosts("good", OK, "other.test", "127.0.0.1", **NOT_CHECKED),
    *hosts("good", OK, "other.test", **NONE),
    *hosts("upper", OK, "server.test", "SeRvEr.test"),
    *hosts("wildcard", OK, "a.wild.test", "A.WILD.test", "xn--bcher-kva.wild.test", "a-b.wild.test"),
    *hosts("wildcard", HOST, "a.b.wild.test", "wild.test", "wild.testx", "a.wild.tes", "_a.wild.test"),
    *hosts("partial", HOST, "foo.wild.test", "f.wild.test", "g.wild.test"),
    *hosts("top", HOST, "a.test"), *hosts("inner", HOST, "a.b.test"), *hosts("two", HOST, "a.b.test"),
    *hosts("several", OK, "one.test", "two.test"), *hosts("several", HOST, "three.test"),
    *hosts("idna", OK, "bücher.test", "xn--bcher-kva.test", "BÜCHER.test"), *hosts("idna", HOST, "bucher.test"),
    *hosts("idna-wild", HOST, "xn--bcher-kva.test"), *hosts("long", OK, f"{'a' * 63}.{'b' * 63}.test"),
    *(Case("common-name", expect, name, settings={"common_name": known}) for known, expect, name in (
        (True, OK, "counts"), (False, HOST, "does-not"))),
    *(Case("common-name-beside", HOST, name, settings={"common_name": known}) for known, name in (
        (True, "counts"), (False, "does-not"))),
    Case("common-name-beside-address", OK, settings={"common_name": True}),
    *hosts("address", OK, "127.0.0.1", "::1", "0:0:0:0:0:0:0:1"), *hosts("address", ADDRESS, "127.0.0.2", "::2"),
    *hosts("address", HOST, "localhost", "127.0.0.1."), *hosts("address-as-name", ADDRESS, "127.0.0.1"),
    *hosts("address-as-common-name", ADDRESS, "127.0.0.1", common_name=True),
    *hosts("sni", OK, "a.sni.test", "b.sni.test"), *hosts("sni", HOST, "c.sni.test"),
    *hosts("sni", OK, None, **NOT_CHECKED),
]

REVOKED = [
    *variants("revoked", unasked=(OK, {"cafiles": ["root", "crl-mid"]}),
              leaf=(23, {"cafiles": ["root", "crl-mid"], "flags": LEAF}),
              chain=(23, {"cafiles": ["root", "crl-mid", "crl-root"], "flags": CHAIN}),
              missing=(3, {"flags": LEAF}), other_list=(3, {"cafiles": ["root", "crl-root"], "flags": LEAF}),
              none=(OK, NONE | {"cafiles": ["root", "crl-mid"], "flags": LEAF}),
              expired_list=(12, {"cafiles": ["root", "crl-mid-old"], "flags": LEAF})),
    *variants("good", crl=(OK, {"cafiles": ["root", "crl-mid"], "flags": LEAF}),
              crl_chain=(OK, {"cafiles": ["root", "crl-mid", "crl-root"], "flags": CHAIN}),
              crl_missing=(3, {"flags": LEAF}), crl_missing_above=(3, {"cafiles": ["root", "crl-mid"], "flags": CHAIN}),
              crl_old=(12, {"cafiles": ["root", "crl-mid-old"], "flags": LEAF}),
              crl_young=(11, {"cafiles": ["root", "crl-mid-young"], "flags": LEAF}),
              crl_old_and_new=(OK, {"cafiles": ["root", "crl-mid-old", "crl-mid"], "flags": LEAF}),
              crl_forged=(8, {"cafiles": ["root", "crl-mid-forged"], "flags": LEAF})),
    *variants("mid-revoked", leaf=(OK, {"cafiles": ["root", "crl-taken", "crl-root"], "flags": LEAF}),
              chain=(23, {"cafiles": ["root", "crl-taken", "crl-root"], "flags": CHAIN})),
]

WEAKNESS = [
    *variants("rsa-1024", plain=(66, {}), level_0=(OK, WEAK), none=("*", NONE)),
    *variants("sha1", plain=(68, {}), level_0=(OK, WEAK)),
    *variants("mid-rsa-1024", plain=(67, {}), level_0=(OK, WEAK)),
    *variants("mid-sha1", plain=(68, {}), level_0=(OK, WEAK)),
    Case("root-sha1", OK, settings={"cafiles": ["sha1-root"]}),
    *variants("root-rsa-1024", plain=(67, {"cafiles": ["weak-root"]}), level_0=(OK, WEAK | {"cafiles": ["weak-root"]})),
]

CHAINS = [
    *(Case(f"chain-{name}", OK) for name in (
        "three", "wrong-order", "with-root", "root-first", "with-unneeded", "twice", "crossed-last")),
    *(Case(f"chain-{name}", UNKNOWN) for name in ("alone", "gap-below", "of-another", "crossed")),
    Case("chain-gap-above", UNKNOWN), Case("chain-forged", 7),
    Case("chain-forged", OK, "none", settings=NONE),
    *variants("chain-alone", all_known=(OK, {"cafiles": ["low", "mid", "root"]}),
              partial=(OK, {"cafiles": ["low"], "flags": PARTIAL}), low=(2, {"cafiles": ["low"]})),
    *variants("chain-three", mid=(2, TRUSTED_LOW), mid_partial=(OK, TRUSTED_LOW | {"flags": PARTIAL}),
              mid_and_root=(OK, {"cafiles": ["mid", "root"]}),
              mid_and_root_partial=(OK, {"cafiles": ["mid", "root"], "flags": PARTIAL})),
    *variants("chain-crossed", by_other=(OK, {"cafiles": ["other"]}), by_both=(OK, {"cafiles": ["other", "root"]})),
    *variants("chain-with-root", unknown=(SELF_SIGNED_IN_CHAIN, {"cafiles": ["other"]})),
]

AUTHORITIES = [
    Case("mid-no-ca", INVALID_CA), Case("mid-no-constraints", INVALID_CA), Case("mid-no-sign", INVALID_CA),
    Case("mid-no-usage", OK), Case("mid-for-clients", 26), Case("mid-for-servers", OK), Case("mid-uncritical", OK),
    Case("mid-pathlen-0", OK), Case("path-too-long", 25), Case("path-fits", OK),
    Case("path-too-long-for-root", 25, settings={"cafiles": ["short-root"]}), Case("leaf-as-authority", INVALID_CA),
    Case("mid-unhandled", 34), *(Case(site, OK, "none", settings=NONE) for site in ("mid-no-ca", "path-too-long")),
]

CONSTRAINTS = [
    Case("names-permitted", OK, host="a.permitted.test"), Case("names-not-permitted", 47, host="permitted.test"),
    Case("names-excluded", 48, host="a.excluded.test"), Case("names-not-excluded", OK, host="a.other.test"),
    Case("names-similar", OK, host="notexcluded.test"), Case("names-dot", OK, host="a.permitted.test"),
    Case("names-dot-bare", 47, host="permitted.test"), Case("names-wildcard-excluded", OK, host="b.excluded.test"),
    Case("names-address", OK, host="192.0.2.9"), Case("names-wrong-address", 47, host="198.51.100.9"),
    Case("names-address-excluded", 48, host="2001:db8::1"),
    Case("names-common-name", 47, host="other.test"),
    Case("names-common-name-no-host", OK, settings=NOT_CHECKED), Case("names-other-kind", OK, host="a.other.test"),
    Case("names-excluded", OK, "none", "a.excluded.test", NONE),
]

USES = [
    Case("for-clients", 26), Case("for-clients", OK, "none", settings=NONE), Case("for-any", OK), Case("any-usage", 26),
    *(Case(site, "SSLV3_ALERT_HANDSHAKE_FAILURE", "1.2", settings={"max": "1.2"})  # by the server, which cannot sign
      for site in ("only-encipherment", "only-agreement")),
    *(Case(site, OK, "none", settings=NONE) for site in ("only-encipherment", "only-agreement", "only-certsign")),
    Case("only-encipherment", "*"), Case("only-agreement", "*"), Case("only-certsign", "*"),
    Case("unhandled", 34), Case("unhandled", OK, "none", settings=NONE), Case("strange", OK), Case("must-staple", OK),
    Case("rich", OK), Case("rich-small-serial", OK), Case("rich", HOST, "other", "a.b.server.test"),
    Case("rich", OK, "address", "192.0.2.7"), Case("rich", OK, "1.2", settings={"max": "1.2"}),
]

STRICTNESS = [
    *variants("good", strict=(OK, {"flags": STRICT}), strict_partial=(OK, {"flags": STRICT + PARTIAL}),
              strict_mid=(OK, {"cafiles": ["mid"], "flags": STRICT + PARTIAL})),
    *(Case(site, expect, name, settings={"flags": flags}) for name, flags, column in (
        ("loose", [], 0), ("strict", STRICT, 1)) for site, *expected in (
            ("no-identifiers", OK, 85), ("no-subject", OK, 88), ("no-authority-identifier", OK, 85),
            ("mid-uncritical", OK, 89), ("mid-no-usage", OK, 92), ("rich", OK, OK),
            ("mid-no-constraints", INVALID_CA, "*")) for expect in [expected[column]]),
    *variants("root-no-usage", strict=(92, {"cafiles": ["bare-root"], "flags": STRICT}),
              loose=(OK, {"cafiles": ["bare-root"]})),
    *variants("root-no-identifier", strict=(85, {"cafiles": ["plain-root"], "flags": STRICT}),
              loose=(OK, {"cafiles": ["plain-root"]})),
]

PROTOCOLS = [
    *variants("only-1.2", plain=(OK, {}), too_old=("TLSV1_ALERT_PROTOCOL_VERSION", {"min": "1.3"})),
    *variants("only-1.3", plain=(OK, {}), too_new=("TLSV1_ALERT_PROTOCOL_VERSION", {"max": "1.2"})),
    *variants("only-old", plain=("TLSV1_ALERT_PROTOCOL_VERSION", {}),
              all=("UNSUPPORTED_PROTOCOL", {"max": "1.2", "ciphers": "ALL"}),
              **{"1.2": ("SSLV3_ALERT_HANDSHAKE_FAILURE", {"max": "1.2"})}),
    Case("cipher-cbc", OK), Case("cipher-cbc-sha1", "SSLV3_ALERT_HANDSHAKE_FAILURE"), Case("cipher-chacha", OK),
    Case("cipher-gcm-128", OK), Case("cipher-rsa-exchange", "SSLV3_ALERT_HANDSHAKE_FAILURE"), Case("cipher-dhe", OK),
    Case("cipher-ccm", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    *variants("cipher-rsa-exchange", wanted=(OK, {"ciphers": "AES128-GCM-SHA256"})),
    *variants("cipher-cbc-sha1", wanted=(OK, {"ciphers": "ECDHE-RSA-AES128-SHA"})),
    *variants("cipher-gcm-128", other=("SSLV3_ALERT_HANDSHAKE_FAILURE", {"ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}),
              unknown=("SSLError", {"ciphers": "NO-SUCH-CIPHER"})),
    *(Case(f"curve-{curve}", OK) for curve in ("x25519", "prime256v1", "secp384r1", "secp521r1", "x448")),
    Case("curve-secp384r1", OK, "alone", settings={"curve": "secp384r1"}),
    Case("curve-prime256v1", "SSLV3_ALERT_HANDSHAKE_FAILURE", "other", settings={"curve": "secp384r1"}),
    Case("curve-prime256v1", "ValueError", "unknown", settings={"curve": "no-such-curve"}),
    Case("many-suites", OK), Case("chacha-1.3", OK), Case("no-tickets", OK),
    *variants("alpn", none=(OK, {}), http11=(OK, {"alpn": ["http/1.1"]}), both=(OK, {"alpn": ["h3", "http/1.1"]}),
              not_agreed=("SSLError", {"alpn": ["imap"]}),
              too_long=("SSLError", {"alpn": ["x" * 256]}), empty=("SSLError", {"alpn": [""]})),
    *variants("no-alpn", asked=(OK, {"alpn": ["http/1.1"]})),
    *variants("alpn-other", agreed=(OK, {"alpn": ["other", "imap"]}),
              not_agreed=("SSLError", {"alpn": ["http/1.1"]})),
]

CLIENT, CLIENT_RSA = {"client": ["client", "client-key"]}, {"client": ["client-rsa", "client-rsa-key"]}
OTHER_CLIENT = {"client": ["client-other", "client-other-key"]}
OLD_CLIENT = {"client": ["client-expired", "client-expired-key"]}
CLIENTS = [
    *(case for site in ("client-wanted", "client-wanted-1.2", "client-welcome") for case in variants(
        site, given=(OK, CLIENT), rsa=(OK, CLIENT_RSA), missing=(OK, {}), other=(OK, OTHER_CLIENT),
        expired=(OK, OLD_CLIENT))),
    *(case for version, missing, unknown in (("1.2", "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_UNKNOWN_CA"),
                                             ("1.3", "TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA"))
      for case in variants(f"client-must-{version}", given=(OK, CLIENT), rsa=(OK, CLIENT_RSA), missing=(missing, {}),
                           other=(unknown, OTHER_CLIENT), expired=("SSLV3_ALERT_CERTIFICATE_EXPIRED", OLD_CLIENT))),
    *variants("good", unasked=(OK, CLIENT),
              wrong_key=("KEY_VALUES_MISMATCH", {"client": ["client", "client-other-key"]}),
              other_kind=("NO_CERTIFICATE_ASSIGNED", {"client": ["client", "client-rsa-key"]}),
              no_key=("SSLError", {"client": ["client"]}),
              no_certificate=("FileNotFoundError", {"client": ["missing", "client-key"]})),
]

CASES = [*KEYS, *TIMES, *TRUST, *NAMES, *REVOKED, *WEAKNESS, *CHAINS, *AUTHORITIES, *CONSTRAINTS, *USES, *STRICTNESS,
         *PROTOCOLS, *CLIENTS]
