// limiter_connections.c - a table with open addressing that is never more than half full: there are
// no more addresses than connections. Behind one that is taken out the others move up, so that a
// search ends at the first free place.
#include "limiter_connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limiter_address.h"
#include "network.h"
#include "siphash.h"

struct place {
    uint64_t address;
    uint32_t count; // 0: free
};

struct limiter_connections {
    struct siphash_key key;
    unsigned each;
    struct network *exempt;
    size_t exempt_count;
    size_t mask; // places - 1; a power of two of them
    size_t used;
    struct place places[];
};

static size_t places_for(unsigned all)
{
    size_t places = 16;
    while (places < 2 * (size_t)all)
        places *= 2;
    return places;
}

static int take_exempt(struct limiter_connections *connections,
                       const struct limiter_connections_setup *setup, struct err *err)
{
    struct err ignored;
    if (setup->exempt_count == 0)
        return 0;
    connections->exempt = calloc(setup->exempt_count, sizeof *connections->exempt);
    if (connections->exempt == NULL)
        return err_system(err, ENOMEM, "cannot limit connections");
    for (size_t i = 0; i < setup->exempt_count; i++) {
        if (network_parse(&connections->exempt[connections->exempt_count], setup->exempt[i],
                          &ignored) == 0)
            connections->exempt_count++;
    }
    return 0;
}

int limiter_connections_new(struct limiter_connections **out,
                            const struct limiter_connections_setup *setup, struct err *err)
{
    size_t places = places_for(setup->all);
    struct limiter_connections *connections =
        calloc(1, sizeof *connections + places * sizeof connections->places[0]);
    if (connections == NULL)
        return err_system(err, ENOMEM, "cannot limit connections");
    connections->key = siphash_draw_key();
    connections->each = setup->each;
    connections->mask = places - 1;
    if (take_exempt(connections, setup, err) < 0) {
        limiter_connections_free(connections);
        return -1;
    }
    *out = connections;
    return 0;
}

void limiter_connections_free(struct limiter_connections *connections)
{
    if (connections == NULL)
        return;
    free(connections->exempt);
    free(connections);
}

static size_t home_of(const struct limiter_connections *connections, uint64_t address)
{
    return (size_t)siphash_number(&connections->key, address) & connections->mask;
}

// The place of that address, or the free one where it would be.
static size_t find(const struct limiter_connections *connections, uint64_t address)
{
    size_t at = home_of(connections, address);
    while (connections->places[at].count > 0 && connections->places[at].address != address)
        at = (at + 1) & connections->mask;
    return at;
}

// As text, as networks are compared; IPv4 by its own address. Only at the limit.
static bool is_exempt(const struct limiter_connections *connections, uint64_t number,
                      const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    if (number >> 32 == UINT32_MAX)
        snprintf(text, sizeof text, "%u.%u.%u.%u", (unsigned)(number >> 24 & 0xff),
                 (unsigned)(number >> 16 & 0xff), (unsigned)(number >> 8 & 0xff),
                 (unsigned)(number & 0xff));
    else if (inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text) == NULL)
        return false;
    for (size_t i = 0; i < connections->exempt_count; i++) {
        if (network_has(&connections->exempt[i], text))
            return true;
    }
    return false;
}

bool limiter_connections_admits(const struct limiter_connections *connections,
                                const struct sockaddr *address)
{
    uint64_t number;
    if (connections == NULL || !limiter_address_of(address, &number))
        return true;
    const struct place *place = &connections->places[find(connections, number)];
    return place->count < connections->each || is_exempt(connections, number, address);
}

void limiter_connections_add(struct limiter_connections *connections, uint64_t address)
{
    if (connections == NULL)
        return;
    struct place *place = &connections->places[find(connections, address)];
    // A free place has to be left, or no search would end.
    if (place->count == 0 && connections->used == connections->mask)
        return;
    connections->used += place->count == 0;
    place->address = address;
    place->count++;
}

// A place has become free: what would be there but for who was, moves up.
static void close_gap(struct limiter_connections *connections, size_t gap)
{
    struct place *places = connections->places;
    size_t mask = connections->mask;
    for (size_t at = (gap + 1) & mask; places[at].count > 0; at = (at + 1) & mask) {
        size_t home = home_of(connections, places[at].address);
        // Its home lies behind the gap, and not behind itself: it is found without it.
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        places[gap] = places[at];
        places[at].count = 0;
        gap = at;
    }
}

void limiter_connections_remove(struct limiter_connections *connections, uint64_t address)
{
    if (connections == NULL)
        return;
    size_t at = find(connections, address);
    struct place *place = &connections->places[at];
    if (place->count == 0 || --place->count > 0)
        return;
    connections->used--;
    close_gap(connections, at);
}
