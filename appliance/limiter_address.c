// limiter_address.c - both families in one number: IPv4 where no IPv6 client can be, in ffff::/16.
#include "limiter_address.h"

#include <netinet/in.h>
#include <string.h>

#include "address.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};

static uint64_t number_of(const unsigned char *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

static uint64_t of_v4(const void *bytes)
{
    return UINT64_C(0xffffffff00000000) | number_of(bytes, 4);
}

static uint64_t of_v6(const unsigned char bytes[static 16])
{
    if (memcmp(bytes, mapped, sizeof mapped) == 0 || memcmp(bytes, nat64, sizeof nat64) == 0)
        return of_v4(bytes + sizeof mapped);
    return number_of(bytes, 8);
}

bool limiter_address_of(const struct sockaddr *address, uint64_t *out)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        *out = of_v4(&v4->sin_addr);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        *out = of_v6(v6->sin6_addr.s6_addr);
        return true;
    }
    return false;
}

bool limiter_address_parse(struct str text, uint64_t *out)
{
    struct address address;
    if (!address_parse(&address, text))
        return false;
    *out = address.family == AF_INET6 ? of_v6(address.bytes) : of_v4(address.bytes);
    return true;
}
