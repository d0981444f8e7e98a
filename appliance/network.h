// network.h - a range of addresses: "10.0.0.0/8", "fd00::/8", or one: "127.0.0.1". Pure.
#pragma once

#include <stdbool.h>

#include "err.h"

struct network {
    int family; // AF_INET, AF_INET6
    unsigned char address[16];
    unsigned bits;
};

// Errors, ERR_USAGE: no address, too many bits, bits beyond the mask.
int network_parse(struct network *out, const char *text, struct err *err);

// Whether an address, as text without brackets, is in it.
bool network_has(const struct network *network, const char *address);
// The same of one in numbers: 4 bytes or 16, as the family has them.
bool network_holds(const struct network *network, int family, const unsigned char *address);
