// files_date.h - HTTP's dates (RFC 9110 section 5.6.7). Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

enum { FILES_DATE_SIZE = 30 }; // bytes of "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL

// IMF-fixdate of a Unix time, in seconds; before 1970 it is 1970, behind 9999 the end of 9999.
void files_date_write(char out[FILES_DATE_SIZE], int64_t time);

// One of the three forms: IMF-fixdate, RFC 850's, asctime's. now: Unix time, which tells the
// century of RFC 850's years. False: it is none of them; the day of the week is not checked against
// the date.
bool files_date_parse(struct str text, int64_t now, int64_t *out);
