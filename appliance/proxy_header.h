// proxy_header.h - the header of the PROXY protocol, versions 1 and 2, with which a proxy begins a
// connection that it opens for a client (haproxy's doc/proxy-protocol.txt). Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

enum {
    PROXY_HEADER_FIXED = 16,    // bytes of version 2 before addresses
    PROXY_HEADER_BEHIND = 4096, // and behind: addresses and TLVs, of which we take so many
    PROXY_HEADER_MAX = PROXY_HEADER_FIXED + PROXY_HEADER_BEHIND,
    PROXY_HEADER_TEXT_MAX = 107, // of version 1, with its CRLF
};

enum proxy_header_state {
    PROXY_HEADER_INCOMPLETE, // all that is there belongs to it, and more is to come
    PROXY_HEADER_COMPLETE,
    PROXY_HEADER_MALFORMED,
};

struct proxy_header {
    size_t size; // bytes; what follows belongs to the connection
    bool local;  // the proxy speaks for itself (LOCAL), as to see whether we are there
    // The client. AF_UNSPEC: it is not told, or has no address on a network (UNKNOWN, AF_UNIX).
    struct address source;
    const char *fault; // of a malformed one; a literal
};

// What has come so far. TLVs are passed over, but for a checksum (PP2_TYPE_CRC32C), which has to be
// right. Datagrams are malformed here, and so is a header that is longer than we take.
enum proxy_header_state proxy_header_parse(struct proxy_header *out, const unsigned char *data,
                                           size_t size);
