// listener_inherited.c - reads systemd's protocol and looks at every descriptor that it promises.
// Which of them serves what is listener_systemd.c's business, and that of who opens an address.
#include "listener_inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "config_value.h"

enum { SHOWN = 200 }; // bytes of a variable in a message

// --- the environment ---

// A copy of the variable, which is gone then; NULL: there was none.
static char *take_variable(const char *name)
{
    const char *value = getenv(name);
    char *copy = value != NULL ? strdup(value) : NULL;
    must(value == NULL || copy != NULL);
    unsetenv(name);
    return copy;
}

static int read_number(const char *name, const char *text, int64_t *out, struct err *err)
{
    if (config_read_integer(text, out) == 0 && *out >= 0)
        return 0;
    return err_set(err, ERR_FAILED,
                   "%s=%.*s is no number (unset LISTEN_PID to start without inherited sockets)",
                   name, SHOWN, text);
}

static size_t count_names(const char *names)
{
    size_t count = 1;
    for (; *names != '\0'; names++)
        count += *names == ':';
    return count;
}

// --- sockets ---

static int refuse(const struct listener_inherited_socket *socket, const char *problem,
                  struct err *err)
{
    return err_set(err, ERR_FAILED, "the inherited descriptor %d (\"%.*s\") %s", socket->fd, SHOWN,
                   socket->name, problem);
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static int check(const struct listener_inherited_socket *socket, struct err *err)
{
    int domain = option_of(socket->fd, SO_DOMAIN);
    if (fcntl(socket->fd, F_GETFD) < 0)
        return refuse(socket, "is not open, LISTEN_FDS promises it", err);
    if (domain < 0)
        return refuse(socket, "is no socket (write ListenStream= in the .socket unit)", err);
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return refuse(socket, "is neither a TCP nor a unix socket", err);
    if (option_of(socket->fd, SO_TYPE) != SOCK_STREAM)
        return refuse(socket, "is no stream socket (write ListenStream= in the .socket unit)", err);
    if (option_of(socket->fd, SO_ACCEPTCONN) != 1)
        return refuse(socket, "does not listen (write Accept=no in the .socket unit)", err);
    // systemd has no names for its sockets that an upgrade could not tell from ours.
    if (!socket->own && strcmp(socket->name, LISTENER_OWN_NAME) == 0)
        return refuse(socket,
                      "has a name that limpet keeps for itself (choose another with "
                      "FileDescriptorName= in the .socket unit)",
                      err);
    return 0;
}

static void prepare(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (option_of(fd, SO_DOMAIN) != AF_UNIX)
        listener_tune(fd);
}

// The next one. Those that come after one that is refused are not ours to close.
static int take_one(struct listener_inherited *inherited, const char *name, bool upgraded,
                    struct err *err)
{
    struct listener_inherited_socket socket = {
        .fd = LISTENER_INHERITED_FIRST + (int)inherited->count,
        .own = upgraded && strcmp(name, LISTENER_OWN_NAME) == 0,
        .name = strdup(*name != '\0' ? name : "unknown"),
    };
    struct listener_inherited_socket *sockets =
        reallocarray(inherited->sockets, inherited->count + 1, sizeof *sockets);
    must(socket.name != NULL && sockets != NULL);
    inherited->sockets = sockets;
    sockets[inherited->count] = socket;
    if (check(&socket, err) < 0) {
        free(socket.name);
        return -1;
    }
    inherited->count++;
    prepare(socket.fd);
    return 0;
}

static int take_all(struct listener_inherited *inherited, const char *count, char *names,
                    bool upgraded, struct err *err)
{
    int64_t number;
    char *rest = names;
    if (read_number("LISTEN_FDS", count, &number, err) < 0)
        return -1;
    if (number > 0 && names != NULL && count_names(names) != (size_t)number)
        return err_set(err, ERR_FAILED, "LISTEN_FDNAMES=%.*s has %zu names, LISTEN_FDS=%.*s", SHOWN,
                       names, count_names(names), SHOWN, count);
    for (int64_t i = 0; i < number; i++) {
        const char *name = names != NULL ? strsep(&rest, ":") : "";
        if (take_one(inherited, name, upgraded, err) < 0)
            return -1;
    }
    return 0;
}

int listener_inherited_take(struct listener_inherited *inherited, bool upgraded, struct err *err)
{
    _free_ char *pid = take_variable("LISTEN_PID");
    _free_ char *count = take_variable("LISTEN_FDS");
    _free_ char *names = take_variable("LISTEN_FDNAMES");
    int64_t number;
    unsetenv("LISTEN_PIDFDID");
    *inherited = (struct listener_inherited){.count = 0};
    if (pid == NULL || count == NULL)
        return 0;
    if (read_number("LISTEN_PID", pid, &number, err) < 0)
        return -1;
    if (number != getpid())
        return 0; // meant for the process that has started us
    int result = take_all(inherited, count, names, upgraded, err);
    if (result < 0)
        listener_inherited_fini(inherited);
    return result;
}

void listener_inherited_fini(struct listener_inherited *inherited)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->sockets[i].fd >= 0)
            close(inherited->sockets[i].fd);
        free(inherited->sockets[i].name);
    }
    free(inherited->sockets);
    *inherited = (struct listener_inherited){.count = 0};
}

bool listener_inherited_from_systemd(const struct listener_inherited *inherited)
{
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++) {
        if (!inherited->sockets[i].own)
            return true;
    }
    return false;
}
