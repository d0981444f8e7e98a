// errand.h - a function run in a short-lived child of its own, so that what it loads, leaks or
// spoils (an interpreter, an application) never touches this process.
#pragma once

#include "buf.h"
#include "err.h"

struct errand {
    const char *what; // for messages: "reading shop.toml"
    // In the child: do it, the answer into out. It may write to standard error.
    int (*run)(void *owner, struct buf *out, struct err *err);
    // In the child, when the answer is on its way: tidy up; ended by force when that takes long.
    // May be NULL.
    void (*finish)(void *owner);
    void *owner; // passed to both; the child has a copy of it
};

// Run it and wait for it. 0 with the answer appended to out, or -1 with the child's own error, or
// with what ended the child before it answered.
int errand_run(const struct errand *errand, struct buf *out, struct err *err);
