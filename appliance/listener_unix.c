// listener_unix.c - a unix socket and its file, to which it gives owner and mode.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "identity.h"
#include "listener_inherited.h"
#include "listener_priv.h"
#include "log.h"
#include "unix_socket.h"

static int refuse(const struct listener_address *address, int errnum, struct err *err)
{
    struct listener_reason reason = {errnum, unix_socket_reason(errnum), "--uds"};
    return listener_refuse(address, &reason, reason.text != NULL ? 1 : 0, errnum, err);
}

static int make_name(const struct listener_address *address, struct sockaddr_un *out,
                     struct err *err)
{
    if (unix_socket_name(address->path, out))
        return 0;
    if (*address->path == '\0')
        return err_set(err, ERR_FAILED,
                       "cannot listen on a unix socket without a path; give one with --uds");
    char text[128];
    snprintf(text, sizeof text,
             "a path of %zu bytes, at most %d are possible; choose a shorter one with",
             strlen(address->path), UNIX_SOCKET_PATH_MAX);
    return listener_refuse_with(address, &(struct listener_reason){0, text, "--uds"}, err);
}

// --- owner ---

// The ids of owner and group; -1: as it is.
struct ids {
    uid_t user;
    gid_t group;
};

static int refuse_name(const struct listener_address *address, const char *what, const char *name,
                       struct err *err)
{
    char where[320];
    listener_address_describe(address, where, sizeof where);
    return err_set(err, ERR_FAILED,
                   "cannot listen on %s: there is no %s \"%.64s\" on this machine; create it, or "
                   "choose another with owner=",
                   where, what, name);
}

static int find_ids(const struct listener_address *address, struct ids *ids, struct err *err)
{
    struct identity_user user;
    *ids = (struct ids){(uid_t)-1, (gid_t)-1};
    if (address->owner != NULL) {
        if (identity_find_user(address->owner, &user) < 0)
            return refuse_name(address, "user", address->owner, err);
        ids->user = user.id;
    }
    if (address->group != NULL && identity_find_group(address->group, &ids->group) < 0)
        return refuse_name(address, "group", address->group, err);
    return 0;
}

static int refuse_owner(const struct listener_address *address, int errnum, struct err *err)
{
    char where[320];
    if (errnum != EPERM)
        return refuse(address, errnum, err);
    listener_address_describe(address, where, sizeof where);
    return err_set(err, ERR_FAILED,
                   "cannot listen on %s: only root may give its file to %s%s%s; start as root, or "
                   "leave owner= out",
                   where, address->owner != NULL ? address->owner : "",
                   address->group != NULL ? ":" : "", address->group != NULL ? address->group : "");
}

// --- the file ---

static const struct listener *find_ours(const struct listener_set *set, const struct stat *status)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct unix_socket_file *file = &set->files[i];
        if (file->path != NULL && file->device == status->st_dev && file->inode == status->st_ino)
            return &set->listeners[i];
    }
    return NULL;
}

// Make way: remove a socket's file that nobody answers on any more.
static int make_way(const struct listener_set *set, const struct listener_address *address,
                    const struct sockaddr_un *name, struct err *err)
{
    struct stat status;
    int errnum = unix_socket_look(name, &status);
    if (errnum == ENOENT)
        return 0;
    const struct listener *ours = errnum == 0 ? find_ours(set, &status) : NULL;
    if (ours != NULL)
        return listener_refuse_overlap(address, ours, err);
    if (errnum == 0)
        errnum = unix_socket_remove_stale(name);
    return errnum == 0 ? 0 : refuse(address, errnum, err);
}

// Nobody can connect before listen, so that nobody does with rights that are not the last ones.
static int prepare_file(const struct listener_address *address, const struct ids *ids,
                        struct unix_socket_file *file, struct err *err)
{
    if (lchown(address->path, ids->user, ids->group) < 0)
        return refuse_owner(address, errno, err);
    if (chmod(address->path, address->mode) < 0)
        return refuse(address, errno, err);
    int errnum = unix_socket_note(file, address->path);
    return errnum == 0 ? 0 : refuse(address, errnum, err);
}

// What systemd has opened stays as it is. What a limpet has opened may be wanted in another way
// than it was, but stays that one's until we serve.
static int adopt(struct listener_set *set, const struct listener_address *address,
                 struct listener_inherited_socket *socket, int backlog, struct err *err)
{
    struct unix_socket_file file;
    struct ids ids;
    if (!socket->own) {
        if (address->owner != NULL || address->group != NULL || address->mode != LISTENER_FILE_MODE)
            log_warning("listener",
                        "ignoring mode and owner of unix:%s: systemd has opened it (write "
                        "SocketMode=, SocketUser= and SocketGroup= in the .socket unit)",
                        address->path);
        unix_socket_find(&file, address->path);
    } else if (find_ids(address, &ids, err) < 0 || prepare_file(address, &ids, &file, err) < 0) {
        return -1;
    }
    file.adopted = socket->own;
    file.maker = 0;
    listener_adopt(set, socket, address->path, 0, backlog);
    set->files[set->count - 1] = file;
    return 0;
}

int listener_add_unix(struct listener_set *set, const struct listener_address *address, int backlog,
                      struct err *err)
{
    struct sockaddr_un name;
    struct unix_socket_file file;
    struct ids ids;
    struct listener_inherited_socket *inherited = listener_find_inherited_path(set, address->path);
    if (inherited != NULL)
        return adopt(set, address, inherited, backlog, err);
    if (make_name(address, &name, err) < 0 || find_ids(address, &ids, err) < 0 ||
        make_way(set, address, &name, err) < 0)
        return -1;
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        return refuse(address, errno, err);
    int result = prepare_file(address, &ids, &file, err);
    if (result == 0 && listen(fd, backlog) < 0)
        result = refuse(address, errno, err);
    if (result < 0) {
        unlink(address->path);
        return -1;
    }
    listener_append(set, steal_fd(&fd), address->path, 0);
    set->files[set->count - 1] = file;
    return 0;
}
