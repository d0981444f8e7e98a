// str.h - a slice of bytes that belongs to somebody else: no ownership, no terminating NUL
// promised.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *data;
    size_t size; // bytes
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})

static inline struct str str_of(const char *text)
{
    return (struct str){text, strlen(text)};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

// The same but for the case of ASCII letters, as HTTP compares names (RFC 9110 section 5.1).
static inline bool str_equal_nocase(struct str a, struct str b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

static inline bool str_starts(struct str text, struct str prefix)
{
    return text.size >= prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0;
}

// Without the blanks and tabs around it (OWS, RFC 9110 section 5.6.3).
static inline struct str str_trim(struct str text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text.data++, text.size--;
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

// Whether a comma-separated list (RFC 9110 section 5.6.1) has a token, in any case, with parameters
// or without.
static inline bool str_list_has(struct str list, struct str token)
{
    const char *at = list.data, *end = list.data + list.size;
    while (at < end) {
        const char *comma = (const char *)memchr(at, ',', (size_t)(end - at));
        const char *last = comma != NULL ? comma : end;
        const char *semicolon = (const char *)memchr(at, ';', (size_t)(last - at));
        struct str element = {at, (size_t)((semicolon != NULL ? semicolon : last) - at)};
        if (str_equal_nocase(str_trim(element), token))
            return true;
        at = last + 1;
    }
    return false;
}
