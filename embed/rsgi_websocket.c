// rsgi_websocket.c - the protocol object of a WebSocket: accepted, refused, closed.
#include "arguments.h"
#include "call.h"
#include "rsgi_websocket_priv.h"

static void on_exchange(void *owner)
{
    (void)owner; // nothing is read or pushed before it is accepted
}

static void on_lost(void *owner)
{
    rsgi_life_lose(&rsgi_websocket_of(owner)->life);
}

static const struct exchange_events exchange_events = {on_exchange, on_exchange, on_exchange,
                                                       on_lost};

static void on_readable(void *owner)
{
    wait_point_wake(&rsgi_websocket_of(owner)->readable);
}

static void on_writable(void *owner)
{
    wait_point_wake(&rsgi_websocket_of(owner)->writable);
}

static const struct websocket_events events = {on_readable, on_writable};

PyObject *rsgi_websocket_new(struct request *request, PyObject *scope_take)
{
    struct rsgi_websocket *self = scope_take != NULL ? rsgi_new(rsgi_types.websocket) : NULL;
    if (self == NULL) {
        Py_XDECREF(scope_take);
        return NULL;
    }
    self->life.request = request;
    self->life.scope = scope_take;
    return (PyObject *)self;
}

static void websocket_dealloc(PyObject *object)
{
    struct rsgi_websocket *self = rsgi_websocket_of(object);
    PyTypeObject *type = Py_TYPE(object);
    wait_point_clear(&self->readable);
    wait_point_clear(&self->writable);
    rsgi_life_fini(&self->life, self->is_answered);
    if (self->websocket != NULL)
        websocket_release(self->websocket, 1011);
    type->tp_free(object);
    Py_DECREF(type);
}

// What the end of a call closes with: also where the worker stops (RFC 6455 section 7.4.1).
static unsigned code_of(PyObject *exception)
{
    if (exception == NULL)
        return 1000;
    return call_was_cancelled(exception) ? 1001 : 1011;
}

// The connection lives as long as the application's call, and no longer (RSGI, "Websocket
// connection scope").
static void ended(PyObject *object, PyObject *exception)
{
    struct rsgi_websocket *self = rsgi_websocket_of(object);
    bool is_missing = !self->is_answered && !self->life.lost;
    self->life.ended = true;
    if (exception != NULL || is_missing)
        rsgi_life_report(&self->life, exception);
    if (!self->is_answered) {
        self->is_answered = true;
        request_fail(self->life.request, rsgi_life_status(exception));
        rsgi_life_finish(&self->life, false);
    }
    if (self->websocket != NULL)
        websocket_release(steal_ptr(&self->websocket), code_of(exception));
    wait_point_wake(&self->readable);
    wait_point_wake(&self->writable);
}

void rsgi_websocket_run(const struct application *application, PyObject *protocol)
{
    rsgi_life_run(&rsgi_websocket_of(protocol)->life, application, protocol, &exchange_events,
                  ended);
}

// 0, or -1 with an exception set.
static int accept_request(struct rsgi_websocket *self)
{
    struct rsgi_life *life = &self->life;
    struct err err;
    rsgi_life_begin(life, &exchange_events, (PyObject *)self);
    if (head_begin(request_response_head(life->request), str_of(request_reason(101))) < 0)
        return PyErr_NoMemory(), -1;
    rsgi_scope_detach(life->scope, true); // a request that is answered later ends with its answer
    self->websocket =
        life->lost ? NULL : websocket_accept(life->request, STR(""), &events, self, &err);
    if (self->websocket == NULL) {
        life->lost = true;
        PyErr_SetString(rsgi_types.protocol_closed, "the client has gone");
        return -1;
    }
    self->is_answered = true;
    rsgi_life_release(life);
    return 0;
}

PyDoc_STRVAR(accept_doc, "accept() -> awaitable of a transport\n\nOpen the WebSocket.");

static PyObject *websocket_accept_method(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct rsgi_websocket *self = rsgi_websocket_of(object);
    if (!rsgi_life_is_here(&self->life))
        return NULL;
    if (self->is_answered)
        return PyErr_SetString(rsgi_types.protocol_error,
                               "the WebSocket was accepted or closed before"),
               NULL;
    _pyref_ PyObject *transport = rsgi_websocket_transport_new(object);
    if (transport == NULL || accept_request(self) < 0)
        return NULL;
    return operation_done(py_steal(&transport));
}

static PyObject *refuse(struct rsgi_websocket *self, PyObject *status)
{
    struct response response = {.content_length = -1};
    struct err err;
    _pyref_ PyObject *number = status != NULL ? Py_NewRef(status) : PyLong_FromLong(403);
    if (number == NULL ||
        rsgi_response_head(self->life.request, number, NULL, &response.status) == NULL)
        return NULL;
    if (request_respond(self->life.request, &response, &err) < 0)
        return PyErr_NoMemory();
    self->is_answered = true;
    rsgi_life_finish(&self->life, false);
    Py_RETURN_NONE;
}

// What may be sent as a reason for closing (RFC 6455 section 7.4); statuses of HTTP, which
// applications give as well, are none.
static unsigned close_code(long status)
{
    bool is_defined =
        status >= 1000 && status <= 1014 && status != 1004 && status != 1005 && status != 1006;
    return is_defined || (status >= 3000 && status <= 4999) ? (unsigned)status : 1000;
}

PyDoc_STRVAR(close_doc, "close(status=None)\n\n"
                        "Before accept: refuse with that HTTP status (403). Behind it: close with "
                        "that code (1000).");

static PyObject *websocket_close_method(PyObject *object, PyObject *const *arguments,
                                        Py_ssize_t count, PyObject *names)
{
    static const struct arguments_signature signature = {"close", {"status"}, 0, 1};
    struct rsgi_websocket *self = rsgi_websocket_of(object);
    PyObject *status;
    if (arguments_take(&signature, arguments, count, names, &status) < 0 ||
        !rsgi_life_is_here(&self->life))
        return NULL;
    status = status == Py_None ? NULL : status;
    if (!self->is_answered)
        return refuse(self, status);
    long code = status != NULL ? PyLong_AsLong(status) : 1000;
    if (code == -1 && PyErr_Occurred())
        return NULL;
    if (self->websocket != NULL && !self->is_closing)
        websocket_close(self->websocket, close_code(code), STR(""));
    self->is_closing = true;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"accept", websocket_accept_method, METH_NOARGS, accept_doc},
    {"close", (PyCFunction)(void (*)(void))websocket_close_method, METH_FASTCALL | METH_KEYWORDS,
     close_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A WebSocket that a client asks for."},
    {Py_tp_dealloc, websocket_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.rsgi.WebsocketProtocol",
    .basicsize = sizeof(struct rsgi_websocket),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int rsgi_websocket_init(void)
{
    return (rsgi_types.websocket = rsgi_type_new(&spec)) != NULL ? 0 : -1;
}
