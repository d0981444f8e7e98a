// log_priv.h - what log.c and log_json.c share. Included by them only.
#pragma once

#include "log.h"
#include "str.h"

enum {
    LOG_RECORD_MAX = 2048,    // bytes of a line of text: below PIPE_BUF, one piece even on a pipe
    LOG_JSON_MAX = 4096,      // of a record as JSON: PIPE_BUF
    LOG_JSON_TEXT_MAX = 16384 // of one of the application's, which may be a traceback
};

struct log_record {
    enum log_level level;
    const char *level_name, *role;
    int pid;
    int64_t time;        // Unix time, milliseconds
    const char *module;  // any bytes
    struct str message;  // any bytes
    const char *request; // "": none
};

// "2026-11-21T09:51:42.123Z" with NUL.
enum { LOG_TIME_SIZE = 32 };
void log_format_time(int64_t time, char out[static LOG_TIME_SIZE]);

// The record as one object, at most room bytes (LOG_JSON_MAX or more), without a newline. Of a
// message that does not fit, beginning and end are kept. Returns its size.
size_t log_json(const struct log_record *record, char *out, size_t room);

// Bytes of the whole lines at a text's begin that need no more than room in a message; of a line
// that is too long all of it, which is cut in its middle then.
size_t log_json_lines(struct str text, size_t room);
