// address.h - the address of one end of a connection as numbers: of a socket, or read from text.
// IPv4 addresses within IPv6 ones ("::ffff:192.0.2.1") are IPv4 addresses here. Pure.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "str.h"

enum { ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN }; // bytes, a NUL among them

struct address {
    int family;              // AF_INET, AF_INET6, AF_UNIX: no numbers, AF_UNSPEC: not known
    uint16_t port;           // 0: none, or not known
    unsigned char bytes[16]; // in network order; those that the family lacks are 0
};

// Numbers alone, in the form of inet_pton, without brackets, zone and port. False: it is none.
bool address_parse(struct address *out, struct str text);

// family: AF_INET or AF_INET6; bytes: 4 or 16 of them, in network order.
void address_set(struct address *out, int family, const void *bytes, uint16_t port);

void address_of_socket(struct address *out, const struct sockaddr *name);

// The other way round; of AF_INET and AF_INET6. Returns how many bytes it takes.
socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *out);

// Its text; "" where there are no numbers.
void address_write(const struct address *address, char out[static ADDRESS_TEXT_MAX]);

// The same numbers; ports aside.
bool address_equal(const struct address *a, const struct address *b);
