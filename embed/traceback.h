// traceback.h - what Python was doing where it crashed.
#pragma once

// Write the calling thread's Python frames to a descriptor, as faulthandler does. In a signal
// handler, with or without the GIL; nothing in a thread that Python does not know.
void traceback_dump(int fd);
