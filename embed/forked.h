// forked.h - processes that the application forks while it answers. Such a child that comes back
// out of the application's call would be a second worker, on its parent's connections and events:
// it ends there, as a script ends that comes to its end.
#pragma once

#include "py.h"

// Before this process serves: children that it forks from now on are told apart.
void forked_watch(void);

// Behind a call of the application; costs no call of the system. In such a child does not return:
// streams are flushed, and the status is that of the exception that is set: SystemExit's code, 1
// for any other (its traceback is written), 0 for none. Elsewhere it does nothing.
void forked_end_child(void);

// The same where the application waits for an event: the child has none to wait for.
void forked_end_waiting_child(void);
