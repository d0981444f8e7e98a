// worker_services.h - what a worker has beside its reactor: logs, what is counted, and what the
// server answers itself. All is made of the settings and what the supervisor has opened, and
// borrowed by the reactor.
#pragma once

#include "err.h"
#include "health.h"
#include "http_compress.h"
#include "inherit.h"
#include "local.h"
#include "metrics.h"
#include "reactor.h"
#include "sink_target.h"
#include "worker_guards.h"

struct archive;
struct config;

enum { WORKER_LOCALS_MAX = 8 };

struct worker_services {
    struct sink_target *log_target; // where our records went before, and will again; NULL: none
    struct sink *log, *access;      // NULL: as before, or none
    struct accesslog *accesslog;
    struct worker_guards guards;
    struct stats_worker *stats; // where is counted; NULL: nobody can see it
    struct files *files;
    struct status_page *status_page; // NULL: none
    struct metrics metrics;
    struct health live, ready;
    struct http_compression compression;
    struct local locals[WORKER_LOCALS_MAX];
    size_t local_count;
};

// Before there is a worker, in the folder that the server is started in: whether what the settings
// name is there, as far as it can be known. Errors: ERR_USAGE.
int worker_services_check(const struct config *config, const struct archive *archive,
                          struct err *err);

// In a worker that has its application, before its reactor is made; fills in what the setup has of
// it. On error what was made is ended.
int worker_services_open(struct worker_services *services, const struct inherit *inherit,
                         struct reactor_setup *setup, struct err *err);
// What the log has on its way, within a moment: something else is about to be written, or the end
// is near.
void worker_services_flush(struct worker_services *services);
// When the reactor has gone.
void worker_services_close(struct worker_services *services);
// IPC_LOG: the log of that name has another file from here on. Takes the descriptor.
void worker_services_use_log(struct worker_services *services, const char *name, int fd);
