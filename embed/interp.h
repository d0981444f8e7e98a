// interp.h - starts and ends the interpreter that is inside this executable.
#pragma once

#include "archive.h"
#include "err.h"

// Start isolated (no environment variables, no site, no signal handlers): for workers and our own
// tools. sys.path is the archive's app, site and lib. arguments becomes sys.argv; it may be empty.
// Once per process. The caller holds the GIL afterwards.
int interp_start(const struct archive *archive, int argc, char **argv, struct err *err);

// Finalise: atexit handlers, threads, flush. 0, or -1 when buffered output could not be written.
int interp_stop(void);

// Be python with these arguments, up to and including its exit status (see "python --help").
int interp_python(const struct archive *archive, int argc, char **argv);
