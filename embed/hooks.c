// hooks.c - calls limpet.hooks where the application has imported it; in a thread of its own where
// the caller can wait neither for the GIL nor for the application.
#include "hooks.h"

#include <pthread.h>
#include <stdint.h>

#include "log.h"
#include "py.h"

enum { STARTER_STACK = 1 << 20 }; // bytes

// limpet.hooks.METHOD(name). NULL with an exception set, or without one where nobody has imported
// the module.
static PyObject *call(const char *method, const char *name)
{
    _pyref_ PyObject *module_name = PyUnicode_FromString("limpet.hooks");
    _pyref_ PyObject *module = module_name != NULL ? PyImport_GetModule(module_name) : NULL;
    return module != NULL ? PyObject_CallMethod(module, method, "s", name) : NULL;
}

// 0, or -1 with what was raised in the log.
static int run(const char *method, const char *name, struct err *err)
{
    _pyref_ PyObject *done = call(method, name);
    if (done != NULL || !PyErr_Occurred())
        return 0;
    pyerr_begin_report();
    pyerr_report_application(err);
    pyerr_end_report();
    return err_wrap(err, "a hook of %s failed (traceback above)", name);
}

bool hooks_has(const char *name)
{
    _pyref_ PyObject *has = call("_has", name);
    PyErr_Clear();
    return has == Py_True;
}

int hooks_run(const char *name, struct err *err)
{
    return run("_run", name, err);
}

// What a process has one of: threads that call hooks.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned running;
} threads = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static void note_end(void)
{
    pthread_mutex_lock(&threads.lock);
    threads.running--;
    pthread_cond_broadcast(&threads.ended);
    pthread_mutex_unlock(&threads.lock);
}

// Takes the GIL, makes the thread that the application sees, and waits for its end.
static void *run_starter(void *name)
{
    struct err err;
    PyGILState_STATE state = PyGILState_Ensure();
    if (run("_run_in_thread", name, &err) < 0)
        log_error("hooks", "%s", err.text);
    PyGILState_Release(state);
    note_end();
    return NULL;
}

int hooks_run_in_thread(const char *name, struct err *err)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STARTER_STACK);
    pthread_mutex_lock(&threads.lock);
    threads.running++;
    pthread_mutex_unlock(&threads.lock);
    int errnum = pthread_create(&thread, &attributes, run_starter, (void *)(uintptr_t)name);
    pthread_attr_destroy(&attributes);
    if (errnum == 0)
        return 0;
    note_end();
    return err_system(err, errnum, "cannot start a thread for the hooks of %s", name);
}

void hooks_join(void)
{
    PyThreadState *attached = PyEval_SaveThread();
    pthread_mutex_lock(&threads.lock);
    while (threads.running > 0)
        pthread_cond_wait(&threads.ended, &threads.lock);
    pthread_mutex_unlock(&threads.lock);
    PyEval_RestoreThread(attached);
}
