// fuzz_websocket.c - any bytes as a client's stream, fed in cuts that the input chooses, with and
// without deflate: what comes out is within its limits, and the same in one piece. And what the
// writer writes comes back. The first byte: bits 0 and 1: no deflate, alone, with context takeover;
// bit 2: the limit; bits 3 and up: the round trip in place of the reader's. The second one seeds
// the cuts.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "cleanup.h"
#include "websocket_frame.h"
#include "websocket_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT_SMALL = 100, LIMIT_LARGE = 100000, CONTROL_MAX = 125 };

static const struct websocket_deflate kinds[] = {
    {false, false, false, 0, 0},
    {true, true, true, 15, 15},
    {true, false, false, 15, 15},
    {true, true, true, 9, 15},
};

// What was read, for a comparison: a sum of all that happened.
struct tale {
    uint64_t sum;
    unsigned events;
    bool broken;
};

static void add(struct tale *tale, struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        tale->sum = (tale->sum ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
}

static void check_event(struct tale *tale, enum websocket_event event,
                        const struct websocket_read *read, uint64_t limit)
{
    must(!tale->broken);
    // What has two faults may be refused for either, as it is cut.
    bool error = event == WEBSOCKET_EVENT_ERROR;
    unsigned what[3] = {(unsigned)event, (unsigned)read->opcode, error ? 0 : read->code};
    add(tale, (struct str){(const char *)what, sizeof what});
    add(tale, read->payload);
    tale->events++;
    if (error) {
        must(read->fault != NULL);
        must(read->code == 1002 || read->code == 1007 || read->code == 1009);
        tale->broken = true;
        return;
    }
    must(read->fault == NULL);
    bool control = event == WEBSOCKET_EVENT_CONTROL, close = read->opcode == 8;
    must(control == (read->opcode >= 8) && read->opcode != WEBSOCKET_CONTINUATION);
    must(read->payload.size <= (control ? CONTROL_MAX : limit));
    if (close || read->opcode == WEBSOCKET_OPCODE_TEXT)
        must(websocket_utf8(WEBSOCKET_UTF8_WHOLE, read->payload.data, read->payload.size) ==
             WEBSOCKET_UTF8_WHOLE);
    must(!close || read->code == 1005 || websocket_code_is_valid(read->code));
    tale->broken = close;
}

// seed 0: all in one piece.
static struct tale read_stream(const struct websocket_deflate *deflate, uint64_t limit,
                               const uint8_t *data, size_t size, unsigned seed)
{
    struct tale tale = {0};
    struct websocket_reader *reader = websocket_reader_new(deflate, limit);
    must(reader != NULL);
    for (size_t at = 0; at < size;) {
        unsigned cut = seed;
        seed = seed == 0 ? 0 : seed * 1103515245 + 12345;
        size_t piece = cut == 0 ? size : (cut >> 16) % 40 + 1, used = 0;
        piece = piece < size - at ? piece : size - at;
        _free_ char *bytes = malloc(piece);
        must(bytes != NULL);
        memcpy(bytes, data + at, piece);
        for (enum websocket_event event = WEBSOCKET_EVENT_MESSAGE; event != WEBSOCKET_EVENT_NONE;) {
            struct websocket_read read;
            size_t taken;
            event = websocket_reader_feed(reader, bytes + used, piece - used, &taken, &read);
            must(taken <= piece - used);
            used += taken;
            if (event != WEBSOCKET_EVENT_NONE)
                check_event(&tale, event, &read, limit);
        }
        must(used == piece);
        if (cut % 3 == 0)
            websocket_reader_rest(reader);
        at += piece;
    }
    websocket_reader_free(reader);
    return tale;
}

// A server's frame as a client's, with a mask of noughts.
static void reverse(const struct buf *frame, struct buf *out)
{
    static const char mask[4];
    char *second = frame->data + 1;
    size_t header = *second == 127 ? 10 : *second == 126 ? 4 : 2;
    must((*second & 0x80) == 0);
    *second = (char)(*second | 0x80);
    must(buf_append(out, frame->data, header) == 0 && buf_append(out, mask, 4) == 0);
    must(buf_append(out, frame->data + header, frame->size - header) == 0);
}

static void round_trip(const struct websocket_deflate *deflate, const uint8_t *data, size_t size)
{
    struct websocket_writer *writer = websocket_writer_new(deflate);
    struct websocket_reader *reader = websocket_reader_new(deflate, size * 64 + 1);
    must(writer != NULL && reader != NULL);
    _buf_ struct buf message = BUF_INIT((size_t)1 << 30);
    // Longer from turn to turn, so that messages are deflated and refer to the ones before.
    for (unsigned turn = 0; turn < 6; turn++) {
        _buf_ struct buf frame = BUF_INIT((size_t)1 << 30), stream = BUF_INIT((size_t)1 << 30);
        struct websocket_read read;
        size_t taken;
        must(websocket_write(writer, WEBSOCKET_OPCODE_BINARY, buf_str(&message), &frame) == 0);
        reverse(&frame, &stream);
        must(websocket_reader_feed(reader, stream.data, stream.size, &taken, &read) ==
             WEBSOCKET_EVENT_MESSAGE);
        must(taken == stream.size && str_equal(read.payload, buf_str(&message)));
        _free_ char *copy = malloc(message.size + 1);
        must(copy != NULL);
        size_t before = message.size;
        if (before > 0)
            memcpy(copy, message.data, before);
        must(buf_append(&message, data, size) == 0 && buf_append(&message, copy, before) == 0);
    }
    websocket_reader_free(reader);
    websocket_writer_free(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct websocket_deflate *deflate = &kinds[data[0] & 3];
    uint64_t limit = (data[0] & 4) != 0 ? LIMIT_SMALL : LIMIT_LARGE;
    if ((data[0] & 0xf8) != 0) {
        round_trip(deflate, data + 2, size - 2);
        return 0;
    }
    struct tale whole = read_stream(deflate, limit, data + 2, size - 2, 0);
    struct tale cut = read_stream(deflate, limit, data + 2, size - 2, (data[1] + 1u) << 16);
    struct tale bytes = read_stream(deflate, limit, data + 2, size - 2, 1);
    must(whole.events == cut.events && whole.sum == cut.sum);
    must(whole.events == bytes.events && whole.sum == bytes.sum);
    return 0;
}
