// text_file.c - open, read until it is full or there is no more, close. Files of the kernel have no
// size to ask for.
#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"

ssize_t text_file_read(const char *path, char *out, size_t size)
{
    must(size > 0);
    size_t used = 0;
    out[0] = '\0';
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    while (used < size - 1) {
        ssize_t count = read(fd, out + used, size - 1 - used);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            out[0] = '\0';
            return -1;
        }
        if (count == 0)
            break;
        used += (size_t)count;
    }
    out[used] = '\0';
    return (ssize_t)used;
}
