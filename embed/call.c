// call.c - a coroutine in C around the application's: it learns of the end in the step in which
// that comes, without a callback of the task, and asyncio finds a task like any other.
#include "call.h"

#include <pthread.h>
#include <stdbool.h>

#include "current.h"
#include "forked.h"
#include "streams.h"

struct call {
    PyObject_HEAD PyObject *coroutine; // of the application: an iterator. NULL: it has ended
    PyObject *owner;
    struct current *current; // the owner's
    PyObject *task;          // NULL: before it waits for the first time
    call_ended ended;
    struct call *next, *previous; // all that are under way
};

// What a process has one of: an event loop.
static struct {
    PyTypeObject *type;
    PyObject *task;             // asyncio.Task
    PyObject *get_running_loop; // asyncio's
    PyObject *cancelled;        // asyncio.CancelledError
    PyObject *keywords;         // {"loop": loop, "eager_start": True}
    PyObject *loop;             // in there, borrowed
    pthread_t thread;           // the loop's
    struct call *first;
    size_t count;
} shared;

static struct call *self_of(PyObject *object)
{
    return (struct call *)(void *)object;
}

static void enlist(struct call *self)
{
    self->previous = NULL;
    self->next = shared.first;
    if (shared.first != NULL)
        shared.first->previous = self;
    shared.first = self;
    shared.count++;
}

static void unlist(struct call *self)
{
    if (self->next != NULL)
        self->next->previous = self->previous;
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        shared.first = self->next;
    shared.count--;
}

// Once: the owner is told.
static void tell_owner(struct call *self, PyObject *exception)
{
    _pyref_ PyObject *owner = py_steal(&self->owner);
    if (owner == NULL)
        return;
    unlist(self);
    self->ended(owner, exception);
    streams_end_lines();
}

// A task that was cancelled is to end as such; whatever else was raised is the owner's to report,
// SystemExit as well: it ends a request and not the worker.
static PySendResult end(struct call *self, PyObject **result)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    _pyref_ PyObject *coroutine = py_steal(&self->coroutine);
    _pyref_ PyObject *task = py_steal(&self->task);
    tell_owner(self, exception);
    if (exception == NULL || !call_was_cancelled(exception)) {
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    PyErr_SetRaisedException(py_steal(&exception));
    *result = NULL;
    return PYGEN_ERROR;
}

// A step of the application's, in its task's own context: work on the request.
struct step {
    PyObject *owner;
    struct current *current, *before;
    bool was_apart;
};

static struct step begin_step(struct call *self)
{
    struct step step = {.owner = Py_XNewRef(self->owner)};
    step.current = step.owner != NULL ? self->current : NULL;
    step.before = current_enter(step.current);
    if (step.current == NULL)
        return step;
    step.was_apart = step.current->is_apart;
    step.current->is_apart = true;
    return step;
}

static void end_step(struct step *step)
{
    if (step->current != NULL)
        step->current->is_apart = step->was_apart;
    current_enter(step->before);
    Py_XDECREF(step->owner);
}

static PySendResult call_send(PyObject *object, PyObject *value, PyObject **result)
{
    struct call *self = self_of(object);
    if (self->coroutine == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        *result = NULL;
        return PYGEN_ERROR;
    }
    struct step step = begin_step(self);
    PySendResult sent = PyIter_Send(self->coroutine, value, result);
    if (sent == PYGEN_NEXT) {
        forked_end_waiting_child();
    } else {
        forked_end_child();
        Py_CLEAR(*result);
        sent = end(self, result);
    }
    end_step(&step);
    return sent;
}

static PyObject *as_iteration(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN)
        return result;
    Py_DECREF(result);
    PyErr_SetNone(PyExc_StopIteration);
    return NULL;
}

static PyObject *call_send_method(PyObject *object, PyObject *value)
{
    PyObject *result = NULL;
    PySendResult sent = call_send(object, value, &result);
    return as_iteration(sent, result);
}

static PyObject *call_next(PyObject *object)
{
    return call_send_method(object, Py_None);
}

static PyObject *call_throw(PyObject *object, PyObject *arguments)
{
    struct call *self = self_of(object);
    if (self->coroutine == NULL)
        return PyErr_Format(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    _pyref_ PyObject *throw = PyObject_GetAttrString(self->coroutine, "throw");
    if (throw == NULL)
        return NULL;
    struct step step = begin_step(self);
    PyObject *yielded = PyObject_CallObject(throw, arguments);
    if (yielded != NULL) {
        forked_end_waiting_child();
    } else {
        if (PyErr_ExceptionMatches(PyExc_StopIteration))
            PyErr_Clear();
        forked_end_child();
        PyObject *result = NULL;
        PySendResult sent = end(self, &result);
        yielded = as_iteration(sent, result);
    }
    end_step(&step);
    return yielded;
}

static PyObject *call_close(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct call *self = self_of(object);
    if (self->coroutine == NULL)
        Py_RETURN_NONE;
    return PyObject_CallMethod(self->coroutine, "close", NULL);
}

// What is asked of coroutines (inspect.getcoroutinestate, asyncio's reports: cr_frame, cr_await,
// __qualname__) is answered by the application's.
static PyObject *call_getattr(PyObject *object, PyObject *name)
{
    struct call *self = self_of(object);
    PyObject *found = PyObject_GenericGetAttr(object, name);
    if (found != NULL || self->coroutine == NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(self->coroutine, name);
}

static void call_dealloc(PyObject *object)
{
    struct call *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    if (self->owner != NULL)
        unlist(self); // its task was lost: the loop has ended
    Py_XDECREF(self->coroutine);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->task);
    type->tp_free(object);
    Py_DECREF(type);
}

// A generator that @types.coroutine has made one.
static bool is_old_coroutine(PyObject *object)
{
    if (!PyGen_CheckExact(object))
        return false;
    _pyref_ PyObject *code = (PyObject *)PyGen_GetCode((PyGenObject *)(void *)object);
    return code != NULL && (((PyCodeObject *)(void *)code)->co_flags & CO_ITERABLE_COROUTINE) != 0;
}

// What the application has returned, as what can be sent to; a new reference, or NULL with an
// exception set.
static PyObject *iterator_of(PyObject *awaitable)
{
    if (PyCoro_CheckExact(awaitable) || is_old_coroutine(awaitable))
        return Py_NewRef(awaitable);
    PyAsyncMethods *methods = Py_TYPE(awaitable)->tp_as_async;
    if (methods == NULL || methods->am_await == NULL)
        return PyErr_Format(PyExc_TypeError, "the application returned %R, which cannot be awaited",
                            awaitable);
    return methods->am_await(awaitable);
}

static struct call *call_make(PyObject *awaitable, PyObject *owner, struct current *current,
                              call_ended ended)
{
    _pyref_ PyObject *coroutine = iterator_of(awaitable);
    struct call *self = coroutine != NULL ? PyObject_New(struct call, shared.type) : NULL;
    if (self == NULL)
        return NULL;
    self->coroutine = py_steal(&coroutine);
    self->owner = Py_NewRef(owner);
    self->current = current;
    self->task = NULL;
    self->ended = ended;
    enlist(self);
    return self;
}

// A dict of keyword arguments that is used again: Task takes them as one.
static int keep_keywords(PyObject *loop)
{
    if (loop == shared.loop)
        return 0;
    shared.thread = pthread_self();
    Py_XSETREF(shared.keywords, Py_BuildValue("{sOsO}", "loop", loop, "eager_start", Py_True));
    shared.loop = shared.keywords != NULL ? loop : NULL;
    return shared.keywords != NULL ? 0 : -1;
}

int call_start(PyObject *awaitable, PyObject *owner, struct current *current, call_ended ended)
{
    struct call *self = call_make(awaitable, owner, current, ended);
    _pyref_ PyObject *coroutine = (PyObject *)self;
    _pyref_ PyObject *loop = self != NULL ? PyObject_CallNoArgs(shared.get_running_loop) : NULL;
    _pyref_ PyObject *arguments = loop != NULL ? PyTuple_Pack(1, coroutine) : NULL;
    if (arguments == NULL || keep_keywords(loop) < 0)
        return -1;
    _pyref_ PyObject *task = PyObject_Call(shared.task, arguments, shared.keywords);
    if (self->coroutine == NULL) { // It has ended, and its owner knows.
        PyErr_Clear();
        return 0;
    }
    if (task == NULL)
        return -1;
    self->task = py_steal(&task);
    return 0;
}

bool call_was_cancelled(PyObject *exception)
{
    return PyErr_GivenExceptionMatches(exception, shared.cancelled);
}

bool call_thread_is_this(void)
{
    return pthread_equal(pthread_self(), shared.thread);
}

bool call_is_here(void)
{
    if (call_thread_is_this())
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "a request belongs to the event loop's thread: from another one, use "
                    "loop.call_soon_threadsafe or asyncio.run_coroutine_threadsafe");
    return false;
}

size_t call_count(void)
{
    return shared.count;
}

void call_cancel_all(void)
{
    for (struct call *call = shared.first; call != NULL; call = call->next) {
        _pyref_ PyObject *done =
            call->task != NULL ? PyObject_CallMethod(call->task, "cancel", NULL) : NULL;
        if (done == NULL)
            PyErr_Clear();
    }
}

void call_abandon_all(void)
{
    _pyref_ PyObject *exception = PyObject_CallNoArgs(shared.cancelled);
    while (exception != NULL && shared.first != NULL) {
        struct call *call = shared.first;
        Py_INCREF(call);
        tell_owner(call, exception);
        Py_DECREF(call);
    }
    PyErr_Clear();
}

static PyMethodDef methods[] = {
    {"send", call_send_method, METH_O, "Go on."},
    {"throw", call_throw, METH_VARARGS, "Go on with an exception."},
    {"close", call_close, METH_NOARGS, "End."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The application's coroutine for one request."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_iternext, call_next},
    {Py_tp_getattro, call_getattr},
    {Py_am_await, Py_NewRef},
    {Py_am_send, call_send},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.call",
    .basicsize = sizeof(struct call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int call_init(void)
{
    if (shared.type != NULL)
        return 0;
    shared.type = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    _pyref_ PyObject *asyncio = shared.type != NULL ? PyImport_ImportModule("asyncio") : NULL;
    if (asyncio == NULL)
        return -1;
    shared.task = PyObject_GetAttrString(asyncio, "Task");
    shared.get_running_loop = PyObject_GetAttrString(asyncio, "get_running_loop");
    shared.cancelled = PyObject_GetAttrString(asyncio, "CancelledError");
    return shared.task != NULL && shared.get_running_loop != NULL && shared.cancelled != NULL ? 0
                                                                                              : -1;
}

void call_fini(void)
{
    Py_CLEAR(shared.keywords);
    shared.loop = NULL;
    Py_CLEAR(shared.cancelled);
    Py_CLEAR(shared.get_running_loop);
    Py_CLEAR(shared.task);
    Py_CLEAR(shared.type);
}
