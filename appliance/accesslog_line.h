// accesslog_line.h - one line of the access log out of a compiled format. No allocation.
#pragma once

#include "accesslog.h"
#include "accesslog_date.h"
#include "accesslog_format.h"

// What lines are made of, beside a request. One a log.
struct accesslog_writer {
    const struct accesslog_format *format;
    struct accesslog_dates dates;
    unsigned worker, pid;
    unsigned sample;                  // a line stands for so many requests
    char scratch[ACCESSLOG_LINE_MAX]; // for texts that are put together
};

// Write the line of a request, without its newline; returns its size, below ACCESSLOG_LINE_MAX.
// Values that are too long for it are cut, with "..." in their place.
size_t accesslog_line_write(struct accesslog_writer *writer, const struct accesslog_entry *entry,
                            char out[static ACCESSLOG_LINE_MAX]);
