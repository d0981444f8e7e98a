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
