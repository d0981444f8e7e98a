// strict.h - what RFC 9110 and RFC 9112 want refused of a header section, as far as libmicrohttpd
// does not. Pure.
//
// What it sees has passed libmicrohttpd: one blank between the parts of the request line, a version
// HTTP/1.x, lines that end with CRLF, names that are tokens, values without NUL, CR, LF and blanks
// around them.
#pragma once

#include <stdbool.h>

#include "request.h"
#include "str.h"

enum strict_verdict {
    STRICT_GOOD,
    STRICT_MALFORMED, // 400
    STRICT_CODING,    // a transfer coding that is not "chunked": 501
    STRICT_METHOD,    // CONNECT, well-formed: there is no tunnel: 501
};

// Judge method, target, the values of all fields, and those that say where a request ends and whom
// it is for. detail: set to what is wrong, for the log; a constant.
enum strict_verdict strict_judge(const struct request_head *head, struct str *detail);

// Whether a value is good for Host: a host name, an IPv4 address or an IPv6 address in brackets,
// and maybe a port (RFC 9110 section 7.2); empty, where a client knows none.
bool strict_is_host(struct str value);

// The authority of a target in absolute form (RFC 9112 section 3.2.2) that has passed; empty: it is
// in another form.
struct str strict_authority(struct str target);
