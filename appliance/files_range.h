// files_range.h - which bytes of a representation a request wants (RFC 9110 section 14). Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "str.h"

// Beyond it the whole is sent: many small ranges are expensive to answer, and nobody's need (RFC
// 9110 section 14.2).
enum { FILES_RANGE_MAX = 32 };

struct files_range {
    uint64_t start, end; // bytes; end is behind the last
};

struct files_ranges {
    size_t count;
    struct files_range items[FILES_RANGE_MAX]; // as asked for, in that order; none is empty
};

enum files_range_kind {
    FILES_RANGE_WHOLE,   // 200: no range, of another unit, or not worth it
    FILES_RANGE_PARTS,   // 206
    FILES_RANGE_OUTSIDE, // 416: nothing of it is there, or it is no ranges-specifier of bytes
};

// The value of Range (NULL data: there is none) for a representation of that many bytes. Ranges
// that hold more than the whole together are answered with the whole.
enum files_range_kind files_range_parse(struct files_ranges *out, struct str value, uint64_t size);
