// traceback.h - what Python is doing where it crashes, or does not get on.
#pragma once

// Write the calling thread's Python frames to a descriptor, as faulthandler does. In a signal
// handler, with or without the GIL; nothing in a thread that Python does not know.
void traceback_dump(int fd);

// Those of all threads, as records of the log behind those before. In any thread, with or without
// the GIL: whoever is stuck may keep it, so the others may run meanwhile, as under faulthandler's
// watchdog.
void traceback_log_all(void);
