// rsgi_websocket_transport.c - messages of an accepted WebSocket, in and out.
#include <stddef.h>

#include "rsgi_websocket_priv.h"

struct transport {
    PyObject_HEAD PyObject *protocol;
};

struct message {
    PyObject_HEAD PyObject *kind, *data;
};

// WebsocketMessageType of py/rsgi.py.
enum { KIND_CLOSE, KIND_BYTES, KIND_STRING };

static struct rsgi_websocket *protocol_of(PyObject *object)
{
    return rsgi_websocket_of(((struct transport *)(void *)object)->protocol);
}

PyObject *rsgi_websocket_transport_new(PyObject *protocol)
{
    struct transport *self = rsgi_new(rsgi_types.websocket_transport);
    if (self == NULL)
        return NULL;
    self->protocol = Py_NewRef(protocol);
    return (PyObject *)self;
}

static void transport_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_DECREF(((struct transport *)(void *)object)->protocol);
    type->tp_free(object);
    Py_DECREF(type);
}

static int closed(struct rsgi_websocket *self)
{
    self->life.lost = true;
    PyErr_SetString(rsgi_types.protocol_closed, "the WebSocket is closed");
    return -1;
}

// --- receiving ---

static PyObject *message_new(int kind, PyObject *data_take)
{
    struct message *self = data_take != NULL ? rsgi_new(rsgi_types.message) : NULL;
    if (self == NULL) {
        Py_XDECREF(data_take);
        return NULL;
    }
    self->kind = PyLong_FromLong(kind); // a small one: it cannot fail
    self->data = data_take;
    return (PyObject *)self;
}

static PyObject *message_of(enum websocket_kind kind, struct str text)
{
    Py_ssize_t size = (Py_ssize_t)text.size;
    if (kind == WEBSOCKET_BINARY)
        return message_new(KIND_BYTES, PyBytes_FromStringAndSize(text.data, size));
    return message_new(KIND_STRING, PyUnicode_DecodeUTF8(text.data, size, NULL));
}

static int try_receive(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct rsgi_websocket *self = protocol_of(owner);
    enum websocket_kind kind;
    struct str text;
    (void)argument;
    if (self->websocket == NULL)
        return closed(self);
    switch (websocket_receive(self->websocket, &kind, &text)) {
    case WEBSOCKET_WAIT:
        return 0;
    case WEBSOCKET_MESSAGE:
        *result = message_of(kind, text);
        break;
    case WEBSOCKET_CLOSED:
        // One that was closed is told as a message, once; one that was lost is an error.
        if (self->told_closed || self->is_closing || websocket_close_code(self->websocket) == 1006)
            return closed(self);
        self->told_closed = self->life.lost = true;
        *result = message_new(KIND_CLOSE, Py_NewRef(Py_None));
        break;
    }
    return *result != NULL ? 1 : -1;
}

PyDoc_STRVAR(receive_doc, "receive() -> awaitable of a message\n\nOne at a time.");

static PyObject *transport_receive(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct rsgi_websocket *self = protocol_of(object);
    PyObject *message = NULL;
    if (!rsgi_life_is_here(&self->life))
        return NULL;
    if (wait_point_is_awaited(&self->readable))
        return PyErr_SetString(rsgi_types.protocol_error, "a message is waited for already"), NULL;
    int done = try_receive(object, NULL, &message);
    if (done != 0)
        return done > 0 ? operation_done(message) : NULL;
    return operation_new(object, &self->readable, try_receive, NULL);
}

// --- sending ---

static int try_drained(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct rsgi_websocket *self = protocol_of(owner);
    (void)argument;
    if (self->websocket == NULL)
        return closed(self);
    if (websocket_waiting(self->websocket) >= WEBSOCKET_LOW)
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

static PyObject *send(PyObject *object, enum websocket_kind kind, struct str message)
{
    struct rsgi_websocket *self = protocol_of(object);
    struct err err;
    if (!rsgi_life_is_here(&self->life))
        return NULL;
    if (self->websocket == NULL || websocket_send(self->websocket, kind, message, &err) < 0)
        return closed(self), NULL;
    if (websocket_waiting(self->websocket) < WEBSOCKET_HIGH)
        return operation_done(Py_NewRef(Py_None));
    return operation_new(object, &self->writable, try_drained, NULL);
}

static PyObject *transport_send_bytes(PyObject *object, PyObject *data)
{
    _pyref_ PyObject *bytes = rsgi_bytes_of(data, "data");
    if (bytes == NULL)
        return NULL;
    return send(object, WEBSOCKET_BINARY,
                (struct str){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)});
}

static PyObject *transport_send_str(PyObject *object, PyObject *data)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(data))
        return PyErr_Format(PyExc_TypeError, "data is a str, not %T", data);
    const char *text = PyUnicode_AsUTF8AndSize(data, &size);
    if (text == NULL)
        return NULL;
    return send(object, WEBSOCKET_TEXT, (struct str){text, (size_t)size});
}

// --- types ---

static PyMethodDef methods[] = {
    {"receive", transport_receive, METH_NOARGS, receive_doc},
    {"send_bytes", transport_send_bytes, METH_O, "send_bytes(data) -> awaitable"},
    {"send_str", transport_send_str, METH_O, "send_str(data) -> awaitable"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An open WebSocket."},
    {Py_tp_dealloc, transport_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.rsgi.WebsocketTransport",
    .basicsize = sizeof(struct transport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static void message_dealloc(PyObject *object)
{
    struct message *self = (struct message *)(void *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->kind);
    Py_XDECREF(self->data);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *message_repr(PyObject *object)
{
    struct message *self = (struct message *)(void *)object;
    return PyUnicode_FromFormat("<WebsocketMessage kind=%S data=%R>", self->kind, self->data);
}

static PyMemberDef message_members[] = {
    {"kind", Py_T_OBJECT_EX, offsetof(struct message, kind), Py_READONLY,
     "0: closed by the client, 1: bytes, 2: str"},
    {"data", Py_T_OBJECT_EX, offsetof(struct message, data), Py_READONLY, "bytes, str or None"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot message_slots[] = {
    {Py_tp_doc, "A message of a WebSocket."},
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_members, message_members},
    {Py_tp_repr, message_repr},
    {0, NULL},
};

static PyType_Spec message_spec = {
    .name = "limpet.rsgi.WebsocketMessage",
    .basicsize = sizeof(struct message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = message_slots,
};

int rsgi_websocket_transport_init(void)
{
    rsgi_types.websocket_transport = rsgi_type_new(&spec);
    rsgi_types.message = rsgi_type_new(&message_spec);
    return rsgi_types.websocket_transport != NULL && rsgi_types.message != NULL ? 0 : -1;
}
