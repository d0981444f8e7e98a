// config_parse.h - settings as text: one "key = value" a line, '#' at the start of a line for
// comments.
#pragma once

#include <stddef.h>

#include "err.h"
#include "str.h"

// What settings may measure, in bytes.
enum {
    CONFIG_TEXT_MAX = 1 << 20,
    CONFIG_LINE_MAX = 1 << 16,
    CONFIG_KEY_MAX = 64,
};

// One setting. key and value are slices of the text; line counts from 1. -1 with err ends the
// parse.
typedef int (*config_line_fn)(void *owner, size_t line, struct str key, struct str value,
                              struct err *err);

// Call each for every setting, in order. The value is what follows the first '=', to the end of the
// line, without the blanks around it: it may be empty, and '#' and quotes are part of it. Errors
// name the line.
int config_parse(struct str text, config_line_fn each, void *owner, struct err *err);
