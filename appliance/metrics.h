// metrics.h - Prometheus asks, and any worker answers for all of them: GET /metrics at a listener
// of its own, or at a path of all others.
#pragma once

#include "local.h"
#include "stats.h"

// What its answers are made of; all of it must outlive the reactor.
struct metrics {
    struct stats_board *board;
    struct stats_worker *stats; // of this worker; NULL: nobody looks
    struct stats_build build;
    const char *path; // on all other listeners; NULL: only on its own, where it is /metrics
};

// The version of the language from its name: "3.14.7" of "CPython 3.14.7".
const char *metrics_version_of(const char *runtime);

struct local metrics_local(const struct metrics *metrics);
