// websocket_frame.c - reads a client's frames. A message that is there as a whole is handed out
// where it lies; what comes in pieces, or deflated, gathers in one buffer. A control frame that
// comes in pieces gathers behind the message that it interrupts.
#include "websocket_frame.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "websocket_priv.h"

enum {
    FIN = 0x80,
    RSV1 = 0x40, // the message is deflated (RFC 7692 section 6)
    RSV = 0x70,
    OPCODE = 0x0f,
    CONTROL = 0x08, // of an opcode
    MASKED = 0x80,
    LENGTH = 0x7f, // in the header's second byte, or:
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    HEADER_MAX = 14,
    KEY_SIZE = 4,
    CONTROL_MAX = 125, // bytes of a control frame (RFC 6455 section 5.5)
    PROTOCOL_ERROR = 1002,
    NO_CODE = 1005,
    INVALID_PAYLOAD = 1007,
    TOO_LARGE = 1009,
};

struct websocket_reader {
    // What has come of a message that is not all there; has room for a control frame behind its
    // limit.
    struct buf gathered;
    struct websocket_inflater *inflater; // NULL: no deflated message has come
    uint64_t left;                       // bytes of the frame's payload to come
    uint32_t key;                        // for the next of them
    unsigned char header[HEADER_MAX];    // as far as it has come
    uint8_t header_size;
    uint8_t frame;        // its first byte
    uint8_t opcode;       // the message's
    uint8_t utf8;         // where the message's text stands
    uint8_t control_size; // of a control frame, bytes behind what has gathered
    uint8_t window_bits;  // of the client; 0: no deflate
    bool takeover;        // deflated messages build upon the ones before
    bool inside;          // a message has begun
    bool deflated;        // and is
    bool in_frame;        // its header was read
    bool ended;           // a close frame, or an error
};

struct input {
    char *bytes;
    size_t size;
};

struct websocket_reader *websocket_reader_new(const struct websocket_deflate *deflate,
                                              uint64_t max_size)
{
    const size_t most = PTRDIFF_MAX - CONTROL_MAX - 1;
    struct websocket_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    size_t limit = max_size == 0 || max_size > most ? most : (size_t)max_size;
    buf_init(&reader->gathered, limit + CONTROL_MAX);
    if (deflate->used) {
        reader->window_bits = (uint8_t)deflate->client_max_window_bits;
        reader->takeover = !deflate->client_no_context_takeover;
    }
    return reader;
}

void websocket_reader_free(struct websocket_reader *reader)
{
    if (reader == NULL)
        return;
    websocket_inflater_return(reader->inflater);
    buf_fini(&reader->gathered);
    free(reader);
}

bool websocket_reader_is_inside(const struct websocket_reader *reader)
{
    return reader->inside;
}

void websocket_reader_rest(struct websocket_reader *reader)
{
    if (!reader->inside && !reader->in_frame)
        buf_fini(&reader->gathered);
}

static size_t limit_of(const struct websocket_reader *reader)
{
    return reader->gathered.maximum - CONTROL_MAX;
}

static enum websocket_event fail(struct websocket_reader *reader, struct websocket_read *out,
                                 unsigned code, const char *fault)
{
    websocket_inflater_return(steal_ptr(&reader->inflater));
    buf_fini(&reader->gathered);
    reader->ended = true;
    reader->inside = false;
    *out = (struct websocket_read){.code = code, .fault = fault};
    return WEBSOCKET_EVENT_ERROR;
}

// --- headers ---

static bool opcode_exists(unsigned opcode)
{
    return opcode <= WEBSOCKET_OPCODE_BINARY ||
           (opcode >= WEBSOCKET_OPCODE_CLOSE && opcode <= WEBSOCKET_OPCODE_PONG);
}

// What is wrong with a header's first byte (RFC 6455 sections 5.2, 5.4 and 5.5), or NULL.
static const char *judge_first(const struct websocket_reader *reader, unsigned first)
{
    unsigned opcode = first & OPCODE;
    bool may_deflate = reader->window_bits > 0 && opcode != WEBSOCKET_CONTINUATION;
    if (!opcode_exists(opcode))
        return "a frame of a reserved opcode";
    if ((opcode & CONTROL) != 0) {
        if ((first & RSV) != 0)
            return "a control frame with a reserved bit";
        return (first & FIN) != 0 ? NULL : "a control frame in fragments";
    }
    if ((first & RSV & ~(unsigned)(may_deflate ? RSV1 : 0)) != 0)
        return "a frame with a reserved bit";
    if (opcode == WEBSOCKET_CONTINUATION)
        return reader->inside ? NULL : "a continuation of no message";
    return reader->inside ? "a message within a message" : NULL;
}

static const char *judge_second(unsigned first, unsigned second)
{
    if ((second & MASKED) == 0)
        return "a frame without a mask";
    if ((first & CONTROL) != 0 && (second & LENGTH) > CONTROL_MAX)
        return "a control frame of more than 125 bytes";
    return NULL;
}

// Bytes that a header's length takes beside its second byte.
static size_t length_size(unsigned second)
{
    unsigned length = second & LENGTH;
    return length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
}

// The payload's length, or UINT64_MAX where it is not written in the fewest bytes, or is too large
// to be one.
static uint64_t read_length(const unsigned char *header)
{
    size_t size = length_size(header[1]);
    uint64_t length = 0;
    if (size == 0)
        return header[1] & LENGTH;
    for (size_t i = 0; i < size; i++)
        length = length << 8 | header[2 + i];
    if (length < LENGTH_16 || (size == 8 && (length <= UINT16_MAX || length > INT64_MAX)))
        return UINT64_MAX;
    return length;
}

// Whether a data frame may be so long. What is deflated is judged as it is inflated; only that far
// beyond what could be meant it is known before.
static bool length_fits(const struct websocket_reader *reader, bool deflated, uint64_t length)
{
    const uint64_t overhead = 1024; // bytes
    uint64_t limit = limit_of(reader);
    if (deflated)
        return length / 2 <= limit + overhead;
    return length <= limit - reader->gathered.size;
}

static bool begin_message(struct websocket_reader *reader, struct websocket_read *out)
{
    reader->inside = true;
    reader->opcode = reader->frame & OPCODE;
    reader->deflated = (reader->frame & RSV1) != 0;
    reader->utf8 = WEBSOCKET_UTF8_WHOLE;
    if (!reader->deflated || reader->inflater != NULL)
        return true;
    reader->inflater = websocket_inflater_take(reader->window_bits);
    if (reader->inflater == NULL)
        fail(reader, out, TOO_LARGE, "out of memory");
    return reader->inflater != NULL;
}

// Take up a frame whose header is whole. False: it is refused.
static bool begin_frame(struct websocket_reader *reader, const unsigned char *header, size_t size,
                        struct websocket_read *out)
{
    reader->frame = header[0];
    reader->left = read_length(header);
    memcpy(&reader->key, header + size - KEY_SIZE, KEY_SIZE);
    reader->header_size = 0;
    if (reader->left == UINT64_MAX) {
        fail(reader, out, PROTOCOL_ERROR, "a frame's length is not written as it has to be");
        return false;
    }
    if ((reader->frame & CONTROL) == 0) {
        if ((reader->frame & OPCODE) != WEBSOCKET_CONTINUATION && !begin_message(reader, out))
            return false;
        if (!length_fits(reader, reader->deflated, reader->left)) {
            fail(reader, out, TOO_LARGE, "a message is too large");
            return false;
        }
    }
    reader->in_frame = true;
    return true;
}

// How much of a header is to be had to know more of it; 0: it is refused by what there is.
static size_t header_wanted(struct websocket_reader *reader, const unsigned char *header,
                            size_t size, struct websocket_read *out)
{
    const char *fault = size > 0 ? judge_first(reader, header[0]) : NULL;
    if (fault == NULL && size > 1)
        fault = judge_second(header[0], header[1]);
    if (fault != NULL) {
        fail(reader, out, PROTOCOL_ERROR, fault);
        return 0;
    }
    return size < 2 ? 2 : 2 + length_size(header[1]) + KEY_SIZE;
}

// Read a header. False: more bytes are needed, or it is refused.
static bool take_header(struct websocket_reader *reader, struct input *rest,
                        struct websocket_read *out)
{
    size_t wanted;
    if (reader->header_size == 0 && rest->size >= HEADER_MAX) {
        const unsigned char *header = (const unsigned char *)rest->bytes;
        wanted = header_wanted(reader, header, HEADER_MAX, out);
        rest->bytes += wanted;
        rest->size -= wanted;
        return wanted > 0 && begin_frame(reader, header, wanted, out);
    }
    while ((wanted = header_wanted(reader, reader->header, reader->header_size, out)) >
           reader->header_size) {
        if (rest->size == 0)
            return false;
        reader->header[reader->header_size++] = (unsigned char)*rest->bytes++;
        rest->size--;
    }
    return wanted > 0 && begin_frame(reader, reader->header, wanted, out);
}

// --- control frames ---

bool websocket_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

// RFC 6455 section 5.5.1.
static enum websocket_event read_close(struct websocket_reader *reader, struct websocket_read *out)
{
    const unsigned char *payload = (const unsigned char *)out->payload.data;
    reader->ended = true;
    out->code = NO_CODE;
    if (out->payload.size == 0)
        return WEBSOCKET_EVENT_CONTROL;
    if (out->payload.size == 1)
        return fail(reader, out, PROTOCOL_ERROR, "a close frame with half a code");
    out->code = (unsigned)payload[0] << 8 | payload[1];
    out->payload.data += 2;
    out->payload.size -= 2;
    if (!websocket_code_is_valid(out->code))
        return fail(reader, out, PROTOCOL_ERROR, "a close frame with a code that is none");
    if (websocket_utf8(WEBSOCKET_UTF8_WHOLE, out->payload.data, out->payload.size) !=
        WEBSOCKET_UTF8_WHOLE)
        return fail(reader, out, INVALID_PAYLOAD, "a close frame's reason is not UTF-8");
    return WEBSOCKET_EVENT_CONTROL;
}

static enum websocket_event take_control(struct websocket_reader *reader, struct input piece,
                                         struct websocket_read *out)
{
    struct buf *gathered = &reader->gathered;
    struct str payload = {piece.bytes, piece.size};
    if (reader->left > 0 || reader->control_size > 0) {
        if (buf_reserve(gathered, CONTROL_MAX) < 0)
            return fail(reader, out, TOO_LARGE, "out of memory");
        char *control = gathered->data + gathered->size;
        memcpy(control + reader->control_size, piece.bytes, piece.size);
        reader->control_size = (uint8_t)(reader->control_size + piece.size);
        payload = (struct str){control, reader->control_size};
    }
    if (reader->left > 0)
        return WEBSOCKET_EVENT_NONE;
    reader->in_frame = false;
    reader->control_size = 0;
    out->opcode = reader->frame & OPCODE;
    out->payload = payload;
    return out->opcode == WEBSOCKET_OPCODE_CLOSE ? read_close(reader, out)
                                                 : WEBSOCKET_EVENT_CONTROL;
}

// --- messages ---

static bool is_text(const struct websocket_reader *reader)
{
    return reader->opcode == WEBSOCKET_OPCODE_TEXT;
}

// Inflate a piece behind what has gathered; NONE, or what is wrong with it.
static enum websocket_event inflate_piece(struct websocket_reader *reader, struct input piece,
                                          bool last, struct websocket_read *out)
{
    struct buf *gathered = &reader->gathered;
    size_t before = gathered->size;
    enum websocket_inflated result = websocket_inflate(
        reader->inflater, (struct str){piece.bytes, piece.size}, gathered, limit_of(reader));
    if (last && result == WEBSOCKET_INFLATED)
        result = websocket_inflate_end(reader->inflater, gathered, limit_of(reader));
    if (result == WEBSOCKET_INFLATED_BEYOND)
        return fail(reader, out, TOO_LARGE, "a message is too large");
    if (result == WEBSOCKET_INFLATED_MEMORY)
        return fail(reader, out, TOO_LARGE, "out of memory");
    if (result == WEBSOCKET_INFLATED_BROKEN)
        return fail(reader, out, INVALID_PAYLOAD, "a message is not what deflate makes");
    if (is_text(reader) && gathered->size > before)
        reader->utf8 =
            websocket_utf8(reader->utf8, gathered->data + before, gathered->size - before);
    out->payload = buf_str(gathered);
    return WEBSOCKET_EVENT_NONE;
}

// Keep a piece of a message, but for a piece that is all of it.
static enum websocket_event keep_piece(struct websocket_reader *reader, struct input piece,
                                       bool last, struct websocket_read *out)
{
    out->payload = (struct str){piece.bytes, piece.size};
    if (is_text(reader))
        reader->utf8 = websocket_utf8(reader->utf8, piece.bytes, piece.size);
    if (last && reader->gathered.size == 0)
        return WEBSOCKET_EVENT_NONE;
    if (buf_append(&reader->gathered, piece.bytes, piece.size) < 0)
        return fail(reader, out, TOO_LARGE, "out of memory");
    out->payload = buf_str(&reader->gathered);
    return WEBSOCKET_EVENT_NONE;
}

static enum websocket_event take_data(struct websocket_reader *reader, struct input piece,
                                      struct websocket_read *out)
{
    bool last = reader->left == 0 && (reader->frame & FIN) != 0;
    enum websocket_event event = reader->deflated ? inflate_piece(reader, piece, last, out)
                                                  : keep_piece(reader, piece, last, out);
    if (event != WEBSOCKET_EVENT_NONE)
        return event;
    reader->in_frame = reader->left > 0;
    if (reader->utf8 == WEBSOCKET_UTF8_BROKEN || (last && reader->utf8 != WEBSOCKET_UTF8_WHOLE))
        return fail(reader, out, INVALID_PAYLOAD, "a text is not UTF-8");
    if (!last)
        return WEBSOCKET_EVENT_NONE;
    if (reader->deflated && !reader->takeover)
        websocket_inflater_return(steal_ptr(&reader->inflater));
    reader->inside = false;
    out->opcode = reader->opcode;
    return WEBSOCKET_EVENT_MESSAGE;
}

static enum websocket_event take_payload(struct websocket_reader *reader, struct input *rest,
                                         struct websocket_read *out)
{
    size_t size = rest->size < reader->left ? rest->size : (size_t)reader->left;
    struct input piece = {rest->bytes, size};
    reader->key = websocket_unmask(piece.bytes, size, reader->key);
    reader->left -= size;
    rest->bytes += size;
    rest->size -= size;
    return (reader->frame & CONTROL) != 0 ? take_control(reader, piece, out)
                                          : take_data(reader, piece, out);
}

enum websocket_event websocket_reader_feed(struct websocket_reader *reader, char *bytes,
                                           size_t size, size_t *taken, struct websocket_read *out)
{
    enum websocket_event event = WEBSOCKET_EVENT_NONE;
    struct input rest = {bytes, size};
    *out = (struct websocket_read){.opcode = WEBSOCKET_CONTINUATION};
    *taken = size;
    if (reader->ended)
        return WEBSOCKET_EVENT_NONE;
    if (!reader->inside)
        reader->gathered.size = 0; // it has been handed out
    do {
        if (!reader->in_frame && !take_header(reader, &rest, out))
            break;
        event = take_payload(reader, &rest, out);
    } while (event == WEBSOCKET_EVENT_NONE && !reader->in_frame);
    *taken = size - rest.size;
    return out->fault != NULL ? WEBSOCKET_EVENT_ERROR : event;
}
