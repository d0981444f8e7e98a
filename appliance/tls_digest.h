// tls_digest.h - the digests that other protocols are made with. Needs no tls_library_start.
#pragma once

#include <stddef.h>

#include "str.h"

enum { TLS_DIGEST_SHA1_TEXT = 28 }; // characters of a SHA-1 in base64 (RFC 4648 section 4)

// SHA-1 of the parts one after the other, in base64. Where a protocol asks for it and nothing
// secret rests on it: SHA-1 is broken.
void tls_digest_sha1_text(const struct str *parts, size_t count,
                          char out[static TLS_DIGEST_SHA1_TEXT]);
