// tls_verify_name.c - canonical distinguished names.
#include "tls_verify_name.h"

#include <mbedtls/sha1.h>

#include "tls_verify_der.h"
#include "utf8.h"

enum {
    TAG_UTF8 = 12,
    TAG_PRINTABLE = 19,
    TAG_T61 = 20,
    TAG_IA5 = 22,
    TAG_VISIBLE = 26,
    TAG_UNIVERSAL = 28,
    TAG_BMP = 30,
    VALUES_MAX = 32,  // attributes of one RDN
    LENGTH_BYTES = 8, // of a length, at most
};

static bool put_character(struct buf *out, uint32_t c)
{
    unsigned char bytes[4];
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return false;
    for (size_t i = size; i-- > 1; c >>= 6)
        bytes[i] = (unsigned char)(0x80 | (c & 0x3f));
    bytes[0] = (unsigned char)(first[size] | c);
    return buf_append(out, bytes, size) == 0;
}

// Characters of so many bytes each, big endian.
static bool put_wide(struct buf *out, struct str text, size_t width)
{
    if (text.size % width != 0)
        return false;
    for (size_t i = 0; i < text.size; i += width) {
        uint32_t c = 0;
        for (size_t j = 0; j < width; j++)
            c = c << 8 | (unsigned char)text.data[i + j];
        if (!put_character(out, c))
            return false;
    }
    return true;
}

static bool put_utf8(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_size((struct str){text.data + i, text.size - i});
        if (size == 0)
            return false;
        i += size;
    }
    return buf_append_str(out, text) == 0;
}

bool tls_name_utf8(struct buf *out, int tag, struct str text)
{
    switch (tag) {
    case TAG_UTF8:
        return put_utf8(out, text);
    case TAG_BMP:
        return put_wide(out, text, 2);
    case TAG_UNIVERSAL:
        return put_wide(out, text, 4);
    case TAG_PRINTABLE:
    case TAG_T61:
    case TAG_IA5:
    case TAG_VISIBLE:
        return put_wide(out, text, 1);
    default:
        return false;
    }
}

static bool is_text(int tag)
{
    return tag == TAG_UTF8 || tag == TAG_BMP || tag == TAG_UNIVERSAL || tag == TAG_PRINTABLE ||
           tag == TAG_T61 || tag == TAG_IA5 || tag == TAG_VISIBLE;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// In place: what is left is never longer.
static void simplify(struct buf *text)
{
    size_t to = 0;
    for (size_t from = 0; from < text->size; from++) {
        char c = text->data[from];
        if (is_space(c)) {
            if (to > 0 && text->data[to - 1] != ' ')
                text->data[to++] = ' ';
        } else {
            text->data[to++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
    }
    if (to > 0 && text->data[to - 1] == ' ')
        to--;
    text->size = to;
}

static bool put_value(struct buf *out, int tag, struct str content)
{
    unsigned char head[1 + 1 + LENGTH_BYTES] = {(unsigned char)tag};
    size_t size = 2, bytes = 0;
    for (size_t n = content.size; content.size >= 0x80 && n > 0; n >>= 8)
        bytes++;
    head[1] = (unsigned char)(bytes > 0 ? 0x80 | bytes : content.size);
    for (size_t i = bytes; i-- > 0;)
        head[size++] = (unsigned char)(content.size >> 8 * i);
    return buf_append(out, head, size) == 0 && buf_append_str(out, content) == 0;
}

// One attribute: its SEQUENCE with the string simplified.
static bool put_attribute(struct buf *out, struct str oid, int tag, struct str value)
{
    _buf_ struct buf text = BUF_INIT(TLS_NAME_MAX), both = BUF_INIT(TLS_NAME_MAX);
    if (is_text(tag)) {
        if (!tls_name_utf8(&text, tag, value))
            return false;
        simplify(&text);
        tag = TAG_UTF8;
        value = buf_str(&text);
    }
    return put_value(&both, TLS_DER_OID, oid) && put_value(&both, tag, value) &&
           put_value(out, TLS_DER_SEQUENCE, buf_str(&both));
}

static int compare(struct str a, struct str b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.data, b.data, size);
    return order != 0 ? order : a.size < b.size ? -1 : a.size > b.size;
}

// DER sorts the members of a SET; there is one, nearly always.
static bool put_sorted(struct buf *out, struct str members)
{
    struct str sorted[VALUES_MAX];
    size_t count = 0;
    while (members.size > 0) {
        struct str member = members, content;
        if (count == VALUES_MAX || !tls_value_take(&members, TLS_DER_SEQUENCE, &content))
            return false;
        member.size -= members.size;
        size_t at = count++;
        for (; at > 0 && compare(sorted[at - 1], member) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = member;
    }
    _buf_ struct buf all = BUF_INIT(TLS_NAME_MAX);
    for (size_t i = 0; i < count; i++)
        if (buf_append_str(&all, sorted[i]) != 0)
            return false;
    return put_value(out, TLS_DER_SET, buf_str(&all));
}

static bool put_rdn(struct buf *out, struct str set)
{
    _buf_ struct buf members = BUF_INIT(TLS_NAME_MAX);
    while (set.size > 0) {
        struct str attribute, oid, value;
        int tag;
        if (!tls_value_take(&set, TLS_DER_SEQUENCE, &attribute) ||
            !tls_value_take(&attribute, TLS_DER_OID, &oid) ||
            !tls_value_next(&attribute, &tag, &value) || attribute.size > 0 ||
            !put_attribute(&members, oid, tag, value))
            return false;
    }
    return put_sorted(out, buf_str(&members));
}

bool tls_name_canonical(struct buf *out, struct str name)
{
    struct str rdns, set;
    if (!tls_value_take(&name, TLS_DER_SEQUENCE, &rdns) || name.size > 0)
        return false;
    while (rdns.size > 0)
        if (!tls_value_take(&rdns, TLS_DER_SET, &set) || set.size == 0 || !put_rdn(out, set))
            return false;
    return true;
}

uint32_t tls_name_hash(struct str canonical)
{
    unsigned char digest[20] = {0};
    const char *data = canonical.data != NULL ? canonical.data : "";
    if (mbedtls_sha1((const unsigned char *)data, canonical.size, digest) != 0)
        return 0;
    return digest[0] | (uint32_t)digest[1] << 8 | (uint32_t)digest[2] << 16 |
           (uint32_t)digest[3] << 24;
}

bool tls_name_next(struct tls_name_walk *walk, struct str *oid, int *tag, struct str *value)
{
    struct str attribute;
    while (walk->set.size == 0)
        if (!tls_value_take(&walk->rest, TLS_DER_SET, &walk->set))
            return false;
    return tls_value_take(&walk->set, TLS_DER_SEQUENCE, &attribute) &&
           tls_value_take(&attribute, TLS_DER_OID, oid) && tls_value_next(&attribute, tag, value);
}
