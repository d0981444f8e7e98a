// websocket_client.h - a client's half of WebSocket for tests: masked frames as bytes, and a reader
// that is fed in pieces. Included by one test program each.
#pragma once

#include <stdint.h>
#include <stdlib.h>

#include "cleanup.h"
#include "unit.h"
#include "websocket_frame.h"

static const struct websocket_deflate no_deflate = {.used = false};
static const struct websocket_deflate deflate_alone = {true, true, true, 15, 15};
static const struct websocket_deflate deflate_takeover = {true, false, false, 15, 15};

enum { FIN = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10, MASKED = 0x80 };

static const unsigned char mask_key[4] = {0x37, 0xfa, 0x21, 0x3d};

static inline void put_byte(struct buf *out, unsigned byte)
{
    char c = (char)byte;
    CHECK(buf_append(out, &c, 1) == 0);
}

// A header that says what the bytes behind it need not be. length_size: 0, 2, 8.
static inline void put_header(struct buf *out, unsigned first, uint64_t length,
                              unsigned length_size)
{
    put_byte(out, first);
    put_byte(out, MASKED | (length_size == 8 ? 127 : length_size == 2 ? 126 : (unsigned)length));
    for (unsigned i = length_size; i > 0; i--)
        put_byte(out, (unsigned)(length >> (i - 1) * 8) & 0xff);
    CHECK(buf_append(out, mask_key, sizeof mask_key) == 0);
}

static inline void put_masked(struct buf *out, struct str payload)
{
    for (size_t i = 0; i < payload.size; i++)
        put_byte(out, (unsigned char)payload.data[i] ^ (unsigned)mask_key[i % 4]);
}

static inline void put_frame(struct buf *out, unsigned first, struct str payload)
{
    put_header(out, first, payload.size,
               payload.size < 126           ? 0
               : payload.size <= UINT16_MAX ? 2
                                            : 8);
    put_masked(out, payload);
}

static inline struct buf stream_buf(void)
{
    return BUF_INIT((size_t)1 << 30);
}

// What a reader has said, as text: "text(abc) ping() close(1000,bye) error(1002) ", messages of
// more than 40 bytes by their size.
static inline void tell(struct buf *told, enum websocket_event event,
                        const struct websocket_read *read)
{
    static const char *const names[] = {
        [WEBSOCKET_OPCODE_TEXT] = "text",   [WEBSOCKET_OPCODE_BINARY] = "binary",
        [WEBSOCKET_OPCODE_CLOSE] = "close", [WEBSOCKET_OPCODE_PING] = "ping",
        [WEBSOCKET_OPCODE_PONG] = "pong",
    };
    if (event == WEBSOCKET_EVENT_ERROR) {
        CHECK(read->fault != NULL && read->fault[0] != '\0');
        buf_printf(told, "error(%u) ", read->code);
        return;
    }
    CHECK(read->fault == NULL);
    buf_printf(told, "%s(", names[read->opcode]);
    if (read->opcode == WEBSOCKET_OPCODE_CLOSE)
        buf_printf(told, "%u,", read->code);
    if (read->payload.size > 40)
        buf_printf(told, "%zu bytes", read->payload.size);
    else
        buf_append_str(told, read->payload);
    buf_printf(told, ") ");
}

// Feed a stream in pieces of so many bytes, each a block of its very size: what reads or writes
// past it is seen by the sanitizers. Returns how many bytes had been given when the reader said the
// last thing.
static inline size_t feed(struct websocket_reader *reader, struct str stream, size_t piece_size,
                          struct buf *told)
{
    size_t said = 0;
    for (size_t at = 0; at < stream.size; at += piece_size) {
        size_t size = stream.size - at < piece_size ? stream.size - at : piece_size, used = 0;
        char *piece = malloc(size);
        memcpy(piece, stream.data + at, size);
        enum websocket_event event = WEBSOCKET_EVENT_MESSAGE;
        while (event != WEBSOCKET_EVENT_NONE && event != WEBSOCKET_EVENT_ERROR) {
            struct websocket_read read;
            size_t taken;
            event = websocket_reader_feed(reader, piece + used, size - used, &taken, &read);
            CHECK(taken <= size - used);
            used += taken;
            if (event == WEBSOCKET_EVENT_NONE)
                CHECK(used == size);
            else
                tell(told, event, &read), said = at + used;
        }
        free(piece);
    }
    return said;
}
