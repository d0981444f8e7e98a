// runtime.h - what a language bridge (embed/) does for the appliance: one table, filled in there.
// Every call runs in a process that no other runtime call has spoilt: the supervisor never makes
// one itself, only its children.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct archive;
struct reactor;
struct request;
struct scoreboard_map;
struct stats_worker;

struct runtime_setup {
    const char *name;      // what threads are called, with a number behind
    const char *target;    // "module", "module:attr", a folder or a .py file
    bool factory;          // what the target names makes the application
    const char *interface; // "auto", "wsgi", "asgi", "rsgi"
    char *const *mounts;   // "/admin=wsgi:shop.wsgi:app", more applications
    size_t mount_count;
    const char *working_folder; // NULL: stay
    const char *path_prefix;    // "/shop": requests not below it are 404. NULL: none
    char *const *env_files;     // read before the working folder is changed
    size_t env_file_count;
    const struct archive *archive;
    unsigned workers; // processes that serve beside this one, itself included
    unsigned threads; // that answer requests at once in this one
    bool logs;        // what the application writes to standard output and error goes to the log
    bool serves;      // run what the application has to do before a worker serves
    bool first;       // and before any worker serves
};

struct runtime_run {
    struct reactor *reactor;
    const struct scoreboard_map *board; // where threads tell what they work on
    struct stats_worker *stats;         // where is counted what they do; NULL: nobody looks
    unsigned threads;                   // as in runtime_setup
    int64_t idle_timeout;               // milliseconds after which a thread without work ends
    int64_t graceful_timeout;           // milliseconds that a drain may take
};

// What happens to a process that has a runtime.
enum runtime_event {
    // In any thread, without the language's lock, and takes no time:
    RUNTIME_STUCK, // a request takes too long: log where each thread is
    RUNTIME_DRAIN, // no more requests come: tell the application, beside what is under way
    // In the first thread, which has the lock, and takes as long as the application likes:
    RUNTIME_PRELOADED,     // workers are forked from this process: share what can be shared
    RUNTIME_FORKING,       // fork is called next
    RUNTIME_FORKED_PARENT, // it was
    RUNTIME_FORKED_CHILD,  // and we are the worker: do what it does before it serves
    RUNTIME_LAST_WANTED,   // 1: there is something to do when the whole server has stopped; the
                           // lock is let go until then, or until stop
    RUNTIME_LAST,          // do that: no other worker is left
};

struct runtime {
    const char *name; // "CPython 3.14.7"

    // Read a TOML file's table ("" is the top level, "tool.limpet" a nested one; a missing one is
    // empty) into "key = value" lines. Starts an interpreter: call it in a short-lived child.
    int (*read_settings)(const struct archive *archive, const char *file, const char *table,
                         struct buf *out, struct err *err);

    // Worker: start the interpreter and load the application. On failure the traceback, where the
    // application is at fault, was written to standard error. description: "wsgi shop:app", and
    // what is mounted, ", shop.admin:app (wsgi) at /admin", at most size bytes.
    int (*start)(const struct runtime_setup *setup, char *description, size_t size,
                 struct err *err);
    // Worker: run the reactor until it is finished (pool.h). Errors: a thread cannot be started.
    int (*run)(const struct runtime_run *run, struct err *err);
    // Worker: whether a request is to be handed over before its body is here (reactor.h). Any
    // thread, without the language's lock.
    bool (*streams)(void *owner, const struct request *request);
    // Worker: answer one request; called by request_run.
    void (*handle)(void *owner, struct request *request);
    // Worker: something has happened. 0 or 1, or -1 with err.
    int (*tell)(enum runtime_event event, struct err *err);
    // Worker: finalise (atexit handlers, threads).
    void (*stop)(void);

    // Be python: argv[0] is the program, the rest python's own options and arguments. Returns the
    // exit status.
    int (*python)(const struct archive *archive, int argc, char **argv);
    // Run MODULE.main(arguments) of our own Python half ("limpet.pack"). Returns the exit status.
    int (*tool)(const struct archive *archive, const char *module, int argc, char **argv);
};
