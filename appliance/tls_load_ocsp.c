// tls_load_ocsp.c - what an authority says of a certificate's health (RFC 6960 section 4.2.1), to
// be stapled to it: for which certificate, is it good, and how long does that hold? The signature
// is for clients to check; a staple that they refuse is as none.
#include <stdio.h>
#include <stdlib.h>

#include <mbedtls/asn1.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>

#include "tls_load_priv.h"

enum {
    SUCCESSFUL = 0,  // OCSPResponseStatus
    STATUS_GOOD = 0, // CertStatus, by its tag
    STATUS_REVOKED = 1,
    HELD_WITHOUT_DATE = 86400, // seconds; what says not when it ends is as fresh as one can ask for
};

#define SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define EXPLICIT(number) (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | (number))

// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1
static const struct str basic = STR("\x2b\x06\x01\x05\x05\x07\x30\x01\x01");

// Bytes that are left of an ASN.1 value.
struct slice {
    unsigned char *at;
    const unsigned char *end;
};

struct single {
    struct slice hash_algorithm; // an AlgorithmIdentifier, whole
    struct str name_hash, key_hash, serial;
    int status;    // tag's number
    int64_t until; // Unix time in seconds; 0: not said
};

// --- ASN.1 ---

// The value of the next element, which has to have this tag; from goes on behind it.
static int enter(struct slice *from, int tag, struct slice *value)
{
    size_t size;
    if (mbedtls_asn1_get_tag(&from->at, from->end, &size, tag) != 0)
        return -1;
    *value = (struct slice){from->at, from->at + size};
    from->at += size;
    return 0;
}

static bool is_next(const struct slice *from, int tag)
{
    return from->at < from->end && *from->at == tag;
}

static struct str str_of_slice(struct slice slice)
{
    return (struct str){(const char *)slice.at, (size_t)(slice.end - slice.at)};
}

static int enter_bytes(struct slice *from, int tag, struct str *out)
{
    struct slice value;
    if (enter(from, tag, &value) < 0)
        return -1;
    *out = str_of_slice(value);
    return 0;
}

// "20261231235959Z", nothing else (RFC 5280 section 4.1.2.5.2).
static int take_time(struct slice *from, int64_t *out)
{
    struct str text;
    mbedtls_x509_time time;
    char copy[16];
    int end = 0;
    if (enter_bytes(from, MBEDTLS_ASN1_GENERALIZED_TIME, &text) < 0 || text.size != 15)
        return -1;
    snprintf(copy, sizeof copy, "%.15s", text.data);
    if (strspn(copy, "0123456789") != 14 ||
        sscanf(copy, "%4d%2d%2d%2d%2d%2dZ%n", &time.year, &time.mon, &time.day, &time.hour,
               &time.min, &time.sec, &end) != 6 ||
        end != 15)
        return -1;
    *out = tls_load_seconds(&time);
    return 0;
}

// --- the response ---

// CertID
static int take_identifier(struct slice *from, struct single *out)
{
    struct slice identifier, algorithm;
    if (enter(from, SEQUENCE, &identifier) < 0)
        return -1;
    out->hash_algorithm = identifier;
    if (enter(&identifier, SEQUENCE, &algorithm) < 0 ||
        enter_bytes(&identifier, MBEDTLS_ASN1_OCTET_STRING, &out->name_hash) < 0 ||
        enter_bytes(&identifier, MBEDTLS_ASN1_OCTET_STRING, &out->key_hash) < 0)
        return -1;
    return enter_bytes(&identifier, MBEDTLS_ASN1_INTEGER, &out->serial);
}

// SingleResponse
static int take_single(struct slice *responses, struct single *out)
{
    struct slice single, status, until;
    int64_t since;
    if (enter(responses, SEQUENCE, &single) < 0 || take_identifier(&single, out) < 0 ||
        single.at == single.end)
        return -1;
    out->status = *single.at & MBEDTLS_ASN1_TAG_VALUE_MASK;
    if (enter(&single, *single.at, &status) < 0 || take_time(&single, &since) < 0)
        return -1;
    out->until = 0;
    if (!is_next(&single, EXPLICIT(0)))
        return 0;
    return enter(&single, EXPLICIT(0), &until) < 0 ? -1 : take_time(&until, &out->until);
}

// ResponseData, up to the list of responses
static int enter_data(struct slice *basic_response, struct slice *responses)
{
    struct slice whole, data, ignored;
    int64_t produced;
    if (enter(basic_response, SEQUENCE, &whole) < 0 || enter(&whole, SEQUENCE, &data) < 0)
        return -1;
    if (is_next(&data, EXPLICIT(0)) && enter(&data, EXPLICIT(0), &ignored) < 0)
        return -1;
    if (data.at == data.end || enter(&data, *data.at, &ignored) < 0 || // responderID
        take_time(&data, &produced) < 0)
        return -1;
    return enter(&data, SEQUENCE, responses);
}

// OCSPResponse, up to the list of responses
static int enter_response(const struct tls_file *file, struct slice *responses, struct err *err)
{
    struct slice all = {file->data, file->data + file->size}, response, bytes, inner, content;
    struct str type;
    int status;
    if (enter(&all, SEQUENCE, &response) < 0 || all.at != all.end ||
        mbedtls_asn1_get_enum(&response.at, response.end, &status) != 0)
        return err_set(err, ERR_FAILED,
                       "%s: no OCSP response in DER (take one: openssl ocsp "
                       "-respout FILE)",
                       file->path);
    if (status != SUCCESSFUL)
        return err_set(err, ERR_FAILED,
                       "%s: the OCSP response says that asking went wrong (status %d): ask again",
                       file->path, status);
    if (enter(&response, EXPLICIT(0), &bytes) < 0 || enter(&bytes, SEQUENCE, &inner) < 0 ||
        enter_bytes(&inner, MBEDTLS_ASN1_OID, &type) < 0 || !str_equal(type, basic) ||
        enter(&inner, MBEDTLS_ASN1_OCTET_STRING, &content) < 0 ||
        enter_data(&content, responses) < 0)
        return err_set(err, ERR_FAILED, "%s: an OCSP response of a kind not known here, or damaged",
                       file->path);
    return 0;
}

// --- whose is it? ---

static bool is_hash_of(mbedtls_md_type_t type, struct str hash, const unsigned char *data,
                       size_t size)
{
    unsigned char own[MBEDTLS_MD_MAX_SIZE];
    const mbedtls_md_info_t *algorithm = mbedtls_md_info_from_type(type);
    return algorithm != NULL && mbedtls_md_get_size(algorithm) == hash.size &&
           mbedtls_md(algorithm, data, size, own) == 0 && memcmp(own, hash.data, hash.size) == 0;
}

// The key's bits, without what says which kind it is (RFC 6960 section 4.1.1).
static bool is_hash_of_key(mbedtls_md_type_t type, struct str hash, const mbedtls_x509_crt *issuer)
{
    struct slice raw = {issuer->pk_raw.p, issuer->pk_raw.p + issuer->pk_raw.len}, info, ignored,
                 key;
    if (enter(&raw, SEQUENCE, &info) < 0 || enter(&info, SEQUENCE, &ignored) < 0 ||
        enter(&info, MBEDTLS_ASN1_BIT_STRING, &key) < 0 || key.at == key.end)
        return false;
    return is_hash_of(type, hash, key.at + 1, (size_t)(key.end - key.at) - 1);
}

static bool is_for(const struct tls_chain *chain, const struct single *single)
{
    const mbedtls_x509_crt *own = &chain->certificates[0];
    struct str serial = {(const char *)own->serial.p, own->serial.len};
    struct slice from = single->hash_algorithm;
    mbedtls_asn1_buf oid, ignored;
    mbedtls_md_type_t type;
    if (!str_equal(serial, single->serial) ||
        mbedtls_asn1_get_alg(&from.at, from.end, &oid, &ignored) != 0 ||
        mbedtls_oid_get_md_alg(&oid, &type) != 0 ||
        !is_hash_of(type, single->name_hash, own->issuer_raw.p, own->issuer_raw.len))
        return false;
    // Without intermediates its issuer is not at hand; the name has to do.
    return chain->count == 1 || is_hash_of_key(type, single->key_hash, &chain->certificates[1]);
}

static int staple(struct tls_loading *loading, struct tls_chain *chain, const struct single *single,
                  const struct tls_file *file, struct err *err)
{
    int64_t until = single->until != 0 ? single->until : loading->now + HELD_WITHOUT_DATE;
    char date[TLS_DATE_SIZE];
    if (single->status != STATUS_GOOD)
        return err_set(err, ERR_FAILED, "%s: the authority says that the certificate in %s is %s",
                       file->path, chain->file,
                       single->status == STATUS_REVOKED
                           ? "revoked (have a new one issued, for a new key)"
                           : "unknown to it (ask the authority that issued it)");
    tls_load_date(until, date);
    if (loading->now == 0) {
        tls_load_warn(loading, "%s: not stapled while the time is not known", file->path);
        return 0;
    }
    if (until <= loading->now) {
        tls_load_warn(loading,
                      "%s: the OCSP response was good until %s, it is not stapled (fetch a "
                      "new one)",
                      file->path, date);
        return 0;
    }
    if (chain->staple.size > 0 && chain->staple_until >= until)
        return 0; // there is a fresher one
    free((char *)(uintptr_t)chain->staple.data);
    chain->staple = tls_copy(file->data, file->size);
    chain->staple_until = until;
    return 0;
}

int tls_load_staple(struct tls_loading *loading, const char *path, struct err *err)
{
    _tls_file_ struct tls_file file = {.data = NULL};
    struct slice responses;
    struct single single;
    unsigned matches = 0;
    if (tls_load_read(loading, &file, path, err) < 0 || enter_response(&file, &responses, err) < 0)
        return -1;
    while (responses.at < responses.end) {
        if (take_single(&responses, &single) < 0)
            return err_set(err, ERR_FAILED, "%s: the OCSP response is damaged", path);
        for (struct tls_chain *chain = loading->chains; chain != NULL; chain = chain->next) {
            if (!is_for(chain, &single))
                continue;
            matches++;
            if (staple(loading, chain, &single, &file, err) < 0)
                return -1;
        }
    }
    if (matches == 0)
        return err_set(err, ERR_FAILED,
                       "%s: an OCSP response for none of the certificates (fetch one for the "
                       "certificate that is served, or name that by --tls-certificate)",
                       path);
    return 0;
}
