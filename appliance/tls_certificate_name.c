// tls_certificate_name.c - distinguished names (RFC 5280 section 4.1.2.4) as texts.
#include <mbedtls/asn1.h>
#include <stdint.h>
#include <stdio.h>

#include "tls_certificate_priv.h"
#include "tls_object.h"
#include "utf8.h"

enum {
    TAG_SEQUENCE = MBEDTLS_ASN1_SEQUENCE | MBEDTLS_ASN1_CONSTRUCTED,
    TAG_SET = MBEDTLS_ASN1_SET | MBEDTLS_ASN1_CONSTRUCTED,
    TAG_NUMERIC_STRING = 18,
    TAG_UNIVERSAL_STRING = MBEDTLS_ASN1_UNIVERSAL_STRING,
    OID_TEXT_SIZE = 2048, // of the longest that tls_object_dotted takes
};

// --- strings to UTF-8 (RFC 3629) ---

// Bytes of a character in strings of this tag; 0: UTF-8; -1: no string.
static int width_of(int tag)
{
    static const signed char widths[] = {
        [MBEDTLS_ASN1_UTF8_STRING] = 0 + 1,      [TAG_NUMERIC_STRING] = 1 + 1,
        [MBEDTLS_ASN1_PRINTABLE_STRING] = 1 + 1, [MBEDTLS_ASN1_T61_STRING] = 1 + 1,
        [MBEDTLS_ASN1_IA5_STRING] = 1 + 1,       [TAG_UNIVERSAL_STRING] = 4 + 1,
        [MBEDTLS_ASN1_BMP_STRING] = 2 + 1};
    return tag >= 0 && tag < (int)sizeof widths ? widths[tag] - 1 : -1;
}

static bool is_character(uint32_t code)
{
    return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

// At most 4 bytes; returns how many.
static size_t put_utf8(char *out, uint32_t code)
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(marks[size] | code);
    return size;
}

static int copy_utf8(struct str *out, struct tls_der contents)
{
    struct str bytes = tls_der_str(&contents);
    for (size_t at = 0; at < bytes.size;) {
        size_t size = utf8_size((struct str){bytes.data + at, bytes.size - at});
        if (size == 0)
            return TLS_DER_BROKEN;
        at += size;
    }
    char *copy = tls_arena_take(contents.arena, bytes.size);
    if (copy == NULL)
        return TLS_DER_MEMORY;
    memcpy(copy, bytes.data, bytes.size);
    *out = (struct str){copy, bytes.size};
    return 0;
}

// Characters of so many bytes each, the high one first: Latin-1, UCS-2, UCS-4.
static int convert(struct str *out, struct tls_der contents, size_t width)
{
    size_t count = (size_t)(contents.end - contents.at), size = 0;
    if (count % width != 0)
        return TLS_DER_BROKEN;
    char *text = tls_arena_take(contents.arena, count / width * 4);
    if (text == NULL)
        return TLS_DER_MEMORY;
    while (contents.at < contents.end) {
        uint32_t code = 0;
        for (size_t i = 0; i < width; i++)
            code = code << 8 | *contents.at++;
        if (!is_character(code))
            return TLS_DER_BROKEN;
        size += put_utf8(text + size, code);
    }
    *out = (struct str){text, size};
    return 0;
}

// Its bytes, those bits that do not count as 0.
static int copy_bits(struct tls_name_part *out, struct tls_der contents)
{
    if (contents.at == contents.end || contents.at[0] > 7)
        return TLS_DER_BROKEN;
    unsigned unused = *contents.at++;
    struct str bytes = tls_der_str(&contents);
    char *copy = tls_arena_take(contents.arena, bytes.size);
    if (copy == NULL)
        return TLS_DER_MEMORY;
    memcpy(copy, bytes.data, bytes.size);
    if (bytes.size > 0)
        copy[bytes.size - 1] = (char)((unsigned char)copy[bytes.size - 1] & (0xffU << unused));
    out->value = (struct str){copy, bytes.size};
    out->is_bytes = true;
    return 0;
}

static int read_value(struct tls_name_part *out, struct tls_der *der)
{
    struct tls_der contents;
    int tag, width;
    if (tls_der_take_any(der, &tag, &contents) < 0)
        return TLS_DER_BROKEN;
    if (tag == MBEDTLS_ASN1_BIT_STRING)
        return copy_bits(out, contents);
    width = width_of(tag);
    if (width < 0)
        return TLS_DER_BROKEN;
    return width == 0 ? copy_utf8(&out->value, contents)
                      : convert(&out->value, contents, (size_t)width);
}

// --- names ---

int tls_oid_text(struct str *out, struct str oid, struct tls_arena **arena)
{
    const struct tls_object *object = tls_object_by_der(oid);
    char text[OID_TEXT_SIZE];
    if (object != NULL) {
        *out = str_of(object->long_name);
        return 0;
    }
    if (!tls_object_dotted(oid, text, sizeof text))
        return TLS_DER_BROKEN;
    size_t size = strlen(text);
    char *copy = tls_arena_take(arena, size);
    if (copy == NULL)
        return TLS_DER_MEMORY;
    memcpy(copy, text, size);
    *out = (struct str){copy, size};
    return 0;
}

static int read_part(struct tls_name_part *out, struct tls_der *der)
{
    struct tls_der pair;
    struct str oid;
    if (tls_der_take(der, TAG_SEQUENCE, &pair) < 0 || tls_der_take_oid(&pair, &oid) < 0)
        return TLS_DER_BROKEN;
    int result = tls_oid_text(&out->kind, oid, der->arena);
    if (result == 0)
        result = read_value(out, &pair);
    return result == 0 && pair.at != pair.end ? TLS_DER_BROKEN : result;
}

static int count_parts(struct tls_der contents, size_t *count)
{
    *count = 0;
    while (contents.at < contents.end) {
        struct tls_der set;
        if (tls_der_take(&contents, TAG_SET, &set) < 0)
            return TLS_DER_BROKEN;
        *count += tls_der_count(set);
    }
    return 0;
}

// A relative distinguished name, of which some have more than one part.
static int read_set(struct tls_name_parts *out, struct tls_der *der)
{
    struct tls_der set;
    bool begins = true;
    if (tls_der_take(der, TAG_SET, &set) < 0)
        return TLS_DER_BROKEN;
    for (; set.at < set.end; begins = false) {
        struct tls_name_part *part = &out->parts[out->count];
        int result = read_part(part, &set);
        if (result < 0)
            return result;
        part->begins = begins;
        out->count++;
    }
    return 0;
}

int tls_name_read(struct tls_name_parts *out, struct tls_der contents)
{
    size_t count;
    if (count_parts(contents, &count) < 0)
        return TLS_DER_BROKEN;
    *out = (struct tls_name_parts){.count = 0};
    out->parts = tls_arena_take(contents.arena, count * sizeof out->parts[0]);
    if (out->parts == NULL)
        return TLS_DER_MEMORY;
    int result = 0;
    while (result == 0 && contents.at < contents.end)
        result = read_set(out, &contents);
    return result;
}
