// tls_certificate.h - what stands in an X.509 certificate (RFC 5280), taken apart into texts: what
// Python's SSLSocket.getpeercert() shows. Needs neither keys nor Python.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "str.h"
#include "tls_fault.h"

// A part of a distinguished name: ("commonName", "example.org").
struct tls_name_part {
    struct str kind;  // the attribute's long name as OpenSSL's; dotted numbers where that has none
    struct str value; // UTF-8; a BIT STRING's bytes as they are
    bool is_bytes;    // a BIT STRING: Python shows bytes
    bool begins;      // a relative distinguished name begins with it
};

struct tls_name_parts {
    struct tls_name_part *parts;
    size_t count;
};

// One of subjectAltName: ("DNS", "example.org"), ("IP Address", "10.0.0.1"), ("DirName", a name).
struct tls_alt_name {
    struct str kind;
    struct str value;            // bytes as they stand there, maybe not UTF-8; not of a DirName
    struct tls_name_parts names; // of a DirName
};

struct tls_texts {
    struct str *texts;
    size_t count;
};

struct tls_certificate_text {
    struct tls_name_parts subject, issuer;
    int version;           // 3
    struct str serial;     // "0A1B", as Python shows it
    struct str not_before; // "Aug 26 14:23:15 2028 GMT"; day with a blank before it: "Jan  1"
    struct str not_after;
    struct tls_alt_name *alt_names; // NULL: the extension is not there, or broken
    size_t alt_name_count;
    struct tls_texts ocsp, ca_issuers, crl_points; // URIs
    void *memory;                                  // of all above
};

// Of DER; what is behind the certificate does not matter. Errors: SSL library "ASN1" where these
// bytes are none.
int tls_certificate_read(struct tls_certificate_text *out, struct str der, struct tls_fault *fault);
void tls_certificate_fini(struct tls_certificate_text *facts);

// The first certificate of a PEM file as DER, to be freed.
int tls_certificate_load(struct str *der, const char *path, struct tls_fault *fault);

// "-----BEGIN CERTIFICATE-----…", to be freed. data NULL: out of memory.
struct str tls_certificate_pem(struct str der);
