// watch_names.c - the tables of names. Sources are told by suffix, so that neither what an
// application writes beside itself (databases, logs, uploads) nor an editor's swap, backup and lock
// files count.
#include "watch_names.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Templates count as well: frameworks keep them compiled while their own debug server is not what
// runs them.
static const char *const suffixes[] = {".py",    ".toml",   ".html", ".htm",
                                       ".jinja", ".jinja2", ".j2",   ".mako"};

// Emacs has what is being typed checked in files of this name beside the real one.
static const char scratch_prefix[] = "flycheck_";

static const char *const skipped_folders[] = {"__pycache__", "node_modules", "site-packages"};

static const char *const environment_marks[] = {"pyvenv.cfg", "conda-meta"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_in(const char *name, const char *const *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, table[i]) == 0)
            return true;
    }
    return false;
}

bool watch_names_source(const char *name)
{
    const char *suffix = strrchr(name, '.');
    return name[0] != '.' && suffix != NULL && is_in(suffix, suffixes, COUNT(suffixes)) &&
           strncmp(name, scratch_prefix, sizeof scratch_prefix - 1) != 0;
}

bool watch_names_skipped(const char *name)
{
    return name[0] == '.' || is_in(name, skipped_folders, COUNT(skipped_folders));
}

bool watch_names_environment(const char *name)
{
    return is_in(name, environment_marks, COUNT(environment_marks));
}

bool watch_names_is_environment(const char *folder)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < COUNT(environment_marks); i++) {
        if (snprintf(path, sizeof path, "%s/%s", folder, environment_marks[i]) < (int)sizeof path &&
            access(path, F_OK) == 0)
            return true;
    }
    return false;
}
