// head.c - one pass over each byte: it is looked up in a table, and copied.
#include "head.h"

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

bool head_next_line(const struct head *head, size_t *position, struct head_line *line)
{
    size_t begin = *position > 0 ? *position : head->reason_size;
    if (begin >= head->lines.size)
        return false;
    const char *text = head->lines.data + begin;
    size_t left = head->lines.size - begin;
    // As add has written it: a name has no colon, a value no carriage return.
    const char *colon = memchr(text, ':', left);
    const char *end = memchr(colon, '\r', left - (size_t)(colon - text));
    line->name = (struct str){text, (size_t)(colon - text)};
    line->value = (struct str){colon + 2, (size_t)(end - colon - 2)};
    line->begin = begin;
    line->value_begin = begin + line->name.size + 2;
    line->end = *position = line->value_begin + line->value.size + 2;
    return true;
}

bool head_find(const struct head *head, struct str name, struct str *value)
{
    struct head_line line;
    size_t position = 0;
    while (head_next_line(head, &position, &line)) {
        if (str_equal_nocase(line.name, name)) {
            *value = line.value;
            return true;
        }
    }
    return false;
}

int head_set_reason(struct head *head, struct str reason)
{
    struct buf *lines = &head->lines;
    size_t fields = lines->size - head->reason_size;
    char checked[128];
    if (reason.size > sizeof checked || !copy(checked, reason, TEXT) ||
        (reason.size > head->reason_size &&
         buf_reserve(lines, reason.size - head->reason_size) < 0))
        return -1;
    memmove(lines->data + reason.size, lines->data + head->reason_size, fields);
    memcpy(lines->data, checked, reason.size);
    lines->size = fields + reason.size;
    head->reason_size = reason.size;
    return 0;
}

void head_remove_line(struct head *head, const struct head_line *line)
{
    char *data = head->lines.data;
    memmove(data + line->begin, data + line->end, head->lines.size - line->end);
    head->lines.size -= line->end - line->begin;
}

int head_insert(struct head *head, size_t offset, struct str text)
{
    if (buf_reserve(&head->lines, text.size) < 0)
        return -1;
    char *at = head->lines.data + offset;
    memmove(at + text.size, at, head->lines.size - offset);
    memcpy(at, text.data, text.size);
    head->lines.size += text.size;
    return 0;
}
