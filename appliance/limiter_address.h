// limiter_address.h - who is one client to limits: an IPv4 address, or the first 64 bits of an IPv6
// address, since that is what one subscriber has at least (RFC 6177). As one number. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "str.h"

// False: it is neither (a unix socket's). IPv4 behind ::ffff:0:0/96, or the well-known prefix of
// NAT64 (RFC 6052), is IPv4.
bool limiter_address_of(const struct sockaddr *address, uint64_t *out);

// The same of a text without brackets; false: it is no address.
bool limiter_address_parse(struct str text, uint64_t *out);
