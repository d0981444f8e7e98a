// watch_path.c - one name after another, links put in the place of their names (as in
// path_resolution(7)).
#include "watch_path.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; // as the kernel's

struct walk {
    char real[PATH_MAX]; // "": the root
    char rest[PATH_MAX];
    char next[PATH_MAX]; // real and the name that is looked at
    int links;
};

// Take the next name off the rest. False: there is none.
static bool take_name(struct walk *walk, char name[static NAME_MAX + 1])
{
    const char *begin = walk->rest + strspn(walk->rest, "/");
    size_t size = strcspn(begin, "/");
    const char *end = begin + size + strspn(begin + size, "/");
    if (size == 0 || size > NAME_MAX)
        return false;
    memcpy(name, begin, size);
    name[size] = '\0';
    memmove(walk->rest, end, strlen(end) + 1);
    return true;
}

// Put what the link leads to in front of the rest. False: too long or too many.
static bool follow(struct walk *walk)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t size = readlink(walk->next, target, sizeof target - 1);
    if (size <= 0 || walk->links++ == LINKS_MAX)
        return false;
    target[size] = '\0';
    if (snprintf(rest, sizeof rest, "%s/%s", target, walk->rest) >= (int)sizeof rest)
        return false;
    if (target[0] == '/')
        walk->real[0] = '\0';
    memcpy(walk->rest, rest, sizeof rest);
    return true;
}

// True: the walk goes on.
static bool step(struct walk *walk, const char *name, void (*found)(void *owner, const char *path),
                 void *owner)
{
    struct stat status;
    if (strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") == 0) {
        char *slash = strrchr(walk->real, '/');
        if (slash != NULL)
            *slash = '\0';
        return true;
    }
    if (snprintf(walk->next, sizeof walk->next, "%s/%s", walk->real, name) >=
        (int)sizeof walk->next)
        return false;
    bool is_there = lstat(walk->next, &status) == 0;
    bool is_link = is_there && S_ISLNK(status.st_mode);
    if (!is_there || is_link || walk->rest[0] == '\0')
        found(owner, walk->next);
    if (is_link)
        return follow(walk);
    memcpy(walk->real, walk->next, sizeof walk->real);
    return is_there;
}

void watch_path_walk(const char *path, void (*found)(void *owner, const char *path), void *owner)
{
    struct walk walk = {.links = 0};
    char name[NAME_MAX + 1];
    if (snprintf(walk.rest, sizeof walk.rest, "%s", path) >= (int)sizeof walk.rest)
        return;
    while (take_name(&walk, name) && step(&walk, name, found, owner))
        continue;
}
