// operation.c - a coroutine type of its own: what is there already costs no step of the loop, and
// no frame.
#include "operation.h"

#include <stdbool.h>

struct operation {
    PyObject_HEAD PyObject *owner; // NULL: it is done
    struct wait_point *point;
    operation_try attempt;
    PyObject *argument; // NULL: none
    PyObject *waiting;  // iterator of a future; NULL: it does not wait
    PyObject *result;   // of one that is done
    bool ended;
};

// What a process has one of: its interpreter is one.
static PyTypeObject *operation_type;
static PyObject *done_with_none; // an operation
static PyObject *get_running_loop;
static PyObject *due; // a list of futures

static struct operation *self_of(PyObject *object)
{
    return (struct operation *)(void *)object;
}

// --- wait points ---

static bool is_done(PyObject *future)
{
    _pyref_ PyObject *done = PyObject_CallMethod(future, "done", NULL);
    PyErr_Clear();
    return done == Py_True;
}

// What cannot be told is in the log: there is nobody to raise it in.
static void wake(PyObject *future)
{
    if (is_done(future))
        return;
    _pyref_ PyObject *set = PyObject_CallMethod(future, "set_result", "O", Py_None);
    if (set == NULL)
        PyErr_FormatUnraisable("Exception ignored while waking an operation");
}

static void put_due(PyObject *future)
{
    if (PyList_Append(due, future) < 0)
        PyErr_FormatUnraisable("Exception ignored while waking an operation");
}

void wait_point_wake(struct wait_point *point)
{
    if (point->first == NULL)
        return;
    _pyref_ PyObject *first = py_steal(&point->first);
    _pyref_ PyObject *others = py_steal(&point->others);
    put_due(first);
    for (Py_ssize_t i = 0; others != NULL && i < PyList_GET_SIZE(others); i++)
        put_due(PyList_GET_ITEM(others, i));
}

void wait_points_settle(void)
{
    while (due != NULL && PyList_GET_SIZE(due) > 0) {
        _pyref_ PyObject *futures = PyList_GetSlice(due, 0, PyList_GET_SIZE(due));
        if (futures == NULL || PyList_SetSlice(due, 0, PyList_GET_SIZE(futures), NULL) < 0) {
            PyErr_FormatUnraisable("Exception ignored while waking operations");
            return;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(futures); i++)
            wake(PyList_GET_ITEM(futures, i));
    }
}

bool wait_point_is_awaited(const struct wait_point *point)
{
    // Those that were cancelled are still there.
    if (point->first != NULL && !is_done(point->first))
        return true;
    for (Py_ssize_t i = 0; point->others != NULL && i < PyList_GET_SIZE(point->others); i++) {
        if (!is_done(PyList_GET_ITEM(point->others, i)))
            return true;
    }
    return false;
}

void wait_point_clear(struct wait_point *point)
{
    Py_CLEAR(point->first);
    Py_CLEAR(point->others);
}

// Each that waits has a future of its own: whoever is cancelled cancels what it waits for.
static int wait_at(struct wait_point *point, PyObject *future)
{
    if (point->first == NULL || is_done(point->first)) {
        Py_XSETREF(point->first, Py_NewRef(future));
        return 0;
    }
    if (point->others == NULL && (point->others = PyList_New(0)) == NULL)
        return -1;
    // The places of those that were cancelled are used again.
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(point->others); i++) {
        if (is_done(PyList_GET_ITEM(point->others, i)))
            return PyList_SetItem(point->others, i, Py_NewRef(future));
    }
    return PyList_Append(point->others, future);
}

// --- operations ---

// Begin to wait: 0, or -1 with an exception set.
static int begin_wait(struct operation *self)
{
    _pyref_ PyObject *loop = PyObject_CallNoArgs(get_running_loop);
    _pyref_ PyObject *future =
        loop != NULL ? PyObject_CallMethod(loop, "create_future", NULL) : NULL;
    if (future == NULL || wait_at(self->point, future) < 0)
        return -1;
    self->waiting = PyObject_GetIter(future);
    return self->waiting != NULL ? 0 : -1;
}

static PySendResult end(struct operation *self, PyObject *result_take, PyObject **result)
{
    self->ended = true;
    *result = result_take;
    return result_take != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

// Try, and wait, until it is done or has to wait for longer.
static PySendResult go_on(struct operation *self, PyObject **result)
{
    for (;;) {
        PyObject *out = NULL;
        int done = self->attempt(self->owner, self->argument, &out);
        if (done != 0)
            return end(self, done > 0 ? out : NULL, result);
        if (begin_wait(self) < 0)
            return end(self, NULL, result);
        if (PyIter_Send(self->waiting, Py_None, result) == PYGEN_NEXT)
            return PYGEN_NEXT;
        // Not for long: it was woken meanwhile, or cannot be waited for.
        Py_CLEAR(self->waiting);
        if (PyErr_Occurred())
            return end(self, NULL, result);
        Py_CLEAR(*result);
    }
}

static PySendResult operation_send(PyObject *object, PyObject *value, PyObject **result)
{
    struct operation *self = self_of(object);
    (void)value;
    if (self->owner == NULL && self->result != NULL) {
        *result = object == done_with_none ? Py_NewRef(self->result) : py_steal(&self->result);
        return PYGEN_RETURN;
    }
    if (self->owner == NULL || self->ended) {
        PyErr_SetString(PyExc_RuntimeError, "this was awaited before");
        *result = NULL;
        return PYGEN_ERROR;
    }
    if (self->waiting != NULL) {
        PySendResult sent = PyIter_Send(self->waiting, Py_None, result);
        if (sent == PYGEN_NEXT)
            return sent;
        Py_CLEAR(self->waiting);
        if (sent == PYGEN_ERROR)
            return end(self, NULL, result);
        Py_CLEAR(*result);
    }
    return go_on(self, result);
}

// A step's end as iterators and generators tell it.
static PyObject *as_iteration(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN)
        return result;
    if (result == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else {
        _pyref_ PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop != NULL)
            PyErr_SetObject(PyExc_StopIteration, stop);
    }
    Py_DECREF(result);
    return NULL;
}

// What "await" calls: an iterator's end without an exception means None.
static PyObject *operation_next(PyObject *object)
{
    PyObject *result = NULL;
    PySendResult sent = operation_send(object, Py_None, &result);
    if (sent == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL;
    }
    return as_iteration(sent, result);
}

static PyObject *operation_send_method(PyObject *object, PyObject *value)
{
    PyObject *result = NULL;
    PySendResult sent = operation_send(object, value, &result);
    return as_iteration(sent, result);
}

// throw(exception) or throw(type, value, traceback): what is waited for ends with it.
static PyObject *operation_throw(PyObject *object, PyObject *arguments)
{
    struct operation *self = self_of(object);
    PyObject *type, *value = NULL, *traceback = NULL;
    if (!PyArg_UnpackTuple(arguments, "throw", 1, 3, &type, &value, &traceback))
        return NULL;
    _pyref_ PyObject *waiting = py_steal(&self->waiting);
    self->ended = object != done_with_none;
    if (waiting != NULL) {
        _pyref_ PyObject *throw = PyObject_GetAttrString(waiting, "throw");
        _pyref_ PyObject *thrown = throw != NULL ? PyObject_CallObject(throw, arguments) : NULL;
        if (thrown != NULL)
            PyErr_SetString(PyExc_RuntimeError, "the exception was swallowed");
        return NULL;
    }
    if (PyExceptionInstance_Check(type))
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    else if (value != NULL && PyExceptionInstance_Check(value))
        PyErr_SetObject(type, value);
    else if (PyExceptionClass_Check(type))
        PyErr_SetObject(type, value);
    else
        PyErr_SetString(PyExc_TypeError, "exceptions must derive from BaseException");
    return NULL;
}

static PyObject *operation_close(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct operation *self = self_of(object);
    _pyref_ PyObject *waiting = py_steal(&self->waiting);
    self->ended = object != done_with_none;
    if (waiting == NULL)
        Py_RETURN_NONE;
    return PyObject_CallMethod(waiting, "close", NULL);
}

static void operation_dealloc(PyObject *object)
{
    struct operation *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->waiting);
    Py_XDECREF(self->argument);
    Py_XDECREF(self->result);
    Py_XDECREF(self->owner);
    type->tp_free(object);
    Py_DECREF(type);
}

static struct operation *operation_make(void)
{
    struct operation *self = PyObject_New(struct operation, operation_type);
    if (self == NULL)
        return NULL;
    self->owner = self->argument = self->waiting = self->result = NULL;
    self->ended = false;
    return self;
}

PyObject *operation_new(PyObject *owner, struct wait_point *point, operation_try attempt,
                        PyObject *argument)
{
    struct operation *self = operation_make();
    if (self == NULL)
        return NULL;
    self->owner = Py_NewRef(owner);
    self->point = point;
    self->attempt = attempt;
    self->argument = Py_XNewRef(argument);
    return (PyObject *)self;
}

PyObject *operation_done(PyObject *result_take)
{
    if (result_take == NULL)
        return NULL;
    if (result_take == Py_None) {
        Py_DECREF(result_take);
        return Py_NewRef(done_with_none);
    }
    struct operation *self = operation_make();
    if (self == NULL) {
        Py_DECREF(result_take);
        return NULL;
    }
    self->result = result_take;
    return (PyObject *)self;
}

// With send, throw, close and __await__ it is a collections.abc.Coroutine, and so good for tasks.
static PyMethodDef methods[] = {
    {"send", operation_send_method, METH_O, "Go on."},
    {"throw", operation_throw, METH_VARARGS, "End what is waited for with an exception."},
    {"close", operation_close, METH_NOARGS, "Wait no more."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What ASGI's receive() and send(), and their like, return: to be awaited once."},
    {Py_tp_dealloc, operation_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_iternext, operation_next},
    {Py_am_await, Py_NewRef},
    {Py_am_send, operation_send},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.operation",
    .basicsize = sizeof(struct operation),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int operation_init(void)
{
    if (operation_type != NULL)
        return 0;
    operation_type = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    _pyref_ PyObject *events =
        operation_type != NULL ? PyImport_ImportModule("asyncio.events") : NULL;
    get_running_loop = events != NULL ? PyObject_GetAttrString(events, "get_running_loop") : NULL;
    struct operation *done = get_running_loop != NULL ? operation_make() : NULL;
    if (done == NULL)
        return -1;
    done->result = Py_NewRef(Py_None);
    due = PyList_New(0);
    done_with_none = (PyObject *)done;
    return due != NULL ? 0 : -1;
}

void operation_fini(void)
{
    Py_CLEAR(due);
    Py_CLEAR(done_with_none);
    Py_CLEAR(get_running_loop);
    Py_CLEAR(operation_type);
}
