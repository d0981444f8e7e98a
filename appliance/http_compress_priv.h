// http_compress_priv.h - what http_compress*.c do for http_response.c and http_exchange.c. Included
// by them only.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "compress.h"
#include "request.h"
#include "str.h"

// The coder of an answer's body, beside its pieces: what comes out of it is gathered like pieces
// that nobody codes. With the request's lock where another thread may send what is gathered
// (http_flush); whoever does the work holds it for one slice at a time.
struct http_coder {
    struct compressor *compressor; // NULL: the body goes as it is
    struct str rest;               // of the source's latest piece: it is still to be coded
    struct buf pushed;             // of an exchange: what is still to be coded
    size_t pushed_begin;           // bytes of it that are
    size_t unflushed;              // bytes that went in since the last flush
    bool is_full;                  // all that was announced went in
    bool has_ended;
};

enum {
    CODER_SLICE = 32 * 1024,  // bytes that are coded at once: half a millisecond
    CODER_BATCH = 128 * 1024, // bytes that go in before something is to go out
};

enum http_coded { CODED_NOT, CODED_WHOLE, CODED_STREAM, CODED_HEAD };

// http_compress.c: whether an answer is to be coded, by its head, which then says so. CODED_WHOLE:
// the body is among what is sending. CODED_STREAM: it has a coder. CODED_HEAD: of HEAD, where GET
// would be: how long that is, nobody knows. No error: what cannot be coded
// goes as it is.
enum http_coded http_compress(struct request *request, const struct response *response,
                              bool with_body);

// http_response.c: tell of a body that is not as long as it was announced, as soon as that shows:
// so many more bytes came. Returns what the source said, or -1.
int http_response_check(struct request *request, int more, size_t size);

// http_compress_stream.c: http_response.c's fetch_one, coded; what was gathered can be read by the
// client (with the lock); an exchange's piece, -1: out of memory; it has ended; the next slice of
// what it has pushed, as the client takes it. False: there is none.
bool http_coder_fetch(struct request *request, bool gathers);
void http_coder_flush(struct request *request);
int http_coder_push(struct request *request, struct str piece);
void http_coder_end(struct request *request);
bool http_coder_go_on(struct request *request);
// Bytes of an exchange that went in, or are to, and did not come out.
size_t http_coder_waiting(const struct request *request);
void http_coder_free(struct http_coder *coder);
