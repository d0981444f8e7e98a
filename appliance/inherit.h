// inherit.h - everything that crosses the fork from the supervisor to a worker; a worker uses
// nothing else of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive;
struct buf;
struct config;
struct jail;
struct limiter;
struct listener;
struct runtime;
struct scoreboard_map;
struct sink_target;
struct stats_board;
struct stats_worker;

struct inherit {
    const char *name; // of the processes, in ps
    unsigned number;  // of this worker, from 1
    bool first;       // of the server: no other has served yet
    const struct jail *jail;
    const char *folder; // that the server was started in; absolute. NULL: it has gone
    int start;          // the same, a descriptor; AT_FDCWD where we are in it until we are confined
    const struct buf *public_parts; // of /etc (sandbox_find_public)
    pid_t supervisor;
    int ipc;                    // the worker's end; its own to close
    struct listener *listeners; // the descriptors are the worker's to close when it stops accepting
    size_t listener_count;
    int tls; // a bundle of certificates and keys, the worker's to close; -1: none
    const struct scoreboard_map *board;   // where it tells what it does
    struct sink_target *log, *access_log; // where lines go: the process's own copies
    struct stats_board *stats_board;      // of all; NULL: nobody looks
    struct stats_worker *stats;           // our entry there
    struct limiter *limiter;              // of requests, which all share; NULL: none
    uint32_t luck;                        // a random number
    const struct config *config;
    const struct archive *archive; // NULL: none
    const struct runtime *runtime;
};
