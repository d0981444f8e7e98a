// traceback.c - the part of faulthandler that a crash needs, without its handlers: they would be in
// the way of our own (appliance/crash.h).
#include "traceback.h"

#define Py_BUILD_CORE 1
#include "py.h"

#include <pycore_traceback.h>

void traceback_dump(int fd)
{
    PyThreadState *thread = PyGILState_GetThisThreadState();
    if (thread != NULL)
        _Py_DumpTraceback(fd, thread);
}

void traceback_dump_all(int fd)
{
    _Py_DumpTracebackThreads(fd, NULL, NULL);
}
