// accesslog_text.c - escapes and digits.
#include "accesslog_text.h"

#include "utf8.h"

enum { CUT_SIZE = 3, WORD = 8, BLOCK = 16 }; // bytes

#define EACH(byte) ((uint64_t)(byte)*UINT64_C(0x0101010101010101))

// --- escapes ---

static bool is_special(unsigned char c)
{
    return c < 0x20 || c > 0x7e || c == '"' || c == '\\';
}

// Whether one of eight bytes is special. A carry spoils only the bytes behind one that is.
static bool is_special_word(uint64_t word)
{
    uint64_t quote = word ^ EACH('"'), backslash = word ^ EACH('\\');
    uint64_t equal = ((quote - EACH(1)) & ~quote) | ((backslash - EACH(1)) & ~backslash);
    uint64_t low = (word - EACH(0x20)) & ~word, high = word | (word + EACH(1));
    return ((low | high | equal) & EACH(0x80)) != 0;
}

// The same with sixteen, which processors compare at once.
typedef unsigned char block __attribute__((vector_size(BLOCK)));
typedef uint64_t halves __attribute__((vector_size(BLOCK)));

static bool is_special_block(block bytes)
{
    halves found = (halves)((bytes < 0x20) | (bytes > 0x7e) | (bytes == '"') | (bytes == '\\'));
    return (found[0] | found[1]) != 0;
}

static bool copy_block(char *to, const char *from)
{
    block bytes;
    memcpy(&bytes, from, BLOCK);
    if (is_special_block(bytes))
        return false;
    memcpy(to, &bytes, BLOCK);
    return true;
}

static bool copy_word(char *to, const char *from)
{
    uint64_t word;
    memcpy(&word, from, WORD);
    if (is_special_word(word))
        return false;
    memcpy(to, &word, WORD);
    return true;
}

// Copy as many bytes as there are if none of them is special; a block that overlaps the one before
// it spares a rest. False: one is, as far as was looked.
static bool copy_all(char *to, const char *from, size_t size)
{
    if (size < WORD) {
        for (size_t i = 0; i < size; i++) {
            if (is_special((unsigned char)from[i]))
                return false;
            to[i] = from[i];
        }
        return true;
    }
    if (size < BLOCK)
        return copy_word(to, from) && copy_word(to + size - WORD, from + size - WORD);
    for (size_t at = 0; at < size - BLOCK; at += BLOCK) {
        if (!copy_block(to + at, from + at))
            return false;
    }
    return copy_block(to + size - BLOCK, from + size - BLOCK);
}

// What needs no escape at the beginning of a text, copied as far as it fits; taken off the text.
static char *copy_ordinary(char *at, const char *end, struct str *text)
{
    while (text->size >= BLOCK && end - at >= BLOCK && copy_block(at, text->data))
        at += BLOCK, text->data += BLOCK, text->size -= BLOCK;
    while (text->size > 0 && at < end && !is_special((unsigned char)*text->data))
        *at++ = *text->data++, text->size--;
    return at;
}

static char *hex(char *at, const char *prefix, unsigned char c)
{
    size_t size = strlen(prefix);
    memcpy(at, prefix, size);
    at[size] = "0123456789ABCDEF"[c >> 4];
    at[size + 1] = "0123456789ABCDEF"[c & 15];
    return at + size + 2;
}

char *accesslog_text_plain(char *at, char *end, struct str text)
{
    enum { ESCAPE = 4 };
    char *last = end - CUT_SIZE;
    if ((size_t)(last - at) >= text.size && copy_all(at, text.data, text.size))
        return at + text.size;
    for (;;) {
        at = copy_ordinary(at, last, &text);
        if (text.size == 0)
            return at;
        if (last - at < ESCAPE || !is_special((unsigned char)*text.data))
            return (char *)mempcpy(at, "...", CUT_SIZE);
        at = hex(at, "\\x", (unsigned char)*text.data);
        text.data++, text.size--;
    }
}

// C1 controls, which terminals obey, and what ends lines for some.
static bool is_control(uint32_t character)
{
    return character < 0xa0 || character == 0x2028 || character == 0x2029;
}

// Write what stands for the special byte, or the character, that begins a text: at most 7 bytes.
// Returns its size, and in used what it stands for.
static size_t json_escape(char *out, struct str text, size_t *used)
{
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"'};
    unsigned char c = (unsigned char)*text.data;
    uint32_t character = c;
    *used = 1;
    out[0] = '\\';
    if (c < sizeof letters && letters[c] != '\0') {
        out[1] = letters[c];
        return 2;
    }
    if (c == '\\') {
        bool told = text.size > 1 && text.data[1] == 'x';
        memcpy(out + 1, "\\x5C", 4);
        return told ? 5 : 2;
    }
    if (c >= 0x80) {
        size_t size = utf8_size(text);
        if (size == 0)
            return (size_t)(hex(out, "\\\\x", c) - out);
        character = utf8_character(text, size);
        *used = size;
        if (!is_control(character)) {
            memcpy(out, text.data, size);
            return size;
        }
    }
    hex(hex(out, "\\u", (unsigned char)(character >> 8)), "", (unsigned char)character);
    return 6;
}

char *accesslog_text_json(char *at, char *end, struct str text)
{
    char *last = end - CUT_SIZE;
    if ((size_t)(last - at) >= text.size && copy_all(at, text.data, text.size))
        return at + text.size;
    for (;;) {
        at = copy_ordinary(at, last, &text);
        if (text.size == 0)
            return at;
        char escape[8];
        size_t used = 0, size = sizeof escape;
        if (is_special((unsigned char)*text.data))
            size = json_escape(escape, text, &used);
        if (used == 0 || (size_t)(last - at) < size)
            return (char *)mempcpy(at, "...", CUT_SIZE);
        at = (char *)mempcpy(at, escape, size);
        text.data += used, text.size -= used;
    }
}

// --- numbers ---

static const uint64_t powers[] = {1,      10,      100,      1000,      10000,
                                  100000, 1000000, 10000000, 100000000, 1000000000};

char *accesslog_text_number(char *at, uint64_t number)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20], *first = digits + sizeof digits;
    while (number >= 100) {
        memcpy(first -= 2, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10)
        memcpy(first -= 2, pairs + number * 2, 2);
    else
        *--first = (char)('0' + number);
    return (char *)mempcpy(at, first, (size_t)(digits + sizeof digits - first));
}

char *accesslog_text_decimal(char *at, uint64_t number, unsigned exponent, unsigned decimals)
{
    uint64_t whole = number / powers[exponent], part = number % powers[exponent];
    if (decimals < exponent) {
        uint64_t unit = powers[exponent - decimals];
        part = (part + unit / 2) / unit;
    } else {
        part *= powers[decimals - exponent];
    }
    if (part == powers[decimals])
        whole++, part = 0;
    at = accesslog_text_number(at, whole);
    if (decimals == 0)
        return at;
    *at = '.';
    for (unsigned i = decimals; i > 0; i--, part /= 10)
        at[i] = (char)('0' + part % 10);
    return at + 1 + decimals;
}

// --- what requests hold ---

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool accesslog_text_user(struct str authorization, char *out, struct str *user)
{
    struct str scheme = {authorization.data, 6};
    if (authorization.size <= 6 || !str_equal_nocase(scheme, STR("Basic ")))
        return false;
    size_t size = 0, at = 6;
    uint32_t bits = 0;
    while (at < authorization.size && authorization.data[at] == ' ')
        at++;
    // Four characters are three bytes.
    for (unsigned i = 0; at < authorization.size && authorization.data[at] != '='; at++, i++) {
        int value = base64_value(authorization.data[at]);
        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        if (i % 4 != 0)
            out[size++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    const char *colon = memchr(out, ':', size);
    *user = (struct str){out, colon != NULL ? (size_t)(colon - out) : 0};
    return user->size > 0;
}

struct accesslog_target accesslog_text_target(struct str target)
{
    struct accesslog_target parts = {{NULL, 0}, target, {NULL, 0}};
    const char *end = target.data + target.size;
    const char *scheme = target.size > 0 && *target.data != '/'
                             ? (const char *)memmem(target.data, target.size, "://", 3)
                             : NULL;
    if (scheme != NULL) {
        const char *path = scheme + 3;
        while (path < end && *path != '/' && *path != '?')
            path++;
        parts.authority = (struct str){scheme + 3, (size_t)(path - scheme - 3)};
        parts.path = (struct str){path, (size_t)(end - path)};
    }
    const char *mark =
        parts.path.size > 0 ? (const char *)memchr(parts.path.data, '?', parts.path.size) : NULL;
    if (mark != NULL) {
        parts.query = (struct str){mark + 1, (size_t)(end - mark - 1)};
        parts.path.size = (size_t)(mark - parts.path.data);
    }
    if (parts.path.size == 0)
        parts.path = STR("/");
    return parts;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char accesslog_text_octet(struct str path, size_t *at)
{
    size_t i = (*at)++;
    if (path.data[i] != '%' || i + 2 >= path.size)
        return path.data[i];
    int high = hex_value(path.data[i + 1]), low = hex_value(path.data[i + 2]);
    if (high < 0 || low < 0)
        return path.data[i];
    *at += 2;
    return (char)(high * 16 + low);
}
