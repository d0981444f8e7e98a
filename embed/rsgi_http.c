// rsgi_http.c - the protocol object of an HTTP request: its body, its client's departure, and what
// becomes of it when the application ends. The answers are in rsgi_response.c.
#include <string.h>

#include "rsgi_priv.h"

// --- events ---

static void on_readable(void *owner)
{
    wait_point_wake(&rsgi_http_of(owner)->readable);
}

static void on_writable(void *owner)
{
    wait_point_wake(&rsgi_http_of(owner)->writable);
}

// What is answered goes on until it is refused.
static void on_gone(void *owner)
{
    struct rsgi_http *self = rsgi_http_of(owner);
    self->is_gone = true;
    wait_point_wake(&self->gone);
    wait_point_wake(&self->readable);
}

static void on_lost(void *owner)
{
    struct rsgi_http *self = rsgi_http_of(owner);
    rsgi_life_lose(&self->life);
    on_gone(owner);
    wait_point_wake(&self->writable);
}

// Behind the answer.
static void on_connection_lost(void *owner)
{
    struct rsgi_http *self = rsgi_http_of(owner);
    self->is_gone = true;
    wait_point_wake(&self->gone);
}

static const struct exchange_events events = {on_readable, on_writable, on_gone, on_lost};

void rsgi_http_begin(struct rsgi_http *self)
{
    rsgi_life_begin(&self->life, &events, (PyObject *)self);
}

// --- life ---

PyObject *rsgi_http_new(struct request *request, PyObject *scope_take)
{
    struct rsgi_http *self = scope_take != NULL ? rsgi_new(rsgi_types.http) : NULL;
    if (self == NULL) {
        Py_XDECREF(scope_take);
        return NULL;
    }
    self->life.request = request;
    self->life.scope = scope_take;
    self->life.watch.owner = self;
    self->life.watch.lost = on_connection_lost;
    return (PyObject *)self;
}

static void http_dealloc(PyObject *object)
{
    struct rsgi_http *self = rsgi_http_of(object);
    PyTypeObject *type = Py_TYPE(object);
    rsgi_life_fini(&self->life, self->answer != RSGI_UNANSWERED);
    wait_point_clear(&self->readable);
    wait_point_clear(&self->writable);
    wait_point_clear(&self->gone);
    Py_XDECREF(self->body);
    type->tp_free(object);
    Py_DECREF(type);
}

// A begun stream goes on as long as somebody has it; what was raised cuts it.
static void ended(PyObject *object, PyObject *exception)
{
    struct rsgi_http *self = rsgi_http_of(object);
    struct rsgi_life *life = &self->life;
    life->ended = true;
    if (exception != NULL || (self->answer == RSGI_UNANSWERED && !life->lost))
        rsgi_life_report(life, exception);
    if (self->answer == RSGI_UNANSWERED) {
        self->answer = RSGI_ANSWERED;
        request_fail(life->request, rsgi_life_status(exception));
        rsgi_life_finish(life, false);
    } else if (exception != NULL) {
        rsgi_life_finish(life, true);
    }
}

void rsgi_http_run(const struct application *application, PyObject *protocol)
{
    rsgi_life_run(&rsgi_http_of(protocol)->life, application, protocol, &events, ended);
}

// --- the body ---

static int closed(const char *text)
{
    PyErr_SetString(rsgi_types.protocol_closed, text);
    return -1;
}

// The next piece: as exchange_read, or -1 with an exception set.
static int read_piece(struct rsgi_http *self, struct str *piece)
{
    if (self->life.request == NULL || self->life.finished)
        return closed("the body is read after the answer");
    rsgi_http_begin(self);
    enum exchange_reading reading = exchange_read(self->life.request, piece);
    if (reading == EXCHANGE_LOST)
        return closed("the client has gone before it has sent the whole body");
    if (reading == EXCHANGE_LAST)
        self->body_ended = true;
    return (int)reading;
}

// Behind what is there already, in an object that grows by half.
static int keep(struct rsgi_http *self, struct str piece)
{
    size_t size = self->body_size + piece.size;
    if (self->body == NULL) {
        self->body = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    } else if (size > (size_t)PyBytes_GET_SIZE(self->body)) {
        size_t room = self->body_ended ? size : size + size / 2;
        _PyBytes_Resize(&self->body, (Py_ssize_t)room);
    }
    if (self->body == NULL)
        return -1;
    memcpy(PyBytes_AS_STRING(self->body) + self->body_size, piece.data, piece.size);
    self->body_size = size;
    return 0;
}

static int try_whole_body(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct rsgi_http *self = rsgi_http_of(owner);
    struct str piece;
    (void)argument;
    while (!self->body_ended) {
        int reading = read_piece(self, &piece);
        if (reading < 0 || (piece.size > 0 && keep(self, piece) < 0))
            return -1;
        if (reading == EXCHANGE_WAIT)
            return 0;
    }
    if (self->body == NULL) {
        *result = Py_GetConstant(Py_CONSTANT_EMPTY_BYTES);
        return 1;
    }
    if (self->body_size < (size_t)PyBytes_GET_SIZE(self->body) &&
        _PyBytes_Resize(&self->body, (Py_ssize_t)self->body_size) < 0)
        return -1;
    *result = py_steal(&self->body);
    return 1;
}

static int take_body(struct rsgi_http *self)
{
    if (!rsgi_life_is_here(&self->life))
        return -1;
    if (self->body_taken)
        return PyErr_SetString(rsgi_types.protocol_error, "the body was read before"), -1;
    self->body_taken = true;
    return 0;
}

// Done at once, where it can be done: no step of the loop.
static PyObject *begin_operation(PyObject *object, struct wait_point *point, operation_try attempt)
{
    PyObject *result = NULL;
    int done = attempt(object, NULL, &result);
    if (done != 0)
        return done > 0 ? operation_done(result) : NULL;
    return operation_new(object, point, attempt, NULL);
}

// await protocol()
static PyObject *http_call(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    struct rsgi_http *self = rsgi_http_of(object);
    if (PyTuple_GET_SIZE(arguments) > 0 || (keywords != NULL && PyDict_GET_SIZE(keywords) > 0))
        return PyErr_SetString(PyExc_TypeError, "protocol() takes no arguments"), NULL;
    if (take_body(self) < 0)
        return NULL;
    return begin_operation(object, &self->readable, try_whole_body);
}

// async for chunk in protocol
static PyObject *http_aiter(PyObject *object)
{
    return take_body(rsgi_http_of(object)) == 0 ? Py_NewRef(object) : NULL;
}

static int try_piece(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct rsgi_http *self = rsgi_http_of(owner);
    struct str piece = {"", 0};
    int reading = EXCHANGE_LAST;
    (void)argument;
    if (!self->body_ended && (reading = read_piece(self, &piece)) < 0)
        return -1;
    if (piece.size > 0) {
        *result = PyBytes_FromStringAndSize(piece.data, (Py_ssize_t)piece.size);
        return *result != NULL ? 1 : -1;
    }
    if (reading == EXCHANGE_WAIT)
        return 0;
    PyErr_SetNone(PyExc_StopAsyncIteration);
    return -1;
}

static PyObject *http_anext(PyObject *object)
{
    struct rsgi_http *self = rsgi_http_of(object);
    if (!rsgi_life_is_here(&self->life))
        return NULL;
    if (!self->body_taken)
        return PyErr_SetString(rsgi_types.protocol_error, "pieces come from aiter(protocol)"), NULL;
    return begin_operation(object, &self->readable, try_piece);
}

// --- the client's departure ---

static int try_disconnect(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct rsgi_http *self = rsgi_http_of(owner);
    struct rsgi_life *life = &self->life;
    (void)argument;
    bool is_open = life->request != NULL && life->begun;
    if (self->is_gone || (is_open && !exchange_is_connected(life->request))) {
        *result = Py_NewRef(Py_None);
        return 1;
    }
    return 0;
}

PyDoc_STRVAR(client_disconnect_doc,
             "client_disconnect() -> awaitable\n\nWait until the client's connection is lost.");

static PyObject *http_client_disconnect(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct rsgi_http *self = rsgi_http_of(object);
    if (!rsgi_life_is_here(&self->life))
        return NULL;
    rsgi_http_begin(self);
    // Its connection may serve other requests then.
    if (self->life.request != NULL && self->life.watch.place == NULL &&
        !exchange_watch(self->life.request, &self->life.watch))
        self->is_gone = true;
    if (self->life.request == NULL && self->life.watch.place == NULL && !self->is_gone)
        return PyErr_SetString(rsgi_types.protocol_error, "the request has ended"), NULL;
    return operation_new(object, &self->gone, try_disconnect, NULL);
}

// --- the type ---

#define CALL(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"client_disconnect", http_client_disconnect, METH_NOARGS, client_disconnect_doc},
    {"response_empty", CALL(rsgi_response_empty), "response_empty(status=200, headers=[])"},
    {"response_str", CALL(rsgi_response_str), "response_str(status=200, headers=[], body='')"},
    {"response_bytes", CALL(rsgi_response_bytes),
     "response_bytes(status=200, headers=[], body=b'')"},
    {"response_file", CALL(rsgi_response_file), "response_file(status, headers, file)"},
    {"response_file_range", CALL(rsgi_response_file_range),
     "response_file_range(status, headers, file, start, end)\n\nend is exclusive."},
    {"response_stream", CALL(rsgi_response_stream),
     "response_stream(status=200, headers=[]) -> transport"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The body of a request, and the answer to it."},
    {Py_tp_dealloc, http_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_call, http_call},
    {Py_am_aiter, http_aiter},
    {Py_am_anext, http_anext},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.rsgi.HTTPProtocol",
    .basicsize = sizeof(struct rsgi_http),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int rsgi_http_init(void)
{
    return (rsgi_types.http = rsgi_type_new(&spec)) != NULL ? 0 : -1;
}
