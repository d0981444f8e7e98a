// tls_bundle.h - all that TLS needs to know, as bytes: certificates, private keys, staples, client
// authorities and the keys of session tickets. The supervisor reads and checks the files and writes
// such bytes into memory that workers take them from: these may not read the files themselves. No
// cryptography here, and nothing is checked but lengths.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum {
    TLS_TICKET_KEY_COUNT = 2, // the one that tickets are made with, and the one before
    TLS_TICKET_NAME_SIZE = 4, // bytes
    TLS_TICKET_KEY_SIZE = 32, // bytes
};

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME_SIZE];
    unsigned char key[TLS_TICKET_KEY_SIZE];
};

// A certificate with its key. All slices are bytes.
struct tls_identity {
    struct str names;     // DNS names and addresses, lower case, each with a NUL behind it
    struct str chain;     // DER certificates one behind the other, the server's own first
    struct str key;       // DER, not encrypted: PKCS#1, SEC1 or PKCS#8
    struct str staple;    // DER OCSPResponse (RFC 6960); empty: none
    int64_t staple_until; // Unix time in seconds from which it is not to be sent any more
};

struct tls_material {
    struct tls_identity
        *identities; // the first is for clients that name no host, or an unknown one
    size_t identity_count;
    struct str client_ca;  // DER certificates one behind the other; empty: none
    struct str client_crl; // DER lists one behind the other; empty: none
    struct tls_ticket_key ticket_keys[TLS_TICKET_KEY_COUNT];
};

// Bytes that tls_bundle_write will write.
size_t tls_bundle_size(const struct tls_material *material);
void tls_bundle_write(const struct tls_material *material, unsigned char *out);

// Replace the ticket keys in such bytes.
void tls_bundle_set_ticket_keys(unsigned char *bundle,
                                const struct tls_ticket_key keys[static TLS_TICKET_KEY_COUNT]);

// The material in these bytes: slices point into them, identities are the caller's to free().
// Errors: the bytes are no such bundle.
int tls_bundle_read(struct tls_material *out, const void *data, size_t size, struct err *err);
