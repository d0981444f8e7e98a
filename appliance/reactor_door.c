// reactor_door.c - connections that are not let in: their address has as many as it may have.
#include "reactor_door_priv.h"

#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "clock.h"
#include "http_linger.h"
#include "limiter_connections.h"
#include "refusals.h"

static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Retry-After: 10\r\nContent-Length: 24\r\n\r\n"
                             "503 Service Unavailable\n";

// A reset would lose the answer. No more than half of those who linger are ours: others need it,
// too.
static void answer_and_close(int fd, struct http_linger *linger)
{
    ssize_t ignored = send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    if (http_linger_count(linger) < HTTP_LINGER_MAX / 2)
        http_linger_add(linger, fd, clock_milliseconds());
}

bool reactor_door_admits(const struct reactor_setup *setup, struct http_linger *linger,
                         const struct tls_accepted *accepted)
{
    struct address address;
    char client[ADDRESS_TEXT_MAX];
    // Who looks after the server is not to be kept out by who attacks it.
    if (setup->limiter_connections == NULL || accepted->listener->kind == LISTENER_METRICS ||
        limiter_connections_admits(setup->limiter_connections,
                                   (const struct sockaddr *)&accepted->address))
        return true;
    address_of_socket(&address, (const struct sockaddr *)&accepted->address);
    address_write(&address, client);
    refusals_tell(setup->refusals, REFUSAL_address, str_of(client), STR(""), clock_milliseconds());
    // A handshake would cost more than anything else that it could ask for.
    if (accepted->listener->kind != LISTENER_TLS)
        answer_and_close(accepted->fd, linger);
    close(accepted->fd);
    return false;
}
