// files_disk.c - regular files beneath a folder. The kernel holds the path to the folder
// (openat2(2)): neither "..", nor a link, nor a rename at the wrong moment leads out of it.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "files_priv.h"

enum { LOOK_AGAIN = 1000, TRIES = 4 }; // milliseconds

int files_disk_open_folder(const char *path, struct err *err)
{
    // Readable rights are asked for with each file.
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_system(err, errno, "%s", path);
    if (faccessat(fd, ".", X_OK, AT_EACCESS) < 0) {
        err_system(err, errno, "%s", path);
        close(fd);
        return -1;
    }
    return fd;
}

// A deployment may put another folder in its place, or lead a link elsewhere. The descriptor keeps
// its number, for other threads use it at this moment.
void files_disk_look_again(struct files_folder *folder, int64_t now)
{
    struct stat before, after;
    if (now - folder->looked_at < LOOK_AGAIN)
        return;
    folder->looked_at = now;
    if (stat(folder->path, &after) < 0 || fstat(folder->fd, &before) < 0 ||
        (before.st_dev == after.st_dev && before.st_ino == after.st_ino))
        return;
    struct err err;
    _close_ int fd = files_disk_open_folder(folder->path, &err);
    if (fd >= 0)
        dup3(fd, folder->fd, O_CLOEXEC);
}

static int walk(const struct files_folder *folder, const char *name)
{
    _free_ char *real = realpath(folder->path, NULL);
    return real != NULL ? files_disk_walk(folder->fd, real, name) : -1;
}

// Neither a FIFO nor a device is waited for: what is no regular file is closed again.
static int open_beneath(const struct files_folder *folder, const char *name)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -1;
    for (int i = 0; fd < 0 && i < TRIES; i++) {
        fd = (int)syscall(SYS_openat2, folder->fd, name, &how, sizeof how);
        if (fd < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    return fd;
}

static unsigned status_of(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
        return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return 503;
    case EIO:
        return 500;
    default:
        return 404;
    }
}

unsigned files_disk_open(const struct files_folder *folder, const char *name,
                         struct files_item *item, int64_t *nanoseconds)
{
    struct stat about;
    _close_ int fd = open_beneath(folder, name);
    // No such call, here or in a container; an absolute link; too much is renamed.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EXDEV || errno == EAGAIN))
        fd = walk(folder, name);
    if (fd < 0 || fstat(fd, &about) < 0)
        return status_of(errno);
    if (S_ISDIR(about.st_mode))
        return FILES_IS_FOLDER;
    if (!S_ISREG(about.st_mode))
        return 404;
    item->fd = steal_fd(&fd);
    item->size = (uint64_t)about.st_size;
    item->modified = about.st_mtim.tv_sec;
    *nanoseconds = (int64_t)about.st_mtim.tv_nsec;
    return FILES_FOUND;
}
