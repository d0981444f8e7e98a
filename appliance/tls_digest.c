// tls_digest.c - mbedTLS's SHA-1 and base64.
#include "tls_digest.h"

#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>

#include "check.h"

enum { SHA1_SIZE = 20 };

void tls_digest_sha1_text(const struct str *parts, size_t count,
                          char out[static TLS_DIGEST_SHA1_TEXT])
{
    unsigned char digest[SHA1_SIZE], text[TLS_DIGEST_SHA1_TEXT + 1];
    mbedtls_sha1_context context;
    mbedtls_sha1_init(&context);
    // It fails only where hardware of its own does the work.
    must(mbedtls_sha1_starts(&context) == 0);
    for (size_t i = 0; i < count; i++)
        must(mbedtls_sha1_update(&context, (const unsigned char *)parts[i].data, parts[i].size) ==
             0);
    must(mbedtls_sha1_finish(&context, digest) == 0);
    mbedtls_sha1_free(&context);
    size_t size;
    must(mbedtls_base64_encode(text, sizeof text, &size, digest, sizeof digest) == 0);
    must(size == TLS_DIGEST_SHA1_TEXT);
    memcpy(out, text, TLS_DIGEST_SHA1_TEXT);
}
