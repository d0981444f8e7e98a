// tls_trust_priv.h - what tls_trust*.c share, and tls_verify*.c see of a trust. Included by them
// only.
#pragma once

#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls_trust.h"
#include "tls_verify_known_priv.h"

// What "TRUSTED CERTIFICATE" says beside the certificate: OpenSSL's own.
struct tls_purposes {
    bool limited;               // to those that are listed
    unsigned trusted, rejected; // PURPOSE_...
};

// A certificate or a list that many trusts have. Does not change once it is made.
struct tls_trusted {
    atomic_size_t holders;
    pid_t process; // whose lock of an RSA key is in order
    mbedtls_x509_crt parsed;
    struct tls_known known;
    struct tls_purposes purposes;
};

enum {
    LIST_UNUSABLE = 0x1, // a delta, indirect, of some reasons only, or broken
    LIST_OF_USERS = 0x2, // onlyContainsUserCerts
    LIST_OF_AUTHORITIES = 0x4,
    LIST_OF_ATTRIBUTES = 0x8,
    LIST_UNHANDLED = 0x10, // a critical extension in an entry
    LIST_OF_POINT = 0x20,  // of a distribution point
};

struct tls_revocations {
    atomic_size_t holders;
    mbedtls_x509_crl parsed;
    unsigned facts;    // LIST_...
    struct str issuer; // canonical, in own
    uint32_t issuer_hash;
    struct tls_authority_parts authority; // its name is in own, and canonical
    char *own;
};

struct tls_trust {
    atomic_size_t holders;
    pid_t process; // in which the locks of all certificates are in order; 0: not looked at
    struct tls_trusted **certificates;
    size_t certificate_count;
    struct tls_revocations **lists;
    size_t list_count;
    char **folders;
    size_t folder_count;
};

// What a folder has, for one verification.
struct tls_trust_found {
    struct tls_trusted **certificates;
    size_t certificate_count;
    struct tls_revocations **lists;
    size_t list_count;
};

struct tls_trusted *tls_trusted_hold(struct tls_trusted *certificate);
void tls_trusted_drop(struct tls_trusted *certificate);
struct tls_revocations *tls_revocations_hold(struct tls_revocations *list);
void tls_revocations_drop(struct tls_revocations *list);

enum tls_parsed {
    TLS_PARSED,
    TLS_PARSED_NOT,    // well-formed, but of a kind that the library does not have
    TLS_PARSED_BROKEN, // no such thing
    TLS_PARSED_MEMORY, // out of memory
};
// Parses a certificate behind the others of a chain, whatever critical extensions it has: whoever
// judges it looks at them. 0, or an error of the library's.
int tls_certificate_append(mbedtls_x509_crt *chain, struct str der);

// Of DER; *out is the caller's to drop. aux: what follows the certificate is read, too.
enum tls_parsed tls_trusted_parse(struct str der, bool aux, struct tls_trusted **out);
enum tls_parsed tls_revocations_parse(struct str der, struct tls_revocations **out);

// A trust of its own that only the caller has: *trust is replaced by a copy where others hold it,
// too. -1: out of memory.
int tls_trust_own(struct tls_trust **trust, struct tls_fault *fault);
// All of another one, too; *trust is as before on error: out of memory.
int tls_trust_merge(struct tls_trust **trust, struct tls_trust *more, struct tls_fault *fault);
// Into a trust that is the caller's own. What is there already is dropped. Takes the holder's part.
int tls_trust_take(struct tls_trust *trust, struct tls_trusted *certificate);
int tls_trust_take_list(struct tls_trust *trust, struct tls_revocations *list);

// All of a PEM text into a trust that is the caller's own; *count is how many blocks there were
// that are certificates or lists. -1: a fault, and what was added so far stays.
int tls_trust_read_pem(struct tls_trust *trust, struct str pem, size_t *count,
                       struct tls_fault *fault);

// Certificates of large files, kept for the process.
struct stat;
// What was kept of this file; NULL: nothing, or it has changed. The caller drops it.
struct tls_trust *tls_trust_kept(const char *path, const struct stat *status);
void tls_trust_keep(const char *path, const struct stat *status, struct tls_trust *trust);

// What the folders of a trust have of this name (its hash) that found has not yet; lists: of lists.
// What is broken is passed over. Any thread.
void tls_trust_look(const struct tls_trust *trust, uint32_t hash, bool lists,
                    struct tls_trust_found *found);
void tls_trust_found_fini(struct tls_trust_found *found);
