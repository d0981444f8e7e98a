// tls_load_chain.c - a server's certificate and those of its issuers: is each signed by the next
// one (RFC 8446 section 4.4.2), by algorithms that clients take, for this time, for a server?
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <mbedtls/error.h>
#include <mbedtls/oid.h>

#include "check.h"
#include "tls_load_priv.h"

enum { COMMON_NAME_SIZE = 128 }; // bytes

// Neither MD5 nor SHA-1: what collisions are found of signs nothing.
static const mbedtls_x509_crt_profile profile = {
    .allowed_mds =
        MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA224) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
        MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    .allowed_pks = UINT32_MAX,
    .allowed_curves = UINT32_MAX,
    .rsa_min_bitlen = 1024,
};

// --- time ---

int64_t tls_load_seconds(const mbedtls_x509_time *time)
{
    struct tm tm = {.tm_year = time->year - 1900,
                    .tm_mon = time->mon - 1,
                    .tm_mday = time->day,
                    .tm_hour = time->hour,
                    .tm_min = time->min,
                    .tm_sec = time->sec};
    return timegm(&tm);
}

void tls_load_date(int64_t seconds, char out[static TLS_DATE_SIZE])
{
    struct tm tm;
    time_t time = seconds;
    if (gmtime_r(&time, &tm) == NULL || strftime(out, TLS_DATE_SIZE, "%Y-%m-%d", &tm) == 0)
        snprintf(out, TLS_DATE_SIZE, "%lld", (long long)seconds);
}

// --- one certificate ---

int tls_load_certificate(mbedtls_x509_crt *out, const char *file, struct str der, int number,
                         struct err *err)
{
    int result = mbedtls_x509_crt_parse_der(out, (const unsigned char *)der.data, der.size);
    if (result == 0)
        return 0;
    const char *foreign = tls_load_foreign(der), *why = mbedtls_high_level_strerr(result);
    if (foreign != NULL)
        return err_set(err, ERR_FAILED,
                       "%s: certificate %d has to do with %s, which is not served with (use ECDSA "
                       "P-256 or RSA)",
                       file, number, foreign);
    return err_set(err, ERR_FAILED, "%s: certificate %d is not understood (%s)", file, number,
                   why != NULL ? why : "damaged");
}

// "number 2 (R3)", by whatever name its subject has.
static const char *describe(const struct tls_chain *chain, size_t index,
                            char out[static COMMON_NAME_SIZE])
{
    const mbedtls_x509_name *name = &chain->certificates[index].subject;
    int used = snprintf(out, COMMON_NAME_SIZE, "number %zu", index + 1);
    for (; name != NULL; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) {
            snprintf(out + used, (size_t)(COMMON_NAME_SIZE - used), " (%.*s)", (int)name->val.len,
                     (const char *)name->val.p);
            break;
        }
    }
    for (char *at = out; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    return out;
}

static bool is_self_issued(const mbedtls_x509_crt *certificate)
{
    return certificate->subject_raw.len == certificate->issuer_raw.len &&
           memcmp(certificate->subject_raw.p, certificate->issuer_raw.p,
                  certificate->subject_raw.len) == 0;
}

static int check_dates(const struct tls_loading *loading, const struct tls_chain *chain,
                       size_t index, struct err *err)
{
    const mbedtls_x509_crt *certificate = &chain->certificates[index];
    int64_t begin = tls_load_seconds(&certificate->valid_from);
    int64_t end = tls_load_seconds(&certificate->valid_to);
    char name[COMMON_NAME_SIZE], date[TLS_DATE_SIZE], today[TLS_DATE_SIZE];
    bool early = loading->now < begin;
    if (loading->now == 0 || (!early && loading->now <= end))
        return 0;
    tls_load_date(early ? begin : end, date);
    tls_load_date(loading->now, today);
    return err_set(err, ERR_FAILED, "%s: certificate %s %s %s (%s; the clock here says %s)",
                   chain->file, describe(chain, index, name),
                   early ? "is not valid before" : "has expired on", date,
                   early ? "wait, or set the clock" : "renew it", today);
}

static int check_usage(const struct tls_chain *chain, struct err *err)
{
    const mbedtls_x509_crt *own = &chain->certificates[0];
    if (mbedtls_x509_crt_check_extended_key_usage(own, MBEDTLS_OID_SERVER_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0)
        return err_set(err, ERR_FAILED,
                       "%s: the first certificate is not for a server: its extended key usage "
                       "lacks serverAuth (have it issued anew with that)",
                       chain->file);
    if (mbedtls_x509_crt_check_key_usage(own, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0)
        return err_set(err, ERR_FAILED,
                       "%s: the first certificate is not for a server: its key usage lacks "
                       "digitalSignature (have it issued anew with that)",
                       chain->file);
    return 0;
}

// --- the chain ---

// What is wrong with one being signed by the other (NULL: nobody in particular): mbedTLS's flags.
static uint32_t verify(struct tls_chain *chain, size_t index, mbedtls_x509_crt *issuer)
{
    uint32_t flags = 0;
    int result = mbedtls_x509_crt_verify_with_profile(&chain->certificates[index], issuer, NULL,
                                                      &profile, NULL, &flags, NULL, NULL);
    // Anything but a verdict is none in its favour.
    return result != 0 && flags == 0 ? MBEDTLS_X509_BADCERT_NOT_TRUSTED : flags;
}

static bool is_signed_by(struct tls_chain *chain, size_t index, size_t issuer)
{
    return (verify(chain, index, &chain->certificates[issuer]) &
            MBEDTLS_X509_BADCERT_NOT_TRUSTED) == 0;
}

static int refuse_order(struct tls_chain *chain, size_t index, struct err *err)
{
    char name[COMMON_NAME_SIZE], other[COMMON_NAME_SIZE];
    size_t child = index, issuer = 0;
    while (issuer < chain->count && (issuer == child || !is_signed_by(chain, child, issuer)))
        issuer++;
    if (issuer == chain->count && is_signed_by(chain, index + 1, index))
        child = index + 1, issuer = index;
    describe(chain, child, name);
    if (issuer < chain->count)
        return err_set(err, ERR_FAILED,
                       "%s: certificates are out of order: %s is signed by %s, which has to stand "
                       "behind it (the server's own first, then each one's issuer)",
                       chain->file, name, describe(chain, issuer, other));
    describe(chain, index + 1, other);
    if (is_self_issued(&chain->certificates[index]))
        return err_set(err, ERR_FAILED,
                       "%s: certificate %s is superfluous, %s is signed by nobody but itself "
                       "(remove it)",
                       chain->file, other, name);
    return err_set(err, ERR_FAILED,
                   "%s: the chain is broken: certificate %s is not signed by the one behind it, %s "
                   "(take the file that the authority calls full chain, or remove what does not "
                   "belong there)",
                   chain->file, name, other);
}

static int check_chain(const struct tls_loading *loading, struct tls_chain *chain, struct err *err)
{
    char name[COMMON_NAME_SIZE];
    for (size_t i = 0; i < chain->count; i++) {
        bool is_last = i + 1 == chain->count;
        if (!is_last && !is_signed_by(chain, i, i + 1))
            return refuse_order(chain, i, err);
        if (check_dates(loading, chain, i, err) < 0)
            return -1;
        if (!is_self_issued(&chain->certificates[i]) &&
            (verify(chain, i, NULL) & MBEDTLS_X509_BADCERT_BAD_MD) != 0)
            return err_set(
                err, ERR_FAILED,
                "%s: certificate %s has a signature that is too weak, MD5 or SHA-1 (have "
                "it issued anew)",
                chain->file, describe(chain, i, name));
    }
    return 0;
}

// --- the file ---

static int take(void *owner, struct str der, int number, struct err *err)
{
    struct tls_chain *chain = owner;
    if (chain->count == TLS_CHAIN_MAX)
        return err_set(err, ERR_FAILED,
                       "%s: more than %d certificates: no server's chain (authorities of clients "
                       "are named by --tls-client-ca)",
                       chain->file, TLS_CHAIN_MAX);
    mbedtls_x509_crt_init(&chain->certificates[chain->count]);
    if (tls_load_certificate(&chain->certificates[chain->count++], chain->file, der, number, err) <
        0)
        return -1;
    return 0;
}

static int refuse_empty(const struct tls_file *file, struct err *err)
{
    if (file->data[0] == 0x30)
        return err_set(err, ERR_FAILED,
                       "%s: no PEM, but maybe DER (convert it: openssl x509 -inform DER -in %s)",
                       file->path, file->path);
    return err_set(err, ERR_FAILED,
                   "%s: no certificate in PEM in it (\"-----BEGIN CERTIFICATE-----\")", file->path);
}

static int read_chain(struct tls_loading *loading, struct tls_chain *chain,
                      const struct tls_file *file, struct err *err)
{
    int count = tls_file_each(file, "CERTIFICATE", take, chain, err);
    if (count < 0)
        return -1;
    if (count == 0)
        return refuse_empty(file, err);
    const mbedtls_pk_context *key = &chain->certificates[0].pk;
    if (check_chain(loading, chain, err) < 0 ||
        !tls_load_kind(key, chain->kind, chain->file, err) || check_usage(chain, err) < 0)
        return -1;
    chain->public_key = tls_load_public_key(key);
    tls_load_names(loading, chain);
    return 0;
}

int tls_load_chain(struct tls_loading *loading, const struct tls_file *file, struct err *err)
{
    struct tls_chain *chain = calloc(1, sizeof *chain);
    struct tls_chain **end = &loading->chains;
    must_have(chain != NULL && (chain->file = strdup(file->path)) != NULL);
    chain->names = BUF_INIT(TLS_NAMES_MAX);
    while (*end != NULL)
        end = &(*end)->next;
    *end = chain;
    return read_chain(loading, chain, file, err);
}

void tls_load_chains_free(struct tls_chain *chains)
{
    while (chains != NULL) {
        struct tls_chain *next = chains->next;
        for (size_t i = 0; i < chains->count; i++)
            mbedtls_x509_crt_free(&chains->certificates[i]);
        buf_fini(&chains->names);
        free((char *)(uintptr_t)chains->public_key.data);
        free((char *)(uintptr_t)chains->staple.data);
        free(chains->file);
        free(chains);
        chains = next;
    }
}
