// spool.c - memory first, then O_TMPFILE: the file vanishes with its descriptor, whatever ends us.
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"

enum { MEMORY_KEPT = 64 * 1024, PATH_SIZE = 4096 };

static const char standard_folder[] = "/tmp";

// For file systems that have no O_TMPFILE.
static int open_unlinked(const char *folder)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/limpet-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int open_in(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR) ? open_unlinked(folder) : fd;
}

static int open_file(const struct spool_limits *limits, struct err *err)
{
    const char *folder = limits->folder != NULL ? limits->folder : standard_folder;
    int fd = open_in(folder);
    // A machine without a /tmp that can be written to: what is large stays in memory as well.
    if (fd < 0 && limits->folder == NULL && !limits->scarce)
        fd = memfd_create("request body", MFD_CLOEXEC);
    if (fd < 0)
        err_system(err, errno,
                   "cannot make a temporary file in %s (choose another with --temp-dir)", folder);
    return fd;
}

int spool_check(const struct spool_limits *limits, struct err *err)
{
    // Bodies that need no file are served in any case.
    if (limits->folder == NULL)
        return 0;
    _close_ int fd = open_file(limits, err);
    return fd < 0 ? -1 : 0;
}

void spool_init(struct spool *spool, const struct spool_limits *limits)
{
    *spool = (struct spool){.limits = limits, .fd = -1};
    buf_init(&spool->memory, limits->memory);
}

void spool_fini(struct spool *spool)
{
    buf_fini(&spool->memory);
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
    spool->size = 0;
}

void spool_clear(struct spool *spool)
{
    if (spool->fd >= 0 || spool->memory.capacity > MEMORY_KEPT)
        spool_fini(spool);
    spool->memory.size = 0;
    spool->size = 0;
}

bool spool_exceeds(const struct spool *spool, uint64_t size)
{
    uint64_t maximum = spool->limits->maximum;
    return maximum != 0 && size > maximum - spool->size;
}

static int write_all(int fd, const char *data, size_t size, struct err *err)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return err_system(err, errno, "cannot write to a temporary file");
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

// What is in memory goes first into the file.
static int move_to_file(struct spool *spool, struct err *err)
{
    spool->fd = open_file(spool->limits, err);
    if (spool->fd < 0 ||
        write_all(spool->fd, buf_text(&spool->memory), spool->memory.size, err) < 0)
        return -1;
    buf_fini(&spool->memory);
    return 0;
}

int spool_expect(struct spool *spool, uint64_t size, struct err *err)
{
    if (spool->fd >= 0 || size <= spool->limits->memory)
        return 0;
    return move_to_file(spool, err);
}

int spool_append(struct spool *spool, const void *data, size_t size, struct err *err)
{
    if (spool_exceeds(spool, size))
        return err_set(err, ERR_FAILED, "longer than the %llu bytes of --max-body-size",
                       (unsigned long long)spool->limits->maximum);
    if (spool->fd < 0 && buf_append(&spool->memory, data, size) == 0) {
        spool->size += size;
        return 0;
    }
    if (spool->fd < 0 && move_to_file(spool, err) < 0)
        return -1;
    if (write_all(spool->fd, data, size, err) < 0)
        return -1;
    spool->size += size;
    return 0;
}
