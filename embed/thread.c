// thread.c - threads of the pool are made by threading.Thread: an application that lists threads,
// names them in its log or keeps data per thread sees nothing unusual.
#include "thread.h"

#include "crash.h"
#include "py.h"

// What a thread has one of: its place in the interpreter while it is without the GIL.
static _Thread_local PyThreadState *detached;

void thread_attach(void)
{
    PyEval_RestoreThread(detached);
}

void thread_detach(void)
{
    detached = PyEval_SaveThread();
}

// What a process has one of: what its threads are called, with a number behind.
static const char *prefix = "limpet";

void thread_use_name(const char *name)
{
    prefix = name;
}

static PyObject *join_pool(PyObject *capsule, PyObject *Py_UNUSED(nothing))
{
    crash_init_thread();
    pool_join(PyCapsule_GetPointer(capsule, NULL));
    crash_fini_thread();
    Py_RETURN_NONE;
}

static PyMethodDef join_method = {"join_pool", join_pool, METH_NOARGS, "Answer requests."};

// A threading.Thread that has not been started, or NULL with an exception set.
static PyObject *new_thread(struct pool *pool, unsigned number)
{
    _pyref_ PyObject *threading = PyImport_ImportModule("threading");
    _pyref_ PyObject *capsule = PyCapsule_New(pool, NULL, NULL);
    _pyref_ PyObject *target = capsule != NULL ? PyCFunction_New(&join_method, capsule) : NULL;
    if (threading == NULL || target == NULL)
        return NULL;
    _pyref_ PyObject *make = PyObject_GetAttrString(threading, "Thread");
    _pyref_ PyObject *named =
        Py_BuildValue("{sOsNsO}", "target", target, "name",
                      PyUnicode_FromFormat("%s-%u", prefix, number), "daemon", Py_False);
    _pyref_ PyObject *nothing = PyTuple_New(0);
    if (make == NULL || named == NULL || nothing == NULL)
        return NULL;
    // Told not to be a daemon, it does not ask what the thread is that makes it.
    return PyObject_Call(make, nothing, named);
}

// Attached.
static int start(struct pool *pool, unsigned number, struct err *err)
{
    _pyref_ PyObject *thread = new_thread(pool, number);
    _pyref_ PyObject *started = thread != NULL ? PyObject_CallMethod(thread, "start", NULL) : NULL;
    if (started == NULL) {
        pyerr_take(err);
        return err_wrap(err, "cannot start a thread");
    }
    return 0;
}

int thread_start(struct pool *pool, unsigned number, struct err *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int result = start(pool, number, err);
    PyGILState_Release(state);
    return result;
}
