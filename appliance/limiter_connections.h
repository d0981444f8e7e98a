// limiter_connections.h - how many connections each address has open in a worker, and whether it
// may have one more. With the baton.
//
// A worker's own count, not the server's: one that is killed takes its count with it, and none can
// be left over.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"

struct limiter_connections; // opaque

struct limiter_connections_setup {
    unsigned each;       // connections of an address
    unsigned all;        // that there can be at once, of all addresses
    char *const *exempt; // networks whose addresses may have any number: proxies, which bring
    size_t exempt_count; // everybody's; what is no network is passed over
};

// 'exempt' is not looked at later.
int limiter_connections_new(struct limiter_connections **out,
                            const struct limiter_connections_setup *setup, struct err *err);
// NULL: nothing.
void limiter_connections_free(struct limiter_connections *connections);

// Whether one more may be opened. Unix sockets have no address, and any number.
// connections NULL: nothing is limited, here and in what follows.
bool limiter_connections_admits(const struct limiter_connections *connections,
                                const struct sockaddr *address);

// One of that address (limiter_address.h) was opened; and it has ended. One that passes from hand
// to hand is counted by each in turn.
void limiter_connections_add(struct limiter_connections *connections, uint64_t address);
void limiter_connections_remove(struct limiter_connections *connections, uint64_t address);
