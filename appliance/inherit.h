// inherit.h - everything that crosses the fork from the supervisor to a worker; a worker uses
// nothing else of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive;
struct config;
struct jail;
struct listener;
struct runtime;
struct scoreboard_map;

struct inherit {
    const char *name; // of the processes, in ps
    unsigned number;  // of this worker, from 1
    bool first;       // of the server: no other has served yet
    const struct jail *jail;
    pid_t supervisor;
    int ipc;                    // the worker's end; its own to close
    struct listener *listeners; // the descriptors are the worker's to close when it stops accepting
    size_t listener_count;
    int tls; // a bundle of certificates and keys, the worker's to close; -1: none
    const struct scoreboard_map *board; // where it tells what it does
    uint32_t luck;                      // a random number
    const struct config *config;
    const struct archive *archive; // NULL: none
    const struct runtime *runtime;
};
