// listener_unix.c - a unix socket and its file: makes way for it, gives it its owner and mode, and
// leaves alone what belongs to others.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "identity.h"
#include "listener_inherited.h"
#include "listener_priv.h"
#include "log.h"

static const struct listener_reason reasons[] = {
    {EADDRINUSE, "in use by another process; choose another with", "--uds"},
    {ENOENT, "its folder does not exist; create it or choose another with", "--uds"},
    {ENOTDIR, "its folder is not a folder; choose another with", "--uds"},
    {EACCES, "permission denied; choose another with", "--uds"},
    {EROFS, "its file system is read-only; choose another with", "--uds"},
};

static int refuse(const struct listener_address *address, int errnum, struct err *err)
{
    return listener_refuse(address, reasons, sizeof reasons / sizeof reasons[0], errnum, err);
}

static int make_name(const struct listener_address *address, struct sockaddr_un *out,
                     struct err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t size = strlen(address->path);
    if (size == 0)
        return err_set(err, ERR_FAILED,
                       "cannot listen on a unix socket without a path; give one with --uds");
    if (size >= sizeof out->sun_path) {
        char text[128];
        snprintf(text, sizeof text,
                 "a path of %zu bytes, at most %zu are possible; choose a shorter one with", size,
                 sizeof out->sun_path - 1);
        return listener_refuse_with(address, &(struct listener_reason){0, text, "--uds"}, err);
    }
    memcpy(out->sun_path, address->path, size);
    return 0;
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
        const struct listener_file *file = &set->files[i];
        if (file->path != NULL && file->device == status->st_dev && file->inode == status->st_ino)
            return &set->listeners[i];
    }
    return NULL;
}

// Whether nobody answers any more on the socket that is there.
static int probe(const struct listener_address *address, const struct sockaddr_un *name,
                 struct err *err)
{
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(address, errno, err);
    // Only a refusal says that nobody listens: a full backlog or a missing permission does not.
    int errnum = connect(fd, (const struct sockaddr *)name, sizeof *name) < 0 ? errno : 0;
    if (errnum == ECONNREFUSED)
        return 0;
    return refuse(address, errnum == EACCES ? EACCES : EADDRINUSE, err);
}

// Make way: remove a socket's file that nobody answers on any more.
static int remove_stale(const struct listener_set *set, const struct listener_address *address,
                        const struct sockaddr_un *name, struct err *err)
{
    static const struct listener_reason no_socket = {
        0, "a file is there that is no socket; remove it or choose another path with", "--uds"};
    struct stat status;
    if (lstat(name->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : refuse(address, errno, err);
    if (!S_ISSOCK(status.st_mode))
        return listener_refuse_with(address, &no_socket, err);
    const struct listener *ours = find_ours(set, &status);
    if (ours != NULL)
        return listener_refuse_overlap(address, ours, err);
    if (probe(address, name, err) < 0)
        return -1;
    if (unlink(name->sun_path) < 0 && errno != ENOENT)
        return refuse(address, errno, err);
    return 0;
}

// Nobody can connect before listen, so that nobody does with rights that are not the last ones.
static int prepare_file(const struct listener_address *address, const struct ids *ids,
                        struct listener_file *file, struct err *err)
{
    struct stat status;
    if (lchown(address->path, ids->user, ids->group) < 0)
        return refuse_owner(address, errno, err);
    if (chmod(address->path, address->mode) < 0 || lstat(address->path, &status) < 0)
        return refuse(address, errno, err);
    *file = (struct listener_file){address->path, status.st_dev, status.st_ino, getpid(), false};
    return 0;
}

// What systemd has opened stays as it is. What a limpet has opened may be wanted in another way
// than it was, but stays that one's until we serve.
static int adopt(struct listener_set *set, const struct listener_address *address,
                 struct listener_inherited_socket *socket, int backlog, struct err *err)
{
    struct listener_file file;
    struct ids ids;
    if (!socket->own) {
        if (address->owner != NULL || address->group != NULL || address->mode != LISTENER_FILE_MODE)
            log_warning("listener",
                        "ignoring mode and owner of unix:%s: systemd has opened it (write "
                        "SocketMode=, SocketUser= and SocketGroup= in the .socket unit)",
                        address->path);
        listener_find_file(address->path, &file);
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
    struct listener_file file;
    struct ids ids;
    struct listener_inherited_socket *inherited = listener_find_inherited_path(set, address->path);
    if (inherited != NULL)
        return adopt(set, address, inherited, backlog, err);
    if (make_name(address, &name, err) < 0 || find_ids(address, &ids, err) < 0 ||
        remove_stale(set, address, &name, err) < 0)
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
