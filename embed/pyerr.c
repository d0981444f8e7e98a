// pyerr.c - the one place where Python exceptions become struct err and text.
#include "py.h"

#include <pthread.h>

#include "err.h"
#include "streams.h"

// What a process has one of: whose report is being written.
static pthread_mutex_t reporting;
static pthread_once_t reporting_made = PTHREAD_ONCE_INIT;

// An exception that fails to describe itself may be reported within another's report.
static void make_reporting(void)
{
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&reporting, &recursive);
    pthread_mutexattr_destroy(&recursive);
}

void pyerr_begin_report(void)
{
    pthread_once(&reporting_made, make_reporting);
    if (pthread_mutex_trylock(&reporting) == 0)
        return;
    Py_BEGIN_ALLOW_THREADS pthread_mutex_lock(&reporting);
    Py_END_ALLOW_THREADS
}

void pyerr_end_report(void)
{
    pthread_mutex_unlock(&reporting);
}

// "ModuleNotFoundError: No module named 'flask'"; the type's name alone where str() fails or is
// empty.
static void describe(PyObject *exception, struct err *err)
{
    const char *type = Py_TYPE(exception)->tp_name;
    _pyref_ PyObject *text = PyObject_Str(exception);
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    if (utf8 != NULL && utf8[0] != '\0')
        err_set(err, ERR_FAILED, "%s: %s", type, utf8);
    else
        err_set(err, ERR_FAILED, "%s", type);
}

int pyerr_take(struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    if (exception == NULL)
        return err_set(err, ERR_FAILED, "a Python call failed without an exception");
    describe(exception, err);
    return -1;
}

// As one record where the application's output are records. Python's own display comes in pieces.
static void display(PyObject *exception)
{
    _pyref_ PyObject *module =
        streams_are_installed() ? PyImport_ImportModule("limpet.streams") : NULL;
    _pyref_ PyObject *text =
        module != NULL ? PyObject_CallMethod(module, "format_exception", "O", exception) : NULL;
    if (text != NULL && PyBytes_Check(text))
        streams_write(LOG_LEVEL_ERROR, "traceback", PyBytes_AS_STRING(text),
                      (size_t)PyBytes_GET_SIZE(text));
    else
        PyErr_DisplayException(exception);
    PyErr_Clear();
}

int pyerr_report(struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    if (exception == NULL)
        return err_set(err, ERR_FAILED, "a Python call failed without an exception");
    // Not PyErr_Print: it would end the process for SystemExit.
    display(exception);
    describe(exception, err);
    return -1;
}

int pyerr_report_application(struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    _pyref_ PyObject *loader = PyImport_ImportModule("limpet.loader");
    _pyref_ PyObject *stripped =
        loader != NULL && exception != NULL
            ? PyObject_CallMethod(loader, "strip_own_frames", "O", exception)
            : NULL;
    PyErr_Clear();
    PyErr_SetRaisedException(py_steal(&exception));
    return pyerr_report(err);
}
