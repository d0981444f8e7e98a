// websocket_priv.h - what the parts of websocket_frame.h are made of: masks, UTF-8 as it comes in,
// deflating and inflating. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

// --- UTF-8 (websocket_utf8.c) ---

// Where a text stands between two of its bytes; the other values are within a character.
enum {
    WEBSOCKET_UTF8_BROKEN = 0, // it is none, whatever comes
    WEBSOCKET_UTF8_WHOLE = 6,  // between two characters: where a text begins and has to end
};

// The state behind these bytes (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF).
uint8_t websocket_utf8(uint8_t state, const char *bytes, size_t size);

// How many bytes of the text fit within limit without cutting a character.
size_t websocket_utf8_cut(struct str text, size_t limit);

// --- masks (websocket_mask.c) ---

// Take the mask off, in place (RFC 6455 section 5.3). key: its four bytes as they lie in memory.
// Returns the key for the byte behind these.
uint32_t websocket_unmask(char *bytes, size_t size, uint32_t key);

// --- permessage-deflate (websocket_deflate.c) ---

enum websocket_inflated {
    WEBSOCKET_INFLATED,
    WEBSOCKET_INFLATED_BEYOND, // more than limit
    WEBSOCKET_INFLATED_BROKEN, // it is not what deflate makes, or ends within a block
    WEBSOCKET_INFLATED_MEMORY, // out of memory
};

struct websocket_inflater;   // opaque: zlib's state, about 7 KiB and a window of up to 32 KiB
struct websocket_compressor; // opaque: zlib's state, about 150 KiB

// One that knows of no bytes yet. NULL: out of memory. A process keeps one of each that was given
// back for who comes next, in whichever thread.
struct websocket_inflater *websocket_inflater_take(int window_bits);
void websocket_inflater_return(struct websocket_inflater *inflater); // NULL: nothing
struct websocket_compressor *websocket_compressor_take(int window_bits);
void websocket_compressor_return(struct websocket_compressor *compressor); // NULL: nothing

// Inflate a piece of a message behind what is in out, until that is larger than limit bytes.
enum websocket_inflated websocket_inflate(struct websocket_inflater *inflater, struct str piece,
                                          struct buf *out, size_t limit);
// The same for what ends each message and is not sent (RFC 7692 section 7.2.2).
enum websocket_inflated websocket_inflate_end(struct websocket_inflater *inflater, struct buf *out,
                                              size_t limit);

// Deflate a message, not empty, into room bytes at most, without the end that is not sent (RFC 7692
// section 7.2.1). Its size; 0: it does not fit, and the compressor has to be returned.
size_t websocket_compress(struct websocket_compressor *compressor, struct str message, char *out,
                          size_t room);
// Room that is enough for any message of that size.
size_t websocket_compress_bound(struct websocket_compressor *compressor, size_t size);
