// fuzz_strict.c - any bytes as lines: method, target, version, then fields as "name: value". What
// is let through is what a reading byte by byte lets through, and has one length or coding at most.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "strict.h"

enum { FIELDS_MAX = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The next line, which is taken.
static struct str next_line(struct str *rest)
{
    const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
    struct str line = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->size};
    size_t used = line.size + (end != NULL);
    *rest = (struct str){rest->data + used, rest->size - used};
    return line;
}

static bool is_plain(struct str text, bool has_blanks)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == 0x7f || (c < 0x20 && !(has_blanks && c == '\t')))
            return false;
        if (!has_blanks && (c == ' ' || c > 0x7f || c == '#'))
            return false;
    }
    return true;
}

static size_t count(const struct request_head *head, struct str name)
{
    size_t found = 0;
    for (size_t i = 0; i < head->header_count; i++)
        found += str_equal_nocase(head->headers[i].name, name);
    return found;
}

static void check_good(const struct request_head *head)
{
    size_t hosts = count(head, STR("host")), lengths = count(head, STR("content-length"));
    size_t codings = count(head, STR("transfer-encoding"));
    must(head->method.size > 0 && memchr(head->method.data, ' ', head->method.size) == NULL);
    must(head->target.size > 0 && is_plain(head->target, false));
    must(hosts == 1 || (hosts == 0 && str_equal(head->version, STR("HTTP/1.0"))));
    must(lengths + codings <= 1);
    must(codings == 0 || !str_equal(head->version, STR("HTTP/1.0")));
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        must(is_plain(header->value, true));
        must(!str_equal_nocase(header->name, STR("host")) || strict_is_host(header->value));
        must(!str_equal_nocase(header->name, STR("content-length")) || header->value.size > 0);
    }
    struct str authority = strict_authority(head->target);
    must(authority.data >= head->target.data &&
         authority.data + authority.size <= head->target.data + head->target.size);
    must(strict_is_host(authority));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header headers[FIELDS_MAX];
    // In memory of its own size, so that reading beyond it shows.
    char *copy = malloc(size > 0 ? size : 1);
    must(copy != NULL);
    memcpy(copy, data, size);
    struct str rest = {copy, size}, detail = STR("");
    struct request_head head = {.headers = headers};
    head.method = next_line(&rest);
    head.target = next_line(&rest);
    head.version = next_line(&rest);
    while (rest.size > 0 && head.header_count < FIELDS_MAX) {
        struct str line = next_line(&rest);
        const char *colon = line.size > 0 ? memchr(line.data, ':', line.size) : NULL;
        size_t name_size = colon != NULL ? (size_t)(colon - line.data) : line.size;
        size_t skipped = name_size + (colon != NULL);
        if (skipped < line.size && line.data[skipped] == ' ')
            skipped++;
        headers[head.header_count++] =
            (struct header){{line.data, name_size}, {line.data + skipped, line.size - skipped}};
    }
    if (strict_judge(&head, &detail) == STRICT_GOOD)
        check_good(&head);
    else
        must(detail.size > 0);
    free(copy);
    return 0;
}
