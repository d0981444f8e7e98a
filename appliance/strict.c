// strict.c - a header section judged in one pass over its fields. Values and target are looked
// at sixteen bytes at a time, all else by a table of classes: it is on the way of every request.
#include "strict.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

enum {
    TOKEN = 1,  // tchar (RFC 9110 section 5.6.2)
    HOST = 2,   // unreserved and sub-delims (RFC 3986 section 3.2.2), but for the comma: two values
                // of Host that somebody has joined must not look like one
    VALUE = 4,  // VCHAR, obs-text, SP, HTAB (RFC 9110 section 5.5)
    TARGET = 8, // VCHAR but for "#", which begins what no request has (RFC 9112 section 3.2)
    HEX = 16,
};

enum {
    PORT_MAX = 65535,
    LENGTH_DIGITS = 18, // of Content-Length, leading zeros aside: fits into 63 bits
};

#define MARK (TARGET | VALUE)                // VCHAR that is good for nothing else
#define DELIM (TARGET | VALUE | HOST)        // "(" and the like
#define SIGN (TARGET | VALUE | TOKEN)        // "#" aside
#define BOTH (TARGET | VALUE | TOKEN | HOST) // "-" and the like, letters
#define DIGIT (BOTH | HEX)

static const unsigned char classes[256] = {
    ['\t'] = VALUE,        [' '] = VALUE,         ['!'] = BOTH,         ['"'] = MARK,
    ['#'] = VALUE | TOKEN, ['$'] = BOTH,          ['%'] = SIGN,         ['&'] = BOTH,
    ['\''] = BOTH,         ['('] = DELIM,         [')'] = DELIM,        ['*'] = BOTH,
    ['+'] = BOTH,          [','] = MARK,          ['-'] = BOTH,         ['.'] = BOTH,
    ['/'] = MARK,          ['0' ... '9'] = DIGIT, [':'] = MARK,         [';'] = DELIM,
    ['<'] = MARK,          ['='] = DELIM,         ['>'] = MARK,         ['?'] = MARK,
    ['@'] = MARK,          ['A' ... 'F'] = DIGIT, ['G' ... 'Z'] = BOTH, ['['] = MARK,
    ['\\'] = MARK,         [']'] = MARK,          ['^'] = SIGN,         ['_'] = BOTH,
    ['`'] = SIGN,          ['a' ... 'f'] = DIGIT, ['g' ... 'z'] = BOTH, ['{'] = MARK,
    ['|'] = SIGN,          ['}'] = MARK,          ['~'] = BOTH,         [0x80 ... 0xff] = VALUE,
};

static bool is(char c, int class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

static bool all_are(struct str text, int class)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!is(text.data[i], class))
            return false;
    }
    return true;
}

// Sixteen bytes at a time, by the compiler's vectors.
typedef unsigned char block __attribute__((vector_size(16)));

static inline block load(const char *from)
{
    block out;
    memcpy(&out, from, sizeof out);
    return out;
}

// Not zero where a byte is none of the class (VALUE or TARGET).
static inline block outside(block bytes, int class)
{
    if (class == TARGET)
        return (block)(bytes - 0x21 > '~' - 0x21) | (block)(bytes == '#');
    return ((block)(bytes < 0x20) & (block)(bytes != '\t')) | (block)(bytes == 0x7f);
}

static inline bool all_in(struct str text, int class)
{
    enum { HALF = sizeof(block) / 2 };
    if (text.size < HALF)
        return all_are(text, class);
    const char *end = text.data + text.size;
    char both[sizeof(block)];
    block found;
    if (text.size < sizeof(block)) {
        memcpy(both, text.data, HALF);
        memcpy(both + HALF, end - HALF, HALF);
        found = outside(load(both), class);
    } else {
        found = outside(load(end - sizeof(block)), class);
        for (const char *at = text.data; at < end - sizeof(block); at += sizeof(block))
            found |= outside(load(at), class);
    }
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

// ":80", ":" or nothing.
static bool is_port(struct str text)
{
    if (text.size == 0)
        return true;
    unsigned port = 0;
    for (size_t i = 1; i < text.size; i++) {
        unsigned digit = (unsigned)(text.data[i] - '0');
        port = port * 10 + digit;
        if (digit > 9 || port > PORT_MAX)
            return false;
    }
    return text.data[0] == ':';
}

// Bytes of a name or an address at the start; 0: it is neither.
static size_t host_size(struct str text)
{
    size_t at = 0;
    if (text.size > 0 && text.data[0] == '[') {
        char address[INET6_ADDRSTRLEN];
        struct in6_addr parsed;
        const char *end = memchr(text.data, ']', text.size);
        size_t size = end != NULL ? (size_t)(end - text.data) - 1 : sizeof address;
        if (size >= sizeof address || !all_are((struct str){text.data + 1, size}, MARK))
            return 0;
        memcpy(address, text.data + 1, size);
        address[size] = '\0';
        return inet_pton(AF_INET6, address, &parsed) == 1 ? size + 2 : 0;
    }
    while (at < text.size) {
        if (is(text.data[at], HOST))
            at++;
        else if (text.data[at] == '%' && at + 2 < text.size && is(text.data[at + 1], HEX) &&
                 is(text.data[at + 2], HEX))
            at += 3;
        else
            break;
    }
    return at;
}

static bool is_authority(struct str text)
{
    size_t size = host_size(text);
    return size > 0 && is_port((struct str){text.data + size, text.size - size});
}

bool strict_is_host(struct str value)
{
    return value.size == 0 || is_authority(value);
}

struct str strict_authority(struct str target)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t at = schemes[i].size;
        if (target.size < at || !str_equal_nocase((struct str){target.data, at}, schemes[i]))
            continue;
        const char *start = target.data + at;
        while (at < target.size && target.data[at] != '/' && target.data[at] != '?')
            at++;
        return (struct str){start, (size_t)(target.data + at - start)};
    }
    return (struct str){target.data, 0};
}

// All but the form that nearly every request has.
static enum strict_verdict judge_form(const struct request_head *head, struct str *detail)
{
    struct str target = head->target;
    if (str_equal(head->method, STR("CONNECT"))) {
        bool has_port = target.size > 0 && is(target.data[target.size - 1], HEX) &&
                        host_size(target) < target.size;
        *detail = STR("CONNECT");
        return has_port && is_authority(target) ? STRICT_METHOD : STRICT_MALFORMED;
    }
    if (target.size > 0 && target.data[0] == '/')
        return STRICT_GOOD;
    if (str_equal(target, STR("*")) && str_equal(head->method, STR("OPTIONS")))
        return STRICT_GOOD;
    if (is_authority(strict_authority(target)))
        return STRICT_GOOD;
    *detail = STR("form of the request target");
    return STRICT_MALFORMED;
}

static enum strict_verdict judge_line(const struct request_head *head, struct str *detail)
{
    if (head->method.size == 0 || !all_are(head->method, TOKEN)) {
        *detail = STR("method");
        return STRICT_MALFORMED;
    }
    if (head->target.size == 0 || !all_in(head->target, TARGET)) {
        *detail = STR("byte in the request target");
        return STRICT_MALFORMED;
    }
    if (head->target.data[0] == '/' && head->method.data[0] != 'C')
        return STRICT_GOOD;
    return judge_form(head, detail);
}

// What the fields say of host and body.
struct framing {
    unsigned hosts, lengths, codings;
    enum strict_verdict verdict;
    struct str detail;
};

static void refuse(struct framing *framing, enum strict_verdict verdict, struct str detail)
{
    if (framing->verdict != STRICT_GOOD)
        return;
    framing->verdict = verdict;
    framing->detail = detail;
}

static bool is_length(struct str value)
{
    size_t zeros = 0;
    while (zeros < value.size && value.data[zeros] == '0')
        zeros++;
    for (size_t i = zeros; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    }
    return value.size > 0 && value.size - zeros <= LENGTH_DIGITS + 1;
}

static void take_host(struct framing *framing, struct str value)
{
    if (framing->hosts++ > 0)
        refuse(framing, STRICT_MALFORMED, STR("two Host"));
    else if (!strict_is_host(value))
        refuse(framing, STRICT_MALFORMED, STR("Host"));
}

static void take_length(struct framing *framing, struct str value)
{
    if (framing->lengths++ > 0)
        refuse(framing, STRICT_MALFORMED, STR("two Content-Length"));
    else if (!is_length(value))
        refuse(framing, STRICT_MALFORMED, STR("Content-Length"));
}

static void take_coding(struct framing *framing, struct str value)
{
    if (framing->codings++ > 0)
        refuse(framing, STRICT_MALFORMED, STR("two Transfer-Encoding"));
    else if (!str_equal_nocase(value, STR("chunked")))
        refuse(framing, STRICT_CODING, STR("Transfer-Encoding"));
}

// Each of another length, which tells nearly all others from them.
static void take(struct framing *framing, const struct header *header)
{
    switch (header->name.size) {
    case 4:
        if (str_equal_nocase(header->name, STR("host")))
            take_host(framing, header->value);
        break;
    case 14:
        if (str_equal_nocase(header->name, STR("content-length")))
            take_length(framing, header->value);
        break;
    case 17:
        if (str_equal_nocase(header->name, STR("transfer-encoding")))
            take_coding(framing, header->value);
        break;
    default:
        break;
    }
}

enum strict_verdict strict_judge(const struct request_head *head, struct str *detail)
{
    struct framing framing = {.verdict = judge_line(head, detail), .detail = STR("")};
    if (framing.verdict != STRICT_GOOD)
        return framing.verdict;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!all_in(head->headers[i].value, VALUE))
            refuse(&framing, STRICT_MALFORMED, STR("control character in a field"));
        take(&framing, &head->headers[i]);
    }
    bool is_1_0 = str_equal(head->version, STR("HTTP/1.0"));
    if (framing.hosts == 0 && !is_1_0)
        refuse(&framing, STRICT_MALFORMED, STR("no Host"));
    if (framing.codings > 0 && framing.lengths > 0)
        refuse(&framing, STRICT_MALFORMED, STR("Content-Length with Transfer-Encoding"));
    if (framing.codings > 0 && is_1_0)
        refuse(&framing, STRICT_MALFORMED, STR("Transfer-Encoding in HTTP/1.0"));
    *detail = framing.detail;
    return framing.verdict;
}
