// reload.c - which folder a target is loaded from, as limpet.loader finds it, and the moment to
// wait for more changes. Does not know what becomes of a change.
#include "reload.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "child.h"
#include "cleanup.h"
#include "config.h"
#include "log.h"
#include "watch.h"

// Milliseconds without a change after which the last one was the last; and in which the first one
// takes effect although more keep coming.
enum { QUIET = 80, LONGEST = 1000 };

struct reload {
    struct watch *watch;
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
// target is a path up to a colon, or else a module in the working folder. *is_file: that one file
// is all.
static void find_sources(const struct config *config, char path[static PATH_MAX], bool *is_file)
{
    struct str target = {config->target, strcspn(config->target, ":")};
    const char *base = config->working_dir != NULL ? config->working_dir : ".";
    bool absolute = target.data[0] == '/';
    snprintf(path, PATH_MAX, "%s%s%.*s", absolute ? "" : base, absolute ? "" : "/",
             (int)target.size, target.data);
    *is_file = ends_with(target, STR(".zip"));
    bool whole_target = target.data[target.size] == '\0';
    bool is_path = memchr(target.data, '/', target.size) != NULL;
    char *slash = strrchr(path, '/');
    if (ends_with(target, STR(".py")))
        slash[slash == path] = '\0'; // the root keeps its slash
    else if (!*is_file && !is_path && !(whole_target && is_folder(path)))
        snprintf(path, PATH_MAX, "%s", base);
}

static struct watch *open_watch(const struct config *config, const char *path, bool is_file,
                                struct err *err)
{
    size_t count = config->env_files.count;
    _free_ const char **files = calloc(count + 1, sizeof *files);
    must(files != NULL);
    for (size_t i = 0; i < count; i++)
        files[i] = config->env_files.items[i];
    if (is_file)
        files[count++] = path;
    struct watch_setup setup = {
        .folder = is_file ? NULL : path, .files = files, .file_count = count};
    return watch_open(&setup, err);
}

int reload_open(struct reload **out, const struct config *config, struct err *err)
{
    char path[PATH_MAX];
    bool is_file;
    struct err why;
    *out = NULL;
    if (!config->reload)
        return 0;
    find_sources(config, path, &is_file);
    if (access(path, is_file ? R_OK : R_OK | X_OK) < 0)
        return err_system(err, errno, "cannot watch %s for --reload", path);
    struct watch *watch = open_watch(config, path, is_file, &why);
    if (watch == NULL) {
        log_warning("reload", "changes are not noticed: %s", why.text);
        return 0;
    }
    *out = calloc(1, sizeof **out);
    must(*out != NULL);
    **out = (struct reload){.watch = watch, .first = CHILD_NEVER};
    return 0;
}

void reload_close(struct reload *reload)
{
    if (reload == NULL)
        return;
    watch_close(reload->watch);
    free(reload);
}

int reload_fd(const struct reload *reload)
{
    return reload != NULL ? watch_fd(reload->watch) : -1;
}

int64_t reload_deadline(const struct reload *reload)
{
    if (reload == NULL || reload->first == CHILD_NEVER)
        return CHILD_NEVER;
    int64_t quiet = reload->last + QUIET, longest = reload->first + LONGEST;
    return quiet < longest ? quiet : longest;
}

const char *reload_due(struct reload *reload, int64_t now)
{
    const char *changed = reload != NULL ? watch_take(reload->watch) : NULL;
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
