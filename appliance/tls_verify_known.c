// tls_verify_known.c - reads a certificate's extensions (RFC 5280 section 4.2), as far as judging
// wants them. The library has most of them, but not which were critical, and not all.
#include "tls_verify_known_priv.h"

#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <stdlib.h>

#include "buf.h"
#include "cleanup.h"
#include "tls_verify_der.h"
#include "tls_verify_name.h"

static struct str slice(const mbedtls_x509_buf *buf)
{
    return (struct str){(const char *)buf->p, buf->len};
}

static bool read_basic(struct tls_known *out, struct str value)
{
    struct str basic, flag, length;
    if (!tls_value_take(&value, TLS_DER_SEQUENCE, &basic))
        return false;
    if (tls_value_take(&basic, TLS_DER_BOOLEAN, &flag) && flag.size == 1 && flag.data[0] != 0)
        out->facts |= FACT_CA;
    return !tls_value_take(&basic, TLS_DER_INTEGER, &length) ||
           tls_value_integer(length, &out->path_length);
}

static bool read_usage(struct tls_known *out, struct str value)
{
    struct str bits;
    return tls_value_take(&value, TLS_DER_BIT_STRING, &bits) && tls_value_bits(bits, &out->usage) &&
           out->usage != 0;
}

static bool read_extended(struct tls_known *out, struct str value)
{
    static const struct {
        struct str oid;
        unsigned purpose;
    } known[] = {
        {STR("\x2b\x06\x01\x05\x05\x07\x03\x01"), PURPOSE_SERVER},
        {STR("\x2b\x06\x01\x05\x05\x07\x03\x02"), PURPOSE_CLIENT},
        {STR("\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x03"), PURPOSE_GATED}, // Microsoft's
        {STR("\x60\x86\x48\x01\x86\xf8\x42\x04\x01"), PURPOSE_GATED},     // Netscape's
        {STR("\x55\x1d\x25\x00"), PURPOSE_ANY},
    };
    struct str purposes, oid;
    if (!tls_value_take(&value, TLS_DER_SEQUENCE, &purposes))
        return false;
    while (purposes.size > 0) {
        if (!tls_value_take(&purposes, TLS_DER_OID, &oid))
            return false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (str_equal(oid, known[i].oid))
                out->purposes |= known[i].purpose;
    }
    return true;
}

static bool read_netscape(struct tls_known *out, struct str value)
{
    struct str bits;
    out->netscape = 0;
    return tls_value_take(&value, TLS_DER_BIT_STRING, &bits) &&
           tls_value_bits(bits, &out->netscape);
}

static bool read_key_id(struct tls_known *out, struct str value)
{
    return tls_value_take(&value, TLS_DER_OCTET_STRING, &out->key_id);
}

bool tls_known_read_authority(struct str value, struct tls_authority_parts *out)
{
    enum { KEY = 0x80, ISSUER = 0xa1, SERIAL = 0x82, DIRECTORY_NAME = 0xa4 };
    struct str parts, names, name;
    int tag;
    *out = (struct tls_authority_parts){.has_key = false};
    if (!tls_value_take(&value, TLS_DER_SEQUENCE, &parts))
        return false;
    out->has_key = tls_value_take(&parts, KEY, &out->key);
    if (tls_value_take(&parts, ISSUER, &names))
        while (!out->has_name && names.size > 0) {
            if (!tls_value_next(&names, &tag, &name))
                return false;
            out->has_name = tag == DIRECTORY_NAME;
            out->name = name;
        }
    out->has_serial = tls_value_take(&parts, SERIAL, &out->serial);
    return parts.size == 0;
}

static bool read_authority(struct tls_known *out, struct str value)
{
    struct tls_authority_parts parts;
    if (!tls_known_read_authority(value, &parts))
        return false;
    out->facts |=
        (parts.has_key ? FACT_AUTHORITY_KEY : 0u) | (parts.has_name ? FACT_AUTHORITY_NAME : 0u);
    out->authority_key = parts.key;
    out->authority_serial = parts.serial;
    out->authority_name = parts.name; // made canonical later
    return true;
}

static bool read_names(struct tls_known *out, struct str value)
{
    struct str rest, name;
    int tag;
    if (!tls_value_take(&value, TLS_DER_SEQUENCE, &out->names))
        return false;
    rest = out->names;
    while (rest.size > 0)
        if (!tls_value_next(&rest, &tag, &name))
            return false;
    return true;
}

// GeneralSubtrees: each a GeneralName, then its bounds.
static bool are_subtrees(struct str subtrees)
{
    struct str subtree, part;
    int tag;
    while (subtrees.size > 0) {
        if (!tls_value_take(&subtrees, TLS_DER_SEQUENCE, &subtree) ||
            !tls_value_next(&subtree, &tag, &part))
            return false;
        while (subtree.size > 0)
            if (!tls_value_next(&subtree, &tag, &part))
                return false;
    }
    return true;
}

static bool read_constraints(struct tls_known *out, struct str value)
{
    enum { PERMITTED = 0xa0, EXCLUDED = 0xa1 };
    struct str subtrees;
    if (!tls_value_take(&value, TLS_DER_SEQUENCE, &out->constraints))
        return false;
    struct str rest = out->constraints;
    return (!tls_value_take(&rest, PERMITTED, &subtrees) || are_subtrees(subtrees)) &&
           (!tls_value_take(&rest, EXCLUDED, &subtrees) || are_subtrees(subtrees)) &&
           rest.size == 0;
}

static bool read_nothing(struct tls_known *out, struct str value)
{
    (void)out, (void)value;
    return true;
}

// What OpenSSL knows; what stands nowhere here is passed over if it is not critical.
static const struct extension {
    struct str oid;
    bool (*read)(struct tls_known *out, struct str value);
    unsigned present, critical; // facts
    bool handled;               // may be critical
} extensions[] = {
    {STR("\x55\x1d\x13"), read_basic, FACT_BASIC, FACT_BASIC_CRITICAL, true},
    {STR("\x55\x1d\x0f"), read_usage, FACT_USAGE, 0, true},
    {STR("\x55\x1d\x25"), read_extended, FACT_EXTENDED_USAGE, 0, true},
    {STR("\x55\x1d\x11"), read_names, FACT_NAMES, FACT_NAMES_CRITICAL, true},
    {STR("\x55\x1d\x0e"), read_key_id, FACT_KEY_ID, FACT_KEY_ID_CRITICAL, false},
    {STR("\x55\x1d\x23"), read_authority, FACT_AUTHORITY, FACT_AUTHORITY_CRITICAL, false},
    {STR("\x55\x1d\x1e"), read_constraints, FACT_CONSTRAINTS, 0, true},
    {STR("\x60\x86\x48\x01\x86\xf8\x42\x01\x01"), read_netscape, FACT_NETSCAPE, 0, true},
    {STR("\x2b\x06\x01\x05\x05\x07\x01\x0e"), read_nothing, FACT_PROXY, 0, true},
    {STR("\x55\x1d\x20"), read_nothing, 0, 0, true},                         // policies, which ...
    {STR("\x55\x1d\x21"), read_nothing, 0, 0, true},                         // ... are mapped,
    {STR("\x55\x1d\x24"), read_nothing, 0, 0, true},                         // constrained,
    {STR("\x55\x1d\x36"), read_nothing, 0, 0, true},                         // or not just any:
    {STR("\x55\x1d\x1f"), read_nothing, 0, 0, true},                         // nobody asks for them
    {STR("\x2b\x06\x01\x05\x05\x07\x30\x01\x05"), read_nothing, 0, 0, true}, // OCSP, no check
};

static const struct extension *find_extension(struct str oid)
{
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (str_equal(oid, extensions[i].oid))
            return &extensions[i];
    return NULL;
}

static bool read_extension(struct tls_known *out, struct str parts)
{
    struct str oid, flag, value;
    bool critical = false;
    if (!tls_value_take(&parts, TLS_DER_OID, &oid))
        return false;
    if (tls_value_take(&parts, TLS_DER_BOOLEAN, &flag))
        critical = flag.size == 1 && flag.data[0] != 0;
    if (!tls_value_take(&parts, TLS_DER_OCTET_STRING, &value))
        return false;
    const struct extension *extension = find_extension(oid);
    if (critical && (extension == NULL || !extension->handled))
        out->facts |= FACT_UNHANDLED;
    if (extension == NULL)
        return true;
    bool twice = (out->facts & extension->present) != 0;
    out->facts |= extension->present | (critical ? extension->critical : 0u);
    return extension->read(out, value) && !twice;
}

static void read_extensions(struct tls_known *out)
{
    struct str all = slice(&out->parsed->v3_ext), list, parts;
    if (all.size == 0)
        return;
    if (!tls_value_take(&all, TLS_DER_SEQUENCE, &list)) {
        out->facts |= FACT_INVALID;
        return;
    }
    while (list.size > 0) {
        out->facts |= FACT_EXTENSIONS;
        if (!tls_value_take(&list, TLS_DER_SEQUENCE, &parts)) {
            out->facts |= FACT_INVALID;
            return;
        }
        if (!read_extension(out, parts))
            out->facts |= FACT_INVALID;
    }
}

// A curve that is given by its parameters and not by its name could be any (CVE-2020-0601).
static bool has_explicit_curve(const mbedtls_x509_crt *parsed)
{
    struct str rest = slice(&parsed->pk_raw), key, algorithm, oid, parameters;
    static const struct str is_curve = STR("\x2a\x86\x48\xce\x3d\x02\x01");
    return tls_value_take(&rest, TLS_DER_SEQUENCE, &key) &&
           tls_value_take(&key, TLS_DER_SEQUENCE, &algorithm) &&
           tls_value_take(&algorithm, TLS_DER_OID, &oid) && str_equal(oid, is_curve) &&
           !tls_value_take(&algorithm, TLS_DER_OID, &parameters);
}

// Subject, issuer and the authority's name, one behind the other.
static int read_canonical_names(struct tls_known *out)
{
    _buf_ struct buf all = BUF_INIT(3 * TLS_NAME_MAX);
    if (buf_reserve(&all, out->parsed->subject_raw.len + out->parsed->issuer_raw.len + 1) != 0)
        return -1;
    bool good = tls_name_canonical(&all, slice(&out->parsed->subject_raw));
    size_t first = all.size;
    good = good && tls_name_canonical(&all, slice(&out->parsed->issuer_raw));
    size_t second = all.size;
    if (out->facts & FACT_AUTHORITY_NAME)
        good = good && tls_name_canonical(&all, out->authority_name);
    if (!good)
        out->facts |= FACT_INVALID;
    size_t third = all.size;
    out->own = steal_ptr(&all.data);
    out->subject = (struct str){out->own, first};
    out->issuer = (struct str){out->own + first, second - first};
    out->authority_name = (struct str){out->own + second, third - second};
    out->subject_hash = tls_name_hash(out->subject);
    return 0;
}

int tls_known_read(struct tls_known *out, const mbedtls_x509_crt *parsed)
{
    *out = (struct tls_known){.parsed = parsed, .path_length = -1};
    read_extensions(out);
    if (has_explicit_curve(parsed))
        out->facts |= FACT_EXPLICIT_CURVE;
    if (read_canonical_names(out) < 0)
        return -1;
    if (str_equal(out->subject, out->issuer))
        out->facts |= FACT_SELF_ISSUED;
    // Invalid or not: what is broken elsewhere is still its own issuer.
    struct tls_known plain = *out;
    plain.facts &= ~(unsigned)FACT_INVALID;
    if (tls_known_issued(&plain, &plain))
        out->facts |= FACT_SELF_SIGNED;
    return 0;
}

void tls_known_forget(struct tls_known *facts)
{
    free(facts->own);
    facts->own = NULL;
}
