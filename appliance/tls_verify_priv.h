// tls_verify_priv.h - what tls_verify*.c share. Included by them only.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tls_trust_priv.h"
#include "tls_verify.h"
#include "tls_verify_known_priv.h"

enum {
    CHAIN_DEPTH_MAX = 100, // OpenSSL's own limit: so many between the peer's own and the anchor
    PATH_MAX_SIZE = CHAIN_DEPTH_MAX + 3,
};

// One that was judged, and what a trust says of it (NULL: it is the peer's alone).
struct tls_step {
    const struct tls_known *known;
    const struct tls_purposes *purposes;
};

// A verification under way: one thread's.
struct tls_judging {
    const struct tls_trust *trust;
    const struct tls_verify_rules *rules;
    struct tls_known *sent; // the peer's, its own first
    bool *used;             // of those, what stands in the path as an issuer
    size_t sent_count;
    struct tls_trust_found found; // in folders
    struct tls_step path[PATH_MAX_SIZE];
    size_t size;      // of the path
    size_t untrusted; // as many at its beginning are the peer's
    int depth;        // that the verdict is about
};

// Each of these returns TLS_VERIFY_OK or what is wrong, and then sets depth.
enum tls_verify_code tls_verify_find_path(struct tls_judging *judging);
enum tls_verify_code tls_verify_extensions(struct tls_judging *judging);
enum tls_verify_code tls_verify_leaf_key(struct tls_judging *judging);
enum tls_verify_code tls_verify_levels(struct tls_judging *judging);
enum tls_verify_code tls_verify_revocation(struct tls_judging *judging);
enum tls_verify_code tls_verify_constraints(struct tls_judging *judging);

// Sets the depth and returns the code.
static inline enum tls_verify_code tls_verify_blame(struct tls_judging *judging, size_t depth,
                                                    enum tls_verify_code code)
{
    judging->depth = (int)depth;
    return code;
}

enum tls_purpose_trust { PURPOSE_NEUTRAL, PURPOSE_TRUSTED, PURPOSE_REJECTED };
// What a trust says explicitly about the purpose that is wanted.
enum tls_purpose_trust tls_verify_trusted_for(const struct tls_judging *judging,
                                              const struct tls_purposes *purposes);

// Whether a certificate is for this host name or address. *address: it was an address.
bool tls_verify_is_for(const struct tls_known *known, const char *host, unsigned flags,
                       bool *address);

// Names of a GeneralName's kinds, as its tag in DER.
enum {
    NAME_OTHER = 0xa0,
    NAME_EMAIL = 0x81,
    NAME_DNS = 0x82,
    NAME_DIRECTORY = 0xa4,
    NAME_URI = 0x86,
    NAME_ADDRESS = 0x87,
};
// Contents of the OIDs of attributes in names.
#define OID_COMMON_NAME STR("\x55\x04\x03")
#define OID_EMAIL STR("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01")
