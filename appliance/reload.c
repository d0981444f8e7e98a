// reload.c - which folders targets are loaded from, as limpet.loader finds them, and the moment to
// wait for more changes. Does not know what becomes of a change.
#include "reload.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "child.h"
#include "cleanup.h"
#include "config.h"
#include "config_mount.h"
#include "log.h"
#include "watch.h"

// Milliseconds without a change after which the last one was the last; and in which the first one
// takes effect although more keep coming.
enum { QUIET = 80, LONGEST = 1000 };

// Where sources are.
struct place {
    char path[PATH_MAX];
    bool is_file; // that one file is all
};

struct reload {
    struct watch **watches; // one for each place
    size_t count;
    int fd;                 // readable when one of them is
    int64_t first, last;    // of the changes that wait; CHILD_NEVER: none do
    char changed[PATH_MAX]; // the first of them
};

static bool ends_with(struct str text, struct str tail)
{
    return text.size >= tail.size &&
           memcmp(text.data + text.size - tail.size, tail.data, tail.size) == 0;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// Where a target's sources are, for the supervisor, which does not change its own folder. The
// target is a path up to a colon, or else a module in the working folder.
static void find_sources(const struct config *config, const char *text, struct place *out)
{
    struct str target = {text, strcspn(text, ":")};
    char *path = out->path;
    const char *base = config->working_dir != NULL ? config->working_dir : ".";
    bool absolute = target.data[0] == '/';
    snprintf(path, PATH_MAX, "%s%s%.*s", absolute ? "" : base, absolute ? "" : "/",
             (int)target.size, target.data);
    out->is_file = ends_with(target, STR(".zip"));
    bool whole_target = target.data[target.size] == '\0';
    bool is_path = memchr(target.data, '/', target.size) != NULL;
    char *slash = strrchr(path, '/');
    if (ends_with(target, STR(".py")))
        slash[slash == path] = '\0'; // the root keeps its slash
    else if (!out->is_file && !is_path && !(whole_target && is_folder(path)))
        snprintf(path, PATH_MAX, "%s", base);
}

// Whether two names are of the same thing.
static bool is_same(const struct place *a, const struct place *b)
{
    struct stat first, second;
    if (stat(a->path, &first) < 0 || stat(b->path, &second) < 0)
        return strcmp(a->path, b->path) == 0;
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Those of the target and of what is mounted, each once. One that is within another is watched with
// it as well, as far as it counts there. The caller frees them.
static struct place *find_places(const struct config *config, size_t *count)
{
    struct place *places = calloc(config->mount.count + 1, sizeof *places);
    must_have(places != NULL);
    find_sources(config, config->target, &places[0]);
    *count = 1;
    for (size_t i = 0; i < config->mount.count; i++) {
        struct config_mount mount;
        struct err err; // none: the values are checked
        bool known = config_mount_parse(config->mount.items[i], &mount, &err) < 0;
        if (!known)
            find_sources(config, mount.target, &places[*count]);
        for (size_t j = 0; j < *count && !known; j++)
            known = is_same(&places[*count], &places[j]);
        if (!known)
            ++*count;
    }
    return places;
}

static struct watch *open_watch(const struct config *config, const struct place *place, bool first,
                                struct err *err)
{
    size_t count = first ? config->env_files.count : 0;
    _free_ const char **files = calloc(count + 1, sizeof *files);
    must_have(files != NULL);
    for (size_t i = 0; i < count; i++)
        files[i] = config->env_files.items[i];
    if (place->is_file)
        files[count++] = place->path;
    struct watch_setup setup = {
        .folder = place->is_file ? NULL : place->path, .files = files, .file_count = count};
    return watch_open(&setup, err);
}

static int check_places(const struct place *places, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (access(places[i].path, places[i].is_file ? R_OK : R_OK | X_OK) < 0)
            return err_system(err, errno, "cannot watch %s for --reload", places[i].path);
    }
    return 0;
}

static int open_watches(struct reload *reload, const struct config *config,
                        const struct place *places, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        reload->watches[i] = open_watch(config, &places[i], i == 0, err);
        if (reload->watches[i] == NULL)
            return -1;
        reload->count++;
    }
    reload->fd = epoll_create1(EPOLL_CLOEXEC);
    if (reload->fd < 0)
        return err_system(err, errno, "epoll_create1");
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(reload->fd, EPOLL_CTL_ADD, watch_fd(reload->watches[i]), &event) < 0)
            return err_system(err, errno, "epoll_ctl");
    }
    return 0;
}

int reload_open(struct reload **out, const struct config *config, struct err *err)
{
    struct err why;
    size_t count;
    *out = NULL;
    if (!config->reload)
        return 0;
    _free_ struct place *places = find_places(config, &count);
    if (check_places(places, count, err) < 0)
        return -1;
    struct reload *reload = calloc(1, sizeof *reload);
    must_have(reload != NULL);
    *reload = (struct reload){
        .watches = calloc(count, sizeof *reload->watches), .fd = -1, .first = CHILD_NEVER};
    must_have(reload->watches != NULL);
    if (open_watches(reload, config, places, count, &why) < 0) {
        log_warning("reload", "changes are not noticed: %s", why.text);
        reload_close(reload);
        return 0;
    }
    *out = reload;
    return 0;
}

void reload_close(struct reload *reload)
{
    if (reload == NULL)
        return;
    for (size_t i = 0; i < reload->count; i++)
        watch_close(reload->watches[i]);
    if (reload->fd >= 0)
        close(reload->fd);
    free(reload->watches);
    free(reload);
}

int reload_fd(const struct reload *reload)
{
    return reload != NULL ? reload->fd : -1;
}

int64_t reload_deadline(const struct reload *reload)
{
    if (reload == NULL || reload->first == CHILD_NEVER)
        return CHILD_NEVER;
    int64_t quiet = reload->last + QUIET, longest = reload->first + LONGEST;
    return quiet < longest ? quiet : longest;
}

// The first one; each watch is asked, as each has its own to forget.
static const char *take_changes(struct reload *reload)
{
    const char *first = NULL;
    for (size_t i = 0; i < reload->count; i++) {
        const char *changed = watch_take(reload->watches[i]);
        first = first == NULL ? changed : first;
    }
    return first;
}

const char *reload_due(struct reload *reload, int64_t now)
{
    const char *changed = reload != NULL ? take_changes(reload) : NULL;
    if (changed != NULL) {
        if (reload->first == CHILD_NEVER) {
            reload->first = now;
            snprintf(reload->changed, sizeof reload->changed, "%s", changed);
        }
        reload->last = now;
    }
    if (reload_deadline(reload) > now)
        return NULL;
    reload->first = CHILD_NEVER;
    return reload->changed;
}
