// tls_verify_level.c - OpenSSL's security levels: how many bits of work a key and a digest must
// cost.
#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>

#include "tls_verify_priv.h"

static const int least_bits[] = {0, 80, 112, 128, 192, 256};

static int wanted_bits(const struct tls_judging *judging)
{
    int levels = (int)(sizeof least_bits / sizeof least_bits[0]);
    int level = judging->rules->security_level;
    return least_bits[level < 0 ? 0 : level < levels ? level : levels - 1];
}

// What a key of so many bits is worth: the largest row that it reaches.
struct worth {
    size_t size;
    int bits;
};

static int worth_of(const struct worth *rows, size_t count, size_t size)
{
    int bits = 0;
    for (size_t i = 0; i < count && rows[i].size <= size; i++)
        bits = rows[i].bits;
    return bits;
}

#define WORTH_OF(rows, size) worth_of(rows, sizeof(rows) / sizeof(rows)[0], size)

static int key_bits(const mbedtls_pk_context *key)
{
    // By the formula of NIST SP 800-56B appendix D, at the bounds of the levels.
    static const struct worth rsa[] = {
        {920, 80}, {1963, 112}, {2671, 128}, {6947, 192}, {13914, 256}};
    static const struct worth curve[] = {{160, 80}, {224, 112}, {256, 128}, {384, 192}, {512, 256}};
    size_t size = mbedtls_pk_get_bitlen(key);
    return mbedtls_pk_can_do(key, MBEDTLS_PK_RSA) ? WORTH_OF(rsa, size) : WORTH_OF(curve, size);
}

static int signature_bits(const struct tls_known *known)
{
    mbedtls_md_type_t digest = known->parsed->MBEDTLS_PRIVATE(sig_md);
    // What collisions have come to cost.
    if (digest == MBEDTLS_MD_SHA1)
        return 63;
    if (digest == MBEDTLS_MD_MD5)
        return 39;
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(digest);
    return info != NULL ? mbedtls_md_get_size(info) * 4 : 0;
}

enum tls_verify_code tls_verify_leaf_key(struct tls_judging *judging)
{
    if (key_bits(&judging->path[0].known->parsed->pk) >= wanted_bits(judging))
        return TLS_VERIFY_OK;
    return tls_verify_blame(judging, 0, TLS_VERIFY_LEAF_KEY_TOO_SMALL);
}

enum tls_verify_code tls_verify_levels(struct tls_judging *judging)
{
    int wanted = wanted_bits(judging);
    for (size_t depth = 0; wanted > 0 && depth < judging->size; depth++) {
        const struct tls_known *known = judging->path[depth].known;
        if (depth > 0 && key_bits(&known->parsed->pk) < wanted)
            return tls_verify_blame(judging, depth, TLS_VERIFY_CA_KEY_TOO_SMALL);
        // Nobody relies on the anchor's own signature.
        if (depth + 1 < judging->size && signature_bits(known) < wanted)
            return tls_verify_blame(judging, depth, TLS_VERIFY_CA_DIGEST_TOO_WEAK);
    }
    return TLS_VERIFY_OK;
}
