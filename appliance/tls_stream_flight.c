// tls_stream_flight.c - what a handshake sends, gathered. The library writes message by message;
// together they are one packet, which waits for no acknowledgement (RFC 896), and a side that ends
// the connection at the first of them does not keep the other from reading why.
#include <stdlib.h>
#include <string.h>

#include "tls_stream_priv.h"

enum { LEAST = 1 << 11 }; // bytes

int tls_flight_add(struct tls_flight *flight, const unsigned char *bytes, size_t size)
{
    size_t needed = flight->size + size;
    if (needed > flight->capacity) {
        size_t capacity = needed < LEAST ? LEAST : 2 * needed;
        unsigned char *larger = realloc(flight->bytes, capacity);
        if (larger == NULL)
            return -1;
        flight->bytes = larger;
        flight->capacity = capacity;
    }
    memcpy(flight->bytes + flight->size, bytes, size);
    flight->size = needed;
    return 0;
}

ssize_t tls_flight_send(struct tls_flight *flight, const struct tls_transport *transport)
{
    while (flight->sent < flight->size) {
        ssize_t count = transport->write(transport->owner, flight->bytes + flight->sent,
                                         flight->size - flight->sent);
        if (count < 0)
            return count;
        flight->sent += (size_t)count;
    }
    flight->size = flight->sent = 0;
    return 0;
}

void tls_flight_fini(struct tls_flight *flight)
{
    free(flight->bytes);
    *flight = (struct tls_flight){NULL, 0, 0, 0};
}
