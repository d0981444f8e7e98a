// accesslog.h - a line for each request, in the operator's format. One a worker. Written by the
// thread with the baton: no lock, no allocation, no formatted printing per request; the lines of a
// turn leave together (accesslog_flush) for the sink.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "request.h"
#include "str.h"

struct accesslog; // opaque
struct sink;      // sink.h

struct accesslog_setup {
    struct sink *sink;  // borrowed
    const char *format; // "combined", "common", "json", or a text with atoms; checked before
    char *const *skips; // paths whose requests are left out, with all below them ("/health")
    size_t skip_count;
    unsigned sample; // one in so many is written, and all with a status of 500 or more; 1: all
    unsigned worker; // our number
    size_t line_max; // bytes of a line, at most ACCESSLOG_LINE_MAX; 0: as many
};

// What is known of a request at its end. All slices are valid during the call.
struct accesslog_entry {
    const struct request_head *head; // method "" where there was no line that could be read
    struct str line;         // of a request that was refused before it had a head: what is known
                             // of its first line, raw bytes; else ""
    unsigned status;         // 499: the client left before its answer began
    bool complete;           // the whole answer was sent
    uint64_t bytes_sent;     // all of the answer; with its head
    uint64_t body_sent;      // of it, the body (with chunk sizes)
    uint64_t bytes_received; // of the request: header section and body as far as it came
    int64_t began;           // Unix time, nanoseconds: the request line was here
    int64_t duration;        // nanoseconds until the last byte was handed to the kernel
    struct str answer_lines; // "NAME: VALUE\r\n" each: of the answer, as the application gave them
    struct str request_id;   // "": it has none, or accesslog_wants_id is false
    uint64_t connection;     // number of the connection in this worker, from 1
    uint64_t on_connection;  // number of the request on it, from 1
    bool served_here;        // answered without the application: a file, health, a refusal
};

int accesslog_new(struct accesslog **out, const struct accesslog_setup *setup, struct err *err);
void accesslog_free(struct accesslog *log);
// Whether lines have the request's id, which costs something to make.
bool accesslog_wants_id(const struct accesslog *log);
// NULL: nothing.
void accesslog_write(struct accesslog *log, const struct accesslog_entry *entry);
// Hand what was written to the sink: when the reactor is about to wait.
void accesslog_flush(struct accesslog *log);
