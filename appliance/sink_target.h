// sink_target.h - where the lines of a log go: named by the operator, opened by the supervisor,
// which may and does so again at a HUP; used by workers (sink.h).
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

struct sink_line; // sink.h
struct sink_ring; // sink_ring.h

enum sink_kind {
    SINK_NOTHING, // there is no such log
    SINK_STREAM,  // standard output or error, as we were started with it
    SINK_FILE,    // appended to, opened again at a HUP
    SINK_SYSLOG,  // /dev/log, datagrams of RFC 3164 as local daemons send them
    SINK_MEMORY,  // a ring that "limpet logs" reads
};

struct sink_target {
    enum sink_kind kind;
    const char *path;        // of SINK_FILE, borrowed, and of SINK_SYSLOG
    int fd;                  // the target's own, whose number stays the same; -1: none
    const char *tag;         // of SINK_SYSLOG: the program's name, borrowed; NULL: limpet
    struct sink_ring *ring;  // of SINK_MEMORY, borrowed
    _Atomic bool torn;       // sink_write_line: the last line there has no end
    _Atomic unsigned missed; // lines that sink_target_put could not write
    pid_t opener;            // the process that opened it, and alone waits for it
    struct {
        dev_t device;
        ino_t inode;
    } followed; // the file that sink_target_follow gave to the streams last
};

// Whether a text names one: "stderr", "stdout", "syslog", "memory", "off", or the path of a file
// (which has a '/', or is none of these words, nor like one). An option's check (config_option.h).
int sink_target_check(const char *text, struct err *err);

// Whether the argument behind --access-log is its value and not a TARGET: one of these words, or a
// path that begins with '/' or '.'.
bool sink_target_attaches(const char *argument);

// Open what a text names; NULL or "off": SINK_NOTHING. ring: for SINK_MEMORY. Files are made, mode
// 0640, where there are none. A FIFO waits for no reader, and is not broken when one goes. Errors
// name the file and the way out: it is a folder, a socket, a disk, not writable, its folder is
// missing; nothing listens at /dev/log.
int sink_target_open(struct sink_target *out, const char *text, struct sink_ring *ring,
                     struct err *err);
// Open a file, or syslog's socket, again: it may have been renamed. On error all stays as it was.
int sink_target_reopen(struct sink_target *target, struct err *err);
// From here on a descriptor (which it takes) in the place of the target's own, under its number.
void sink_target_replace(const struct sink_target *target, int fd);
// Before that: standard output and error, where they are the target's file, are the new one, too;
// also where they are a newer one already, whose turn the target's own descriptor waits for.
void sink_target_follow(struct sink_target *target, int fd);
void sink_target_close(struct sink_target *target);

// Whether what a text names could be opened; nothing is made or changed.
int sink_target_try(const char *text, struct err *err);

// Bytes of a line, with its newline, of which others' lines do not land in the midst; 0: any.
size_t sink_target_line_max(const struct sink_target *target);

// Write a line at once, for processes without a sink. What a target does not take is missed; then
// a line says how many there were as soon as it takes lines again. Who opened it waits a tenth of a
// second for it before it misses the first, all others not at all. Any thread.
void sink_target_put(struct sink_target *target, const struct sink_line *line);
// The log's records go to the target in this way (log_set_output); it must outlive that.
void sink_target_take_log(struct sink_target *target);
