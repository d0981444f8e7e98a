// zip_builder.h - makes appliance files in memory for tests: a minimal ELF header, members, the
// directory, the end record (packaging/FORMAT.md). Members are written in the order in which they
// are added: tests of good files add them sorted. Offsets of records are kept, so that a test can
// damage them.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "str.h"

enum { ZIP_BUILDER_MEMBERS = 64, ZIP_BUILDER_ROOM = 1 << 20, ZIP_BUILDER_ELF = 64 };

struct zip_builder_member {
    char name[1200];
    size_t name_size;
    uint32_t header_offset;
    uint32_t entry_offset; // of its directory entry
    uint32_t crc, stored_size, size;
    uint16_t method;
};

struct zip_builder {
    unsigned char *data; // ZIP_BUILDER_ROOM bytes
    size_t size;
    struct zip_builder_member members[ZIP_BUILDER_MEMBERS];
    size_t count;
    uint32_t directory, end; // offsets
};

static inline void zip_put(struct zip_builder *zip, const void *bytes, size_t size)
{
    if (zip->size + size > ZIP_BUILDER_ROOM)
        abort();
    if (size > 0)
        memcpy(zip->data + zip->size, bytes, size);
    zip->size += size;
}

static inline void zip_put_int(struct zip_builder *zip, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, value >>= 8)
        zip_put(zip, &(unsigned char){(unsigned char)value}, 1);
}

// Change an integer that was written.
static inline void zip_poke(struct zip_builder *zip, size_t offset, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, value >>= 8)
        zip->data[offset + i] = (unsigned char)value;
}

static inline void zip_init(struct zip_builder *zip)
{
    memset(zip, 0, sizeof *zip);
    zip->data = malloc(ZIP_BUILDER_ROOM);
    if (zip->data == NULL)
        abort();
}

static inline void zip_fini(struct zip_builder *zip)
{
    free(zip->data);
}

// An ELF header whose (empty) section header table ends where the header does.
static inline void zip_add_elf(struct zip_builder *zip, bool wide)
{
    size_t size = wide ? 64 : 52;
    zip_put(zip, "\177ELF", 4);
    zip_put_int(zip, wide ? 2 : 1, 1);
    zip_put_int(zip, 1, 1);
    while (zip->size < size)
        zip_put_int(zip, 0, 1);
    zip_poke(zip, wide ? 40 : 32, size, 4);
}

static inline uint32_t zip_deflate(struct zip_builder *zip, const void *data, size_t size)
{
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)size,
                       .next_out = zip->data + zip->size,
                       .avail_out = (uInt)(ZIP_BUILDER_ROOM - zip->size)};
    if (deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&stream);
    zip->size += stream.total_out;
    return (uint32_t)stream.total_out;
}

// What a local header and a directory entry have in common, from "version needed" on.
static inline void zip_put_common(struct zip_builder *zip, const struct zip_builder_member *member)
{
    bool ascii = true;
    for (size_t i = 0; i < member->name_size; i++)
        ascii = ascii && (unsigned char)member->name[i] < 0x80;
    zip_put_int(zip, 20, 2);
    zip_put_int(zip, ascii ? 0 : 0x0800, 2);
    zip_put_int(zip, member->method, 2);
    zip_put_int(zip, 0x00210000, 4); // 1980-01-01 00:00:00
    zip_put_int(zip, member->crc, 4);
    zip_put_int(zip, member->stored_size, 4);
    zip_put_int(zip, member->size, 4);
    zip_put_int(zip, member->name_size, 2);
    zip_put_int(zip, 0, 2);
}

static inline void zip_add(struct zip_builder *zip, struct str name, struct str content,
                           bool deflated)
{
    if (zip->count == ZIP_BUILDER_MEMBERS || name.size > sizeof zip->members[0].name)
        abort();
    struct zip_builder_member *member = &zip->members[zip->count++];
    memcpy(member->name, name.data, name.size);
    member->name_size = name.size;
    member->header_offset = (uint32_t)zip->size;
    member->method = deflated ? 8 : 0;
    member->size = member->stored_size = (uint32_t)content.size;
    member->crc = (uint32_t)crc32(0, (const unsigned char *)content.data, (uInt)content.size);
    zip_put_int(zip, 0x04034b50, 4);
    zip_put_common(zip, member);
    zip_put(zip, name.data, name.size);
    if (!deflated) {
        zip_put(zip, content.data, content.size);
        return;
    }
    member->stored_size = zip_deflate(zip, content.data, content.size);
    zip_poke(zip, member->header_offset + 18, member->stored_size, 4);
}

// The directory and the end record.
static inline void zip_end(struct zip_builder *zip)
{
    zip->directory = (uint32_t)zip->size;
    for (size_t i = 0; i < zip->count; i++) {
        struct zip_builder_member *member = &zip->members[i];
        member->entry_offset = (uint32_t)zip->size;
        zip_put_int(zip, 0x02014b50, 4);
        zip_put_int(zip, 0x0314, 2);
        zip_put_common(zip, member);
        zip_put_int(zip, 0, 6); // comment, disk, internal attributes
        zip_put_int(zip, 0100644u << 16, 4);
        zip_put_int(zip, member->header_offset, 4);
        zip_put(zip, member->name, member->name_size);
    }
    zip->end = (uint32_t)zip->size;
    zip_put_int(zip, 0x06054b50, 4);
    zip_put_int(zip, 0, 4);
    zip_put_int(zip, zip->count, 2);
    zip_put_int(zip, zip->count, 2);
    zip_put_int(zip, zip->end - zip->directory, 4);
    zip_put_int(zip, zip->directory, 4);
    zip_put_int(zip, 0, 2);
}
