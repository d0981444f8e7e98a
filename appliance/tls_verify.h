// tls_verify.h - judges a peer's certificates: to the same decisions, with the same numbers and
// words, as OpenSSL 3 does. The library checks signatures, times and lists; this finds the path
// (peers send chains in any order, with certificates too many), and what the library has no notion
// of: OpenSSL's flags, security levels, names of hosts (RFC 6125, RFC 9525), name constraints (RFC
// 5280 section 4.2.1.10).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"
#include "tls_trust.h"

struct mbedtls_x509_crt;

// OpenSSL's X509_V_ERR_… numbers, as far as they can come about here.
enum tls_verify_code {
    TLS_VERIFY_OK = 0,
    TLS_VERIFY_UNSPECIFIED = 1,
    TLS_VERIFY_NO_ISSUER = 2,
    TLS_VERIFY_NO_CRL = 3,
    TLS_VERIFY_SIGNATURE = 7,
    TLS_VERIFY_CRL_SIGNATURE = 8,
    TLS_VERIFY_NOT_YET_VALID = 9,
    TLS_VERIFY_EXPIRED = 10,
    TLS_VERIFY_CRL_NOT_YET_VALID = 11,
    TLS_VERIFY_CRL_EXPIRED = 12,
    TLS_VERIFY_MEMORY = 17,
    TLS_VERIFY_SELF_SIGNED = 18,
    TLS_VERIFY_SELF_SIGNED_IN_CHAIN = 19,
    TLS_VERIFY_NO_LOCAL_ISSUER = 20,
    TLS_VERIFY_NO_ISSUER_OF_LEAF = 21,
    TLS_VERIFY_CHAIN_TOO_LONG = 22,
    TLS_VERIFY_REVOKED = 23,
    TLS_VERIFY_PATH_LENGTH = 25,
    TLS_VERIFY_PURPOSE = 26,
    TLS_VERIFY_REJECTED = 28,
    TLS_VERIFY_CANNOT_SIGN = 32,
    TLS_VERIFY_NO_CRL_ISSUER = 33,
    TLS_VERIFY_UNHANDLED_CRITICAL = 34,
    TLS_VERIFY_CANNOT_SIGN_CRL = 35,
    TLS_VERIFY_UNHANDLED_CRITICAL_CRL = 36,
    TLS_VERIFY_PROXY = 40,
    TLS_VERIFY_CRL_SCOPE = 44,
    TLS_VERIFY_NOT_PERMITTED = 47,
    TLS_VERIFY_EXCLUDED = 48,
    TLS_VERIFY_SUBTREE = 49,
    TLS_VERIFY_CONSTRAINT_TYPE = 51,
    TLS_VERIFY_CONSTRAINT_SYNTAX = 52,
    TLS_VERIFY_NAME_SYNTAX = 53,
    TLS_VERIFY_HOST = 62,
    TLS_VERIFY_ADDRESS = 64,
    TLS_VERIFY_LEAF_KEY_TOO_SMALL = 66,
    TLS_VERIFY_CA_KEY_TOO_SMALL = 67,
    TLS_VERIFY_CA_DIGEST_TOO_WEAK = 68,
    TLS_VERIFY_INVALID_CA = 79,
    // Of VERIFY_X509_STRICT:
    TLS_VERIFY_PATH_LENGTH_NO_CA = 80,
    TLS_VERIFY_PATH_LENGTH_NO_SIGNER = 81,
    TLS_VERIFY_SIGNER_NO_CA = 82,
    TLS_VERIFY_NO_ISSUER_NAME = 83,
    TLS_VERIFY_NO_SUBJECT_NAME = 84,
    TLS_VERIFY_NO_AUTHORITY_KEY = 85,
    TLS_VERIFY_NO_SUBJECT_KEY = 86,
    TLS_VERIFY_NO_ALTERNATIVE_NAMES = 87,
    TLS_VERIFY_NAMES_NOT_CRITICAL = 88,
    TLS_VERIFY_BASIC_NOT_CRITICAL = 89,
    TLS_VERIFY_AUTHORITY_KEY_CRITICAL = 90,
    TLS_VERIFY_SUBJECT_KEY_CRITICAL = 91,
    TLS_VERIFY_CA_WITHOUT_USAGE = 92,
    // Always:
    TLS_VERIFY_EXPLICIT_CURVE = 94,
};

// ssl.VerifyFlags, with OpenSSL's numbers.
enum {
    TLS_VERIFY_CRL_CHECK_LEAF = 0x4,
    TLS_VERIFY_CRL_CHECK_CHAIN = 0x4 | 0x8,
    TLS_VERIFY_X509_STRICT = 0x20,
    TLS_VERIFY_ALLOW_PROXY_CERTS = 0x40,
    TLS_VERIFY_TRUSTED_FIRST = 0x8000,
    TLS_VERIFY_PARTIAL_CHAIN = 0x80000,
};

// ssl's hidden _host_flags, with OpenSSL's numbers.
enum {
    TLS_HOST_ALWAYS_CHECK_SUBJECT = 0x1,
    TLS_HOST_NO_WILDCARDS = 0x2,
    TLS_HOST_NO_PARTIAL_WILDCARDS = 0x4,
    TLS_HOST_MULTI_LABEL_WILDCARDS = 0x8,
    TLS_HOST_SINGLE_LABEL_SUBDOMAINS = 0x10,
    TLS_HOST_NEVER_CHECK_SUBJECT = 0x20,
};

struct tls_verify_rules {
    bool of_server;      // the peer is a server (purpose serverAuth), else a client (clientAuth)
    unsigned flags;      // TLS_VERIFY_…
    int security_level;  // 0 to 5, as OpenSSL's: 1: 80 bits, 2: 112 bits (RSA 2048, no SHA-1), ...
    const char *host;    // the name that was meant (A-labels), or an IP address; NULL: not checked
    unsigned host_flags; // TLS_HOST_…
    int64_t now;         // Unix time in seconds
};

struct tls_verdict {
    enum tls_verify_code code; // the first that OpenSSL would find
    int depth;                 // of the certificate it is about; 0: the peer's own
    bool is_limited;           // the last of the path is believed for some purposes alone
    struct str *verified;  // copies as DER, the peer's own first, of the path that was found, or as
    size_t verified_count; // far as one was found. To be ended with tls_verdict_fini.
};

// chain: the peer's own certificate, and behind it (->next) all that it has sent, in its order;
// not changed. Any thread. Returns the verdict's code; never fails otherwise (memory: the code).
enum tls_verify_code tls_verify(const struct tls_trust *trust, const struct mbedtls_x509_crt *chain,
                                const struct tls_verify_rules *rules, struct tls_verdict *out);
void tls_verdict_fini(struct tls_verdict *verdict);

// "self-signed certificate", as X509_verify_cert_error_string says it.
const char *tls_verify_text(enum tls_verify_code code);

// The flags of mbedTLS (MBEDTLS_X509_BADCERT_…) that make it send the alert that OpenSSL sends.
uint32_t tls_verify_library_flags(enum tls_verify_code code);

// Whether a certificate is for this host name or IP address.
bool tls_verify_host(const struct mbedtls_x509_crt *certificate, const char *host,
                     unsigned host_flags);
