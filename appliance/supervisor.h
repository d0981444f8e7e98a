// supervisor.h - the parent process: opens the sockets, forks the workers and keeps them, until it
// is told to stop.
#pragma once

#include "err.h"
#include "inherit.h"

// All borrowed.
struct supervisor_setup {
    const char *name;                     // of the processes, in ps
    const char *path;                     // of our binary, as it was found at the start
    char *const *arguments;               // that it was started with, NULL-terminated
    const struct config *config;          // config->workers is a number by now
    struct listener_inherited *inherited; // sockets that we were started with; NULL: none
    const struct archive *archive;        // NULL: none
    const struct runtime *runtime;
    // worker_main, and worker_template_main for --preload; the result is the status to exit with.
    int (*worker)(const struct inherit *inherit);
    int (*template_worker)(const struct inherit *inherit);
};

// Serve. 0 once stopped by a signal; -1 when a socket cannot be opened or the application cannot
// be started at all. Once per process: signals stay blocked afterwards. Never returns in a worker.
int supervisor_run(const struct supervisor_setup *setup, struct err *err);
