// compress_stream.c - bodies by zlib and zstd. A state of theirs is large and is asked for at each
// answer: a process keeps one of each kind that goes from hand to hand.
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "check.h"
#include "compress.h"

enum {
    GZIP_WRAPPER = 16, // asks zlib for a gzip header and trailer (RFC 1952)
    GZIP_SYSTEM = 3,   // Unix, in that header
    // On JSON of 10 KB, level 6 takes a fifth more time for a hundredth less.
    GZIP_LEVEL = 5,
    GZIP_WINDOW = 15, // log2 of bytes: 260 KB in all
    GZIP_MEMORY = 8,
    // 64 KB in all; pieces that are flushed come out as small as with the large one.
    GZIP_STREAM_WINDOW = 13,
    GZIP_STREAM_MEMORY = 6,
    // Level 3 takes a quarter more time and gives no less.
    ZSTD_LEVEL = 2,
    // log2 of bytes. RFC 9659: clients need not have more than 23.
    ZSTD_WINDOW_MAX = 18,
    ZSTD_STREAM_WINDOW = 13, // 100 KB in all
    ZSTD_STREAM_HASH = 12,
    ZSTD_BLOCK_HEADER = 3, // bytes (RFC 8878 section 3.1.1.2)
    ROOM_LEAST = 512,
    ROOM_MOST = 16 * 1024,
};

struct compressor {
    enum coding coding;
    bool whole;
    bool fed;       // since the last flush
    bool begun;     // something has come out
    size_t padding; // bytes
    z_stream zlib;
    gz_header header;
    Bytef comment[COMPRESSOR_PADDING_MAX + 1];
    ZSTD_CCtx *zstd;
};

// Given back and not taken yet, by coding and whole; NULL: none.
static _Atomic(struct compressor *) spares[CODING_COUNT][2];

static void destroy(struct compressor *compressor)
{
    if (compressor == NULL)
        return;
    if (compressor->coding == CODING_GZIP)
        deflateEnd(&compressor->zlib);
    else
        ZSTD_freeCCtx(compressor->zstd);
    free(compressor);
}

static bool set(ZSTD_CCtx *zstd, ZSTD_cParameter parameter, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameter, value));
}

static bool make_zstd(struct compressor *compressor)
{
    ZSTD_CCtx *zstd = compressor->zstd = ZSTD_createCCtx();
    if (zstd == NULL || !set(zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL))
        return false;
    if (compressor->whole)
        return true;
    return set(zstd, ZSTD_c_windowLog, ZSTD_STREAM_WINDOW) &&
           set(zstd, ZSTD_c_hashLog, ZSTD_STREAM_HASH) && set(zstd, ZSTD_c_chainLog, 6) &&
           set(zstd, ZSTD_c_strategy, ZSTD_fast);
}

static bool make_gzip(struct compressor *compressor)
{
    int window = compressor->whole ? GZIP_WINDOW : GZIP_STREAM_WINDOW;
    int memory = compressor->whole ? GZIP_MEMORY : GZIP_STREAM_MEMORY;
    return deflateInit2(&compressor->zlib, GZIP_LEVEL, Z_DEFLATED, window + GZIP_WRAPPER, memory,
                        Z_DEFAULT_STRATEGY) == Z_OK;
}

static struct compressor *make(enum coding coding, bool whole)
{
    struct compressor *compressor = calloc(1, sizeof *compressor);
    if (compressor == NULL)
        return NULL;
    compressor->coding = coding;
    compressor->whole = whole;
    if (coding == CODING_GZIP ? make_gzip(compressor) : make_zstd(compressor))
        return compressor;
    destroy(compressor);
    return NULL;
}

// The comment ends at its first zero.
static bool begin_gzip(struct compressor *compressor)
{
    memset(compressor->comment, '.', compressor->padding);
    compressor->comment[compressor->padding] = 0;
    compressor->header = (gz_header){.os = GZIP_SYSTEM};
    if (compressor->padding > 0)
        compressor->header.comment = compressor->comment;
    return deflateReset(&compressor->zlib) == Z_OK &&
           deflateSetHeader(&compressor->zlib, &compressor->header) == Z_OK;
}

static bool begin_zstd(struct compressor *compressor, size_t size)
{
    ZSTD_CCtx *zstd = compressor->zstd;
    if (ZSTD_isError(ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only)))
        return false;
    if (!compressor->whole)
        return true;
    // What is small gets small tables; what is large, no window of its own size.
    bool is_large = size > (size_t)1 << ZSTD_WINDOW_MAX;
    return set(zstd, ZSTD_c_windowLog, is_large ? ZSTD_WINDOW_MAX : 0) &&
           !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(zstd, size));
}

struct compressor *compressor_new(enum coding coding, bool whole, size_t size, size_t padding)
{
    must(coding == CODING_GZIP || coding == CODING_ZSTD);
    struct compressor *compressor = atomic_exchange(&spares[coding][whole], NULL);
    if (compressor == NULL && (compressor = make(coding, whole)) == NULL)
        return NULL;
    compressor->fed = compressor->begun = false;
    compressor->padding = padding < COMPRESSOR_PADDING_MAX ? padding : COMPRESSOR_PADDING_MAX;
    if (coding == CODING_GZIP ? begin_gzip(compressor) : begin_zstd(compressor, size))
        return compressor;
    destroy(compressor);
    return NULL;
}

void compressor_free(struct compressor *compressor)
{
    if (compressor != NULL)
        destroy(atomic_exchange(&spares[compressor->coding][compressor->whole], compressor));
}

// Room for some more of what comes of so many bytes. Bytes that may be written; 0: none.
static size_t make_room(struct buf *out, size_t size)
{
    size_t left = out->maximum - out->size;
    size_t room = size / 4 + ROOM_LEAST;
    if (room > ROOM_MOST)
        room = ROOM_MOST;
    if (left == 0 || buf_reserve(out, room < left ? room : left) < 0)
        return 0;
    return out->capacity - out->size - 1;
}

static uInt at_most(size_t size)
{
    const size_t most = (uInt)1 << 30;
    return (uInt)(size < most ? size : most);
}

static int put_gzip(struct compressor *compressor, struct str piece, int mode, struct buf *out)
{
    z_stream *zlib = &compressor->zlib;
    for (;;) {
        uInt size = at_most(piece.size), room = at_most(make_room(out, piece.size));
        if (room == 0)
            return -1;
        bool is_last = size == piece.size;
        zlib->next_in = (Bytef *)(uintptr_t)piece.data; // which is not written to
        zlib->avail_in = size;
        zlib->next_out = (Bytef *)out->data + out->size;
        zlib->avail_out = room;
        int result = deflate(zlib, is_last ? mode : Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return -1;
        out->size += room - zlib->avail_out;
        piece.data += size - zlib->avail_in;
        piece.size -= size - zlib->avail_in;
        // Room that is left over says that there is nothing more.
        if (result == Z_STREAM_END || (piece.size == 0 && zlib->avail_out > 0))
            return 0;
    }
}

// Bytes of a frame's header (RFC 8878 section 3.1.1.1).
static size_t frame_header_size(const char *frame)
{
    static const unsigned char identifiers[] = {0, 1, 2, 4}, sizes[] = {0, 2, 4, 8};
    unsigned char descriptor = (unsigned char)frame[4];
    bool is_single = (descriptor & 0x20) != 0;
    size_t content = sizes[descriptor >> 6];
    return 5U + (is_single ? (content == 0) : 1U) + identifiers[descriptor & 3] + content;
}

// Blocks of nothing between the header and the first one: every decoder passes over them.
static int pad_zstd(const struct compressor *compressor, size_t begin, struct buf *out)
{
    size_t padding = compressor->padding / ZSTD_BLOCK_HEADER * ZSTD_BLOCK_HEADER;
    if (padding == 0)
        return 0;
    if (buf_reserve(out, padding) < 0)
        return -1;
    char *at = out->data + begin + frame_header_size(out->data + begin);
    memmove(at + padding, at, (size_t)(out->data + out->size - at));
    memset(at, 0, padding);
    out->size += padding;
    return 0;
}

static int put_zstd(struct compressor *compressor, struct str piece, ZSTD_EndDirective mode,
                    struct buf *out)
{
    ZSTD_inBuffer in = {piece.data, piece.size, 0};
    size_t begin = out->size, rest;
    bool is_done;
    do {
        size_t room = make_room(out, in.size - in.pos);
        if (room == 0)
            return -1;
        ZSTD_outBuffer to = {out->data + out->size, room, 0};
        rest = ZSTD_compressStream2(compressor->zstd, &to, &in, mode);
        if (ZSTD_isError(rest))
            return -1;
        out->size += to.pos;
        is_done = in.pos == in.size && (mode == ZSTD_e_continue || rest == 0);
    } while (!is_done);
    if (compressor->begun || out->size == begin)
        return 0;
    // The header comes with the first block, and there was room for both.
    compressor->begun = true;
    return pad_zstd(compressor, begin, out);
}

int compressor_put(struct compressor *compressor, struct str piece, bool flush, bool end,
                   struct buf *out)
{
    compressor->fed = compressor->fed || piece.size > 0;
    if (!end && (!compressor->fed || (piece.size == 0 && !flush)))
        return 0;
    int result;
    if (compressor->coding == CODING_GZIP)
        result = put_gzip(compressor, piece,
                          end     ? Z_FINISH
                          : flush ? Z_SYNC_FLUSH
                                  : Z_NO_FLUSH,
                          out);
    else
        result = put_zstd(compressor, piece,
                          end     ? ZSTD_e_end
                          : flush ? ZSTD_e_flush
                                  : ZSTD_e_continue,
                          out);
    if (flush || end)
        compressor->fed = false;
    if (out->data != NULL)
        out->data[out->size] = '\0';
    return result;
}
