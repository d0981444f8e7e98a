// listener_redirect.c - the plain sockets of --redirect-https: which hosts they are on, and which
// port they send clients to.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "listener_priv.h"

enum { HTTPS_PORT = 443 };

static bool is_tcp(const struct listener *listener)
{
    return listener->kind == LISTENER_TLS && listener->endpoint.port != 0;
}

// That of the first socket with TLS and this address; NULL: any address.
static uint16_t find_port(const struct listener_set *set, const char *address)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct listener *listener = &set->listeners[i];
        if (is_tcp(listener) &&
            (address == NULL || strcmp(listener->endpoint.address, address) == 0))
            return listener->endpoint.port;
    }
    return address == NULL ? HTTPS_PORT : find_port(set, NULL);
}

// How much a host takes: all addresses, all of IPv4, one. Those that take more come first, so that
// none of the others is in their way.
enum { WIDTHS = 3 };

static int width_of(const struct listener_address *address)
{
    if (address->host == NULL || strcmp(address->host, "::") == 0)
        return 0;
    return strcmp(address->host, "0.0.0.0") == 0 ? 1 : 2;
}

// The addresses whose hosts are to have such a socket.
static bool is_wanted(const struct listener_set *set, const struct listener_address *address)
{
    return !address->systemd && address->path == NULL &&
           listener_address_kind(address, false, set->has_certificate) == LISTENER_TLS;
}

static int add(struct listener_set *set, const char *host, int backlog, struct err *err)
{
    struct listener_address *address = &set->addresses[set->address_count++];
    size_t first = set->count;
    *address = (struct listener_address){
        .host = host, .port = set->redirect_port, .kind = LISTENER_REDIRECT};
    int result = listener_set_add(set, address, backlog, err);
    for (size_t i = first; i < set->count; i++) {
        const char *where = set->listeners[i].endpoint.address;
        set->listeners[i].redirect_port = find_port(set, where);
    }
    return result;
}

int listener_add_redirects(struct listener_set *set, int backlog, struct err *err)
{
    size_t asked = set->address_count, before = set->count;
    bool is_there = false;
    for (size_t i = 0; i < before; i++) {
        if (set->listeners[i].kind != LISTENER_REDIRECT)
            continue;
        set->listeners[i].redirect_port = find_port(set, NULL);
        is_there = true;
    }
    // One for each, and one for all addresses. Their texts stay where they are.
    struct listener_address *addresses =
        reallocarray(set->addresses, 2 * asked + 1, sizeof *addresses);
    must_have(addresses != NULL);
    set->addresses = addresses;
    for (int width = 0; width < WIDTHS; width++) {
        for (size_t i = 0; i < asked; i++) {
            bool wanted = is_wanted(set, &set->addresses[i]);
            if (wanted && width_of(&set->addresses[i]) == width &&
                add(set, set->addresses[i].host, backlog, err) < 0)
                return -1;
        }
    }
    if (set->address_count > asked || is_there)
        return 0;
    return add(set, NULL, backlog, err);
}
