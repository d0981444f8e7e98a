// forked.c - a flag that a fork sets in the child, and the way out for who finds it set.
#include "forked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "streams.h"

enum { ROLE_SIZE = 32 }; // bytes, as log_set_role()

// What a process has one of: whether it is the worker's child.
static atomic_bool is_child;
static pthread_once_t watched = PTHREAD_ONCE_INIT;

// In the child, whose only thread this is.
static void note_fork(void)
{
    char role[ROLE_SIZE];
    atomic_store(&is_child, true);
    // Its records have its own number.
    snprintf(role, sizeof role, "%s", log_role());
    log_set_role(role);
}

static void watch(void)
{
    // Out of memory: children are then taken for the worker.
    int ignored = pthread_atfork(NULL, NULL, note_fork);
    (void)ignored;
}

void forked_watch(void)
{
    atomic_store(&is_child, false);
    pthread_once(&watched, watch);
}

// As the interpreter ends for it: a number is the status, any other object a text for the operator.
static int exit_status(PyObject *exception)
{
    _pyref_ PyObject *code = PyObject_GetAttrString(exception, "code");
    if (code == Py_None)
        return 0;
    if (code != NULL && PyLong_Check(code))
        return (int)(PyLong_AsLong(code) & 0xff);
    PyObject *output = PySys_GetObject("stderr"); // borrowed
    if (code != NULL && output != NULL && PyFile_WriteObject(code, output, Py_PRINT_RAW) == 0)
        PyFile_WriteString("\n", output);
    return 1;
}

static int status_of(PyObject *exception)
{
    struct err err;
    if (exception == NULL)
        return 0;
    if (PyErr_GivenExceptionMatches(exception, PyExc_SystemExit))
        return exit_status(exception);
    PyErr_SetRaisedException(Py_NewRef(exception));
    pyerr_report(&err);
    return 1;
}

static void flush(const char *name)
{
    PyObject *stream = PySys_GetObject(name); // borrowed
    _pyref_ PyObject *done =
        stream != NULL && stream != Py_None ? PyObject_CallMethod(stream, "flush", NULL) : NULL;
    PyErr_Clear();
}

static _Noreturn void end(int status)
{
    PyErr_Clear();
    flush("stdout");
    flush("stderr");
    streams_end_lines();
    // Not the parent's atexit functions, threads and requests.
    _exit(status);
}

void forked_end_child(void)
{
    if (!atomic_load_explicit(&is_child, memory_order_relaxed))
        return;
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    end(status_of(exception));
}

void forked_end_waiting_child(void)
{
    if (!atomic_load_explicit(&is_child, memory_order_relaxed))
        return;
    log_error("python", "a process that was forked in a request waits in the worker's event loop, "
                        "which it has no part in: it ends (os._exit, or asyncio.run in the child)");
    end(1);
}
