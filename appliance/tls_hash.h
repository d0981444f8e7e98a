// tls_hash.h - message digests (FIPS 180-4, FIPS 202, RFC 1321, RIPEMD-160), HMAC (RFC 2104) and
// PBKDF2 (RFC 8018 section 5.2) by mbedTLS, for Python's hashlib and hmac. Wants tls_library_start
// first. Any thread may call any of it, but only one at a time on the same hash or HMAC.
#pragma once

#include <stddef.h>

#include "str.h"

enum tls_hash_id {
    TLS_HASH_MD5,
    TLS_HASH_SHA1,
    TLS_HASH_SHA224,
    TLS_HASH_SHA256,
    TLS_HASH_SHA384,
    TLS_HASH_SHA512,
    TLS_HASH_SHA3_224,
    TLS_HASH_SHA3_256,
    TLS_HASH_SHA3_384,
    TLS_HASH_SHA3_512,
    TLS_HASH_RIPEMD160,
    TLS_HASH_COUNT,
};

enum {
    TLS_HASH_MAX = 64,    // bytes of the longest digest
    TLS_HASH_STATE = 224, // bytes of the largest state
};

struct tls_hash_kind; // opaque: which digest; there is one of each, for ever

const struct tls_hash_kind *tls_hash_kind(enum tls_hash_id id);
// By any of its names in any case, OpenSSL's ("SHA2-256") and Python's ("sha3_256"). NULL: none.
const struct tls_hash_kind *tls_hash_find(const char *name);

// Python's name for it: "sha256".
const char *tls_hash_name(const struct tls_hash_kind *kind);
// Bytes of a digest, and of the blocks that are digested.
size_t tls_hash_size(const struct tls_hash_kind *kind);
size_t tls_hash_block_size(const struct tls_hash_kind *kind);
// Whether it is quicker than CPython's own (HACL*) on this processor, as tests/bench/README.md has
// measured it.
int tls_hash_is_quicker(const struct tls_hash_kind *kind);

// A digest in the making, in the caller's storage: a copy of it is another one.
struct tls_hash {
    const struct tls_hash_kind *kind;
    _Alignas(16) unsigned char state[TLS_HASH_STATE];
};

void tls_hash_init(struct tls_hash *hash, const struct tls_hash_kind *kind);
void tls_hash_update(struct tls_hash *hash, const void *data, size_t size);
// out: room for tls_hash_size bytes. What is left is to be given to tls_hash_fini.
void tls_hash_finish(struct tls_hash *hash, unsigned char *out);
// Wipes it.
void tls_hash_fini(struct tls_hash *hash);

struct tls_hmac; // opaque: an HMAC in the making

// NULL: out of memory, as with all that return a pointer or -1 below.
struct tls_hmac *tls_hmac_new(const struct tls_hash_kind *kind, const void *key, size_t size);
struct tls_hmac *tls_hmac_copy(const struct tls_hmac *hmac);
// Wipes it. NULL: nothing.
void tls_hmac_free(struct tls_hmac *hmac);
const struct tls_hash_kind *tls_hmac_kind(const struct tls_hmac *hmac);
void tls_hmac_update(struct tls_hmac *hmac, const void *data, size_t size);
// The code of what was added until now; more can be added afterwards. 0 or -1.
int tls_hmac_digest(const struct tls_hmac *hmac, unsigned char *out);

// The code of one message. 0 or -1.
int tls_hmac_once(const struct tls_hash_kind *kind, struct str key, struct str message,
                  unsigned char *out);

// size bytes of a key to out, in so many iterations (1 or more). size: at most 4 GB. 0 or -1.
int tls_hash_pbkdf2(const struct tls_hash_kind *kind, struct str password, struct str salt,
                    unsigned iterations, unsigned char *out, size_t size);
