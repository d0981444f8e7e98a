// forwarded.h - what proxies tell of their clients in fields of a request: Forwarded (RFC 7239),
// X-Forwarded-For and X-Forwarded-Proto. Pure, no memory.
//
// Both lists grow to the right, one entry a proxy, so they are read from there: entries that name a
// trusted proxy are passed over, the first other one names the client. What stands to the left of
// it may be anybody's invention and is not looked at, broken or not.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "proxies.h"
#include "request.h"

struct forwarded {
    struct address client; // AF_UNSPEC: nothing is told that counts, or the client is hidden
    const char *scheme;    // "http", "https": how the client asked; NULL: not told
    bool malformed;        // a field was passed over from an entry that cannot be read
    // Forwarded and the X-Forwarded fields are both there and tell of different clients or schemes:
    // one of them is the client's own, and nobody knows which.
    bool disagrees;
};

// The fields of a request whose peer is one of the proxies. Of a client "unknown" or with an
// obfuscated name (RFC 7239 section 6.3) the last address before it is told, AF_UNSPEC: the peer's
// own.
void forwarded_read(struct forwarded *out, const struct header *headers, size_t count,
                    const struct proxies *proxies);
