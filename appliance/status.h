// status.h - what a running server does, as text: a table for people, JSON for programs. Whatever
// the texts hold (requests come from anywhere), the one drives no terminal and the other is valid.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"

// A request under way.
struct status_request {
    int64_t running;  // milliseconds
    const char *line; // "GET /shop?x=1", any bytes
};

struct status_worker {
    unsigned number;
    pid_t pid;
    const char *state; // "serving", "starting"
    bool successor;    // of the worker of the same number, which serves until this one does
    int64_t age;       // milliseconds since it serves, -1: not yet
    uint64_t requests; // answered
    unsigned connections;
    unsigned threads, busy; // for requests, and how many of them have one
    int64_t resident;       // bytes of memory, -1: unknown
    const struct status_request *doing;
    size_t doing_count; // those that are known; busy may be more
};

struct status_certificate {
    const char *names;  // "example.org, *.example.org"
    const char *kind;   // "ECDSA P-256"
    const char *serial; // hexadecimal
    const char *file;
    int64_t not_after; // Unix time in seconds
};

// All borrowed.
struct status {
    const char *name, *version;
    const char *state;       // "serving", "starting", "stopping", "upgrading"
    const char *application; // "wsgi shop:app"; "": not known yet
    const char *listening;   // "http://127.0.0.1:8000, unix:/run/shop.sock"
    pid_t pid;
    int64_t uptime;   // milliseconds
    int64_t resident; // bytes of the supervisor's memory, -1: unknown
    unsigned workers_wanted;
    uint64_t replaced; // workers that others took the place of, at a limit or because it was asked
    uint64_t died;     // workers that ended unasked
    const struct status_worker *workers;
    size_t worker_count;
    int64_t now; // Unix time in seconds, which certificates are compared with
    const struct status_certificate *certificates;
    size_t certificate_count;
};

// Append the text, whole lines. 0, or -1 where it does not fit into the buffer.
int status_table(const struct status *status, struct buf *out);
int status_json(const struct status *status, struct buf *out); // status_json.c
