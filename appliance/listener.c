// listener.c - bind and listen, and the words for what can go wrong there. Accepts nothing: that is
// the reactor's.
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"

enum {
    BACKLOG = 1024
}; // connections that may wait to be accepted; the kernel caps it at somaxconn

// Mode of a unix socket's file: whoever may enter its folder may connect, as with a port (nginx
// does the same).
enum { SOCKET_FILE_MODE = 0666 };

struct reason {
    int errnum;
    const char *text; // what is wrong; the way out
};

static const struct reason tcp_reasons[] = {
    {EADDRINUSE, "address in use by another process; choose another with --port"},
    {EADDRNOTAVAIL, "this machine has no such address; choose another with --host"},
    {EAFNOSUPPORT, "this machine has no IPv6; choose another address with --host"},
};

static const struct reason unix_reasons[] = {
    {EADDRINUSE, "in use by another process; choose another with --uds"},
    {ENOENT, "its folder does not exist; create it or choose another with --uds"},
    {ENOTDIR, "its folder is not a folder; choose another with --uds"},
    {EACCES, "permission denied; choose another with --uds"},
    {EROFS, "its file system is read-only; choose another with --uds"},
};

static int refuse(const struct reason *reasons, size_t count, const char *what, int errnum,
                  struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (reasons[i].errnum == errnum)
            return err_set(err, ERR_FAILED, "cannot listen on %s: %s", what, reasons[i].text);
    }
    return err_system(err, errnum, "cannot listen on %s", what);
}

// "127.0.0.1:8000", "[::1]:8000"
static void describe_tcp(const char *host, unsigned port, char *out, size_t size)
{
    const char *format = strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u";
    snprintf(out, size, format, host, port);
}

static int refuse_tcp(const struct listener_address *address, int errnum, struct err *err)
{
    char what[320];
    describe_tcp(address->host, address->port, what, sizeof what);
    if (errnum == EACCES && address->port < IPPORT_RESERVED)
        return err_set(err, ERR_FAILED,
                       "cannot listen on %s: permission denied: ports below %d need root or "
                       "CAP_NET_BIND_SERVICE; choose another with --port",
                       what, IPPORT_RESERVED);
    return refuse(tcp_reasons, sizeof tcp_reasons / sizeof tcp_reasons[0], what, errnum, err);
}

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

// A descriptor, or -1 with errno.
static int listen_at(const struct addrinfo *info)
{
    _close_ int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    // A restart must not wait for the connections of the process before (TIME_WAIT).
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // Accepted connections inherit it: saves a system call each.
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    // "::" means IPv4 too, whatever the machine's default is: there is only one --host.
    if (info->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return steal_fd(&fd);
}

// Try the addresses of one family. A descriptor, or -1 with errno; ENOENT: it has none.
static int listen_at_first(const struct addrinfo *list, int family)
{
    errno = ENOENT;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        if (info->ai_family != family)
            continue;
        int fd = listen_at(info);
        // Only an address that is not ours leads on: one in use must not silently become another
        // one.
        if (fd >= 0 || (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT))
            return fd;
    }
    return -1;
}

static int real_port(int fd, uint16_t *port)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return -1;
    in_port_t raw = name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                               : ((struct sockaddr_in *)&name)->sin_port;
    *port = ntohs(raw);
    return 0;
}

static int resolve(const struct listener_address *address, struct addrinfo **list, struct err *err)
{
    char port[8], what[320];
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    snprintf(port, sizeof port, "%u", address->port);
    int code = getaddrinfo(address->host, port, &hints, list);
    if (code == 0)
        return 0;
    describe_tcp(address->host, address->port, what, sizeof what);
    return err_set(err, ERR_FAILED,
                   "cannot listen on %s: unknown host (%s); choose another with --host", what,
                   gai_strerror(code));
}

static int open_tcp(struct listener *listener, const struct listener_address *address,
                    struct err *err)
{
    struct addrinfo *list;
    if (resolve(address, &list, err) < 0)
        return -1;
    _close_ int fd = listen_at_first(list, AF_INET);
    int errnum = errno;
    if (fd < 0 && (errnum == ENOENT || errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT)) {
        fd = listen_at_first(list, AF_INET6);
        errnum = errno == ENOENT ? errnum : errno;
    }
    freeaddrinfo(list);
    uint16_t port = 0;
    if (fd < 0)
        return refuse_tcp(address, errnum, err);
    if (real_port(fd, &port) < 0)
        return refuse_tcp(address, errno, err);
    listener->endpoint =
        (struct endpoint){.scheme = "http", .address = address->host, .port = port};
    listener->fd = steal_fd(&fd);
    return 0;
}

static int refuse_unix(const char *path, int errnum, struct err *err)
{
    char what[sizeof err->text];
    snprintf(what, sizeof what, "unix:%s", path);
    return refuse(unix_reasons, sizeof unix_reasons / sizeof unix_reasons[0], what, errnum, err);
}

static int unix_address(const char *path, struct sockaddr_un *out, struct err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size == 0)
        return err_set(err, ERR_FAILED,
                       "cannot listen on a unix socket without a path; give one with --uds");
    if (size >= sizeof out->sun_path)
        return err_set(err, ERR_FAILED,
                       "cannot listen on unix:%s: a path of %zu bytes, at most %zu are possible; "
                       "choose a shorter one with --uds",
                       path, size, sizeof out->sun_path - 1);
    memcpy(out->sun_path, path, size);
    return 0;
}

// Make way: remove a socket's file that nobody answers on any more.
static int remove_stale(const struct sockaddr_un *name, struct err *err)
{
    struct stat status;
    if (lstat(name->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : refuse_unix(name->sun_path, errno, err);
    if (!S_ISSOCK(status.st_mode))
        return err_set(err, ERR_FAILED,
                       "cannot listen on unix:%s: a file is there that is no socket; remove it or "
                       "choose another path with --uds",
                       name->sun_path);
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse_unix(name->sun_path, errno, err);
    // Only a refusal says that nobody listens: a full backlog or a missing permission does not.
    int errnum = connect(fd, (const struct sockaddr *)name, sizeof *name) < 0 ? errno : 0;
    if (errnum != ECONNREFUSED)
        return refuse_unix(name->sun_path, errnum == EACCES ? EACCES : EADDRINUSE, err);
    if (unlink(name->sun_path) < 0 && errno != ENOENT)
        return refuse_unix(name->sun_path, errno, err);
    return 0;
}

static int open_unix(struct listener *listener, struct listener_file *file, const char *path,
                     struct err *err)
{
    struct sockaddr_un name;
    if (unix_address(path, &name, err) < 0 || remove_stale(&name, err) < 0)
        return -1;
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        return refuse_unix(path, errno, err);
    struct stat status;
    if (stat(path, &status) < 0 || chmod(path, SOCKET_FILE_MODE) < 0 || listen(fd, BACKLOG) < 0) {
        int errnum = errno;
        unlink(path);
        return refuse_unix(path, errnum, err);
    }
    *file = (struct listener_file){path, status.st_dev, status.st_ino, getpid()};
    listener->endpoint = (struct endpoint){.scheme = "http", .address = path};
    listener->fd = steal_fd(&fd);
    return 0;
}

int listener_open(struct listener *listener, struct listener_file *file,
                  const struct listener_address *address, struct err *err)
{
    *listener = (struct listener){.fd = -1};
    *file = (struct listener_file){.path = NULL};
    return address->uds != NULL ? open_unix(listener, file, address->uds, err)
                                : open_tcp(listener, address, err);
}

void listener_close(struct listener *listener, struct listener_file *file)
{
    struct stat status;
    if (file->path != NULL && file->maker == getpid() && lstat(file->path, &status) == 0 &&
        status.st_dev == file->device && status.st_ino == file->inode)
        unlink(file->path);
    file->path = NULL;
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

void listener_describe(const struct listener *listener, char *out, size_t size)
{
    const struct endpoint *endpoint = &listener->endpoint;
    char address[320];
    if (endpoint->port == 0) {
        snprintf(out, size, "unix:%s", endpoint->address);
        return;
    }
    describe_tcp(endpoint->address, endpoint->port, address, sizeof address);
    snprintf(out, size, "%s://%s", endpoint->scheme, address);
}
