// json.h - writes JSON (RFC 8259): one value in one line, valid whatever bytes its texts have.
// Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

// Begins as {.out = ...}. What does not fit is noted, and what comes then is of no use.
struct json {
    struct buf *out;
    bool comma;  // something stands before what comes next
    bool failed; // something did not fit
};

// In each: the name of a member, or NULL for an element of a list and the outermost value. A name
// is written as it is.

// An object or a list: '{' or '['; and its end: '}' or ']'.
void json_begin(struct json *json, const char *name, char bracket);
void json_end(struct json *json, char bracket);

// Bytes that are no UTF-8 become U+FFFD. Besides what has to be escaped, what drives a terminal is:
// DEL, and the controls of Latin 1.
void json_text(struct json *json, const char *name, struct str value);
void json_flag(struct json *json, const char *name, bool value);
void json_number(struct json *json, const char *name, uint64_t value);
// Negative: null, which stands for what is not known.
void json_known(struct json *json, const char *name, int64_t value);
// Seconds with three decimals, of milliseconds; negative: null.
void json_seconds(struct json *json, const char *name, int64_t milliseconds);
