// rsgi_stream.c - the transport of an answer in pieces, which ends when nobody has the object any
// more.
#include <string.h>

#include "call.h"
#include "rsgi_priv.h"

struct stream {
    PyObject_HEAD PyObject *protocol;
};

static struct rsgi_http *protocol_of(PyObject *object)
{
    return rsgi_http_of(((struct stream *)(void *)object)->protocol);
}

PyObject *rsgi_stream_new(PyObject *protocol)
{
    struct stream *self = rsgi_new(rsgi_types.stream);
    if (self == NULL)
        return NULL;
    self->protocol = Py_NewRef(protocol);
    return (PyObject *)self;
}

static int end_answer(void *protocol)
{
    struct rsgi_http *self = rsgi_http_of(protocol);
    if (self->answer == RSGI_STREAMS) {
        self->answer = RSGI_ANSWERED;
        rsgi_life_finish(&self->life, false);
    }
    Py_DECREF(protocol);
    return 0;
}

static void stream_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject *protocol = (PyObject *)protocol_of(object);
    // Dropped in another thread, it is ended in the loop's, which is the interpreter's first.
    if (call_thread_is_this() || Py_AddPendingCall(end_answer, protocol) < 0)
        end_answer(protocol);
    type->tp_free(object);
    Py_DECREF(type);
}

static int closed(void)
{
    PyErr_SetString(rsgi_types.protocol_closed, "the client has gone, or the answer was cut");
    return -1;
}

static bool is_closed(const struct rsgi_http *self)
{
    return self->life.request == NULL || self->life.finished || self->life.lost;
}

static int try_drained(PyObject *owner, PyObject *argument, PyObject **result)
{
    const struct rsgi_http *self = protocol_of(owner);
    (void)argument;
    if (is_closed(self))
        return closed();
    if (exchange_waiting(self->life.request) >= EXCHANGE_LOW)
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

// It waits once it is awaited: a client that takes nothing holds back who sends.
static PyObject *push(PyObject *object, struct str piece)
{
    struct rsgi_http *self = protocol_of(object);
    struct err err;
    if (!rsgi_life_is_here(&self->life))
        return NULL;
    if (is_closed(self))
        return closed(), NULL;
    if (piece.size > 0 && exchange_push(self->life.request, piece, &err) < 0)
        return PyErr_NoMemory();
    if (exchange_waiting(self->life.request) < EXCHANGE_HIGH)
        return operation_done(Py_NewRef(Py_None));
    return operation_new(object, &self->writable, try_drained, NULL);
}

PyDoc_STRVAR(send_bytes_doc, "send_bytes(data) -> awaitable\n\nSend a piece of the body.");

static PyObject *stream_send_bytes(PyObject *object, PyObject *data)
{
    _pyref_ PyObject *bytes = rsgi_bytes_of(data, "data");
    if (bytes == NULL)
        return NULL;
    return push(object, (struct str){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)});
}

PyDoc_STRVAR(send_str_doc, "send_str(data) -> awaitable\n\nSend a piece of the body, as UTF-8.");

static PyObject *stream_send_str(PyObject *object, PyObject *data)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(data))
        return PyErr_Format(PyExc_TypeError, "data is a str, not %T", data);
    const char *text = PyUnicode_AsUTF8AndSize(data, &size);
    return text != NULL ? push(object, (struct str){text, (size_t)size}) : NULL;
}

static PyMethodDef methods[] = {
    {"send_bytes", stream_send_bytes, METH_O, send_bytes_doc},
    {"send_str", stream_send_str, METH_O, send_str_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The body of an answer, in pieces; it ends when this object is dropped."},
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.rsgi.HTTPStreamTransport",
    .basicsize = sizeof(struct stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int rsgi_stream_init(void)
{
    return (rsgi_types.stream = rsgi_type_new(&spec)) != NULL ? 0 : -1;
}
