// control.h - the control socket: a unix socket on which a supervisor says what it does and takes
// orders, and how to ask there. A connection carries one request, a line ("status table", "status
// json", "logs 0 0 any once", "reload", "restart", "stop", "scale 4"), and its answer, "ok" and a
// newline before all that there is to say, or "error TEXT" and a newline. Times are those of
// clock_milliseconds() where nothing else is said.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

enum {
    CONTROL_CLIENTS_MAX = 8,                     // at once; more of them wait
    CONTROL_POLLS_MAX = CONTROL_CLIENTS_MAX + 1, // that control_poll fills in
    CONTROL_LINE_MAX = 256,                      // bytes of a request, its newline included
    CONTROL_ANSWER_MAX = 16 << 20,               // bytes
    CONTROL_PATIENCE = 5000,                     // milliseconds that either side waits
};

enum control_action {
    CONTROL_STATUS,
    CONTROL_RELOAD,
    CONTROL_RESTART,
    CONTROL_STOP,
    CONTROL_SCALE,
    CONTROL_LOGS,
};

// "logs CURSOR SINCE STATUS once|follow": lines that are kept in memory. The answer's first line is
// "CURSOR HEAD more|end whole|overwritten|renewed": the cursor for the next request, the one behind
// all that there is, whether there is more at once, and what happened to lines before these; each
// line behind it is "TIME TEXT", Unix time in milliseconds.
struct control_logs {
    uint64_t cursor; // sink_ring.h; 0: from the oldest line on
    int64_t since;   // Unix time, milliseconds; 0: whenever
    unsigned least,
        most;    // status of the access log's lines ("404", "5xx"); 0, 0: all lines ("any")
    bool follow; // lines that are being written are waited for, by asking again
};

struct control_request {
    enum control_action action;
    bool json;                // CONTROL_STATUS: not the table
    unsigned workers;         // CONTROL_SCALE: within the range of --workers
    struct control_logs logs; // CONTROL_LOGS
};

// --- control_parse.c ---

// What a request's bytes mean. Errors are ERR_USAGE, and hold none but printable characters.
int control_parse(struct control_request *out, struct str line, struct err *err);

// --- control.c: the supervisor's side ---

struct control; // opaque

struct control_setup {
    const char *path; // borrowed until control_open is back; NULL: no control socket is asked for
    bool take_over;   // another process of ours, which we replace, may listen there
    // Do what the request asks for and append what is to be said of it, whole lines; -1 with err
    // where it cannot be done. Must not close the control.
    int (*answer)(void *owner, const struct control_request *request, struct buf *out,
                  struct err *err);
    void *owner; // passed to answer
};

// *out: NULL without a path. All functions below take NULL and do nothing then.
int control_open(struct control **out, const struct control_setup *setup, struct err *err);
// Also in a worker after fork, which must not hold these descriptors: only the process that made
// the socket's file removes it, and only while it is the same file.
void control_close(struct control *control);
// Leave the socket's file to the process that takes over.
void control_forget_file(struct control *control);

// Fill in what to wait for; how many entries that took, of at most max (CONTROL_POLLS_MAX are
// always enough).
size_t control_poll(const struct control *control, struct pollfd *polls, size_t max);
// When to call control_take at the latest; INT64_MAX: not before there is something to read.
int64_t control_deadline(const struct control *control);
// Do what is ready, and drop who kept us waiting for too long. To be called after each wait with
// what control_poll filled in, also where nothing is ready.
void control_take(struct control *control, const struct pollfd *polls, size_t count, int64_t now);

// --- control_client.c ---

// Ask the server that listens at path: send the line, and append to out what it says after "ok".
// Waits CONTROL_PATIENCE for each piece of the answer. Errors are ERR_FAILED.
int control_ask(const char *path, struct str line, struct buf *out, struct err *err);
