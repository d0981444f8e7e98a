// network.c - addresses by inet_pton, compared bit by bit.
#include "network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_MAX = INET6_ADDRSTRLEN };

static bool take_address(const char *text, int *family, unsigned char out[static 16])
{
    *family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    return inet_pton(*family, text, out) == 1;
}

// Whether all bits from first on are zero.
static bool is_zero_from(const unsigned char *address, unsigned first, unsigned bits)
{
    for (unsigned i = first; i < bits; i++) {
        if ((address[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

int network_parse(struct network *out, const char *text, struct err *err)
{
    char address[ADDRESS_MAX];
    size_t size = strcspn(text, "/");
    if (size >= sizeof address)
        return err_set(err, ERR_USAGE, "is no address");
    memcpy(address, text, size);
    address[size] = '\0';
    if (!take_address(address, &out->family, out->address))
        return err_set(err, ERR_USAGE, "is no address (write 10.0.0.0/8, fd00::/8 or 127.0.0.1)");
    unsigned width = out->family == AF_INET ? 32 : 128;
    out->bits = width;
    if (text[size] == '\0')
        return 0;
    const char *bits = text + size + 1;
    size_t digits = strspn(bits, "0123456789");
    if (digits == 0 || digits > 3 || bits[digits] != '\0' || strtoul(bits, NULL, 10) > width)
        return err_set(err, ERR_USAGE, "must have up to %u bits behind \"/\"", width);
    out->bits = (unsigned)strtoul(bits, NULL, 10);
    if (!is_zero_from(out->address, out->bits, width))
        return err_set(err, ERR_USAGE, "has bits behind the first %u, which are the network",
                       out->bits);
    return 0;
}

bool network_holds(const struct network *network, int family, const unsigned char *address)
{
    if (family != network->family)
        return false;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(address, network->address, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ network->address[whole]) >> (8 - rest) == 0;
}

bool network_has(const struct network *network, const char *address)
{
    unsigned char bytes[16];
    int family;
    return take_address(address, &family, bytes) && network_holds(network, family, bytes);
}
