// health.h - whether the server lives, and whether it takes requests, for whoever watches over it
// (load balancers, Kubernetes). Asked of a worker on any listener, and answered without the
// application: also while that is stuck, as long as it does not hold up the thread that reads from
// connections (an event loop that is blocked does).
#pragma once

#include "local.h"
#include "stats.h"

// One of the two questions; must outlive the reactor.
struct health {
    const struct stats_board *board;
    struct stats_worker *stats; // of this worker; NULL: nobody looks
    const char *path;
    bool asks_ready; // 503 where no worker takes requests, or the server stops; else always 200
};

// Whether a path is one: not NULL and not "off".
bool health_is_asked(const char *path);

struct local health_local(const struct health *health);
