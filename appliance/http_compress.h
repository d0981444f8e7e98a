// http_compress.h - which answers of the application are coded (--compress). Set once, read by any
// thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct http_compression {
    int64_t min_size;   // bytes of a body that is known to be smaller, which stays as it is
    char *const *types; // patterns of media types (compress.h)
    size_t type_count;  // 0: those that it suits
};
