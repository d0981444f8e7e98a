// websocket_write.c - writes frames as a server does: unmasked, in one piece.
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cleanup.h"
#include "websocket_frame.h"
#include "websocket_priv.h"

enum {
    FIN = 0x80,
    RSV1 = 0x40, // the message is deflated (RFC 7692 section 6)
    CONTROL = 0x08,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    HEADER_MAX = 10,
    CONTROL_MAX = 125,
    NO_CODE = 1005,
    // Bytes from which on messages are deflated: smaller ones go in the packet that they need
    // anyway, and to deflate one takes longer (5 us and more) than to send it.
    DEFLATE_FROM = 1024,
};

struct websocket_writer {
    struct websocket_compressor *compressor; // with context takeover: from the first message on
    int window_bits;
    bool takeover; // messages build upon the ones before
};

// Of all connections without deflate; never written to.
static struct websocket_writer plain;

struct websocket_writer *websocket_writer_new(const struct websocket_deflate *deflate)
{
    if (!deflate->used)
        return &plain;
    struct websocket_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->window_bits = deflate->server_max_window_bits;
    writer->takeover = !deflate->server_no_context_takeover;
    return writer;
}

void websocket_writer_free(struct websocket_writer *writer)
{
    if (writer == NULL || writer == &plain)
        return;
    websocket_compressor_return(writer->compressor);
    free(writer);
}

static size_t header_size(uint64_t length)
{
    return length < LENGTH_16 ? 2 : length <= UINT16_MAX ? 4 : HEADER_MAX;
}

// Returns its size.
static size_t put_header(char *out, unsigned first, uint64_t length)
{
    size_t size = header_size(length);
    out[0] = (char)first;
    out[1] = (char)(size == 2 ? length : size == 4 ? LENGTH_16 : LENGTH_64);
    for (size_t i = size; i > 2; i--, length >>= 8)
        out[i - 1] = (char)length;
    return size;
}

static int write_plain(unsigned first, struct str payload, struct buf *out)
{
    char header[HEADER_MAX];
    size_t size = put_header(header, first, payload.size);
    if (payload.size > SIZE_MAX - size || buf_reserve(out, size + payload.size) < 0)
        return -1;
    return buf_append(out, header, size) < 0 || buf_append_str(out, payload) < 0 ? -1 : 0;
}

// What deflate makes of it goes where it would be if it were as long as room; then it moves up to
// its header. 1: done, 0: it would be no shorter than it is, -1: out of memory.
static int write_deflated(struct websocket_writer *writer, unsigned first, struct str payload,
                          struct buf *out)
{
    size_t room = payload.size;
    if (writer->compressor == NULL)
        writer->compressor = websocket_compressor_take(writer->window_bits);
    if (writer->compressor == NULL)
        return -1;
    // What the next messages build upon has to be sent.
    if (writer->takeover)
        room = websocket_compress_bound(writer->compressor, payload.size);
    if (buf_reserve(out, HEADER_MAX + room) < 0)
        return -1;
    char *start = out->data + out->size;
    size_t size = websocket_compress(writer->compressor, payload, start + HEADER_MAX, room);
    if (size == 0)
        return writer->takeover ? -1 : 0;
    size_t header = put_header(start, first | RSV1, size);
    memmove(start + header, start + HEADER_MAX, size);
    out->size += header + size;
    out->data[out->size] = '\0';
    return 1;
}

int websocket_write(struct websocket_writer *writer, enum websocket_opcode opcode,
                    struct str payload, struct buf *out)
{
    unsigned first = FIN | (unsigned)opcode;
    if ((opcode & CONTROL) != 0) {
        must(payload.size <= CONTROL_MAX);
        return write_plain(first, payload, out);
    }
    if (writer->window_bits == 0 || payload.size < DEFLATE_FROM)
        return write_plain(first, payload, out);
    int written = write_deflated(writer, first, payload, out);
    if (!writer->takeover)
        websocket_compressor_return(steal_ptr(&writer->compressor));
    if (written == 0)
        return write_plain(first, payload, out);
    return written < 0 ? -1 : 0;
}

int websocket_write_close(unsigned code, struct str reason, struct buf *out)
{
    char payload[CONTROL_MAX] = {(char)(code >> 8), (char)code};
    if (code == NO_CODE)
        return write_plain(FIN | WEBSOCKET_OPCODE_CLOSE, STR(""), out);
    must(websocket_code_is_valid(code));
    size_t size = websocket_utf8_cut(reason, CONTROL_MAX - 2);
    memcpy(payload + 2, reason.data, size);
    return write_plain(FIN | WEBSOCKET_OPCODE_CLOSE, (struct str){payload, size + 2}, out);
}
