// reload.h - --reload: watches the sources that a target is loaded from, and gathers what comes
// within moments of each other, as editors and version control change many files at a time. Times
// are milliseconds of one monotonic clock.
#pragma once

#include <stdint.h>

#include "err.h"

struct config;
struct reload; // opaque

// *out: NULL without --reload, and, with a warning in the log, where the system has no inotify left
// for us. Errors: the folder or file that the target names cannot be read.
int reload_open(struct reload **out, const struct config *config, struct err *err);
// Also in a worker after fork, which must not hold what the supervisor waits for. NULL: nothing.
void reload_close(struct reload *reload);

// To be polled, -1 for none; and when to call reload_due at the latest, CHILD_NEVER: not before
// there is something to read.
int reload_fd(const struct reload *reload);
int64_t reload_deadline(const struct reload *reload);

// What has changed, once there is something and no more has come for a moment: the first of it,
// valid until the next call. NULL: nothing, or more may come.
const char *reload_due(struct reload *reload, int64_t now);
