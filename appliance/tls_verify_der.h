// tls_verify_der.h - reads DER (X.690) from slices, without copies: for tls_trust*.c and
// tls_verify*.c.
#pragma once

#include <stdbool.h>

#include "str.h"

enum {
    TLS_DER_BOOLEAN = 0x01,
    TLS_DER_INTEGER = 0x02,
    TLS_DER_BIT_STRING = 0x03,
    TLS_DER_OCTET_STRING = 0x04,
    TLS_DER_OID = 0x06,
    TLS_DER_ENUMERATED = 0x0a,
    TLS_DER_SEQUENCE = 0x30,
    TLS_DER_SET = 0x31,
};

// Takes the next value off rest: its tag and its content. false: there is none, or it is broken
// (rest is then as before).
bool tls_value_next(struct str *rest, int *tag, struct str *content);
// The same where the next value has this tag; else false, and nothing is taken.
bool tls_value_take(struct str *rest, int tag, struct str *content);
// The bits of a BIT STRING's content: the first in 0x80 of the first byte, which is the lowest.
// false: there are none, or more than 16.
bool tls_value_bits(struct str content, unsigned *bits);
// An INTEGER that is not negative; what is too large is INT_MAX.
bool tls_value_integer(struct str content, int *value);
// Whether two contents are the same INTEGER, zeros before it aside.
bool tls_value_same_integer(struct str a, struct str b);
