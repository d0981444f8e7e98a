// tls_trust_parse.c - certificates and lists out of DER, counted.
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"
#include "tls_trust_priv.h"
#include "tls_verify_der.h"
#include "tls_verify_name.h"

struct tls_trusted *tls_trusted_hold(struct tls_trusted *certificate)
{
    atomic_fetch_add_explicit(&certificate->holders, 1, memory_order_relaxed);
    return certificate;
}

void tls_trusted_drop(struct tls_trusted *certificate)
{
    if (certificate == NULL ||
        atomic_fetch_sub_explicit(&certificate->holders, 1, memory_order_acq_rel) != 1)
        return;
    tls_known_forget(&certificate->known);
    mbedtls_x509_crt_free(&certificate->parsed);
    free(certificate);
}

struct tls_revocations *tls_revocations_hold(struct tls_revocations *list)
{
    atomic_fetch_add_explicit(&list->holders, 1, memory_order_relaxed);
    return list;
}

void tls_revocations_drop(struct tls_revocations *list)
{
    if (list == NULL || atomic_fetch_sub_explicit(&list->holders, 1, memory_order_acq_rel) != 1)
        return;
    mbedtls_x509_crl_free(&list->parsed);
    free(list->own);
    free(list);
}

// Extensions that the library does not know are judged later.
static int pass_extension(void *owner, const mbedtls_x509_crt *crt, const mbedtls_x509_buf *oid,
                          int critical, const unsigned char *at, const unsigned char *end)
{
    (void)owner, (void)crt, (void)oid, (void)critical, (void)at, (void)end;
    return 0;
}

int tls_certificate_append(mbedtls_x509_crt *chain, struct str der)
{
    return mbedtls_x509_crt_parse_der_with_ext_cb(chain, (const unsigned char *)der.data, der.size,
                                                  1, pass_extension, NULL);
}

// Whether DER is a SEQUENCE of two SEQUENCEs and a BIT STRING, as certificates and lists are: what
// the library does not take is then of a kind that it does not have, and broken otherwise.
static enum tls_parsed judge(struct str der)
{
    struct str all, part;
    return tls_value_take(&der, TLS_DER_SEQUENCE, &all) &&
                   tls_value_take(&all, TLS_DER_SEQUENCE, &part) &&
                   tls_value_take(&all, TLS_DER_SEQUENCE, &part) &&
                   tls_value_take(&all, TLS_DER_BIT_STRING, &part) && all.size == 0
               ? TLS_PARSED_NOT
               : TLS_PARSED_BROKEN;
}

static unsigned purposes_of(struct str oids)
{
    static const struct str server = STR("\x2b\x06\x01\x05\x05\x07\x03\x01"),
                            client = STR("\x2b\x06\x01\x05\x05\x07\x03\x02"),
                            any = STR("\x55\x1d\x25\x00");
    unsigned purposes = 0;
    struct str oid;
    while (tls_value_take(&oids, TLS_DER_OID, &oid))
        purposes |= str_equal(oid, server)   ? PURPOSE_SERVER
                    : str_equal(oid, client) ? PURPOSE_CLIENT
                    : str_equal(oid, any)    ? PURPOSE_ANY
                                             : 0u;
    return purposes;
}

// OpenSSL's X509_CERT_AUX: trust and reject are lists of purposes, the rest is of no meaning here.
static void read_purposes(struct tls_purposes *out, struct str aux)
{
    enum { REJECTED = 0xa0 };
    struct str parts, list;
    if (!tls_value_take(&aux, TLS_DER_SEQUENCE, &parts))
        return;
    if (tls_value_take(&parts, TLS_DER_SEQUENCE, &list)) {
        out->limited = true;
        out->trusted = purposes_of(list);
    }
    if (tls_value_take(&parts, REJECTED, &list))
        out->rejected = purposes_of(list);
}

enum tls_parsed tls_trusted_parse(struct str der, bool aux, struct tls_trusted **out)
{
    struct str rest = der, content;
    if (!tls_value_take(&rest, TLS_DER_SEQUENCE, &content) || (rest.size > 0 && !aux))
        return TLS_PARSED_BROKEN;
    struct tls_trusted *made = calloc(1, sizeof *made);
    if (made == NULL)
        return TLS_PARSED_MEMORY;
    atomic_init(&made->holders, 1);
    made->process = getpid();
    mbedtls_x509_crt_init(&made->parsed);
    int result =
        tls_certificate_append(&made->parsed, (struct str){der.data, der.size - rest.size});
    if (result == 0 && tls_known_read(&made->known, &made->parsed) == 0) {
        read_purposes(&made->purposes, rest);
        *out = made;
        return TLS_PARSED;
    }
    tls_trusted_drop(made);
    der.size -= rest.size;
    return result == 0 || result == MBEDTLS_ERR_X509_ALLOC_FAILED ? TLS_PARSED_MEMORY : judge(der);
}

// --- lists ---

// IssuingDistributionPoint (RFC 5280 section 5.2.5).
static unsigned read_point(struct str value)
{
    struct str parts, flag;
    unsigned facts = 0;
    int tag;
    if (!tls_value_take(&value, TLS_DER_SEQUENCE, &parts))
        return LIST_UNUSABLE;
    while (parts.size > 0) {
        if (!tls_value_next(&parts, &tag, &flag))
            return LIST_UNUSABLE;
        bool set = flag.size > 0 && flag.data[0] != 0;
        switch (tag) {
        case 0xa0:
            facts |= LIST_OF_POINT;
            break;
        case 0x81:
            facts |= set ? LIST_OF_USERS : 0u;
            break;
        case 0x82:
            facts |= set ? LIST_OF_AUTHORITIES : 0u;
            break;
        case 0x84:
            facts |= set ? LIST_UNUSABLE : 0u;
            break; // indirect
        case 0x85:
            facts |= set ? LIST_OF_ATTRIBUTES : 0u;
            break;
        default:
            facts |= LIST_UNUSABLE; // of some reasons only
        }
    }
    return facts;
}

static bool read_list_extension(struct tls_revocations *out, struct str parts)
{
    struct str oid, flag, value;
    if (!tls_value_take(&parts, TLS_DER_OID, &oid))
        return false;
    bool critical = tls_value_take(&parts, TLS_DER_BOOLEAN, &flag);
    if (!tls_value_take(&parts, TLS_DER_OCTET_STRING, &value))
        return false;
    if (str_equal(oid, STR("\x55\x1d\x23")))
        return tls_known_read_authority(value, &out->authority);
    if (str_equal(oid, STR("\x55\x1d\x1c")))
        out->facts |= read_point(value);
    else if (str_equal(oid, STR("\x55\x1d\x1b"))) // deltaCRLIndicator
        out->facts |= LIST_UNUSABLE;
    else if (critical)
        out->facts |= LIST_UNHANDLED;
    return true;
}

static void read_list_extensions(struct tls_revocations *out)
{
    struct str all = {(const char *)out->parsed.crl_ext.p, out->parsed.crl_ext.len}, list, parts;
    if (all.size == 0)
        return;
    if (!tls_value_take(&all, TLS_DER_SEQUENCE, &list))
        out->facts |= LIST_UNUSABLE;
    else
        while (list.size > 0)
            if (!tls_value_take(&list, TLS_DER_SEQUENCE, &parts) ||
                !read_list_extension(out, parts)) {
                out->facts |= LIST_UNUSABLE;
                return;
            }
}

// Issuer and authority's name, one behind the other.
static int read_list_names(struct tls_revocations *out)
{
    _buf_ struct buf all = BUF_INIT(2 * TLS_NAME_MAX);
    const mbedtls_x509_buf *issuer = &out->parsed.issuer_raw;
    if (buf_reserve(&all, issuer->len + 1) != 0)
        return -1;
    bool good = tls_name_canonical(&all, (struct str){(const char *)issuer->p, issuer->len});
    size_t first = all.size;
    if (out->authority.has_name)
        good = good && tls_name_canonical(&all, out->authority.name);
    if (!good)
        out->facts |= LIST_UNUSABLE;
    size_t second = all.size;
    out->own = steal_ptr(&all.data);
    out->issuer = (struct str){out->own, first};
    out->authority.name = (struct str){out->own + first, second - first};
    out->issuer_hash = tls_name_hash(out->issuer);
    return 0;
}

enum tls_parsed tls_revocations_parse(struct str der, struct tls_revocations **out)
{
    struct str rest = der, content;
    if (!tls_value_take(&rest, TLS_DER_SEQUENCE, &content) || rest.size > 0)
        return TLS_PARSED_BROKEN;
    struct tls_revocations *made = calloc(1, sizeof *made);
    if (made == NULL)
        return TLS_PARSED_MEMORY;
    atomic_init(&made->holders, 1);
    mbedtls_x509_crl_init(&made->parsed);
    int result =
        mbedtls_x509_crl_parse_der(&made->parsed, (const unsigned char *)der.data, der.size);
    if (result == 0) {
        read_list_extensions(made);
        if (read_list_names(made) == 0) {
            *out = made;
            return TLS_PARSED;
        }
    }
    tls_revocations_drop(made);
    return result == 0 || result == MBEDTLS_ERR_X509_ALLOC_FAILED ? TLS_PARSED_MEMORY : judge(der);
}
