// accesslog_value.h - what the atoms of a line stand for in one request.
#pragma once

#include "accesslog_line.h"

// An atom, and the request that it is written of.
struct accesslog_line {
    struct accesslog_writer *writer;
    const struct accesslog_entry *entry;
    const struct accesslog_piece *piece;
};

// Of an atom that is a text; valid until the next call. What is not known has no data.
struct str accesslog_value_text(const struct accesslog_line *in);
// Of a number; durations are in nanoseconds.
int64_t accesslog_value_number(const struct accesslog_line *in);
