// watch.h - notices by inotify that the sources of an application have changed: Python files, TOML
// files and templates in a folder and all below it, and any files that are named, with the links
// that lead to them. Left out are hidden files and folders, caches, installed packages and virtual
// environments.
#pragma once

#include <stddef.h>

#include "err.h"

struct watch; // opaque

struct watch_setup {
    const char *folder; // NULL: only the files
    // Whatever their names are; one that is not there yet may come. In one that is a folder
    // everything counts, and in its folders, but no deeper.
    const char *const *files;
    size_t file_count;
};

// Errors: the folder cannot be read, or inotify cannot be had (ERR_FAILED). What else cannot be
// watched is said in the log, once, and left out.
struct watch *watch_open(const struct watch_setup *setup, struct err *err);
void watch_close(struct watch *watch);

// Readable when watch_take has something to do. Closed with the watch.
int watch_fd(const struct watch *watch);

// Take all that has happened so far, without waiting. Returns the first thing that has changed,
// valid until the next call, by its path in the folder where it is there, or NULL: nothing that
// counts. When too much happened to be told, that is in the log, and counts.
const char *watch_take(struct watch *watch);
