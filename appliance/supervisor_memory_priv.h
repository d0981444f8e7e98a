// supervisor_memory_priv.h - lines that are kept in memory, for who asks. Included by
// supervisor_*.c only.
#pragma once

#include "supervisor_priv.h"

// The answer to a request for lines (control.h): never more than a few milliseconds' worth. Errors:
// no log is kept in memory.
int supervisor_tell_logs(const struct supervisor *supervisor, const struct control_logs *logs,
                         struct buf *out, struct err *err);
