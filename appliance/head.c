// head.c - one pass over each byte: it is looked up in a table, and copied.
#include "head.h"

#include <stdbool.h>
#include <string.h>

// What a byte is allowed in. Text is what a field value may have: not the controls, but the tab.
enum { TEXT = 1, TOKEN = 2 };

#define BOTH (TEXT | TOKEN)
static const unsigned char kinds[256] = {
    ['\t'] = TEXT,         [' '] = TEXT,         ['!'] = BOTH,         ['"'] = TEXT,
    ['#' ... '\''] = BOTH, ['(' ... ')'] = TEXT, ['*' ... '+'] = BOTH, [','] = TEXT,
    ['-' ... '.'] = BOTH,  ['/'] = TEXT,         ['0' ... '9'] = BOTH, [':' ... '@'] = TEXT,
    ['A' ... 'Z'] = BOTH,  ['[' ... ']'] = TEXT, ['^' ... 'z'] = BOTH, ['{'] = TEXT,
    ['|'] = BOTH,          ['}'] = TEXT,         ['~'] = BOTH,         [0x80 ... 0xff] = TEXT,
};
#undef BOTH

// RFC 9110 section 7.6.1.
static const struct str hop_by_hop[] = {
    {"connection", 10}, {"keep-alive", 10},          {"proxy-authenticate", 18},
    {"te", 2},          {"proxy-authorization", 19}, {"trailer", 7},
    {"upgrade", 7},     {"transfer-encoding", 17},
};

void head_init(struct head *head)
{
    *head = (struct head){.content_length = -1};
    buf_init(&head->lines, HEAD_MAX);
}

void head_fini(struct head *head)
{
    buf_fini(&head->lines);
}

// Copy; false where a byte is not of the kind.
static bool copy(char *out, struct str text, unsigned char kind)
{
    unsigned char all = kind;
    for (size_t i = 0; i < text.size; i++) {
        all &= kinds[(unsigned char)text.data[i]];
        out[i] = text.data[i];
    }
    return all != 0;
}

int head_begin(struct head *head, struct str reason)
{
    head->lines.size = 0;
    head->content_length = -1;
    head->has_date = head->has_hsts = false;
    if (buf_reserve(&head->lines, reason.size) < 0 || !copy(head->lines.data, reason, TEXT))
        return -1;
    head->lines.size = head->reason_size = reason.size;
    return 0;
}

static enum head_fault take_length(struct head *head, struct str value)
{
    int64_t length = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || length > INT64_MAX / 100)
            return HEAD_LENGTH;
        length = length * 10 + (value.data[i] - '0');
    }
    if (value.size == 0 || (head->content_length >= 0 && head->content_length != length))
        return HEAD_LENGTH;
    head->content_length = length;
    return HEAD_FINE;
}

static enum head_fault name_fault(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        if ((kinds[(unsigned char)name.data[i]] & TEXT) == 0)
            return HEAD_CONTROL_IN_NAME;
    }
    return HEAD_NOT_A_TOKEN;
}

static bool is_hop_by_hop(struct str name)
{
    for (size_t i = 0; i < sizeof hop_by_hop / sizeof hop_by_hop[0]; i++) {
        if (str_equal_nocase(name, hop_by_hop[i]))
            return true;
    }
    return false;
}

static enum head_fault add(struct head *head, struct str name, struct str value, bool own)
{
    struct buf *lines = &head->lines;
    if (buf_reserve(lines, name.size + value.size + 4) < 0)
        return HEAD_TOO_LONG;
    char *out = lines->data + lines->size;
    if (name.size == 0 || !copy(out, name, TOKEN))
        return name_fault(name);
    out += name.size;
    *out++ = ':';
    *out++ = ' ';
    if (!copy(out, value, TEXT))
        return HEAD_CONTROL_IN_VALUE;
    if (!own && is_hop_by_hop(name))
        return HEAD_HOP_BY_HOP;
    if (str_equal_nocase(name, STR("content-length")))
        return take_length(head, value);
    if (str_equal_nocase(name, STR("date")))
        head->has_date = true;
    else if (str_equal_nocase(name, STR("strict-transport-security")))
        head->has_hsts = true;
    memcpy(out + value.size, "\r\n", 2);
    lines->size += name.size + value.size + 4;
    return HEAD_FINE;
}

enum head_fault head_add(struct head *head, struct str name, struct str value)
{
    return add(head, name, value, false);
}

enum head_fault head_add_hop_by_hop(struct head *head, struct str name, struct str value)
{
    return add(head, name, value, true);
}
