// asgi_call.c - what HTTP and WebSocket share: the call of the application, and parts of messages.
#include "asgi_priv.h"

#include <string.h>

#include "call.h"
#include "forked.h"
#include "head_fields.h"
#include "log.h"
#include "names.h"
#include "report.h"

// What a process has one of: its interpreter is one.
static PyObject *client_disconnected; // an exception type

PyObject *asgi_client_disconnected(void)
{
    if (client_disconnected == NULL)
        client_disconnected = PyErr_NewExceptionWithDoc(
            "limpet.ClientDisconnected", "The client has gone: what is sent reaches nobody.",
            PyExc_OSError, NULL);
    return client_disconnected;
}

// The awaitable of one connection: application(scope, receive, send), or, of ASGI 2,
// application(scope)(receive, send).
static PyObject *begin(const struct application *application, PyObject *scope, PyObject *receive,
                       PyObject *send)
{
    if (application->interface == APPLICATION_ASGI2) {
        _pyref_ PyObject *instance = PyObject_CallOneArg(application->callable, scope);
        return instance != NULL ? PyObject_CallFunctionObjArgs(instance, receive, send, NULL)
                                : NULL;
    }
    PyObject *arguments[] = {NULL, scope, receive, send};
    return PyObject_Vectorcall(application->callable, arguments + 1,
                               3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

int asgi_call(const struct application *application, PyObject *scope, PyObject *receive,
              PyObject *send, const struct asgi_owner *owner)
{
    _pyref_ PyObject *awaitable = begin(application, scope, receive, send);
    forked_end_child();
    return awaitable != NULL ? call_start(awaitable, owner->object, owner->current, owner->ended)
                             : -1;
}

// Whether it, or what it was raised from, only says that the client has gone.
static bool is_disconnect(PyObject *exception)
{
    _pyref_ PyObject *at = Py_NewRef(exception);
    // Frameworks have a word of their own for it (Starlette's ClientDisconnect).
    if (strcmp(Py_TYPE(exception)->tp_name, "ClientDisconnect") == 0)
        return true;
    // Of what was raised while that was handled, only what says so: the rest may be a fault.
    while (at != NULL) {
        if (PyErr_GivenExceptionMatches(at, asgi_client_disconnected()))
            return true;
        Py_SETREF(at, PyException_GetCause(at));
    }
    return false;
}

void asgi_report(const char *what, PyObject *method, PyObject *target, PyObject *exception)
{
    const char *method_text = PyUnicode_AsUTF8(method), *target_text = PyBytes_AsString(target);
    PyErr_Clear();
    if (exception != NULL && is_disconnect(exception)) {
        log_debug("asgi", "%s: %s %s: the client has gone", what, method_text, target_text);
        return;
    }
    _pyref_ PyObject *heading = PyUnicode_FromFormat("%s %s %s", what, method_text, target_text);
    report_lines("asgi", heading != NULL ? PyUnicode_AsUTF8(heading) : what, exception);
}

PyObject *asgi_value(PyObject *message, PyObject *key, int *found)
{
    PyObject *value = NULL;
    *found = PyDict_GetItemRef(message, key, &value);
    return value;
}

int asgi_flag(PyObject *message, PyObject *key)
{
    int found;
    _pyref_ PyObject *value = asgi_value(message, key, &found);
    return value != NULL ? PyObject_IsTrue(value) : found;
}

int asgi_take_headers(PyObject *message, struct head *head, bool *wants_close)
{
    int found;
    _pyref_ PyObject *headers = asgi_value(message, names.headers, &found);
    struct head_fields_found fields = {.wants_close = false};
    if (headers == NULL)
        return found;
    if (head_fields_add(head, headers, false, &fields) < 0)
        return -1;
    *wants_close = fields.wants_close;
    return 0;
}

int asgi_take_status(PyObject *message, struct head *head, unsigned *status)
{
    int found;
    _pyref_ PyObject *value = asgi_value(message, names.status, &found);
    if (value == NULL && found == 0)
        PyErr_Format(PyExc_ValueError, "%R has no status", message);
    if (value == NULL)
        return -1;
    if (!PyLong_Check(value))
        return PyErr_Format(PyExc_TypeError, "the status is an int, not %T", value), -1;
    long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 200 || number > 999)
        return PyErr_Format(PyExc_ValueError, "status %ld: must be 200 to 999", number), -1;
    *status = (unsigned)number;
    return head_begin(head, str_of(request_reason(*status)));
}
