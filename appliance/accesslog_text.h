// accesslog_text.h - bytes and numbers as a line of the access log has them: no allocation, no
// formatted printing. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

enum { ACCESSLOG_NUMBER_MAX = 32 }; // bytes of a number, at most

// Write a text of any bytes between at and end, which are 8 bytes apart at least; returns what is
// behind it. What does not fit is left out, with "..." in its place.
// As nginx does: a quote, a backslash, and what is no printable ASCII as \xHH, in capitals.
char *accesslog_text_plain(char *at, char *end, struct str text);
// As in a string of JSON (RFC 8259 section 7), without its quotes. Bytes that are no UTF-8 become
// the text \xHH, and a backslash before an x becomes \x5C: so the bytes can be told from what is
// read. Controls and line separators of Unicode are escaped, too.
char *accesslog_text_json(char *at, char *end, struct str text);

// Write digits; returns what is behind them.
char *accesslog_text_number(char *at, uint64_t number);
// A number that counts units of 10 to the power of -exponent, at most 9, with so many decimals, at
// most 9: rounded where it has more, half up.
char *accesslog_text_decimal(char *at, uint64_t number, unsigned exponent, unsigned decimals);

// What "Authorization: Basic" (RFC 7617 section 2) gives as the user's name, written to out, which
// has as many bytes as the header's value. False: it is not that, or none.
bool accesslog_text_user(struct str authorization, char *out, struct str *user);

// The path of a request target in front of its query ("/" where there is none), and the query; of
// absolute-form (RFC 9112 section 3.2.2) the authority, too: else "".
struct accesslog_target {
    struct str authority, path, query;
};
struct accesslog_target accesslog_text_target(struct str target);
// The octet of a path at *at, which is moved behind it: percent-decoded; a '%' that begins none
// stays.
char accesslog_text_octet(struct str path, size_t *at);
