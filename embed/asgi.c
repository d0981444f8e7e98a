// asgi.c - one request over ASGI: an object that is behind the application's receive() and send(),
// and that learns of what happens to the connection.
#include "asgi.h"

#include <stddef.h>
#include <string.h>

#include "asgi_priv.h"
#include "call.h"
#include "names.h"
#include "websocket.h"

// What a process has one of: its interpreter is one.
static PyTypeObject *http_type;

// --- receive() ---

static PyObject *disconnect_message(void)
{
    return Py_BuildValue("{OO}", names.type, names.http_disconnect);
}

static PyObject *body_message(struct str piece, bool more)
{
    PyObject *body = piece.size > 0 ? PyBytes_FromStringAndSize(piece.data, (Py_ssize_t)piece.size)
                                    : Py_NewRef(Py_GetConstantBorrowed(Py_CONSTANT_EMPTY_BYTES));
    return Py_BuildValue("{OOONOO}", names.type, names.http_request, names.body, body,
                         names.more_body, more ? Py_True : Py_False);
}

static int give(PyObject *message_take, PyObject **result)
{
    *result = message_take;
    return message_take != NULL ? 1 : -1;
}

static int try_receive(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct asgi_http *self = asgi_http_of(owner);
    struct str piece;
    (void)argument;
    if (!call_is_here())
        return -1;
    if (self->request == NULL)
        return give(disconnect_message(), result);
    if (!self->is_body_over) {
        enum exchange_reading reading = exchange_read(self->request, &piece);
        self->is_body_over = reading == EXCHANGE_LAST || reading == EXCHANGE_LOST;
        if (reading == EXCHANGE_PIECE || reading == EXCHANGE_LAST)
            return give(body_message(piece, reading == EXCHANGE_PIECE), result);
        if (reading == EXCHANGE_WAIT)
            return 0;
        // The rest cannot come, be the client there or not.
        self->is_gone = self->told_disconnect = true;
        return give(disconnect_message(), result);
    }
    if (exchange_is_connected(self->request))
        return 0;
    self->told_disconnect = true;
    return give(disconnect_message(), result);
}

static PyObject *http_receive(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    return operation_new(object, &asgi_http_of(object)->reading, try_receive, NULL);
}

// --- what happens to the connection ---

static void take_readable(void *owner)
{
    wait_point_wake(&((struct asgi_http *)owner)->reading);
}

static void take_writable(void *owner)
{
    wait_point_wake(&((struct asgi_http *)owner)->writing);
}

// It may only have said that it sends nothing more: what is answered goes on until it is refused.
static void take_gone(void *owner)
{
    struct asgi_http *self = owner;
    wait_point_wake(&self->reading);
    wait_point_wake(&self->writing);
}

static void take_lost(void *owner)
{
    struct asgi_http *self = owner;
    self->is_gone = true;
    take_gone(owner);
}

static const struct exchange_events events = {
    .readable = take_readable,
    .writable = take_writable,
    .gone = take_gone,
    .lost = take_lost,
};

// --- the call ---

static void fail(struct asgi_http *self, unsigned status)
{
    struct request *request = self->request;
    bool begun = self->stage > ASGI_STAGE_HEAD;
    if (!begun)
        request_fail(request, status);
    asgi_http_let_go(self, begun);
}

bool asgi_is_cancelled(PyObject *exception)
{
    return exception != NULL && call_was_cancelled(exception);
}

// What the application has left open is closed; what is wrong with that is in the log.
static void take_end(PyObject *owner, PyObject *exception)
{
    struct asgi_http *self = asgi_http_of(owner);
    bool cancelled = asgi_is_cancelled(exception);
    self->has_ended = true;
    if (exception != NULL && !cancelled)
        asgi_report("exception while answering", self->method, self->target, exception);
    if (self->request == NULL)
        return;
    if (self->is_gone) {
        asgi_http_let_go(self, true);
        return;
    }
    if (self->stage == ASGI_STAGE_TRAILERS && exception == NULL) {
        asgi_http_let_go(self, false);
        return;
    }
    // Who knows that the client has left owes it nothing.
    if (exception == NULL && !self->told_disconnect)
        asgi_report(self->stage <= ASGI_STAGE_HEAD
                        ? "the application returned without an answer to"
                        : "the application returned in the middle of its answer to",
                    self->method, self->target, NULL);
    fail(self, cancelled ? 503 : 500);
}

static struct asgi_http *http_new(const struct application *application, struct request *request)
{
    struct asgi_http *self = PyObject_New(struct asgi_http, http_type);
    if (self == NULL)
        return NULL;
    const size_t header = offsetof(struct asgi_http, request);
    memset((char *)self + header, 0, sizeof *self - header);
    self->request = self->current.request = request;
    self->application = application;
    self->announced = -1;
    return self;
}

static void http_dealloc(PyObject *object)
{
    struct asgi_http *self = asgi_http_of(object);
    PyTypeObject *type = Py_TYPE(object);
    // Whoever was to answer has been thrown away.
    if (self->request != NULL)
        fail(self, 500);
    wait_point_clear(&self->reading);
    wait_point_clear(&self->writing);
    current_drop(&self->current);
    Py_XDECREF(self->method);
    Py_XDECREF(self->target);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef receive_method = {"receive", http_receive, METH_NOARGS,
                                     "The next message of the client (ASGI)."};
static PyMethodDef send_method = {"send", asgi_http_send, METH_O,
                                  "A message of the answer (ASGI)."};

// For the log, when the request has gone.
static int keep_line(struct asgi_http *self, PyObject *scope)
{
    struct str target = request_head(self->request)->target;
    PyObject *path = PyDict_GetItemWithError(scope, names.raw_path);
    self->method = Py_XNewRef(PyDict_GetItemWithError(scope, names.method));
    // Mostly there is no query.
    if (path != NULL && (size_t)PyBytes_GET_SIZE(path) == target.size)
        self->target = Py_NewRef(path);
    else
        self->target = PyBytes_FromStringAndSize(target.data, (Py_ssize_t)target.size);
    return self->method != NULL && self->target != NULL ? 0 : -1;
}

static int begin(struct asgi_http *self, struct request *request)
{
    _pyref_ PyObject *scope = asgi_scope_new(self->application, request, false, NULL);
    if (scope == NULL || keep_line(self, scope) < 0)
        return -1;
    _pyref_ PyObject *receive = PyCFunction_New(&receive_method, (PyObject *)self);
    _pyref_ PyObject *send = PyCFunction_New(&send_method, (PyObject *)self);
    if (receive == NULL || send == NULL)
        return -1;
    struct asgi_owner owner = {(PyObject *)self, &self->current, take_end};
    return asgi_call(self->application, scope, receive, send, &owner);
}

// What has kept it from being called.
static void report_failure(struct asgi_http *self)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    struct err err;
    if (self->method != NULL) {
        asgi_report("exception while answering", self->method, self->target, exception);
    } else {
        PyErr_SetRaisedException(py_steal(&exception));
        pyerr_report(&err);
    }
    self->has_ended = true;
    if (self->request != NULL)
        fail(self, 500);
}

static void handle_http(const struct application *application, struct request *request)
{
    struct asgi_http *self = http_new(application, request);
    if (self == NULL) {
        PyErr_Clear();
        request_fail(request, 500);
        return;
    }
    exchange_begin(request, &events, self);
    struct current *before = current_enter(&self->current);
    self->in_handler = true;
    if (begin(self, request) < 0)
        report_failure(self);
    self->in_handler = false;
    current_enter(before);
    if (self->request == NULL)
        current_end(&self->current, !self->has_ended);
    Py_DECREF(self);
}

void asgi_handle(const struct application *application, struct request *request)
{
    struct websocket_offer offer;
    unsigned status;
    if (!websocket_is_offered(request, &offer, &status))
        handle_http(application, request);
    else if (status == 0)
        asgi_websocket_handle(application, request, &offer);
    else
        websocket_refuse(request, status);
}
// --- an application's ---

static PyType_Slot slots[] = {
    {Py_tp_doc, "A request as ASGI sees it."},
    {Py_tp_dealloc, http_dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.asgi_http",
    .basicsize = sizeof(struct asgi_http),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int asgi_init(struct application *application)
{
    application->interface_data = NULL;
    if (http_type == NULL)
        http_type = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    if (http_type == NULL || asgi_client_disconnected() == NULL)
        return -1;
    return names_init() < 0 || operation_init() < 0 || call_init() < 0 || asgi_websocket_init() < 0
               ? -1
               : asgi_scope_init();
}

void asgi_set_state(struct application *application, PyObject *state)
{
    PyObject *before = application->interface_data;
    application->interface_data = Py_XNewRef(state);
    Py_XDECREF(before);
}

void asgi_fini(struct application *application)
{
    asgi_set_state(application, NULL);
    asgi_scope_fini();
}
