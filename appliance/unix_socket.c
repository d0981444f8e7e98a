// unix_socket.c - makes way for a unix socket and tidies up after it, without touching what belongs
// to others. Opens no socket but to look who answers: that is for listener_unix.c and
// control_socket.c.
#include "unix_socket.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

bool unix_socket_name(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size == 0 || size > UNIX_SOCKET_PATH_MAX)
        return false;
    memcpy(out->sun_path, path, size);
    return true;
}

int unix_socket_look(const struct sockaddr_un *name, struct stat *status)
{
    if (lstat(name->sun_path, status) < 0)
        return errno;
    return S_ISSOCK(status->st_mode) ? 0 : ENOTSOCK;
}

// 0: nobody answers any more on the socket that is there.
static int probe(const struct sockaddr_un *name)
{
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    // Only a refusal says that nobody listens: a full backlog or a missing permission does not.
    int errnum = connect(fd, (const struct sockaddr *)name, sizeof *name) < 0 ? errno : 0;
    if (errnum == ECONNREFUSED)
        return 0;
    return errnum == EACCES ? EACCES : EADDRINUSE;
}

int unix_socket_remove_stale(const struct sockaddr_un *name)
{
    int errnum = probe(name);
    if (errnum != 0)
        return errnum;
    return unlink(name->sun_path) < 0 && errno != ENOENT ? errno : 0;
}

void unix_socket_find(struct unix_socket_file *file, const char *path)
{
    struct stat status;
    *file = (struct unix_socket_file){.path = NULL};
    if (lstat(path, &status) == 0)
        *file = (struct unix_socket_file){path, status.st_dev, status.st_ino, 0, false};
}

bool unix_socket_in_place(const struct unix_socket_file *file)
{
    struct stat status;
    return lstat(file->path, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

int unix_socket_note(struct unix_socket_file *file, const char *path)
{
    unix_socket_find(file, path);
    file->maker = getpid();
    return file->path != NULL ? 0 : errno;
}

void unix_socket_remove(struct unix_socket_file *file)
{
    if (file->path != NULL && file->maker == getpid() && unix_socket_in_place(file))
        unlink(file->path);
    file->path = NULL;
}

const char *unix_socket_reason(int errnum)
{
    static const struct {
        int errnum;
        const char *text;
    } reasons[] = {
        {EADDRINUSE, "in use by another process; choose another with"},
        {ENOENT, "its folder does not exist; create it or choose another with"},
        {ENOTDIR, "its folder is not a folder; choose another with"},
        {ENOTSOCK, "a file is there that is no socket; remove it or choose another path with"},
        {EACCES, "permission denied; choose another with"},
        {EROFS, "its file system is read-only; choose another with"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].errnum == errnum)
            return reasons[i].text;
    }
    return NULL;
}
