// files_disk_walk.c - a path beneath a folder, one step at a time: for kernels without openat2, and
// for absolute links that lead back into the folder, which it takes for ways out. No step follows a
// link, and none is "..": what links say is put in the place of their names, as text.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "files_priv.h"

enum { LINKS_MAX = 40, STEPS_MAX = 1024 };

struct walk {
    int folder, at;      // where it began; where it is, its own, or the folder
    const char *real;    // of the folder
    char done[PATH_MAX]; // from the folder to here, free of links
    char rest[PATH_MAX]; // from here on
    unsigned links;
};

static int fail(int errnum)
{
    errno = errnum;
    return -1;
}

static void go_back(struct walk *walk)
{
    if (walk->at != walk->folder)
        close(walk->at);
    walk->at = walk->folder;
    walk->done[0] = '\0';
}

// Put a path before the rest.
static int put_before(struct walk *walk, const char *text, size_t size)
{
    size_t rest = strlen(walk->rest);
    if (size + 1 + rest >= sizeof walk->rest)
        return fail(ENAMETOOLONG);
    memmove(walk->rest + size + 1, walk->rest, rest + 1);
    memcpy(walk->rest, text, size);
    walk->rest[size] = '/';
    return 0;
}

// "..": begin anew, without the last step.
static int go_up(struct walk *walk)
{
    char *slash = strrchr(walk->done, '/');
    if (walk->done[0] == '\0')
        return fail(EXDEV);
    size_t size = slash != NULL ? (size_t)(slash - walk->done) : 0;
    if (size > 0 && put_before(walk, walk->done, size) < 0)
        return -1;
    go_back(walk);
    return 0;
}

static int follow(struct walk *walk, char *target, size_t size)
{
    size_t real = strlen(walk->real);
    target[size] = '\0';
    if (++walk->links > LINKS_MAX)
        return fail(ELOOP);
    if (target[0] != '/')
        return put_before(walk, target, size);
    if (strncmp(target, walk->real, real) != 0 || (target[real] != '/' && target[real] != '\0'))
        return fail(EXDEV);
    go_back(walk);
    return put_before(walk, target + real, size - real);
}

static int note_step(struct walk *walk, const char *step)
{
    size_t before = strlen(walk->done), size = strlen(step);
    if (before + 1 + size >= sizeof walk->done)
        return fail(ENAMETOOLONG);
    if (before > 0)
        walk->done[before++] = '/';
    memcpy(walk->done + before, step, size + 1);
    return 0;
}

// The next part of the rest, taken off it.
static void take_step(struct walk *walk, char *step)
{
    size_t start = strspn(walk->rest, "/"), size = strcspn(walk->rest + start, "/");
    memcpy(step, walk->rest + start, size);
    step[size] = '\0';
    memmove(walk->rest, walk->rest + start + size, strlen(walk->rest + start + size) + 1);
}

// One step. A descriptor when it was the last one, -1: errno, -2: there are more.
static int go(struct walk *walk, const char *step)
{
    char target[PATH_MAX];
    if (strcmp(step, "..") == 0)
        return go_up(walk) < 0 ? -1 : -2;
    ssize_t size = readlinkat(walk->at, step, target, sizeof target - 1);
    if (size >= 0)
        return follow(walk, target, (size_t)size) < 0 ? -1 : -2;
    if (errno != EINVAL)
        return -1;
    bool is_last = walk->rest[strspn(walk->rest, "/")] == '\0';
    int flags = is_last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
    _close_ int fd = openat(walk->at, step, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (is_last)
        return steal_fd(&fd);
    if (note_step(walk, step) < 0)
        return -1;
    if (walk->at != walk->folder)
        close(walk->at);
    walk->at = steal_fd(&fd);
    return -2;
}

int files_disk_walk(int folder, const char *real, const char *name)
{
    struct walk walk = {.folder = folder, .at = folder, .real = real};
    char step[PATH_MAX];
    int fd = -2;
    if (strlen(name) >= sizeof walk.rest)
        return fail(ENAMETOOLONG);
    memcpy(walk.rest, name, strlen(name) + 1);
    for (unsigned steps = 0; fd == -2; steps++) {
        take_step(&walk, step);
        if (steps == STEPS_MAX)
            fd = fail(ELOOP);
        else if (step[0] == '\0')
            fd = openat(walk.at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        else if (strcmp(step, ".") != 0)
            fd = go(&walk, step);
    }
    int errnum = errno;
    if (walk.at != walk.folder)
        close(walk.at);
    errno = errnum;
    return fd;
}
