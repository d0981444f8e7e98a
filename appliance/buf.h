// buf.h - a growable byte buffer that says how large it may become when it is made.
#pragma once

#include <stddef.h>

#include "str.h"

struct buf {
    char *data;      // NULL while empty; a NUL always follows the content, uncounted
    size_t size;     // bytes in use
    size_t capacity; // bytes allocated
    size_t maximum;  // bytes that may ever be in use
};

#define _buf_ __attribute__((cleanup(buf_fini)))
#define BUF_INIT(limit) ((struct buf){.maximum = (limit)})

// Prepare caller's storage for at most maximum bytes; release what it holds (then it is empty
// again).
void buf_init(struct buf *buf, size_t maximum);
void buf_fini(struct buf *buf);

// Append. 0, or -1 when the maximum would be passed or memory is short: the content is then
// unchanged.
int buf_append(struct buf *buf, const void *data, size_t size);
int buf_append_str(struct buf *buf, struct str text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Make room for size more bytes, so that as many can be appended without a copy. 0 or -1 as
// buf_append.
int buf_reserve(struct buf *buf, size_t size);

// The content as a slice, valid until the next change; as a C string ("" when empty).
struct str buf_str(const struct buf *buf);
const char *buf_text(const struct buf *buf);
