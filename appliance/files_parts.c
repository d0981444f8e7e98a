// files_parts.c - multipart/byteranges, piece by piece: before each range a few lines, behind the
// last one the end.
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "cleanup.h"
#include "files_priv.h"
#include "log.h"

enum { PIECE = 32 * 1024, BOUNDARY = 20 };

struct files_parts {
    struct files_ranges ranges;
    size_t at;     // the range that is next or under way
    bool is_begun; // its lines were sent
    bool is_ended;
    uint64_t sent;   // bytes of it
    uint64_t whole;  // bytes of the representation
    struct str type; // of each part
    int fd;          // -1: in memory
    struct files_bytes bytes;
    char boundary[BOUNDARY + 1];
    char piece[PIECE];
};

// What no file has by chance, and nobody can foresee.
static void make_boundary(char out[BOUNDARY + 1])
{
    unsigned char random[BOUNDARY] = {0};
    ssize_t ignored = getrandom(random, sizeof random, 0);
    (void)ignored;
    for (int i = 0; i < BOUNDARY; i++)
        out[i] = (char)('0' + random[i] % 10);
    out[BOUNDARY] = '\0';
}

struct files_parts *files_parts_new(const struct files_ranges *ranges,
                                    const struct files_item *item, struct str type, int fd,
                                    const struct files_bytes *bytes)
{
    struct files_parts *parts = malloc(sizeof *parts);
    if (parts == NULL)
        return NULL;
    parts->ranges = *ranges;
    parts->at = 0;
    parts->is_begun = parts->is_ended = false;
    parts->sent = 0;
    parts->whole = item->size;
    parts->type = type;
    parts->fd = fd;
    parts->bytes = *bytes;
    make_boundary(parts->boundary);
    return parts;
}

static struct str write_lines(struct files_parts *parts, size_t at)
{
    const struct files_range *range = &parts->ranges.items[at];
    int size = snprintf(parts->piece, PIECE,
                        "\r\n--%s\r\nContent-Type: %.*s\r\nContent-Range: bytes %" PRIu64
                        "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                        parts->boundary, (int)parts->type.size, parts->type.data, range->start,
                        range->end - 1, parts->whole);
    return (struct str){parts->piece, (size_t)size};
}

uint64_t files_parts_size(struct files_parts *parts)
{
    uint64_t size = 2 + 2 + BOUNDARY + 2 + 2;
    for (size_t i = 0; i < parts->ranges.count; i++) {
        const struct files_range *range = &parts->ranges.items[i];
        size += write_lines(parts, i).size + range->end - range->start;
    }
    return size;
}

const char *files_parts_boundary(const struct files_parts *parts)
{
    return parts->boundary;
}

// Bytes of the range that is under way.
static int next_bytes(struct files_parts *parts, struct str *piece)
{
    const struct files_range *range = &parts->ranges.items[parts->at];
    uint64_t start = range->start + parts->sent, left = range->end - start;
    if (parts->fd < 0) {
        *piece = (struct str){parts->bytes.bytes.data + start, (size_t)left};
    } else {
        size_t size = left < PIECE ? (size_t)left : PIECE;
        ssize_t count = pread(parts->fd, parts->piece, size, (off_t)start);
        if (count <= 0) {
            log_error("files", "a file ended while it was sent, connection closed");
            return -1;
        }
        *piece = (struct str){parts->piece, (size_t)count};
    }
    parts->sent += piece->size;
    if (parts->sent == range->end - range->start) {
        parts->at++;
        parts->sent = 0;
        parts->is_begun = false;
    }
    return 1;
}

int files_parts_next(void *owner, struct str *piece)
{
    struct files_parts *parts = owner;
    if (parts->at < parts->ranges.count && parts->is_begun)
        return next_bytes(parts, piece);
    if (parts->at < parts->ranges.count) {
        parts->is_begun = true;
        *piece = write_lines(parts, parts->at);
        return 1;
    }
    if (parts->is_ended)
        return 0;
    parts->is_ended = true;
    int size = snprintf(parts->piece, PIECE, "\r\n--%s--\r\n", parts->boundary);
    *piece = (struct str){parts->piece, (size_t)size};
    return 1;
}

void files_parts_free(void *owner)
{
    struct files_parts *parts = owner;
    if (parts->fd >= 0)
        close(parts->fd);
    if (parts->bytes.release != NULL)
        parts->bytes.release(parts->bytes.owner);
    free(parts);
}
