// tls_load.h - reads certificates, keys, staples, client authorities and revocation lists from the
// files that the settings name, and checks that they fit together. For the supervisor and for
// "check", which have the right to read them; everything is refused as a whole or is good.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "tls_bundle.h"

struct config;

// What an operator wants to know of a certificate.
struct tls_certificate_facts {
    char *file;         // that it was read from
    char *names;        // "example.org, *.example.org"; "": none
    char *serial;       // hexadecimal, as openssl prints it: "0A1B"
    char kind[16];      // "ECDSA P-256", "RSA 2048"
    int64_t not_before; // Unix time in seconds
    int64_t not_after;
};

struct tls_loaded {
    struct tls_material material;        // owned; ticket_keys are zero
    struct tls_certificate_facts *facts; // of the same index as material.identities
    char **paths; // every file and folder that was looked at, for whoever watches them for changes;
                  // there to be watched after an error, too
    size_t path_count;
    int64_t lists_until; // Unix time in seconds: when the first list of revoked certificates is due
                         // for renewal, and clients of its authority are refused; 0: never
    struct buf warnings; // a line each: an expired staple, a certificate without a name, ...
};

// The time of day for tls_load: Unix time in seconds, or 0 when the machine's clock cannot be right
// (it has none, and nothing has set it yet).
int64_t tls_load_clock(void);

// Read all that --tls-certificate, --tls-key, --tls-key-password(-file), --tls-ocsp,
// --tls-client-ca and --tls-crl name. now: Unix time in seconds, which dates are compared with; 0:
// not known, dates are not looked at and a warning says so. Errors (ERR_FAILED) name the file and
// the way out: a file that cannot be read, is no PEM, a key that fits no certificate, a certificate
// without a key, a chain that is out of order or broken, a certificate that has expired or is not
// valid yet, an unknown or weak kind of key, a wrong password, a staple that is for none of the
// certificates. On error there are only paths and warnings in out. End it with tls_loaded_fini,
// also after an error.
int tls_load(struct tls_loaded *out, const struct config *config, int64_t now, struct err *err);

// As many as there are identities; NULL: nothing.
void tls_certificate_facts_free(struct tls_certificate_facts *facts, size_t count);

// Wipes what is secret.
void tls_loaded_fini(struct tls_loaded *loaded);
