// files_coding.h - the codings in which a file may lie beside itself or in the archive (RFC 9110
// section 12.5.3), and which of them a client gets. Pure.
#pragma once

#include <stdbool.h>

#include "files_condition.h"
#include "request.h"
#include "str.h"

// By preference among those that a client likes equally: the smallest first.
enum files_coding { FILES_BROTLI, FILES_ZSTD, FILES_GZIP, FILES_CODING_COUNT, FILES_PLAIN = -1 };

struct files_coding_row {
    struct str token;   // of Content-Encoding
    struct str ending;  // of a file beside the plain one
    struct str tag_end; // of its entity tag
};
extern const struct files_coding_row files_codings[FILES_CODING_COUNT];

// What a client takes: weights in thousandths, 0: not at all.
struct files_taste {
    short weights[FILES_CODING_COUNT], plain;
};

// Of Accept-Encoding; without that field, the plain file alone.
void files_coding_taste(struct files_taste *taste, const struct files_fields *fields,
                        const struct request_head *head);

// The one that the client likes best of the set (1 << coding). FILES_PLAIN: none of them, or it
// would rather have the plain file, which is also what one gets who takes nothing that is there.
enum files_coding files_coding_choose(const struct files_taste *taste, unsigned set);
