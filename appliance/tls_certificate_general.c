// tls_certificate_general.c - GeneralName (RFC 5280 section 4.2.1.6) in the words of CPython, which
// for kinds that it does not know itself takes those of OpenSSL's.
#include <mbedtls/asn1.h>
#include <stdint.h>
#include <stdio.h>

#include "tls_certificate_priv.h"
#include "tls_object.h"

enum {
    TAG_CONTEXT = MBEDTLS_ASN1_CONTEXT_SPECIFIC,
    TAG_CONSTRUCTED_CONTEXT = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED,
    TAG_SEQUENCE = MBEDTLS_ASN1_SEQUENCE | MBEDTLS_ASN1_CONSTRUCTED,
    ADDRESS_TEXT_SIZE = 40, // eight times "FFFF:"
    // Bytes of a line that CPython takes from OpenSSL, "othername:" included.
    LINE_MAX_SIZE = 2046,
};

static int put_text(struct str *out, struct str text, struct tls_arena **arena)
{
    char *copy = tls_arena_take(arena, text.size);
    if (copy == NULL)
        return TLS_DER_MEMORY;
    memcpy(copy, text.data, text.size);
    *out = (struct str){copy, text.size};
    return 0;
}

static int read_text(struct tls_alt_name *out, struct tls_der contents)
{
    return put_text(&out->value, tls_der_str(&contents), contents.arena);
}

static int read_directory_name(struct tls_alt_name *out, struct tls_der contents)
{
    struct tls_der name;
    if (tls_der_take(&contents, TAG_SEQUENCE, &name) < 0 || contents.at != contents.end)
        return TLS_DER_BROKEN;
    return tls_name_read(&out->names, name);
}

static int read_address(struct tls_alt_name *out, struct tls_der contents)
{
    char text[ADDRESS_TEXT_SIZE];
    const unsigned char *at = contents.at;
    size_t size = 0;
    switch (contents.end - at) {
    case 4:
        snprintf(text, sizeof text, "%d.%d.%d.%d", at[0], at[1], at[2], at[3]);
        break;
    case 16:
        for (size_t i = 0; i < 16; i += 2)
            size += (size_t)snprintf(text + size, sizeof text - size, i == 0 ? "%X" : ":%X",
                                     (unsigned)(at[i] << 8 | at[i + 1]));
        break;
    default:
        out->value = STR("<invalid>");
        return 0;
    }
    return put_text(&out->value, str_of(text), contents.arena);
}

static int read_registered_id(struct tls_alt_name *out, struct tls_der contents)
{
    if (contents.at == contents.end)
        return TLS_DER_BROKEN;
    return tls_oid_text(&out->value, tls_der_str(&contents), contents.arena);
}

// Nobody looks into these; OpenSSL says that it does not.
static int read_unsupported(struct tls_alt_name *out, struct tls_der contents)
{
    (void)contents;
    out->value = STR("<unsupported>");
    return 0;
}

// --- otherName ---

// Those whose values are shown, and what stands before these.
static const struct {
    int number; // of their identifier (tls_object.h)
    int tag;
    struct str prefix;
} other_names[] = {
    {649, MBEDTLS_ASN1_UTF8_STRING, STR("UPN:")},
    {1208, MBEDTLS_ASN1_UTF8_STRING, STR("SmtpUTF8Mailbox:")},
    {1209, MBEDTLS_ASN1_UTF8_STRING, STR("XmppAddr:")},
    {1210, MBEDTLS_ASN1_IA5_STRING, STR("SRVName:")},
    {1211, MBEDTLS_ASN1_UTF8_STRING, STR("NAIRealm:")},
};

// As far as CPython sees it: to a NUL, through the first line end, no more than a line.
static struct str first_line(struct str text, size_t max)
{
    size_t size = strnlen(text.data, text.size);
    const char *end = memchr(text.data, '\n', size);
    if (end != NULL)
        size = (size_t)(end - text.data) + 1;
    return (struct str){text.data, size < max ? size : max};
}

static int put_other_name(struct tls_alt_name *out, struct str prefix, struct tls_der contents)
{
    size_t max = LINE_MAX_SIZE - (sizeof "othername:" - 1) - prefix.size;
    struct str line = first_line(tls_der_str(&contents), max);
    char *text = tls_arena_take(contents.arena, prefix.size + line.size);
    if (text == NULL)
        return TLS_DER_MEMORY;
    memcpy(text, prefix.data, prefix.size);
    memcpy(text + prefix.size, line.data, line.size);
    out->value = (struct str){text, prefix.size + line.size};
    return 0;
}

static int read_other_name(struct tls_alt_name *out, struct tls_der contents)
{
    struct tls_der explicit, value;
    struct str oid;
    int tag;
    if (tls_der_take_oid(&contents, &oid) < 0 ||
        tls_der_take(&contents, TAG_CONSTRUCTED_CONTEXT | 0, &explicit) < 0 ||
        contents.at != contents.end || tls_der_take_any(&explicit, &tag, &value) < 0 ||
        explicit.at != explicit.end)
        return TLS_DER_BROKEN;
    const struct tls_object *object = tls_object_by_der(oid);
    for (size_t i = 0; object != NULL && i < sizeof other_names / sizeof other_names[0]; i++) {
        if (other_names[i].number == object->number && other_names[i].tag == tag)
            return put_other_name(out, other_names[i].prefix, value);
    }
    return read_unsupported(out, contents);
}

// --- all kinds ---

static const char uri_kind[] = "URI";

static const struct {
    int tag;
    const char *kind;
    int (*read)(struct tls_alt_name *out, struct tls_der contents);
} kinds[] = {
    {TAG_CONSTRUCTED_CONTEXT | 0, "othername", read_other_name},
    {TAG_CONTEXT | 1, "email", read_text},
    {TAG_CONTEXT | 2, "DNS", read_text},
    {TAG_CONSTRUCTED_CONTEXT | 3, "X400Name", read_unsupported},
    {TAG_CONSTRUCTED_CONTEXT | 4, "DirName", read_directory_name},
    {TAG_CONSTRUCTED_CONTEXT | 5, "EdiPartyName", read_unsupported},
    {TAG_CONTEXT | 6, uri_kind, read_text},
    {TAG_CONTEXT | 7, "IP Address", read_address},
    {TAG_CONTEXT | 8, "Registered ID", read_registered_id},
};

int tls_general_name_read(struct tls_alt_name *out, struct tls_der *der)
{
    struct tls_der contents;
    int tag;
    if (tls_der_take_any(der, &tag, &contents) < 0)
        return TLS_DER_BROKEN;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].tag == tag) {
            out->kind = str_of(kinds[i].kind);
            return kinds[i].read(out, contents);
        }
    }
    return TLS_DER_BROKEN;
}

bool tls_general_name_is_uri(const struct tls_alt_name *name)
{
    return name->kind.data == uri_kind;
}
