// worker.h - the process that serves.
#pragma once

#include "inherit.h"

// A worker's whole life after fork. Returns the status to exit with, which is the caller's to do.
int worker_main(const struct inherit *inherit);
