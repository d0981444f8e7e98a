// http_answer_priv.h - what http*.c keep of a request's answer. Included by http_priv.h.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "head.h"
#include "http_compress_priv.h"
#include "request.h"
#include "str.h"

// An answer: written by whoever does the work, read with the baton once that is done; but for what
// is under the lock.
struct answer {
    struct MHD_Response *response; // until it is queued; of a source: made then
    struct MHD_Response *kept;     // for a body in memory: made once, used again
    struct MHD_Response *file;     // for a body in a file: held as long as the request
    int file_fd;                   // its file
    uint64_t file_end;             // bytes that it has to have
    unsigned status;
    struct head head; // its memory is used again, and that of the three below
    struct buf copy;  // of a small body
    // A source's pieces: gathered while they come quickly, then on their way to the client, then
    // the latest where the source has it.
    struct buf gathered, sending;
    size_t sent; // bytes of sending
    struct str piece;
    struct body_source source;
    struct http_coder coder; // of the pieces, where they are coded
    int64_t announced;       // bytes, -1: not known
    int64_t taken;           // bytes that the source has given
    int more;                // what it said last
    bool streams;            // there is a source
    bool flushed;            // what was gathered is being sent already: gather no more
    bool ends;               // all was gathered, and the source is being released
    bool queued;
    bool drops;                     // what is pushed is for nobody: the answer has no body
    bool in_chunks;                 // trailers may follow: gathered in copy
    struct MHD_Response *streaming; // while it is sent in pieces, libmicrohttpd's
    bool in_place;                  // the body is sent from where the application has it
    bool release_anywhere;          // in any thread
    bool is_replaced;               // by a file that its head has named
    void (*release)(void *owner);
    void *owner;
};
