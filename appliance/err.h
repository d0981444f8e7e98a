// err.h - how a failure travels: the callee fills a caller-owned struct err and returns -1 (or
// NULL); callers add context on the way up; whoever handles it reports it, once. On success the
// struct is left alone.
#pragma once

#include <stddef.h>

enum err_kind {
    ERR_NONE,
    ERR_USAGE,  // the command line or a setting is wrong: exit status 2
    ERR_FAILED, // anything else: exit status 1
};

struct err {
    enum err_kind kind;
    char text[1024]; // one line, no newline; cut where it does not fit
};

// Set the error. Always returns -1, so that "return err_set(...)" fits one line.
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

// As err_set(ERR_FAILED), with ": " and the text of errnum (an errno value) behind it. Returns -1.
int err_system(struct err *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

// Put context in front: "CONTEXT: TEXT". Returns -1.
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

// The exit status of a process that ends with this error: 2 for usage, 1 for anything else.
int err_exit_status(const struct err *err);
