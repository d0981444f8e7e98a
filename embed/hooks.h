// hooks.h - functions of the application that are called at certain times of a server's life
// (embed/py/hooks.py says which). Where the application has not imported limpet.hooks, nothing here
// does anything.
#pragma once

#include <stdbool.h>

#include "err.h"

// Whether the application has registered any of a kind ("on_stop"). Attached.
bool hooks_has(const char *name);

// Call those of a kind, one after the other. 0, also where there are none. -1: one of a kind that
// must not fail has; its traceback is in the log. Attached.
int hooks_run(const char *name, struct err *err);

// The same in a Python thread of their own, "limpet-hooks", without waiting for anything: detached,
// in any thread. What fails is in the log. name is borrowed for good. Errors: a thread cannot be
// started; nothing will be called then.
int hooks_run_in_thread(const char *name, struct err *err);

// Wait, without the GIL, until those threads have ended. Attached; before the interpreter ends.
void hooks_join(void);
