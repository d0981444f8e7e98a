// websocket_frame.h - the frames of RFC 6455 section 5 as bytes: from a client's stream to messages
// and control frames, and from messages to frames of a server. With permessage-deflate (RFC 7692).
// Pure: no sockets, no clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0x0,
    WEBSOCKET_OPCODE_TEXT = 0x1,
    WEBSOCKET_OPCODE_BINARY = 0x2,
    WEBSOCKET_OPCODE_CLOSE = 0x8,
    WEBSOCKET_OPCODE_PING = 0x9,
    WEBSOCKET_OPCODE_PONG = 0xa,
};

// What was agreed upon at the handshake (RFC 7692 section 7.1).
struct websocket_deflate {
    bool used; // the others count only then
    bool server_no_context_takeover, client_no_context_takeover;
    int server_max_window_bits, client_max_window_bits; // 9 to 15
};

struct websocket_reader; // opaque: what has come of a stream. Small while nothing is under way
struct websocket_writer; // opaque: what outgoing messages need; nothing without deflate

// max_size: bytes of a message, inflated; 0: any. NULL: out of memory.
struct websocket_reader *websocket_reader_new(const struct websocket_deflate *deflate,
                                              uint64_t max_size);
void websocket_reader_free(struct websocket_reader *reader);

enum websocket_event {
    WEBSOCKET_EVENT_NONE,    // all bytes were taken; more are needed
    WEBSOCKET_EVENT_MESSAGE, // a whole message, opcode text or binary
    WEBSOCKET_EVENT_CONTROL, // a whole control frame, opcode close, ping or pong
    WEBSOCKET_EVENT_ERROR,   // the stream is broken: close with `code`. Nothing more is read
};

struct websocket_read {
    enum websocket_opcode opcode;
    struct str payload; // valid until the next call. Of a close frame: without its code
    unsigned code;      // of a close frame: 1005 where it has none. Of an error: 1002, 1007, 1009,
                        // the last one where memory is short, too
    const char *fault;  // of an error: what is wrong, in a few words
};

// Take bytes of the stream (they are unmasked in place) until something is complete. *taken: how
// many were.
// What is invalid shows as soon as its bytes are here: a text that is not UTF-8 in the middle of
// its message. Behind an error or a close frame all bytes are taken and nothing comes of them.
enum websocket_event websocket_reader_feed(struct websocket_reader *reader, char *bytes,
                                           size_t size, size_t *taken, struct websocket_read *out);

// Whether a message is under way: a part of it has come.
bool websocket_reader_is_inside(const struct websocket_reader *reader);
// Give back what memory is not needed between messages: what gathered them, and with it the last
// payload. Within a message or a control frame nothing happens. Of a reader at rest remain 96
// bytes, and with context takeover of the client's, once a deflated message has come, zlib's state
// (up to 40 KiB).
void websocket_reader_rest(struct websocket_reader *reader);

struct websocket_writer *websocket_writer_new(const struct websocket_deflate *deflate);
void websocket_writer_free(struct websocket_writer *writer);

// Append one message or control frame, unmasked and unfragmented, to out. Messages are deflated
// where that was agreed upon and they are long enough to gain by it. -1: out of memory, or more
// than out may hold; with context takeover nothing else can be sent then.
int websocket_write(struct websocket_writer *writer, enum websocket_opcode opcode,
                    struct str payload, struct buf *out);
// A close frame; code 1005: without any. The reason is cut to what fits, at a character's border.
int websocket_write_close(unsigned code, struct str reason, struct buf *out);

// Whether a code may stand in a close frame (RFC 6455 section 7.4).
bool websocket_code_is_valid(unsigned code);
