// sandbox.h - --sandbox: what a process that runs an application may still do to the machine.
// System calls by a filter (sandbox_filter.h), files by Landlock (sandbox_landlock.h), and of
// root's rights the few that servers need. The supervisor stays outside.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "buf.h"
#include "err.h"

struct config;

enum { SANDBOX_OFF, SANDBOX_ON, SANDBOX_STRICT }; // --sandbox's choices, in their order

struct sandbox_setup {
    const struct config *config;
    const char *executable; // our own file, with the archive in it; NULL: none
    pid_t supervisor;       // 0: there is none
    bool forks;             // into others, which enter theirs (sandbox_enter_forked)
    const int *logs;        // descriptors that are written to and may be opened again
    size_t log_count;
    int folder; // that the server was started in, a descriptor; AT_FDCWD: the working folder
    const struct buf *public_parts; // as sandbox_find_public found them; NULL: they are, now
};

enum { SANDBOX_PUBLIC_MAX = 16 << 20 }; // bytes

// At start: whether what --writable and --readable name is there. ERR_FAILED names it and the way
// out.
int sandbox_check(const struct config *config, struct err *err);

// What of /etc everybody may read, for the rules of root's workers: once, before there is one: they
// can change modes. Paths to out, which takes SANDBOX_PUBLIC_MAX bytes, each with its '\0'.
// -1: no memory.
int sandbox_find_public(struct buf *out);

// "on (seccomp, Landlock ABI 7); workers write to /tmp, /srv/data": what a sandbox is on this
// kernel, and what is missing. false: something is.
bool sandbox_describe(const struct config *config, struct buf *out);

// Where a confined process may write: "/tmp, /var/tmp, /dev/shm".
void sandbox_writable(const struct config *config, struct buf *out);

// A line for the operator where an application's text, of a traceback or a log, looks as if it had
// been refused something; false where it does not.
bool sandbox_explain(const struct config *config, const char *text, size_t size, struct buf *out);

// Worker, before it becomes another user, which takes that right: programs that it starts never
// have the rights that it is not to have. stays_root: it stays root.
void sandbox_bound(const struct config *config, bool stays_root);

// Worker, when it is who it is to be, with one thread, in the folder that the server was started
// in: from here on it is confined, for good. What the kernel has not is left out; an error is that
// of what it has: end the process.
int sandbox_enter(const struct sandbox_setup *setup, struct err *err);
// One that was forked by such a process: strict, it reads of /proc what is its own.
int sandbox_enter_forked(const struct sandbox_setup *setup, struct err *err);
