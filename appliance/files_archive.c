// files_archive.c - members as files: stored ones are sent from the mapping; deflated ones to who
// takes gzip as they are, between a gzip file's header and its end (RFC 1952), to others inflated.
#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

#include "check.h"
#include "cleanup.h"
#include "files_priv.h"
#include "log.h"

enum {
    GZIP_HEAD = 10, // bytes
    GZIP_TAIL = 8,
    KEPT_MAX = 1 << 20, // bytes of a member that is made in memory; a larger one is streamed
    CHECKED_MAX =
        4 << 20, // bytes of a stored member whose check sum is looked at before it is sent
    PIECE = 32 * 1024,
};

unsigned files_archive_find(const struct files *files, const struct files_folder *folder,
                            const char *name, struct files_item *item)
{
    char full[FILES_NAME_MAX + FILES_PATH_MAX];
    int size = snprintf(full, sizeof full, "%s%s%s", folder->path,
                        folder->path[0] != '\0' && name[0] != '\0' ? "/" : "", name);
    if (size < 0 || (size_t)size >= sizeof full)
        return 404;
    struct str member = {full, (size_t)size};
    item->member = archive_find(folder->archive, member);
    if (item->member == NULL)
        return archive_kind_of(folder->archive, member) == ARCHIVE_FOLDER ? FILES_IS_FOLDER : 404;
    item->fd = -1;
    item->size = item->member->size;
    item->modified = files->archive_time;
    return FILES_FOUND;
}

// --- In memory ---

static void put_32(char *out, uint32_t number)
{
    for (int i = 0; i < 4; i++, number >>= 8)
        out[i] = (char)(number & 0xff);
}

// No name, no time; compressed at the highest level, on an unknown system.
static const char gzip_head[GZIP_HEAD] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 2, (char)0xff};

static void write_tail(char out[GZIP_TAIL], const struct archive_member *member)
{
    put_32(out, member->crc32);
    put_32(out + 4, (uint32_t)member->size);
}

static int wrap(const struct archive *archive, const struct archive_member *member, char *out,
                struct err *err)
{
    struct str deflated;
    if (archive_view_deflated(archive, member, &deflated, err) < 0)
        return -1;
    memcpy(out, gzip_head, GZIP_HEAD);
    memcpy(out + GZIP_HEAD, deflated.data, deflated.size);
    write_tail(out + GZIP_HEAD + deflated.size, member);
    return 0;
}

static int make(struct files *files, const struct files_item *item, struct files_bytes *out,
                struct err *err)
{
    const struct archive *archive = files->setup.archive;
    _free_ char *data = malloc((size_t)item->size + 1);
    if (data == NULL)
        return err_set(err, ERR_FAILED, "out of memory");
    int result = item->is_wrapped ? wrap(archive, item->member, data, err)
                                  : archive_read(archive, item->member, data, err);
    if (result == 0)
        files_cache_put(files->cache, item->member, item->is_wrapped, steal_ptr(&data),
                        (size_t)item->size, out);
    return result;
}

int files_archive_bytes(struct files *files, const struct files_item *item, struct files_bytes *out)
{
    const struct archive_member *member = item->member;
    struct err err;
    int result;
    *out = (struct files_bytes){.release = NULL};
    if (!member->deflated)
        result = archive_view(files->setup.archive, member, member->size <= CHECKED_MAX,
                              &out->bytes, &err);
    else if (item->size > KEPT_MAX)
        return 1;
    else if (files_cache_find(files->cache, member, item->is_wrapped, out))
        return 0;
    else
        result = make(files, item, out, &err);
    if (result < 0)
        files_complain(files, "%s: %s", archive_path(files->setup.archive), err.text);
    return result;
}

// --- Piece by piece ---

struct stream {
    const struct archive_member *member;
    struct str deflated; // what is left of it
    bool wrapped, is_begun;
    uint64_t skip, left; // bytes, inflated: not wanted, and wanted
    bool checks;         // all of it is sent
    uLong sum;
    z_stream zlib;
    char piece[PIECE];
};

static int next_wrapped(struct stream *stream, struct str *piece)
{
    if (!stream->is_begun) {
        stream->is_begun = true;
        *piece = (struct str){gzip_head, GZIP_HEAD};
    } else if (stream->deflated.size > 0) {
        *piece = stream->deflated;
        stream->deflated.size = 0;
    } else if (stream->left > 0) {
        write_tail(stream->piece, stream->member);
        stream->left = 0;
        *piece = (struct str){stream->piece, GZIP_TAIL};
    } else {
        return 0;
    }
    return 1;
}

static int fail(const struct stream *stream, const char *what)
{
    struct str name = stream->member->name;
    log_error("files", "%.*s: %s, connection closed", (int)name.size, name.data, what);
    return -1;
}

// Inflate as much as the buffer takes; *piece: what of it is wanted.
static int inflate_some(struct stream *stream, struct str *piece)
{
    z_stream *zlib = &stream->zlib;
    zlib->next_out = (Bytef *)stream->piece;
    zlib->avail_out = PIECE;
    int status = inflate(zlib, Z_NO_FLUSH);
    size_t size = PIECE - zlib->avail_out;
    if ((status != Z_OK && status != Z_STREAM_END) || size == 0)
        return fail(stream, "damaged");
    if (stream->checks)
        stream->sum = crc32_z(stream->sum, (const Bytef *)stream->piece, size);
    size_t skip = stream->skip < size ? (size_t)stream->skip : size;
    stream->skip -= skip;
    size -= skip;
    if (size > stream->left)
        size = (size_t)stream->left;
    stream->left -= size;
    *piece = (struct str){stream->piece + skip, size};
    return 1;
}

static int next_inflated(struct stream *stream, struct str *piece)
{
    piece->size = 0;
    if (stream->left == 0)
        return 0;
    while (piece->size == 0) {
        if (inflate_some(stream, piece) < 0)
            return -1;
    }
    if (stream->left == 0 && stream->checks && stream->sum != stream->member->crc32)
        return fail(stream, "wrong check sum");
    return 1;
}

static int next(void *owner, struct str *piece)
{
    struct stream *stream = owner;
    return stream->wrapped ? next_wrapped(stream, piece) : next_inflated(stream, piece);
}

static void release(void *owner)
{
    struct stream *stream = owner;
    if (!stream->wrapped)
        inflateEnd(&stream->zlib);
    free(stream);
}

static int begin(struct stream *stream, const struct archive *archive, struct err *err)
{
    if (archive_view_deflated(archive, stream->member, &stream->deflated, err) < 0)
        return -1;
    if (stream->wrapped)
        return 0;
    stream->zlib.next_in = (z_const Bytef *)(uintptr_t)stream->deflated.data;
    stream->zlib.avail_in = (uInt)stream->deflated.size;
    return inflateInit2(&stream->zlib, -MAX_WBITS) == Z_OK
               ? 0
               : err_set(err, ERR_FAILED, "out of memory");
}

int files_archive_stream(struct files *files, const struct files_item *item, uint64_t start,
                         uint64_t size, struct body_source *source, struct response *response)
{
    struct err err;
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return -1;
    stream->member = item->member;
    stream->wrapped = item->is_wrapped;
    stream->skip = start;
    stream->left = size;
    stream->checks = start == 0 && size == item->member->size;
    if (begin(stream, files->setup.archive, &err) < 0) {
        files_complain(files, "%s: %s", archive_path(files->setup.archive), err.text);
        free(stream);
        return -1;
    }
    *source = (struct body_source){.next = next, .at_once = true, .fd = -1};
    response->owner = stream;
    response->release = release;
    response->source = source;
    return 0;
}
