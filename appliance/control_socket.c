// control_socket.c - makes the control socket, for its owner alone from the first moment on, and
// leaves what belongs to others alone.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "control_priv.h"

enum {
    MODE = 0600,  // of the file
    BACKLOG = 64, // clients that wait
};

static int refuse(const char *path, int errnum, struct err *err)
{
    const char *reason = unix_socket_reason(errnum);
    if (reason != NULL)
        return err_set(err, ERR_FAILED,
                       "cannot open the control socket %.200s: %s --control-socket", path, reason);
    return err_system(err, errnum, "cannot open the control socket %.200s", path);
}

static int refuse_name(const char *path, struct err *err)
{
    return err_set(err, ERR_FAILED,
                   "cannot open the control socket %.200s: a path of %zu bytes, at most %d are "
                   "possible; choose a shorter one with --control-socket",
                   path, strlen(path), UNIX_SOCKET_PATH_MAX);
}

static int refuse_owner(const char *path, uid_t owner, struct err *err)
{
    return err_set(err, ERR_FAILED,
                   "cannot open the control socket %.200s: a socket of user %u is there; remove it "
                   "or choose another path with --control-socket",
                   path, (unsigned)owner);
}

// The path may be taken: nothing is there, or a socket of ours, which is removed unless it stays
// until it is replaced.
static int make_way(const struct sockaddr_un *name, bool keep, struct err *err)
{
    struct stat status;
    int errnum = unix_socket_look(name, &status);
    if (errnum == ENOENT)
        return 0;
    if (errnum == 0 && status.st_uid != geteuid())
        return refuse_owner(name->sun_path, status.st_uid, err);
    if (errnum == 0 && !keep)
        errnum = unix_socket_remove_stale(name);
    return errnum == 0 ? 0 : refuse(name->sun_path, errnum, err);
}

// A default ACL of the folder overrules the mask, hence chmod; nobody can connect before listen.
static int bind_privately(int fd, const struct sockaddr_un *name)
{
    mode_t mask = umask(0777 & ~MODE);
    int result = bind(fd, (const struct sockaddr *)name, sizeof *name);
    int errnum = errno;
    umask(mask);
    if (result < 0)
        return errnum;
    if (chmod(name->sun_path, MODE) == 0 && listen(fd, BACKLOG) == 0)
        return 0;
    errnum = errno;
    unlink(name->sun_path);
    return errnum;
}

// A name beside the path that is no longer than it: another last byte.
static struct sockaddr_un beside(const struct sockaddr_un *name)
{
    struct sockaddr_un other = *name;
    char *last = &other.sun_path[strlen(other.sun_path) - 1];
    *last = *last == '~' ? '_' : '~';
    return other;
}

// Clients find the path at any time: it changes from the other process's socket to ours at once.
static int bind_over(int fd, const struct sockaddr_un *name, struct err *err)
{
    struct sockaddr_un other = beside(name);
    if (make_way(&other, false, err) < 0)
        return -1;
    int errnum = bind_privately(fd, &other);
    if (errnum == 0 && rename(other.sun_path, name->sun_path) < 0) {
        errnum = errno;
        unlink(other.sun_path);
    }
    return errnum == 0 ? 0 : refuse(name->sun_path, errnum, err);
}

int control_socket_open(const char *path, bool take_over, struct unix_socket_file *file,
                        struct err *err)
{
    struct sockaddr_un name;
    int errnum;
    if (!unix_socket_name(path, &name))
        return refuse_name(path, err);
    if (make_way(&name, take_over, err) < 0)
        return -1;
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(path, errno, err);
    if (take_over && bind_over(fd, &name, err) < 0)
        return -1;
    if (!take_over && (errnum = bind_privately(fd, &name)) != 0)
        return refuse(path, errnum, err);
    if ((errnum = unix_socket_note(file, path)) != 0)
        return refuse(path, errnum, err);
    return steal_fd(&fd);
}
