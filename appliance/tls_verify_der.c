// tls_verify_der.c - DER: tag, length, content.
#include "tls_verify_der.h"

#include <limits.h>

enum { LENGTH_BYTES_MAX = 4 };

static bool read_length(const unsigned char *bytes, size_t size, size_t *used, size_t *length)
{
    size_t count = bytes[1] & 0x7f;
    *used = 2;
    *length = bytes[1];
    if (bytes[1] < 0x80)
        return true;
    if (count == 0 || count > LENGTH_BYTES_MAX || size < 2 + count)
        return false;
    *length = 0;
    for (size_t i = 0; i < count; i++)
        *length = *length << 8 | bytes[2 + i];
    *used = 2 + count;
    return true;
}

bool tls_value_next(struct str *rest, int *tag, struct str *content)
{
    const unsigned char *bytes = (const unsigned char *)rest->data;
    size_t used, length;
    // Tags of more than a byte are none that X.509 has.
    if (rest->size < 2 || (bytes[0] & 0x1f) == 0x1f ||
        !read_length(bytes, rest->size, &used, &length) || length > rest->size - used)
        return false;
    *tag = bytes[0];
    *content = (struct str){rest->data + used, length};
    *rest = (struct str){rest->data + used + length, rest->size - used - length};
    return true;
}

bool tls_value_take(struct str *rest, int tag, struct str *content)
{
    struct str before = *rest;
    int found;
    if (tls_value_next(rest, &found, content) && found == tag)
        return true;
    *rest = before;
    return false;
}

bool tls_value_bits(struct str content, unsigned *bits)
{
    const unsigned char *bytes = (const unsigned char *)content.data;
    if (content.size == 0 || content.size > 3 || bytes[0] > 7 ||
        (content.size == 1 && bytes[0] != 0))
        return false;
    unsigned mask = 0xffu << bytes[0] & 0xff;
    *bits = 0;
    if (content.size == 2)
        *bits = bytes[1] & mask;
    if (content.size == 3)
        *bits = bytes[1] | (bytes[2] & mask) << 8;
    return true;
}

bool tls_value_integer(struct str content, int *value)
{
    const unsigned char *bytes = (const unsigned char *)content.data;
    if (content.size == 0 || bytes[0] >= 0x80)
        return false;
    *value = 0;
    for (size_t i = 0; i < content.size; i++) {
        if (*value > INT_MAX >> 8)
            *value = INT_MAX;
        else
            *value = *value << 8 | bytes[i];
    }
    return true;
}

static struct str without_zeros(struct str content)
{
    while (content.size > 0 && content.data[0] == 0)
        content.data++, content.size--;
    return content;
}

bool tls_value_same_integer(struct str a, struct str b)
{
    return str_equal(without_zeros(a), without_zeros(b));
}
