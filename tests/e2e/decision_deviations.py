"""Where limpet decides otherwise than OpenSSL, on purpose: of which case, what it answers, and why."""

import dataclasses

DECIDED = ("decision", "stage", "class", "verify_code", "alert")


@dataclasses.dataclass
class Deviation:
    """differs: what limpet answers and an ordinary Python does not; same: what is the same all the same."""

    reason: str
    differs: dict
    same: tuple = DECIDED


NO_SUCH_THING = {"decision": "refuse", "stage": "handshake", "class": "SSLError",
                 "reason": "SSLV3_ALERT_HANDSHAKE_FAILURE"}
SAME_WORDS = (*DECIDED, "verify_message", "reason", "library", "text", "bases")


def _newer(reason_name):
    """An older Python's table of reasons has no name for it; that for OpenSSL 3.4 has."""
    return Deviation("Python's table of reasons for OpenSSL 3.4 has a name for it", {"reason": reason_name},
                     (*DECIDED, "library", "bases", "errno"))


DEVIATIONS = {
    "ed25519": Deviation("mbedTLS has no Ed25519, and does not offer it", NO_SUCH_THING),
    "curve-x448": Deviation("mbedTLS has no X448 for TLS, and does not offer it", NO_SUCH_THING),
    "cipher-dhe": Deviation("exchanges over finite fields are left out: slow, and nobody's default", NO_SUCH_THING),
    "cipher-rsa-exchange+wanted": Deviation(
        "exchanges without forward secrecy are left out", {
            "decision": "refuse", "stage": "setup", "class": "SSLError", "text": "('No cipher can be selected.',)"}),
    **{site: Deviation(
        "RFC 8446 section 4.4.2.2 wants digitalSignature, which OpenSSL does not look for", {
            "decision": "refuse", "stage": "handshake", "class": "SSLCertVerificationError", "verify_code": 26,
            "alert": 43})
       for site in ("only-encipherment", "only-agreement")},
    **{name: Deviation("the library tells of any wrong signature as an unknown fault", {"alert": 46}, SAME_WORDS)
       for name in ("chain-forged", "good+crl-forged")},
    "only-old+all": Deviation("OpenSSL sends its alert in a way that its own server does not understand", {"alert": 70},
                              SAME_WORDS),
    "good+host=.server.test": Deviation("the codec of Python 3.13 and newer has an error of its own", {
        "class": "UnicodeEncodeError"}, ("decision", "stage", "verify_code", "alert")),
    "alpn+not-agreed": _newer("TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
    "alpn-other+not-agreed": _newer("TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
    "good+other-kind": Deviation("the key is another one's: OpenSSL stumbles over its kind first", {
        "reason": "KEY_VALUES_MISMATCH"}),
}
