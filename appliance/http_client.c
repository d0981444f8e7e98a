// http_client.c - who has sent a request, and how: the peer of its connection, or whom that one
// tells of where it is a trusted proxy (--trusted-proxies).
#include "http_client_priv.h"

#include "clock.h"
#include "forwarded.h"
#include "http_priv.h"
#include "refusals.h"

void http_client_know(struct connection *connection, const struct sockaddr *name, bool hidden)
{
    struct address address;
    address_of_socket(&address, name);
    address_write(&address, connection->peer_address);
    connection->peer_port = address.port;
    // Of whom a proxy does not tell, nothing is believed.
    connection->is_proxy = !hidden && proxies_trust(connection->http->setup->proxies, &address);
}

void http_client_find(struct request *request)
{
    const struct connection *connection = request->connection;
    struct request_head *head = &request->head;
    struct forwarded told;
    request->disagrees = false;
    if (!connection->is_proxy)
        return;
    size_t most = request->http->limits.headers;
    size_t count = head->header_count < most ? head->header_count : most;
    forwarded_read(&told, head->headers, count, connection->http->setup->proxies);
    if (told.malformed)
        refusals_tell(connection->http->setup->refusals, REFUSAL_forwarded_ignored,
                      str_of(connection->peer_address), STR(""), clock_milliseconds());
    request->disagrees = told.disagrees;
    if (told.disagrees)
        return;
    if (told.client.family != AF_UNSPEC) {
        address_write(&told.client, request->client_address);
        head->peer_address = str_of(request->client_address);
        head->peer_port = told.client.port;
    }
    // The listener's own text stays where it is the same.
    if (told.scheme != NULL && strcmp(told.scheme, head->scheme) != 0)
        head->scheme = told.scheme;
}

bool http_client_is_secure(const struct request *request)
{
    return strcmp(request->head.scheme, "https") == 0;
}
