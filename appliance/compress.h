// compress.h - a body's coding (RFC 9110 section 8.4) by zlib and zstd: which one a client takes,
// and a stream of it. Pure: knows no request.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"
#include "str.h"

enum coding { CODING_NONE, CODING_GZIP, CODING_ZSTD, CODING_COUNT };

// The token of a coding: "gzip".
extern const struct str coding_names[CODING_COUNT];

// The one to use for a client's Accept-Encoding (RFC 9110 section 12.5.3), of those in the set (1
// << coding): the highest weight, zstd before gzip among equals; CODING_NONE where it takes none,
// or wants identity more.
enum coding coding_choose(struct str accept_encoding, unsigned set);

// Whether bodies of a media type are worth it: text, JSON, XML, scripts, fonts that are not
// compressed.
bool coding_suits(struct str content_type);
// Whether they never are, whatever anybody wishes: images (but SVG), sound, video, archives.
bool coding_is_compressed(struct str content_type);
// Whether a media type is one of a pattern, "text/html" or "text/*".
bool coding_type_matches(struct str content_type, struct str pattern);
// An option's check of such a pattern. Errors: it is none.
int coding_type_check(const char *text, struct err *err);

enum {
    COMPRESSOR_PADDING_MAX = 100, // bytes
};

struct compressor; // opaque

// padding: bytes of no meaning near its begin, which change its length (against BREACH): gzip's
// comment field, empty blocks of zstd (to a third: 3 bytes each). whole: the body is one piece, of
// size; else a stream, with little memory. NULL: out of memory. Any thread; one at a time uses it.
struct compressor *compressor_new(enum coding coding, bool whole, size_t size, size_t padding);
void compressor_free(struct compressor *compressor);
// Append what comes of a piece to out; flush: so that the client can read all of it; end: that was
// all. Nothing may follow an end. -1: out of memory, or out is full.
int compressor_put(struct compressor *compressor, struct str piece, bool flush, bool end,
                   struct buf *out);
