// tls_certificate_priv.h - what tls_certificate*.c share. Included by them only. Here, an element
// is one of DER (X.690 section 8.1): a tag and its contents.
#pragma once

#include <stddef.h>

#include "str.h"
#include "tls_certificate.h"
#include "tls_fault.h"

// Memory for what a certificate is read into: given back all at once.
struct tls_arena;
// Zeroed; NULL: out of memory. size may be 0.
void *tls_arena_take(struct tls_arena **arena, size_t size);
void tls_arena_free(struct tls_arena *arena);

// What is still to be read of some contents, and where what is read goes.
struct tls_der {
    const unsigned char *at, *end;
    struct tls_arena **arena;
};

// The functions below return 0, or TLS_DER_BROKEN (these bytes are not what they should be), or
// TLS_DER_MEMORY.
enum { TLS_DER_BROKEN = -1, TLS_DER_MEMORY = -2 };

// The tag of the next element; -1: there is none.
int tls_der_tag(const struct tls_der *der);
// Its contents, if it has this tag; der is then behind it.
int tls_der_take(struct tls_der *der, int tag, struct tls_der *contents);
// The same, for what may be missing: then contents->at is NULL.
int tls_der_take_optional(struct tls_der *der, int tag, struct tls_der *contents);
// Of any tag.
int tls_der_take_any(struct tls_der *der, int *tag, struct tls_der *contents);
// An OBJECT IDENTIFIER's contents.
int tls_der_take_oid(struct tls_der *der, struct str *oid);
// How many elements are left, as far as they can be told.
size_t tls_der_count(struct tls_der der);
struct str tls_der_str(const struct tls_der *contents);

// --- tls_certificate_name.c ---

// What is in the SEQUENCE of a Name (RFC 5280 section 4.1.2.4).
int tls_name_read(struct tls_name_parts *out, struct tls_der contents);
// Of an attribute, or an identifier on its own: its long name, or dotted numbers.
int tls_oid_text(struct str *out, struct str oid, struct tls_arena **arena);

// --- tls_certificate_general.c ---

// One GeneralName (RFC 5280 section 4.2.1.6), which is taken off der.
int tls_general_name_read(struct tls_alt_name *out, struct tls_der *der);
bool tls_general_name_is_uri(const struct tls_alt_name *name);

// --- tls_certificate_extension.c ---

// What is in the SEQUENCE of Extensions (RFC 5280 section 4.1.2.9). Broken: the SEQUENCE is; what
// is in an extension may be, it is then as if that were not there.
int tls_extensions_read(struct tls_certificate_text *out, struct tls_der contents);

// --- tls_certificate_time.c ---

enum { TLS_TIME_TEXT_SIZE = 64 };
// "Aug 26 14:23:15 2028 GMT" of a UTCTime or GeneralizedTime; "Bad time value".
void tls_time_text(char out[static TLS_TIME_TEXT_SIZE], int tag, struct str contents);
