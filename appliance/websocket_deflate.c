// websocket_deflate.c - permessage-deflate (RFC 7692) by zlib. Where no message builds upon the one
// before, a connection needs a state of zlib's for as long as a message takes: a process has one of
// each that goes from hand to hand.
#include <stdatomic.h>
#include <stdlib.h>
#include <zlib.h>

#include "websocket_priv.h"

enum {
    // Speed before size: on 4 KiB of JSON level 6 takes twice the time for a tenth less, on 64 KiB
    // six times as long for a fifth.
    LEVEL = 1,
    // A hash table of 8 KiB instead of 64, which each message clears, and 150 KiB in all instead of
    // 260; what comes out is as small within a hundredth.
    MEMORY_LEVEL = 5,
    END_SIZE = 4, // bytes that end each message and are not sent
    ROOM_FIRST = 256,
};

struct websocket_inflater {
    z_stream stream;
};

struct websocket_compressor {
    z_stream stream;
    int window_bits;
};

// Given back and not taken yet; NULL: none.
static _Atomic(struct websocket_inflater *) spare_inflater;
static _Atomic(struct websocket_compressor *) spare_compressor;

// zlib counts in int; pieces are cut to that.
static uInt at_most(size_t size)
{
    const size_t most = (uInt)1 << 30;
    return (uInt)(size < most ? size : most);
}

// zlib asks for a pointer by which it might write, and does not.
static Bytef *input_of(struct str text)
{
    return (Bytef *)(uintptr_t)text.data;
}

struct websocket_inflater *websocket_inflater_take(int window_bits)
{
    struct websocket_inflater *inflater = atomic_exchange(&spare_inflater, NULL);
    if (inflater != NULL && inflateReset2(&inflater->stream, -window_bits) == Z_OK)
        return inflater;
    if (inflater != NULL)
        inflateEnd(&inflater->stream);
    free(inflater);
    inflater = calloc(1, sizeof *inflater);
    if (inflater != NULL && inflateInit2(&inflater->stream, -window_bits) == Z_OK)
        return inflater;
    free(inflater);
    return NULL;
}

void websocket_inflater_return(struct websocket_inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflater = atomic_exchange(&spare_inflater, inflater);
    if (inflater != NULL)
        inflateEnd(&inflater->stream);
    free(inflater);
}

static void compressor_free(struct websocket_compressor *compressor)
{
    if (compressor != NULL)
        deflateEnd(&compressor->stream);
    free(compressor);
}

struct websocket_compressor *websocket_compressor_take(int window_bits)
{
    struct websocket_compressor *compressor = atomic_exchange(&spare_compressor, NULL);
    if (compressor != NULL && compressor->window_bits == window_bits &&
        deflateReset(&compressor->stream) == Z_OK)
        return compressor;
    compressor_free(compressor);
    compressor = calloc(1, sizeof *compressor);
    if (compressor == NULL)
        return NULL;
    compressor->window_bits = window_bits;
    if (deflateInit2(&compressor->stream, LEVEL, Z_DEFLATED, -window_bits, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) == Z_OK)
        return compressor;
    free(compressor);
    return NULL;
}

void websocket_compressor_return(struct websocket_compressor *compressor)
{
    if (compressor != NULL)
        compressor_free(atomic_exchange(&spare_compressor, compressor));
}

// Room for more of out: twice as much as it has, at first so much as the input lets expect. What
// zlib may write: a byte more than the limit, by which that shows.
static int make_room(z_stream *stream, struct buf *out, size_t limit)
{
    size_t left = limit + 1 - out->size;
    if (out->capacity <= out->size + 1) {
        size_t expected = (size_t)stream->avail_in * 2 + ROOM_FIRST;
        if (buf_reserve(out, expected < left ? expected : left) < 0)
            return -1;
    }
    size_t room = out->capacity - 1 - out->size;
    stream->next_out = (Bytef *)out->data + out->size;
    stream->avail_out = at_most(room < left ? room : left);
    return 0;
}

// One call of zlib's. *more: it has more to do.
static enum websocket_inflated inflate_some(z_stream *stream, struct buf *out, size_t limit,
                                            bool *more)
{
    if (make_room(stream, out, limit) < 0)
        return WEBSOCKET_INFLATED_MEMORY;
    uInt room = stream->avail_out;
    int status = inflate(stream, Z_SYNC_FLUSH);
    out->size += room - stream->avail_out;
    out->data[out->size] = '\0';
    // A block may say that it is the last one (RFC 7692 section 7.2.3.4): the next begins a stream,
    // which still refers to what came before.
    if (status == Z_STREAM_END)
        status = inflateResetKeep(stream);
    if (status == Z_MEM_ERROR)
        return WEBSOCKET_INFLATED_MEMORY;
    if (status != Z_OK && status != Z_BUF_ERROR)
        return WEBSOCKET_INFLATED_BROKEN;
    *more = status == Z_OK && (stream->avail_in > 0 || stream->avail_out == 0);
    return out->size > limit ? WEBSOCKET_INFLATED_BEYOND : WEBSOCKET_INFLATED;
}

enum websocket_inflated websocket_inflate(struct websocket_inflater *inflater, struct str piece,
                                          struct buf *out, size_t limit)
{
    enum websocket_inflated result = WEBSOCKET_INFLATED;
    z_stream *stream = &inflater->stream;
    while (piece.size > 0 && result == WEBSOCKET_INFLATED) {
        bool more = true;
        stream->next_in = input_of(piece);
        stream->avail_in = at_most(piece.size);
        piece.data += stream->avail_in;
        piece.size -= stream->avail_in;
        while (more && result == WEBSOCKET_INFLATED)
            result = inflate_some(stream, out, limit, &more);
    }
    return result;
}

enum websocket_inflated websocket_inflate_end(struct websocket_inflater *inflater, struct buf *out,
                                              size_t limit)
{
    enum { AT_BLOCK = 128, IN_BYTE = 7 | 8 | 16 | 32 }; // of zlib's data_type
    static const struct str end = {"\x00\x00\xff\xff", END_SIZE};
    enum websocket_inflated result = websocket_inflate(inflater, end, out, limit);
    int type = inflater->stream.data_type;
    if (result == WEBSOCKET_INFLATED && ((type & AT_BLOCK) == 0 || (type & IN_BYTE) != 0))
        return WEBSOCKET_INFLATED_BROKEN;
    return result;
}

size_t websocket_compress_bound(struct websocket_compressor *compressor, size_t size)
{
    // The bound is of a stream's end, and the end of a message is as long or shorter; the rest for
    // bits of the message before.
    return deflateBound(&compressor->stream, size) + 16;
}

size_t websocket_compress(struct websocket_compressor *compressor, struct str message, char *out,
                          size_t room)
{
    z_stream *stream = &compressor->stream;
    size_t size = 0;
    while (message.size > 0) {
        stream->next_in = input_of(message);
        stream->avail_in = at_most(message.size);
        message.data += stream->avail_in;
        message.size -= stream->avail_in;
        stream->next_out = (Bytef *)out + size;
        stream->avail_out = at_most(room - size);
        uInt before = stream->avail_out;
        if (deflate(stream, message.size > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH) != Z_OK ||
            stream->avail_out == 0)
            return 0;
        size += before - stream->avail_out;
    }
    return size > END_SIZE ? size - END_SIZE : 0;
}
