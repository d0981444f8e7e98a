// address.c - between sockets, text and numbers.
#include "address.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAPPED_SIZE = 12 }; // bytes before an IPv4 address in an IPv6 one

static const unsigned char mapped[MAPPED_SIZE] = {[10] = 0xff, [11] = 0xff};

void address_set(struct address *out, int family, const void *bytes, uint16_t port)
{
    bool is_mapped = family == AF_INET6 && memcmp(bytes, mapped, MAPPED_SIZE) == 0;
    const unsigned char *from = (const unsigned char *)bytes + (is_mapped ? MAPPED_SIZE : 0);
    *out = (struct address){.family = is_mapped ? AF_INET : family, .port = port};
    memcpy(out->bytes, from, out->family == AF_INET ? 4 : 16);
}

bool address_parse(struct address *out, struct str text)
{
    char copy[ADDRESS_TEXT_MAX];
    unsigned char bytes[16];
    if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    int family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(family, copy, bytes) != 1)
        return false;
    address_set(out, family, bytes, 0);
    return true;
}

void address_of_socket(struct address *out, const struct sockaddr *name)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)name;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)name;
    if (name->sa_family == AF_INET)
        address_set(out, AF_INET, &v4->sin_addr, ntohs(v4->sin_port));
    else if (name->sa_family == AF_INET6)
        address_set(out, AF_INET6, &v6->sin6_addr, ntohs(v6->sin6_port));
    else
        *out = (struct address){.family = name->sa_family == AF_UNIX ? AF_UNIX : AF_UNSPEC};
}

socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *out)
{
    if (address->family == AF_INET) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&v4.sin_addr, address->bytes, 4);
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
    memcpy(&v6.sin6_addr, address->bytes, 16);
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
}

void address_write(const struct address *address, char out[static ADDRESS_TEXT_MAX])
{
    out[0] = '\0';
    if (address->family == AF_INET || address->family == AF_INET6)
        inet_ntop(address->family, address->bytes, out, ADDRESS_TEXT_MAX);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
