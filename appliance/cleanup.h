// cleanup.h - owners that release what they hold at the end of their scope (gcc's cleanup
// attribute). Initialise at the declaration (NULL, -1); hand over with steal_ptr and steal_fd.
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _free_ __attribute__((cleanup(cleanup_free)))
#define _close_ __attribute__((cleanup(cleanup_close)))
#define _fclose_ __attribute__((cleanup(cleanup_fclose)))

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

// The value of an owner, which owns nothing afterwards.
#define steal_ptr(owner)              \
    ({                                \
        __auto_type taken = *(owner); \
        *(owner) = NULL;              \
        taken;                        \
    })

static inline int steal_fd(int *owner)
{
    int fd = *owner;
    *owner = -1;
    return fd;
}
