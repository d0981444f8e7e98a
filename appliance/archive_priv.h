// archive_priv.h - what archive.c and archive_index.c share: how an index looks inside.
#pragma once

#include <stdint.h>

#include "archive.h"

// Sizes of the zip's records and their signatures (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16), and the
// values that FORMAT.md allows in them.
enum {
    ZIP_LOCAL_SIZE = 30,
    ZIP_ENTRY_SIZE = 46,
    ZIP_END_SIZE = 22,
    ZIP_LOCAL_SIGNATURE = 0x04034b50,
    ZIP_ENTRY_SIGNATURE = 0x02014b50,
    ZIP_END_SIGNATURE = 0x06054b50,
    ZIP_FLAG_UTF8 = 0x0800,
    ZIP_STORED = 0,
    ZIP_DEFLATED = 8,
};

struct archive {
    const unsigned char *data;
    size_t size;
    void *mapping;    // what archive_open mapped; NULL: data is somebody else's
    char *path;       // "" after archive_index
    size_t offset;    // of the first member's local header
    size_t directory; // of the central directory
    struct archive_member *members;
    size_t count;
    unsigned char *verified; // one a member: 1 once archive_view found its check sum right
};

// Fill in offset, directory, members, count and verified from data and size.
int archive_build_index(struct archive *archive, struct err *err);

// The order of members: bytewise. As memcmp.
int archive_compare_names(struct str a, struct str b);

// "damaged archive: NAME: WHAT". Returns -1.
int archive_damaged(struct err *err, struct str name, const char *what) __attribute__((cold));

static inline uint16_t zip_16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t zip_32(const unsigned char *p)
{
    return (uint32_t)zip_16(p) | (uint32_t)zip_16(p + 2) << 16;
}

static inline uint64_t zip_64(const unsigned char *p)
{
    return zip_32(p) | (uint64_t)zip_32(p + 4) << 32;
}
