// loop_watch.h - a thread that notices when the event loop does not come back: a handler blocks it.
#pragma once

#include "err.h"

// Watch the thread that calls. Errors: no thread can be started.
int loop_watch_start(struct err *err);
void loop_watch_stop(void);

// The loop's thread works from here on; it waits.
void loop_watch_work(void);
void loop_watch_rest(void);
