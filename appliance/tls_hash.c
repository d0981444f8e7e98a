// tls_hash.c - mbedTLS's digests behind one table. Their states are kept by value, so that a digest
// takes no memory of its own: Python makes many of them, of few bytes each.
#include "tls_hash.h"

#include <mbedtls/md.h>
#include <mbedtls/md5.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ripemd160.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha3.h>
#include <mbedtls/sha512.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "check.h"

// What makes mbedTLS's quicker than CPython's.
enum quicker_with {
    QUICKER_ALWAYS,
    QUICKER_WITH_SHA256, // instructions for SHA-256, where mbedTLS knows them
    QUICKER_WITH_SHA512, // the same for SHA-512
};

enum { NAMES_MAX = 4 };

struct tls_hash_kind {
    const char *names[NAMES_MAX]; // Python's first
    mbedtls_md_type_t type;
    unsigned char size;
    unsigned char block_size;
    enum quicker_with quicker;
    void (*init)(void *state);
    void (*update)(void *state, const unsigned char *data, size_t size);
    void (*finish)(void *state, unsigned char *out);
};

// mbedTLS's functions fail only where hardware of its own does the work, or for arguments that
// these are not. library: a family's name there; further arguments: what its functions take beside.
#define UPDATE(library)                                                               \
    static void library##_update(void *state, const unsigned char *data, size_t size) \
    {                                                                                 \
        must(mbedtls_##library##_update(state, data, size) == 0);                     \
    }

#define START(name, library, ...)                                                  \
    static void name##_init(void *state)                                           \
    {                                                                              \
        _Static_assert(sizeof(mbedtls_##library##_context) <= TLS_HASH_STATE, ""); \
        mbedtls_##library##_init(state);                                           \
        must(mbedtls_##library##_starts(state, ##__VA_ARGS__) == 0);               \
    }

#define FINISH(library, ...)                                              \
    static void library##_finish(void *state, unsigned char *out)         \
    {                                                                     \
        must(mbedtls_##library##_finish(state, out, ##__VA_ARGS__) == 0); \
    }

// clang-format off
UPDATE(md5)
UPDATE(sha1)
UPDATE(sha256)
UPDATE(sha512)
UPDATE(sha3)
UPDATE(ripemd160)
START(md5, md5)
START(sha1, sha1)
START(sha224, sha256, 1)
START(sha256, sha256, 0)
START(sha384, sha512, 1)
START(sha512, sha512, 0)
START(sha3_224, sha3, MBEDTLS_SHA3_224)
START(sha3_256, sha3, MBEDTLS_SHA3_256)
START(sha3_384, sha3, MBEDTLS_SHA3_384)
START(sha3_512, sha3, MBEDTLS_SHA3_512)
START(ripemd160, ripemd160)
FINISH(md5)
FINISH(sha1)
FINISH(sha256)
FINISH(sha512)
FINISH(sha3, TLS_HASH_MAX) // the room there is; it writes what it was started for
FINISH(ripemd160)
// clang-format on

#define FUNCTIONS(name, library) name##_init, library##_update, library##_finish

static const struct tls_hash_kind kinds[TLS_HASH_COUNT] = {
    [TLS_HASH_MD5] =
        {{"md5", "SSL3-MD5"}, MBEDTLS_MD_MD5, 16, 64, QUICKER_ALWAYS, FUNCTIONS(md5, md5)},
    [TLS_HASH_SHA1] = {{"sha1", "SHA-1", "SSL3-SHA1"},
                       MBEDTLS_MD_SHA1,
                       20,
                       64,
                       QUICKER_ALWAYS,
                       FUNCTIONS(sha1, sha1)},
    [TLS_HASH_SHA224] = {{"sha224", "SHA-224", "SHA2-224"},
                         MBEDTLS_MD_SHA224,
                         28,
                         64,
                         QUICKER_WITH_SHA256,
                         FUNCTIONS(sha224, sha256)},
    [TLS_HASH_SHA256] = {{"sha256", "SHA-256", "SHA2-256"},
                         MBEDTLS_MD_SHA256,
                         32,
                         64,
                         QUICKER_WITH_SHA256,
                         FUNCTIONS(sha256, sha256)},
    [TLS_HASH_SHA384] = {{"sha384", "SHA-384", "SHA2-384"},
                         MBEDTLS_MD_SHA384,
                         48,
                         128,
                         QUICKER_WITH_SHA512,
                         FUNCTIONS(sha384, sha512)},
    [TLS_HASH_SHA512] = {{"sha512", "SHA-512", "SHA2-512"},
                         MBEDTLS_MD_SHA512,
                         64,
                         128,
                         QUICKER_WITH_SHA512,
                         FUNCTIONS(sha512, sha512)},
    [TLS_HASH_SHA3_224] = {{"sha3_224", "SHA3-224"},
                           MBEDTLS_MD_SHA3_224,
                           28,
                           144,
                           QUICKER_ALWAYS,
                           FUNCTIONS(sha3_224, sha3)},
    [TLS_HASH_SHA3_256] = {{"sha3_256", "SHA3-256"},
                           MBEDTLS_MD_SHA3_256,
                           32,
                           136,
                           QUICKER_ALWAYS,
                           FUNCTIONS(sha3_256, sha3)},
    [TLS_HASH_SHA3_384] = {{"sha3_384", "SHA3-384"},
                           MBEDTLS_MD_SHA3_384,
                           48,
                           104,
                           QUICKER_ALWAYS,
                           FUNCTIONS(sha3_384, sha3)},
    [TLS_HASH_SHA3_512] = {{"sha3_512", "SHA3-512"},
                           MBEDTLS_MD_SHA3_512,
                           64,
                           72,
                           QUICKER_ALWAYS,
                           FUNCTIONS(sha3_512, sha3)},
    [TLS_HASH_RIPEMD160] = {{"ripemd160", "RIPEMD-160", "RIPEMD", "RMD160"},
                            MBEDTLS_MD_RIPEMD160,
                            20,
                            64,
                            QUICKER_ALWAYS,
                            FUNCTIONS(ripemd160, ripemd160)},
};

const struct tls_hash_kind *tls_hash_kind(enum tls_hash_id id)
{
    return &kinds[id];
}

const struct tls_hash_kind *tls_hash_find(const char *name)
{
    for (size_t i = 0; i < TLS_HASH_COUNT; i++) {
        for (size_t k = 0; k < NAMES_MAX && kinds[i].names[k] != NULL; k++) {
            if (strcasecmp(name, kinds[i].names[k]) == 0)
                return &kinds[i];
        }
    }
    return NULL;
}

const char *tls_hash_name(const struct tls_hash_kind *kind)
{
    return kind->names[0];
}

size_t tls_hash_size(const struct tls_hash_kind *kind)
{
    return kind->size;
}

size_t tls_hash_block_size(const struct tls_hash_kind *kind)
{
    return kind->block_size;
}

// --- the processor ---

// What the processor has instructions for, and mbedTLS knows them. It is asked once: in a virtual
// machine the question takes microseconds.
static int processor_has[QUICKER_WITH_SHA512 + 1];

static void ask_processor(void)
{
    processor_has[QUICKER_ALWAYS] = 1;
#if defined(__x86_64__)
    unsigned a, b, c, d;
    processor_has[QUICKER_WITH_SHA256] =
        __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) != 0 && (c & bit_SSE4_1) != 0 &&
        __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
#elif defined(__aarch64__)
    unsigned long instructions = getauxval(AT_HWCAP);
    processor_has[QUICKER_WITH_SHA256] = (instructions & HWCAP_SHA2) != 0;
    processor_has[QUICKER_WITH_SHA512] = (instructions & HWCAP_SHA512) != 0;
#endif
}

int tls_hash_is_quicker(const struct tls_hash_kind *kind)
{
    static pthread_once_t asked = PTHREAD_ONCE_INIT;
    pthread_once(&asked, ask_processor);
    return processor_has[kind->quicker];
}

// --- digests ---

void tls_hash_init(struct tls_hash *hash, const struct tls_hash_kind *kind)
{
    hash->kind = kind;
    kind->init(hash->state);
}

void tls_hash_update(struct tls_hash *hash, const void *data, size_t size)
{
    hash->kind->update(hash->state, data, size);
}

void tls_hash_finish(struct tls_hash *hash, unsigned char *out)
{
    hash->kind->finish(hash->state, out);
}

void tls_hash_fini(struct tls_hash *hash)
{
    mbedtls_platform_zeroize(hash->state, sizeof hash->state);
}

// --- HMAC ---

struct tls_hmac {
    const struct tls_hash_kind *kind;
    mbedtls_md_context_t context;
};

static struct tls_hmac *hmac_new(const struct tls_hash_kind *kind)
{
    struct tls_hmac *hmac = calloc(1, sizeof *hmac);
    if (hmac == NULL)
        return NULL;
    hmac->kind = kind;
    mbedtls_md_init(&hmac->context);
    if (mbedtls_md_setup(&hmac->context, mbedtls_md_info_from_type(kind->type), 1) == 0)
        return hmac;
    free(hmac);
    return NULL;
}

struct tls_hmac *tls_hmac_new(const struct tls_hash_kind *kind, const void *key, size_t size)
{
    struct tls_hmac *hmac = hmac_new(kind);
    if (hmac != NULL)
        must(mbedtls_md_hmac_starts(&hmac->context, key, size) == 0);
    return hmac;
}

struct tls_hmac *tls_hmac_copy(const struct tls_hmac *hmac)
{
    struct tls_hmac *copy = hmac_new(hmac->kind);
    if (copy != NULL)
        must(mbedtls_md_clone(&copy->context, &hmac->context) == 0);
    return copy;
}

void tls_hmac_free(struct tls_hmac *hmac)
{
    if (hmac == NULL)
        return;
    mbedtls_md_free(&hmac->context);
    free(hmac);
}

const struct tls_hash_kind *tls_hmac_kind(const struct tls_hmac *hmac)
{
    return hmac->kind;
}

void tls_hmac_update(struct tls_hmac *hmac, const void *data, size_t size)
{
    must(mbedtls_md_hmac_update(&hmac->context, data, size) == 0);
}

int tls_hmac_digest(const struct tls_hmac *hmac, unsigned char *out)
{
    struct tls_hmac *copy = tls_hmac_copy(hmac);
    if (copy == NULL)
        return -1;
    must(mbedtls_md_hmac_finish(&copy->context, out) == 0);
    tls_hmac_free(copy);
    return 0;
}

int tls_hmac_once(const struct tls_hash_kind *kind, struct str key, struct str message,
                  unsigned char *out)
{
    return mbedtls_md_hmac(mbedtls_md_info_from_type(kind->type), (const unsigned char *)key.data,
                           key.size, (const unsigned char *)message.data, message.size, out) == 0
               ? 0
               : -1;
}

int tls_hash_pbkdf2(const struct tls_hash_kind *kind, struct str password, struct str salt,
                    unsigned iterations, unsigned char *out, size_t size)
{
    return mbedtls_pkcs5_pbkdf2_hmac_ext(kind->type, (const unsigned char *)password.data,
                                         password.size, (const unsigned char *)salt.data, salt.size,
                                         iterations, (uint32_t)size, out) == 0
               ? 0
               : -1;
}
