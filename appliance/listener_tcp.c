// listener_tcp.c - from a host and a port to listening sockets: one for each address of a name.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "listener_inherited.h"
#include "listener_priv.h"

static const struct listener_reason reasons[] = {
    {EADDRINUSE, "address in use by another process; choose another with", "--port"},
    {EADDRNOTAVAIL, "this machine has no such address; choose another with", "--host"},
    {EAFNOSUPPORT, "this machine has no IPv6; choose another address with", "--host"},
};

// Bytes of an answer that the kernel takes beyond those that are on their way: for a client that
// reads nothing it would take 4 MB, and copy them in one go while others wait.
enum { UNSENT_MAX = 256 << 10 };

enum { REASON_COUNT = sizeof reasons / sizeof reasons[0] };

// One call of listener_add_tcp.
struct adding {
    struct listener_set *set;
    const struct listener_address *address;
    int backlog;
    size_t first;    // socket of this address in the set
    uint16_t port;   // of its sockets, 0 until the first one has one
    int missing;     // errno of the latest address that this machine lacks
    bool redirected; // a redirecting socket of another address takes this one's clients
};

static int refuse(const struct listener_address *address, int errnum, struct err *err)
{
    static const struct listener_reason low_port = {
        EACCES,
        "permission denied: ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another "
        "with",
        "--port"};
    if (errnum == EACCES && address->port < IPPORT_RESERVED)
        return listener_refuse_with(address, &low_port, err);
    return listener_refuse(address, reasons, REASON_COUNT, errnum, err);
}

static int resolve(const struct listener_address *address, struct addrinfo **list, struct err *err)
{
    char service[8], text[128];
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    snprintf(service, sizeof service, "%u", address->port);
    int code = getaddrinfo(address->host, service, &hints, list);
    if (code == 0)
        return 0;
    snprintf(text, sizeof text, "unknown host (%s); choose another with", gai_strerror(code));
    struct listener_reason reason = {.text = text, .options = "--host"};
    return listener_refuse_with(address, &reason, err);
}

// --- addresses ---

static in_port_t *port_of(struct sockaddr *name)
{
    return name->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)name)->sin6_port
                                       : &((struct sockaddr_in *)(void *)name)->sin_port;
}

static bool is_wildcard(const struct sockaddr *name)
{
    if (name->sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(
            &((const struct sockaddr_in6 *)(const void *)name)->sin6_addr);
    return ((const struct sockaddr_in *)(const void *)name)->sin_addr.s_addr == INADDR_ANY;
}

// Whether both are the same address, whatever the port.
static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    const struct sockaddr_in6 *v6a = (const void *)a, *v6b = (const void *)b;
    return v6a->sin6_scope_id == v6b->sin6_scope_id &&
           memcmp(&v6a->sin6_addr, &v6b->sin6_addr, sizeof v6a->sin6_addr) == 0;
}

// Whether a connection could be meant for both. "::" takes IPv4 as well.
static bool meet(struct sockaddr *a, struct sockaddr *b)
{
    if (*port_of(a) != *port_of(b))
        return false;
    if ((a->sa_family == AF_INET6 && is_wildcard(a)) ||
        (b->sa_family == AF_INET6 && is_wildcard(b)))
        return true;
    if (a->sa_family != b->sa_family)
        return false;
    return is_wildcard(a) || is_wildcard(b) || same_host(a, b);
}

// The socket of the set that has this address already; NULL: none, or any port will do.
static const struct listener *find_meeting(const struct listener_set *set, struct sockaddr *name)
{
    for (size_t i = 0; i < set->count && *port_of(name) != 0; i++) {
        struct sockaddr_storage other;
        socklen_t size = sizeof other;
        if (set->listeners[i].endpoint.port != 0 &&
            getsockname(set->listeners[i].fd, (struct sockaddr *)&other, &size) == 0 &&
            meet((struct sockaddr *)&other, name))
            return &set->listeners[i];
    }
    return NULL;
}

// --- inherited sockets ---

// Whether the configuration names that port.
static bool is_named(const struct listener_set *set, in_port_t port)
{
    for (size_t i = 0; i < set->address_count; i++) {
        if (set->addresses[i].port == ntohs(port))
            return true;
    }
    return ntohs(port) == set->redirect_port;
}

// Any free port is that which a limpet found before, so that its clients find us.
static bool is_bound_to(const struct listener_inherited_socket *socket, struct sockaddr *name,
                        const struct listener_set *set)
{
    struct sockaddr_storage storage;
    struct sockaddr *bound = (struct sockaddr *)&storage;
    socklen_t size = sizeof storage;
    if (socket->fd < 0 || getsockname(socket->fd, bound, &size) < 0 || !same_host(bound, name))
        return false;
    in_port_t port = *port_of(bound);
    return *port_of(name) != 0 ? port == *port_of(name) : socket->own && !is_named(set, port);
}

static struct listener_inherited_socket *find_inherited(const struct listener_set *set,
                                                        struct sockaddr *name)
{
    const struct listener_inherited *inherited = set->inherited;
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++) {
        if (is_bound_to(&inherited->sockets[i], name, set))
            return &inherited->sockets[i];
    }
    return NULL;
}

// An inherited socket that is not bound to this address, but in its way.
static const struct listener_inherited_socket *find_in_the_way(const struct listener_set *set,
                                                               struct sockaddr *name)
{
    const struct listener_inherited *inherited = set->inherited;
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++) {
        struct sockaddr_storage bound;
        socklen_t size = sizeof bound;
        const struct listener_inherited_socket *socket = &inherited->sockets[i];
        if (socket->fd >= 0 && !socket->own &&
            getsockname(socket->fd, (struct sockaddr *)&bound, &size) == 0 &&
            bound.ss_family != AF_UNIX && meet((struct sockaddr *)&bound, name))
            return socket;
    }
    return NULL;
}

static int real_port(int fd, uint16_t *port)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return -1;
    *port = ntohs(*port_of((struct sockaddr *)&name));
    return 0;
}

// --- sockets ---

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

void listener_tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
}

// A descriptor, or -1 with errno.
static int listen_at(const struct addrinfo *info, int backlog)
{
    _close_ int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    // A restart must not wait for the connections of the process before (TIME_WAIT).
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    listener_tune(fd);
    // "::" means IPv4 too, whatever the machine's default is.
    if (info->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, backlog) < 0)
        return -1;
    return steal_fd(&fd);
}

static const char *endpoint_address(const struct listener_address *address, int family)
{
    if (address->host != NULL)
        return address->host;
    return family == AF_INET6 ? "::" : "0.0.0.0";
}

// Where the inherited socket of this address is, if there is one.
static bool adopt_one(struct adding *adding, const struct addrinfo *info)
{
    if (adding->port != 0)
        *port_of(info->ai_addr) = htons(adding->port);
    struct listener_inherited_socket *socket = find_inherited(adding->set, info->ai_addr);
    if (socket == NULL || real_port(socket->fd, &adding->port) < 0)
        return false;
    listener_adopt(adding->set, socket, endpoint_address(adding->address, info->ai_family),
                   adding->port, adding->backlog);
    return true;
}

static int refuse_to_listen(const struct adding *adding, const struct addrinfo *info, int errnum,
                            struct err *err)
{
    const struct listener_inherited_socket *other =
        errnum == EADDRINUSE ? find_in_the_way(adding->set, info->ai_addr) : NULL;
    if (other == NULL)
        return refuse(adding->address, errnum, err);
    char text[320];
    snprintf(text, sizeof text,
             "the socket \"%.200s\" of systemd is in its way; take that one with --listen systemd, "
             "or choose another with",
             other->name);
    return listener_refuse_with(adding->address, &(struct listener_reason){0, text, "--port"}, err);
}

// One of the addresses of a name. 0 also where the machine lacks it.
static int add_one(struct adding *adding, const struct addrinfo *info, struct err *err)
{
    struct listener_set *set = adding->set;
    if (adding->port != 0)
        *port_of(info->ai_addr) = htons(adding->port);
    const struct listener *other = find_meeting(set, info->ai_addr);
    if (other != NULL && other >= &set->listeners[adding->first])
        return 0; // a name may have an address twice
    if (other != NULL && other->kind == LISTENER_REDIRECT &&
        adding->address->kind == LISTENER_REDIRECT) {
        adding->redirected = true;
        return 0;
    }
    if (other != NULL)
        return listener_refuse_overlap(adding->address, other, err);
    if (adopt_one(adding, info))
        return 0;
    _close_ int fd = listen_at(info, adding->backlog);
    // Only an address that is not ours is passed over: one in use must not be left out silently.
    if (fd < 0 && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
        adding->missing = errno;
        return 0;
    }
    if (fd < 0 || real_port(fd, &adding->port) < 0)
        return refuse_to_listen(adding, info, errno, err);
    listener_append(set, steal_fd(&fd), endpoint_address(adding->address, info->ai_family),
                    adding->port);
    return 0;
}

static int add_family(struct adding *adding, const struct addrinfo *list, int family,
                      struct err *err)
{
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        if (info->ai_family == family && add_one(adding, info, err) < 0)
            return -1;
    }
    return 0;
}

int listener_add_tcp(struct listener_set *set, const struct listener_address *address, int backlog,
                     struct err *err)
{
    struct adding adding = {.set = set,
                            .address = address,
                            .backlog = backlog,
                            .first = set->count,
                            .missing = EADDRNOTAVAIL};
    struct addrinfo *list;
    if (resolve(address, &list, err) < 0)
        return -1;
    // All addresses: "::" alone takes them, and 0.0.0.0 is for machines without IPv6. What was
    // inherited for them is enough.
    bool all = address->host == NULL;
    for (const struct addrinfo *info = list; all && info != NULL; info = info->ai_next)
        adopt_one(&adding, info);
    bool adopted = set->count > adding.first;
    int result = 0;
    if (!adopted)
        result = add_family(&adding, list, all ? AF_INET6 : AF_INET, err);
    if (result == 0 && !(all && set->count > adding.first))
        result = add_family(&adding, list, all ? AF_INET : AF_INET6, err);
    freeaddrinfo(list);
    if (result == 0 && set->count == adding.first && !adding.redirected)
        return refuse(address, adding.missing, err);
    return result;
}
