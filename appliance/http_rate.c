// http_rate.c - whether a request comes at a rate that is allowed to its client, and the answer to
// one that does not: 429 (RFC 6585 section 4), behind which the connection stays where there is no
// body to be read.
#include <stdio.h>

#include "clock.h"
#include "http_priv.h"
#include "limiter.h"
#include "limiter_address.h"

// Who asks: where a proxy has named its client, that; else the connection's own address, which was
// read once. False: a unix socket.
static bool client_of(const struct request *request, uint64_t *out)
{
    const struct connection *connection = request->connection;
    struct str client = request->head.peer_address;
    if (client.data != connection->peer_address && limiter_address_parse(client, out))
        return true;
    *out = connection->address;
    return connection->peer_address[0] != '\0';
}

bool http_rate_passes(struct request *request)
{
    struct limiter *limiter = request->http->setup->limiter;
    uint64_t client;
    // Who looks after the server is not to be kept out by who attacks it.
    if (limiter == NULL || request->connection->listener->kind == LISTENER_METRICS ||
        !client_of(request, &client))
        return true;
    request->retry_after = limiter_take(limiter, client, clock_read(CLOCK_MONOTONIC_COARSE));
    return request->retry_after == 0;
}

void http_rate_tell_client(const struct request *request, struct MHD_Response *out)
{
    char text[16];
    if (request->retry_after == 0)
        return;
    snprintf(text, sizeof text, "%u", (unsigned)request->retry_after);
    MHD_add_response_header(out, "Retry-After", text);
}
