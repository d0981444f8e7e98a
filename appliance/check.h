// check.h - assertions that stay in: a bug stops the process where it shows, with a line that names
// it.
#pragma once

// Abort with function, file, line and the condition unless it holds. For bugs only: what a user, a
// peer or the system can cause is an error (err.h).
#define must(condition) \
    ((condition) ? (void)0 : check_failed(__func__, __FILE__, __LINE__, #condition))

// For memory that only an operator asks for, and without which nothing can go on: end the process
// with a line that says so, and status 1, unless the condition holds.
#define must_have(condition) ((condition) ? (void)0 : check_memory_failed(__func__))

_Noreturn void check_failed(const char *function, const char *file, int line,
                            const char *condition);
_Noreturn void check_memory_failed(const char *function);
