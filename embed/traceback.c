// traceback.c - the part of faulthandler that a crash needs, without its handlers: they would be in
// the way of our own (appliance/crash.h).
#include "traceback.h"

#define Py_BUILD_CORE 1
#include "py.h"

#include <pycore_traceback.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"

enum { DUMP_MAX = 256 * 1024 }; // bytes

void traceback_dump(int fd)
{
    PyThreadState *thread = PyGILState_GetThisThreadState();
    if (thread != NULL)
        _Py_DumpTraceback(fd, thread);
}

// What dumps takes a descriptor and no memory; what logs takes text.
void traceback_log_all(void)
{
    _close_ int fd = memfd_create("traceback", MFD_CLOEXEC);
    _free_ char *text = fd >= 0 ? malloc(DUMP_MAX) : NULL;
    if (text == NULL) {
        log_warning("traceback", "there is no memory to say where the threads are");
        return;
    }
    _Py_DumpTracebackThreads(fd, NULL, NULL);
    ssize_t size = pread(fd, text, DUMP_MAX, 0);
    if (size > 0)
        log_application(LOG_LEVEL_WARNING, "traceback", text, (size_t)size, "");
}
