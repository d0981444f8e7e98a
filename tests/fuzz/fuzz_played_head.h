// fuzz_played_head.h - what an application may be given of a request, in words of its own (RFC 9110
// section 5, RFC 9112 sections 3 and 6).
#pragma once

#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "request.h"

static inline bool is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return text.size > 0;
}

static inline bool is_text(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static inline void played_check(const struct request_head *head)
{
    unsigned hosts = 0, lengths = 0, codings = 0;
    must(is_token(head->method) && head->target.size > 0);
    must(is_text(head->target) && memchr(head->target.data, ' ', head->target.size) == NULL);
    must(head->version.size == 8 && str_starts(head->version, STR("HTTP/1.")));
    must(head->header_count <= 100);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        must(is_token(header->name) && is_text(header->value));
        hosts += str_equal_nocase(header->name, STR("host"));
        lengths += str_equal_nocase(header->name, STR("content-length"));
        codings += str_equal_nocase(header->name, STR("transfer-encoding"));
    }
    must(lengths <= 1 && (lengths == 0 || codings == 0));
    must(hosts <= 1 && (hosts == 1 || str_equal(head->version, STR("HTTP/1.0"))));
}
