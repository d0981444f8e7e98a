// tls_verify_name.h - distinguished names as OpenSSL compares and hashes them: strings as UTF-8 in
// lower case (ASCII letters), without white space around them and with one space for each within
// (a simple form of RFC 5280 section 7.1).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

enum { TLS_NAME_MAX = 1 << 20 }; // bytes of a canonical name, at most

// Appends the canonical form of a Name (DER, its SEQUENCE and all). false: it is none, or memory is
// short.
bool tls_name_canonical(struct buf *out, struct str name);
// What `openssl x509 -subject_hash` prints, of a canonical form.
uint32_t tls_name_hash(struct str canonical);

// A string of this tag as UTF-8, appended to out. false: no such string, or not of its kind.
bool tls_name_utf8(struct buf *out, int tag, struct str text);
// The next attribute of a Name whose contents are *rest: the contents of its OID, its value's tag
// and content. Both slices begin as {NULL, 0} but for *rest. false: there is none.
struct tls_name_walk {
    struct str rest; // contents of the Name's SEQUENCE
    struct str set;  // what is left of the RDN under way
};
bool tls_name_next(struct tls_name_walk *walk, struct str *oid, int *tag, struct str *value);
