// fuzz_accesslog.c - any text as a format of the access log, and any bytes as a request: what comes
// is one line without control characters, JSON where it is to be, and tells the bytes that were
// sent. Input: parts that end with a newline: the format ("json" where it is none), method, target,
// version, first line, request id, lines of the answer, then names and values of headers. A byte
// 0x01 stands for a newline in a part.
#include <stdint.h>
#include <stdlib.h>

#include "accesslog_line.h"
#include "check.h"
#include "tls_facts.h"
#include "websocket_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS = 16, SHORT = 40 }; // bytes of what is never cut

struct input {
    char *data;
    size_t size;
};

static struct str next_part(struct input *rest)
{
    struct str part = {rest->data, 0};
    for (; part.size < rest->size && rest->data[part.size] != '\n'; part.size++) {
        if (rest->data[part.size] == 1)
            rest->data[part.size] = '\n';
    }
    size_t used = part.size + (part.size < rest->size);
    *rest = (struct input){rest->data + used, rest->size - used};
    return part;
}

// --- JSON, in other words than accesslog_text.c's ---

static size_t digits(struct str text, size_t at)
{
    size_t size = 0;
    while (at + size < text.size && text.data[at + size] >= '0' && text.data[at + size] <= '9')
        size++;
    return size;
}

static unsigned hexadecimal(struct str text, size_t at, size_t size)
{
    unsigned value = 0;
    must(at + size <= text.size);
    for (size_t i = 0; i < size; i++) {
        const char *set = "0123456789ABCDEF", *digit = strchr(set, text.data[at + i]);
        must(text.data[at + i] != '\0' && digit != NULL);
        value = value * 16 + (unsigned)(digit - set);
    }
    return value;
}

static void put_character(char *out, size_t *size, unsigned character)
{
    if (character < 0x80) {
        out[(*size)++] = (char)character;
    } else if (character < 0x800) {
        out[(*size)++] = (char)(0xc0 | character >> 6);
        out[(*size)++] = (char)(0x80 | (character & 0x3f));
    } else {
        out[(*size)++] = (char)(0xe0 | character >> 12);
        out[(*size)++] = (char)(0x80 | (character >> 6 & 0x3f));
        out[(*size)++] = (char)(0x80 | (character & 0x3f));
    }
}

// A string at *at; what it holds is decoded to out. Returns its size.
static size_t read_string(struct str text, size_t *at, char *out)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t size = 0, i = *at;
    must(i < text.size && text.data[i++] == '"');
    for (; i < text.size && text.data[i] != '"'; i++) {
        must((unsigned char)text.data[i] >= 0x20);
        if (text.data[i] != '\\') {
            out[size++] = text.data[i];
            continue;
        }
        must(++i < text.size && text.data[i] != '\0');
        if (text.data[i] == 'u') {
            put_character(out, &size, hexadecimal(text, i + 1, 4));
            i += 4;
            continue;
        }
        const char *escape = strchr(escapes, text.data[i]);
        must(escape != NULL);
        out[size++] = meanings[escape - escapes];
    }
    must(i < text.size);
    *at = i + 1;
    return size;
}

// Undo \xHH.
static size_t undo(char *text, size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < size; i++) {
        bool escape = text[i] == '\\' && i + 1 < size && text[i + 1] == 'x';
        text[out++] = escape ? (char)hexadecimal((struct str){text, size}, i + 2, 2) : text[i];
        i += escape ? 3 : 0;
    }
    return out;
}

static bool skip_word(struct str text, size_t *at, struct str word)
{
    bool is = str_starts((struct str){text.data + *at, text.size - *at}, word);
    *at += is ? word.size : 0;
    return is;
}

static void skip_number(struct str text, size_t *at)
{
    size_t whole = digits(text, *at);
    must(whole > 0 && (whole == 1 || text.data[*at] != '0'));
    *at += whole;
    if (*at < text.size && text.data[*at] == '.') {
        size_t part = digits(text, *at + 1);
        must(part > 0);
        *at += 1 + part;
    }
}

// One object of names and plain values; those that are known are what was sent.
static void check_object(struct str text, struct str target, struct str agent)
{
    static char name[ACCESSLOG_LINE_MAX], value[ACCESSLOG_LINE_MAX];
    size_t at = 0;
    must(text.size > 2 && text.data[at++] == '{');
    for (bool more = true; more; more = text.data[at++] == ',') {
        struct str key = {name, read_string(text, &at, name)};
        must(at < text.size && text.data[at++] == ':' && at < text.size);
        bool string = text.data[at] == '"';
        if (!string) {
            if (!skip_word(text, &at, STR("true")) && !skip_word(text, &at, STR("false")))
                skip_number(text, &at);
            must(at < text.size);
            continue;
        }
        size_t size = undo(value, read_string(text, &at, value));
        struct str read = {value, size};
        must(!str_equal(key, STR("target")) || target.size > SHORT || str_equal(read, target));
        must(!str_equal(key, STR("user_agent")) || agent.size > SHORT || str_equal(read, agent));
        must(at < text.size);
    }
    must(at == text.size && text.data[at - 1] == '}');
}

static void check_line(struct str line, bool utf8)
{
    must(line.size < ACCESSLOG_LINE_MAX);
    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.data[i];
        must((c >= 0x20 || c == '\t') && c != 0x7f);
    }
    must(!utf8 ||
         websocket_utf8(WEBSOCKET_UTF8_WHOLE, line.data, line.size) == WEBSOCKET_UTF8_WHOLE);
}

// --- requests ---

static struct header headers[HEADERS];

static struct str read_headers(struct input *rest, struct request_head *head)
{
    struct str agent = {NULL, 0};
    unsigned agents = 0;
    for (head->header_count = 0; rest->size > 0 && head->header_count < HEADERS;) {
        struct header header = {next_part(rest), {NULL, 0}};
        header.value = next_part(rest);
        if (header.name.size == 0)
            continue;
        if (str_equal_nocase(header.name, STR("user-agent"))) {
            agent = header.value;
            agents++;
        }
        headers[head->header_count++] = header;
    }
    // Several are one value.
    return agents < 2 ? agent : (struct str){NULL, SHORT + 1};
}

static void write_one(const char *format, const struct accesslog_entry *entry, struct str agent)
{
    static struct accesslog_writer writer;
    static char line[ACCESSLOG_LINE_MAX];
    struct accesslog_format *compiled;
    struct err err;
    if (accesslog_format_new(&compiled, format, &err) < 0) {
        must(err.kind == ERR_USAGE && err.text[0] != '\0');
        return;
    }
    writer.format = compiled;
    writer.worker = writer.pid = 1;
    writer.sample = entry->status % 3 + 1;
    struct str written = {line, accesslog_line_write(&writer, entry, line)};
    bool json = strcmp(format, "json") == 0;
    check_line(written, json);
    if (json)
        check_object(written, entry->head->target, agent);
    accesslog_format_free(compiled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    struct input rest = {text, size};
    struct str first = next_part(&rest);
    char *format = strndup(first.data, first.size);
    must(format != NULL);
    const struct tls_facts tls = {
        .protocol = "TLSv1.3", .cipher = "X", .server_name = "a\"b\\\xff"};
    const struct endpoint endpoint = {"https", "::1", 443};
    struct request_head head = {
        .headers = headers, .endpoint = &endpoint, .scheme = "https", .tls = &tls};
    head.method = next_part(&rest);
    head.target = next_part(&rest);
    head.version = next_part(&rest);
    struct accesslog_entry entry = {.head = &head, .line = next_part(&rest)};
    entry.request_id = next_part(&rest);
    entry.answer_lines = next_part(&rest);
    struct str agent = read_headers(&rest, &head);
    entry.status = (unsigned)size % 600;
    entry.duration = (int64_t)size * 12345;
    entry.body_sent = entry.bytes_sent = size;
    write_one(format, &entry, agent);
    write_one("json", &entry, agent);
    write_one("combined", &entry, agent);
    free(format);
    free(text);
    return 0;
}
