// tls_certificate_extension.c - extensions that are shown (RFC 5280 section 4.2): other names of
// the subject, and addresses where more is to be had.
#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <stdint.h>

#include "tls_certificate_priv.h"

enum {
    TAG_CONTEXT = MBEDTLS_ASN1_CONTEXT_SPECIFIC,
    TAG_CONSTRUCTED_CONTEXT = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED,
    TAG_SEQUENCE = MBEDTLS_ASN1_SEQUENCE | MBEDTLS_ASN1_CONSTRUCTED,
};

// --- subjectAltName (section 4.2.1.6) ---

static int read_alt_names(struct tls_certificate_text *out, struct tls_der contents)
{
    struct tls_alt_name *names =
        tls_arena_take(contents.arena, tls_der_count(contents) * sizeof names[0]);
    size_t count = 0;
    if (names == NULL)
        return TLS_DER_MEMORY;
    while (contents.at < contents.end) {
        int result = tls_general_name_read(&names[count++], &contents);
        if (result < 0)
            return result;
    }
    out->alt_names = names;
    out->alt_name_count = count;
    return 0;
}

// --- authorityInfoAccess (section 4.2.2.1) ---

static int take_access(struct tls_der *der, struct str *method, struct tls_alt_name *location)
{
    struct tls_der access;
    if (tls_der_take(der, TAG_SEQUENCE, &access) < 0 || tls_der_take_oid(&access, method) < 0)
        return TLS_DER_BROKEN;
    *location = (struct tls_alt_name){.kind = STR("")};
    int result = tls_general_name_read(location, &access);
    return result == 0 && access.at != access.end ? TLS_DER_BROKEN : result;
}

static int read_access(struct tls_certificate_text *out, struct tls_der contents)
{
    static const struct str ocsp = STR("\x2b\x06\x01\x05\x05\x07\x30\x01"),
                            issuers = STR("\x2b\x06\x01\x05\x05\x07\x30\x02");
    size_t max = tls_der_count(contents);
    struct tls_texts read[] = {{.count = 0}, {.count = 0}};
    read[0].texts = tls_arena_take(contents.arena, max * sizeof(struct str));
    read[1].texts = tls_arena_take(contents.arena, max * sizeof(struct str));
    if (read[0].texts == NULL || read[1].texts == NULL)
        return TLS_DER_MEMORY;
    while (contents.at < contents.end) {
        struct str method;
        struct tls_alt_name location;
        int result = take_access(&contents, &method, &location);
        if (result < 0)
            return result;
        if (!tls_general_name_is_uri(&location))
            continue;
        if (str_equal(method, ocsp))
            read[0].texts[read[0].count++] = location.value;
        else if (str_equal(method, issuers))
            read[1].texts[read[1].count++] = location.value;
    }
    out->ocsp = read[0];
    out->ca_issuers = read[1];
    return 0;
}

// --- cRLDistributionPoints (section 4.2.1.13) ---

static int take_uris(struct tls_texts *out, struct tls_der names)
{
    while (names.at < names.end) {
        struct tls_alt_name name = {.kind = STR("")};
        int result = tls_general_name_read(&name, &names);
        if (result < 0)
            return result;
        if (tls_general_name_is_uri(&name))
            out->texts[out->count++] = name.value;
    }
    return 0;
}

// Where a list is (fullName), what it says and who signs it. full_name->at is NULL where that is
// missing.
static int take_point(struct tls_der *der, struct tls_der *full_name)
{
    struct tls_der point, name, passed;
    *full_name = (struct tls_der){NULL, NULL, der->arena};
    if (tls_der_take(der, TAG_SEQUENCE, &point) < 0 ||
        tls_der_take_optional(&point, TAG_CONSTRUCTED_CONTEXT | 0, &name) < 0 ||
        tls_der_take_optional(&point, TAG_CONTEXT | 1, &passed) < 0 ||
        tls_der_take_optional(&point, TAG_CONSTRUCTED_CONTEXT | 2, &passed) < 0 ||
        point.at != point.end)
        return TLS_DER_BROKEN;
    if (name.at == NULL)
        return 0;
    if (tls_der_tag(&name) == (TAG_CONSTRUCTED_CONTEXT | 1)) // relative to the issuer's name
        return tls_der_take(&name, TAG_CONSTRUCTED_CONTEXT | 1, &passed);
    if (tls_der_take(&name, TAG_CONSTRUCTED_CONTEXT | 0, full_name) < 0 || name.at != name.end)
        return TLS_DER_BROKEN;
    return 0;
}

static int read_points(struct tls_certificate_text *out, struct tls_der contents)
{
    struct tls_texts uris = {.count = 0};
    struct tls_der full_name;
    size_t max = 0;
    for (struct tls_der left = contents; left.at < left.end;) {
        if (take_point(&left, &full_name) < 0)
            return TLS_DER_BROKEN;
        max += full_name.at != NULL ? tls_der_count(full_name) : 0;
    }
    uris.texts = tls_arena_take(contents.arena, max * sizeof uris.texts[0]);
    if (uris.texts == NULL)
        return TLS_DER_MEMORY;
    while (contents.at < contents.end) {
        int result = take_point(&contents, &full_name);
        if (result == 0 && full_name.at != NULL)
            result = take_uris(&uris, full_name);
        if (result < 0)
            return result;
    }
    out->crl_points = uris;
    return 0;
}

// --- all of them ---

static const struct {
    struct str oid;
    int (*read)(struct tls_certificate_text *out, struct tls_der contents);
} kinds[] = {
    {STR(MBEDTLS_OID_SUBJECT_ALT_NAME), read_alt_names},
    {STR("\x2b\x06\x01\x05\x05\x07\x01\x01"), read_access},
    {STR(MBEDTLS_OID_CRL_DISTRIBUTION_POINTS), read_points},
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static int take_extension(struct tls_der *der, struct str *oid, struct tls_der *value)
{
    struct tls_der extension, critical;
    if (tls_der_take(der, TAG_SEQUENCE, &extension) < 0 || tls_der_take_oid(&extension, oid) < 0 ||
        tls_der_take_optional(&extension, MBEDTLS_ASN1_BOOLEAN, &critical) < 0 ||
        tls_der_take(&extension, MBEDTLS_ASN1_OCTET_STRING, value) < 0 ||
        extension.at != extension.end)
        return TLS_DER_BROKEN;
    return 0;
}

// Their contents are a SEQUENCE each; as OpenSSL, what is behind that does not matter.
static int read_extension(struct tls_certificate_text *out, size_t kind, struct tls_der value)
{
    struct tls_der contents;
    if (tls_der_take(&value, TAG_SEQUENCE, &contents) < 0)
        return 0;
    int result = kinds[kind].read(out, contents);
    return result == TLS_DER_MEMORY ? result : 0;
}

int tls_extensions_read(struct tls_certificate_text *out, struct tls_der contents)
{
    struct tls_der values[KIND_COUNT];
    size_t seen[KIND_COUNT] = {0};
    while (contents.at < contents.end) {
        struct str oid;
        struct tls_der value;
        if (take_extension(&contents, &oid, &value) < 0)
            return TLS_DER_BROKEN;
        for (size_t i = 0; i < KIND_COUNT; i++) {
            if (str_equal(kinds[i].oid, oid)) {
                values[i] = value;
                seen[i]++;
            }
        }
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < KIND_COUNT; i++) {
        if (seen[i] == 1) // one that is there twice is as good as none
            result = read_extension(out, i, values[i]);
    }
    return result;
}
