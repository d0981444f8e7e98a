// signals.h - what each signal does to the supervisor and to a worker; nobody else but crash.c
// touches dispositions or masks.
#pragma once

#include <stddef.h>

#include "err.h"

// Supervisor: block the signals it handles, ignore those that must not end it, and give the
// descriptor on which the former arrive (non-blocking, close-on-exec; the caller closes it).
// Whatever the parent process left us is overruled.
int signals_open(struct err *err);

// The next signal that has arrived on it, 0 when there is none. One call a signal: none hides
// another.
int signals_read(int fd);

// Worker, first thing after fork: nothing blocked; signals to a whole process group (Ctrl-C) or
// service leave it alone, for the supervisor tells its workers what to do; SIGTERM ends it.
void signals_enter_worker(void);

// Worker: from now on SIGTERM calls handler, which must be async-signal-safe. Overrules what the
// application set. Processes that the application forks still end by it.
void signals_on_terminate(void (*handler)(void));

// A command that goes on until it is interrupted: from now on SIGINT calls handler, which must be
// async-signal-safe, and ends the call that waits (EINTR); and who reads our output no more is an
// error of one write.
void signals_on_interrupt(void (*handler)(int));

// In a process about to execute another program: as if nobody had done anything to it. What is
// ignored stays so when a program is executed, and what is blocked, too.
void signals_reset(void);

// "SIGSEGV"; for numbers without a name, "signal 40", written into buffer.
const char *signals_name(int number, char *buffer, size_t size);
