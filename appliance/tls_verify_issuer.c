// tls_verify_issuer.c - who may have issued what, and what has been signed and when.
#include <mbedtls/md.h>
#include <mbedtls/pk.h>

#include "tls_verify_der.h"
#include "tls_verify_known_priv.h"

bool tls_known_is_authority(const struct tls_known *issuer, const struct tls_authority_id *id)
{
    struct str serial = {(const char *)issuer->parsed->serial.p, issuer->parsed->serial.len};
    if (id->key != NULL && (issuer->facts & FACT_KEY_ID) && !str_equal(*id->key, issuer->key_id))
        return false;
    if (id->serial != NULL && !tls_value_same_integer(*id->serial, serial))
        return false;
    return id->name == NULL || str_equal(*id->name, issuer->issuer);
}

static bool can_have_signed(const struct tls_known *issuer, const struct tls_known *subject)
{
    return mbedtls_pk_can_do(&issuer->parsed->pk, subject->parsed->MBEDTLS_PRIVATE(sig_pk)) != 0;
}

bool tls_known_issued(const struct tls_known *issuer, const struct tls_known *subject)
{
    struct tls_authority_id id = {
        .key = subject->facts & FACT_AUTHORITY_KEY ? &subject->authority_key : NULL,
        .serial = subject->authority_serial.data != NULL ? &subject->authority_serial : NULL,
        .name = subject->facts & FACT_AUTHORITY_NAME ? &subject->authority_name : NULL,
    };
    return str_equal(issuer->subject, subject->issuer) &&
           ((issuer->facts | subject->facts) & FACT_INVALID) == 0 &&
           tls_known_is_authority(issuer, &id) && can_have_signed(issuer, subject);
}

int64_t tls_known_seconds(const mbedtls_x509_time *time)
{
    // Days of the proleptic Gregorian calendar, with years that begin in March.
    int64_t year = time->year - (time->mon <= 2), month = (time->mon + 9) % 12;
    int64_t era = (year >= 0 ? year : year - 399) / 400, in_era = year - era * 400;
    int64_t in_year = (153 * month + 2) / 5 + time->day - 1;
    int64_t days = era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
    return ((days * 24 + time->hour) * 60 + time->min) * 60 + time->sec;
}

// As OpenSSL compares: not after is over when it is now.
bool tls_known_time_is_good(const struct tls_known *facts, int64_t now)
{
    return tls_known_seconds(&facts->parsed->valid_from) <= now &&
           tls_known_seconds(&facts->parsed->valid_to) > now;
}

bool tls_known_signature_is_good(const mbedtls_pk_context *key, const struct tls_signed *what)
{
    unsigned char hash[MBEDTLS_MD_MAX_SIZE];
    const mbedtls_md_info_t *digest = mbedtls_md_info_from_type(what->digest);
    mbedtls_pk_context shallow = *key; // the library does not change it, but says it may
    if (digest == NULL || !mbedtls_pk_can_do(key, what->algorithm) ||
        mbedtls_md(digest, (const unsigned char *)what->tbs.data, what->tbs.size, hash) != 0)
        return false;
    return mbedtls_pk_verify_ext(what->algorithm, what->options, &shallow, what->digest, hash,
                                 mbedtls_md_get_size(digest),
                                 (const unsigned char *)what->signature.data,
                                 what->signature.size) == 0;
}

bool tls_known_same(const struct tls_known *a, const struct tls_known *b)
{
    const mbedtls_x509_buf *x = &a->parsed->raw, *y = &b->parsed->raw;
    return x->len == y->len && memcmp(x->p, y->p, x->len) == 0;
}
