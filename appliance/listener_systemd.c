// listener_systemd.c - how inherited sockets become listeners, those of systemd by their names
// among them, and what is said of those that nobody wants.
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "listener_inherited.h"
#include "listener_priv.h"
#include "log.h"

enum {
    ADDRESS_MAX = 128, // bytes of a path or a literal address with its zone
    NAMES_MAX = 512,   // bytes of names in a message
};

// --- where it listens ---

// The name of a unix socket that has no file begins with a NUL, which is written as "@".
static void read_path(const struct sockaddr_un *name, socklen_t size, char out[static ADDRESS_MAX])
{
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    bool abstract = length > 0 && name->sun_path[0] == '\0';
    snprintf(out, ADDRESS_MAX, "%s%.*s", abstract ? "@" : "", (int)length - abstract,
             name->sun_path + abstract);
}

// As struct endpoint has it.
static void read_endpoint(int fd, char address[static ADDRESS_MAX], uint16_t *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage storage;
    } name;
    socklen_t size = sizeof name;
    char service[8] = "0";
    *address = '\0';
    *port = 0;
    if (getsockname(fd, &name.any, &size) < 0)
        return;
    if (name.any.sa_family == AF_UNIX) {
        read_path(&name.local, size, address);
        return;
    }
    getnameinfo(&name.any, size, address, ADDRESS_MAX, service, sizeof service,
                NI_NUMERICHOST | NI_NUMERICSERV);
    *port = (uint16_t)strtoul(service, NULL, 10);
}

static void describe(const struct listener_inherited_socket *socket, char *out, size_t size)
{
    char address[ADDRESS_MAX];
    uint16_t port;
    read_endpoint(socket->fd, address, &port);
    struct listener listener = {.fd = socket->fd,
                                .endpoint = {.scheme = "http", .address = address, .port = port}};
    listener_describe(&listener, out, size);
}

// --- adopting ---

void listener_adopt(struct listener_set *set, struct listener_inherited_socket *socket,
                    const char *address, uint16_t port, int backlog)
{
    if (socket->own)
        listen(socket->fd, backlog); // it may have changed; systemd's is its own (Backlog=)
    listener_append(set, steal_fd(&socket->fd), address, port);
    if (socket->own)
        return;
    struct listener_origin *origin = &set->origins[set->count - 1];
    origin->name = strdup(socket->name);
    must_have(origin->name != NULL);
}

// So that another --listen of the same path is seen to be one; systemd's files are never removed.
static void note_file(struct listener_set *set, size_t index)
{
    const struct endpoint *endpoint = &set->listeners[index].endpoint;
    if (endpoint->port == 0)
        unix_socket_find(&set->files[index], endpoint->address);
}

static void adopt_named(struct listener_set *set, struct listener_inherited_socket *socket)
{
    char text[ADDRESS_MAX];
    uint16_t port;
    read_endpoint(socket->fd, text, &port);
    char *address = strdup(text);
    must_have(address != NULL);
    listener_adopt(set, socket, address, port, 0);
    set->origins[set->count - 1].address = address;
    note_file(set, set->count - 1);
}

struct listener_inherited_socket *listener_find_inherited_path(const struct listener_set *set,
                                                               const char *path)
{
    const struct listener_inherited *inherited = set->inherited;
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++) {
        struct listener_inherited_socket *socket = &inherited->sockets[i];
        char address[ADDRESS_MAX];
        uint16_t port;
        if (socket->fd < 0)
            continue;
        read_endpoint(socket->fd, address, &port);
        if (port == 0 && strcmp(address, path) == 0)
            return socket;
    }
    return NULL;
}

// --- by name ---

static bool is_meant(const struct listener_address *address,
                     const struct listener_inherited_socket *socket)
{
    return !socket->own && (address->name == NULL || strcmp(address->name, socket->name) == 0);
}

// Each name once: "shop.socket", "admin".
static void list_names(const struct listener_inherited *inherited, struct buf *out)
{
    for (size_t i = 0; i < inherited->count; i++) {
        const char *name = inherited->sockets[i].name;
        bool seen = inherited->sockets[i].own;
        for (size_t j = 0; j < i && !seen; j++)
            seen = !inherited->sockets[j].own && strcmp(inherited->sockets[j].name, name) == 0;
        if (!seen)
            buf_printf(out, "%s\"%s\"", out->size > 0 ? ", " : "", name);
    }
}

// No socket is left for the address.
static int refuse(const struct listener_set *set, const struct listener_address *address,
                  struct err *err)
{
    static const struct listener_reason none = {
        .text = "systemd has given no socket; start its .socket unit, or choose another with"};
    static const struct listener_reason taken = {
        .text = "the sockets serve another address already; leave one of the two out of"};
    _buf_ struct buf names = BUF_INIT(NAMES_MAX);
    char text[NAMES_MAX + 128];
    const struct listener_inherited *inherited = set->inherited;
    if (!listener_inherited_from_systemd(inherited))
        return listener_refuse_with(address, &none, err);
    for (size_t i = 0; i < inherited->count; i++) {
        if (is_meant(address, &inherited->sockets[i]))
            return listener_refuse_with(address, &taken, err);
    }
    list_names(inherited, &names);
    snprintf(text, sizeof text,
             "systemd has given no socket of that name, but %s; set FileDescriptorName= in the "
             ".socket unit, or choose another with",
             buf_text(&names));
    return listener_refuse_with(address, &(struct listener_reason){.text = text}, err);
}

int listener_add_systemd(struct listener_set *set, const struct listener_address *address,
                         struct err *err)
{
    size_t first = set->count;
    for (size_t i = 0; set->inherited != NULL && i < set->inherited->count; i++) {
        struct listener_inherited_socket *socket = &set->inherited->sockets[i];
        if (socket->fd >= 0 && is_meant(address, socket))
            adopt_named(set, socket);
    }
    return set->count > first ? 0 : refuse(set, address, err);
}

// --- the others ---

void listener_close_unwanted(struct listener_inherited *inherited)
{
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++) {
        struct listener_inherited_socket *socket = &inherited->sockets[i];
        char where[320];
        if (socket->fd < 0)
            continue;
        describe(socket, where, sizeof where);
        if (!socket->own)
            log_warning("listener",
                        "closing %s (\"%s\") of systemd, which no --listen asks for (--listen "
                        "systemd asks for all)",
                        where, socket->name);
        close(steal_fd(&socket->fd));
    }
}
