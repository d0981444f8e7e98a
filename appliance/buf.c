// buf.c - the growable buffer: doubles, up to its maximum.
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_SMALLEST = 256 };

void buf_init(struct buf *buf, size_t maximum)
{
    *buf = BUF_INIT(maximum);
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = BUF_INIT(buf->maximum);
}

int buf_reserve(struct buf *buf, size_t size)
{
    if (size > buf->maximum - buf->size)
        return -1;
    size_t needed = buf->size + size + 1;
    if (needed <= buf->capacity)
        return 0;
    size_t capacity = buf->capacity < BUF_SMALLEST ? BUF_SMALLEST : buf->capacity;
    while (capacity < needed)
        capacity = capacity > (size_t)-1 / 2 ? needed : capacity * 2;
    if (capacity - 1 > buf->maximum)
        capacity = buf->maximum + 1;
    char *data = realloc(buf->data, capacity);
    if (data == NULL)
        return -1;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
    if (buf_reserve(buf, size) < 0)
        return -1;
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return 0;
}

int buf_append_str(struct buf *buf, struct str text)
{
    return buf_append(buf, text.data, text.size);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || buf_reserve(buf, (size_t)size) < 0)
        return -1;
    va_start(arguments, format);
    vsnprintf(buf->data + buf->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buf->size += (size_t)size;
    return 0;
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf_text(buf), buf->size};
}

const char *buf_text(const struct buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}
