// worker.h - the process that serves.
#pragma once

#include "inherit.h"
#include "runtime.h"

// A worker's whole life after fork. Returns the status to exit with, which is the caller's to do.
int worker_main(const struct inherit *inherit);

// The same of the process that loads the application for all workers, and forks them: --preload.
int worker_template_main(const struct inherit *inherit);

// What the settings say to a worker's runtime, which goes by that name; it borrows all of them.
struct runtime_setup worker_runtime_setup(const char *name, const struct config *config,
                                          const struct archive *archive);
