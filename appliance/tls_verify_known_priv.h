// tls_verify_known_priv.h - what a certificate or a list says about itself, read once: what judging
// and trusting want to know about it beyond what the library has parsed. Private to tls_trust*.c
// and tls_verify*.c.
#pragma once

#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stdint.h>

#include "str.h"

enum {
    FACT_INVALID = 0x1, // an extension that matters cannot be read, or is there twice
    FACT_CA = 0x2,
    FACT_BASIC = 0x4, // basicConstraints is there
    FACT_BASIC_CRITICAL = 0x8,
    FACT_USAGE = 0x10,
    FACT_EXTENDED_USAGE = 0x20,
    FACT_NETSCAPE = 0x40,
    FACT_SELF_ISSUED = 0x80,
    FACT_SELF_SIGNED = 0x100, // as far as names and key identifiers tell; the signature is not read
    FACT_UNHANDLED = 0x200,   // a critical extension that nobody here knows
    FACT_PROXY = 0x400,       // RFC 3820
    FACT_NAMES = 0x800,       // subjectAltName is there
    FACT_NAMES_CRITICAL = 0x1000,
    FACT_KEY_ID = 0x2000,
    FACT_KEY_ID_CRITICAL = 0x4000,
    FACT_AUTHORITY = 0x8000, // authorityKeyIdentifier is there
    FACT_AUTHORITY_CRITICAL = 0x10000,
    FACT_AUTHORITY_KEY = 0x20000,  // ... with a keyIdentifier
    FACT_AUTHORITY_NAME = 0x40000, // ... with a directoryName
    FACT_CONSTRAINTS = 0x80000,    // nameConstraints is there
    FACT_EXPLICIT_CURVE = 0x100000,
    FACT_EXTENSIONS = 0x200000, // there are any
};

// Bits of a key usage, as tls_value_bits has them (RFC 5280 section 4.2.1.3).
enum {
    USAGE_DIGITAL_SIGNATURE = 0x80,
    USAGE_KEY_ENCIPHERMENT = 0x20,
    USAGE_KEY_AGREEMENT = 0x08,
    USAGE_SIGN_CERTIFICATES = 0x04,
    USAGE_SIGN_LISTS = 0x02,
};

// Extended key usages.
enum {
    PURPOSE_SERVER = 0x1,
    PURPOSE_CLIENT = 0x2,
    PURPOSE_GATED = 0x4, // server gated cryptography, of old
    PURPOSE_ANY = 0x8,
};

// Netscape's types of certificates.
enum { NETSCAPE_CLIENT = 0x80, NETSCAPE_SERVER = 0x40, NETSCAPE_SSL_CA = 0x04, NETSCAPE_CA = 0x07 };

// Slices point into the parsed certificate, but for those in own.
struct tls_known {
    const mbedtls_x509_crt *parsed;
    unsigned facts;
    unsigned usage, purposes, netscape;
    int path_length;            // -1: none is set
    struct str subject, issuer; // canonical
    uint32_t subject_hash;
    struct str key_id;
    struct str authority_key, authority_serial;
    struct str authority_name; // canonical
    struct str names;          // contents of GeneralNames
    struct str constraints;    // contents of NameConstraints
    char *own;                 // memory of the canonical names
};

// parsed must stay as long as these. 0, or -1: out of memory.
int tls_known_read(struct tls_known *out, const mbedtls_x509_crt *parsed);
void tls_known_forget(struct tls_known *facts);

// Whether this may have been issued by that (names, key identifiers, algorithms): OpenSSL's
// X509_check_issued. Signatures are not looked at.
bool tls_known_issued(const struct tls_known *issuer, const struct tls_known *subject);
// Whether what names its authority like this can mean this issuer.
struct tls_authority_id {
    const struct str *key, *serial, *name; // NULL: not said; the name is canonical
};
bool tls_known_is_authority(const struct tls_known *issuer, const struct tls_authority_id *id);

// Unix time in seconds.
int64_t tls_known_seconds(const mbedtls_x509_time *time);
bool tls_known_time_is_good(const struct tls_known *facts, int64_t now);
// Whether this key has signed this (tbs, by an algorithm of the library's).
struct tls_signed {
    struct str tbs, signature;
    mbedtls_md_type_t digest;
    mbedtls_pk_type_t algorithm;
    const void *options;
};
bool tls_known_signature_is_good(const mbedtls_pk_context *key, const struct tls_signed *what);
bool tls_known_same(const struct tls_known *a, const struct tls_known *b);

// Of an AuthorityKeyIdentifier's contents. name: its GeneralName's contents, a Name as DER.
struct tls_authority_parts {
    bool has_key, has_serial, has_name;
    struct str key, serial, name;
};
bool tls_known_read_authority(struct str value, struct tls_authority_parts *out);
