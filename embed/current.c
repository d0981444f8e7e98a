// current.c - a pointer of each thread while it works on a request; and a context variable, which
// is set where the work is about to be carried on elsewhere: by copy_context(), or as a task.
#include "current.h"

#include "request.h"

static _Thread_local struct current *now;

// What a process has one of: its interpreter is one. NULL: there are no requests here.
static PyObject *variable; // of the id

struct current *current_enter(struct current *current)
{
    struct current *before = now;
    now = current;
    return before;
}

// Borrowed; NULL: out of memory, or it is over.
static PyObject *id_of(struct current *current)
{
    if (current->id == NULL && current->request != NULL) {
        struct str id = request_id(current->request);
        current->id = PyUnicode_DecodeLatin1(id.data, (Py_ssize_t)id.size, NULL);
        if (current->id == NULL)
            PyErr_Clear();
    }
    return current->id;
}

void current_end(struct current *current, bool goes_on)
{
    if (goes_on && current->request != NULL) {
        PyObject *exception = PyErr_GetRaisedException();
        id_of(current);
        PyErr_SetRaisedException(exception);
    }
    current->request = NULL;
}

void current_drop(struct current *current)
{
    current->request = NULL;
    Py_CLEAR(current->id);
}

PyObject *current_id(void)
{
    PyObject *id = now != NULL ? id_of(now) : NULL;
    if (id != NULL || variable == NULL)
        return Py_XNewRef(id);
    if (PyContextVar_Get(variable, NULL, &id) < 0)
        PyErr_Clear();
    return id;
}

PyObject *current_id_method(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *id = current_id();
    return id != NULL ? id : Py_NewRef(Py_None);
}

void current_tell_context(void)
{
    if (now == NULL || !now->is_apart || variable == NULL)
        return;
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    PyObject *id = id_of(now);
    _pyref_ PyObject *told = NULL;
    if (id != NULL && PyContextVar_Get(variable, NULL, &told) == 0 && told != id) {
        _pyref_ PyObject *token = PyContextVar_Set(variable, id);
        (void)token;
    }
    PyErr_Clear();
    PyErr_SetRaisedException(py_steal(&exception));
}

PyObject *current_tell_context_method(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    current_tell_context();
    Py_RETURN_NONE;
}

// In the place of contextvars' own function of that name.
static PyObject *copy_context(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    current_tell_context();
    return PyContext_CopyCurrent();
}

static PyMethodDef copy_method = {"copy_context", copy_context, METH_NOARGS,
                                  "Return a copy of the current Context object."};

int current_init(void)
{
    static const char *const modules[] = {"_contextvars", "contextvars"};
    if (variable == NULL)
        variable = PyContextVar_New("limpet.request_id", NULL);
    _pyref_ PyObject *name = PyUnicode_FromString("_contextvars");
    _pyref_ PyObject *copy = name != NULL ? PyCFunction_NewEx(&copy_method, NULL, name) : NULL;
    if (variable == NULL || copy == NULL)
        return -1;
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        _pyref_ PyObject *module = PyImport_ImportModule(modules[i]);
        if (module == NULL || PyObject_SetAttrString(module, "copy_context", copy) < 0)
            return -1;
    }
    return 0;
}
