// accesslog_format.h - the format of an access log, as text into a list of atoms: gunicorn's
// (%(h)s), Granian's (%(addr)s, %(dt_ms).3f, %(header{Referer})s) and some of our own. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum {
    ACCESSLOG_FORMAT_MAX = 4096, // bytes of a format
    ACCESSLOG_ATOMS_MAX = 100,   // atoms in it
    ACCESSLOG_LINE_MAX = 16384,  // bytes of a line, with its newline
    ACCESSLOG_WIDTH_MAX = 64,    // "%(status)64d"
};

// What an atom stands for. Several names may have the same value.
enum accesslog_value {
    // Texts. What is not known is "-".
    ACCESSLOG_NOTHING, // there is no atom: the end of the line
    ACCESSLOG_ADDRESS,
    ACCESSLOG_UNKNOWN, // "-", always
    ACCESSLOG_USER,
    ACCESSLOG_REQUEST,
    ACCESSLOG_REQUEST_UNREAD, // the same where it could not be read
    ACCESSLOG_METHOD,
    ACCESSLOG_TARGET,
    ACCESSLOG_PATH,
    ACCESSLOG_PATH_DECODED,
    ACCESSLOG_QUERY,
    ACCESSLOG_PROTOCOL,
    ACCESSLOG_SCHEME,
    ACCESSLOG_HOST,
    ACCESSLOG_HEADER,          // of the request, of the piece's name
    ACCESSLOG_RESPONSE_HEADER, // of the answer
    ACCESSLOG_REQUEST_ID,
    ACCESSLOG_LOCAL_ADDRESS,
    ACCESSLOG_TLS_VERSION,
    ACCESSLOG_TLS_CIPHER,
    ACCESSLOG_SERVER_NAME,
    ACCESSLOG_CLIENT_SUBJECT,
    ACCESSLOG_CLIENT_ISSUER,
    ACCESSLOG_CLIENT_SERIAL,
    ACCESSLOG_BODY_OR_UNKNOWN, // bytes of the body; "-" for none
    ACCESSLOG_PID_BRACKETS,    // "<4711>"
    ACCESSLOG_COMPLETE,        // "true", "false"
    ACCESSLOG_SERVED_HERE,
    // Dates, of a second.
    ACCESSLOG_DATE_BRACKETS, // "[22/Nov/2026:09:11:46 +0000]"
    ACCESSLOG_DATE_COMMON,   // the same without the brackets
    ACCESSLOG_DATE_BEGAN,    // "2026-11-22 09:11:46 +0000", when it came
    ACCESSLOG_DATE_ISO,      // "2026-11-22T09:11:46.123Z"
    // Numbers.
    ACCESSLOG_STATUS,
    ACCESSLOG_BODY_SENT,
    ACCESSLOG_BYTES_SENT,
    ACCESSLOG_BYTES_RECEIVED,
    ACCESSLOG_DURATION_SECONDS,      // whole ones
    ACCESSLOG_DURATION_MILLISECONDS, // the same
    ACCESSLOG_DURATION_MICROSECONDS, // the same
    ACCESSLOG_DURATION,              // seconds with their parts
    ACCESSLOG_DURATION_IN_MS,        // milliseconds with theirs
    ACCESSLOG_PID,
    ACCESSLOG_WORKER,
    ACCESSLOG_CONNECTION,
    ACCESSLOG_ON_CONNECTION,
    ACCESSLOG_REMOTE_PORT,
    ACCESSLOG_LOCAL_PORT,
    ACCESSLOG_SAMPLE,
    ACCESSLOG_VALUES,
};

enum accesslog_kind { ACCESSLOG_TEXT, ACCESSLOG_DATE, ACCESSLOG_NUMBER };

static inline enum accesslog_kind accesslog_kind_of(enum accesslog_value value)
{
    if (value >= ACCESSLOG_STATUS)
        return ACCESSLOG_NUMBER;
    return value >= ACCESSLOG_DATE_BRACKETS ? ACCESSLOG_DATE : ACCESSLOG_TEXT;
}

// An atom and the text before it.
struct accesslog_piece {
    struct str before;
    enum accesslog_value value;
    struct str name; // of a header
    size_t reserve;  // bytes of a line that belong to the pieces behind it
    // 's': escaped; 'd': a whole number; 'f': with decimals; 'j': a value of JSON, with its quotes.
    char conversion;
    bool left;          // in its width
    bool zeros;         // fill its width
    uint8_t width;      // 0: none
    int8_t precision;   // decimals, or bytes of a text; -1: none
    bool simple;        // neither width nor precision
    bool only_if_known; // nothing of it, nor of the text before, where there is no value
};

struct accesslog_format {
    bool json_escapes; // 's' escapes as in a string of JSON, not as nginx does
    size_t count;      // pieces; the last one's value is ACCESSLOG_NOTHING
    size_t line_max;   // bytes of a line, with its newline; at most ACCESSLOG_LINE_MAX
    char *text;        // what the slices are of
    struct accesslog_piece pieces[];
};

// Compile a text: "combined", "common", "json", or atoms and text between them. Errors
// (ERR_USAGE) name the atom and what is like it; out of memory.
int accesslog_format_new(struct accesslog_format **out, const char *text, struct err *err);
// Lines have at most so many bytes, unless the format's own text needs more than half of them.
void accesslog_format_fit(struct accesslog_format *format, size_t line_max);
void accesslog_format_free(struct accesslog_format *format);

// Whether a text is a format. An option's check.
int accesslog_format_check(const char *text, struct err *err);

// Whether a text is a path that can be left out of the log. An option's check.
int accesslog_format_check_skip(const char *text, struct err *err);
