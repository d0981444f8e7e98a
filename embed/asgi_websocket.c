// asgi_websocket.c - one WebSocket over ASGI (WebSocket 2.5): an object that is behind the
// application's receive() and send(): a request until it is accepted or refused, a WebSocket then.
#include <stddef.h>
#include <string.h>

#include "asgi.h"
#include "asgi_priv.h"
#include "asgi_websocket_priv.h"
#include "names.h"

// What a process has one of: its interpreter is one.
static PyTypeObject *websocket_type;

// --- receive() ---

static int give(PyObject *message_take, PyObject **result)
{
    *result = message_take;
    return message_take != NULL ? 1 : -1;
}

static int give_disconnect(unsigned code, struct str reason, PyObject **result)
{
    PyObject *text = PyUnicode_DecodeUTF8(reason.data, (Py_ssize_t)reason.size, "replace");
    return give(Py_BuildValue("{OOOION}", names.type, names.websocket_disconnect, names.code, code,
                              names.reason, text),
                result);
}

static int give_message(enum websocket_kind kind, struct str message, PyObject **result)
{
    PyObject *value = kind == WEBSOCKET_TEXT
                          ? PyUnicode_DecodeUTF8(message.data, (Py_ssize_t)message.size, NULL)
                          : PyBytes_FromStringAndSize(message.data, (Py_ssize_t)message.size);
    if (value == NULL)
        return -1;
    return give(Py_BuildValue("{OOON}", names.type, names.websocket_receive,
                              kind == WEBSOCKET_TEXT ? names.text : names.bytes, value),
                result);
}

static int try_receive(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct asgi_websocket *self = asgi_websocket_of(owner);
    enum websocket_kind kind;
    struct str message;
    (void)argument;
    if (!self->told_connect) {
        self->told_connect = true;
        return give(Py_BuildValue("{OO}", names.type, names.websocket_connect), result);
    }
    if (self->websocket == NULL) {
        bool waits = self->request != NULL && self->stage == ASGI_WEBSOCKET_CONNECTING &&
                     exchange_is_connected(self->request);
        return waits ? 0 : give_disconnect(self->code, STR(""), result);
    }
    switch (websocket_receive(self->websocket, &kind, &message)) {
    case WEBSOCKET_MESSAGE:
        return give_message(kind, message, result);
    case WEBSOCKET_WAIT:
        return 0;
    default:
        return give_disconnect(websocket_close_code(self->websocket),
                               websocket_close_reason(self->websocket), result);
    }
}

static PyObject *receive(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    return operation_new(object, &asgi_websocket_of(object)->reading, try_receive, NULL);
}

// --- what happens to the connection ---

static void take_readable(void *owner)
{
    wait_point_wake(&((struct asgi_websocket *)owner)->reading);
}

static void take_writable(void *owner)
{
    wait_point_wake(&((struct asgi_websocket *)owner)->writing);
}

static void take_gone(void *owner)
{
    take_readable(owner);
    take_writable(owner);
}

static void take_lost(void *owner)
{
    ((struct asgi_websocket *)owner)->is_gone = true;
    take_gone(owner);
}

static const struct exchange_events request_events = {
    .readable = take_readable,
    .writable = take_writable,
    .gone = take_gone,
    .lost = take_lost,
};

const struct websocket_events asgi_websocket_events = {
    .readable = take_readable,
    .writable = take_writable,
};

// --- the end ---

void asgi_websocket_let_go(struct asgi_websocket *self, bool cut)
{
    struct request *request = self->request;
    current_end(&self->current, true);
    self->request = NULL;
    self->stage = ASGI_WEBSOCKET_OVER;
    exchange_end(request, cut);
    take_gone(self);
}

// Of who has neither accepted nor refused it.
static void fail(struct asgi_websocket *self, unsigned status)
{
    bool begun = self->is_gone || self->stage == ASGI_WEBSOCKET_DENIED_BODY;
    if (!begun)
        request_fail(self->request, status);
    asgi_websocket_let_go(self, begun);
}

static void release(struct asgi_websocket *self, unsigned code)
{
    struct websocket *websocket = self->websocket;
    self->websocket = NULL;
    self->code = websocket_close_code(websocket) != 0 ? websocket_close_code(websocket) : code;
    self->stage = ASGI_WEBSOCKET_OVER;
    websocket_release(websocket, code);
    take_gone(self);
}

static void take_end(PyObject *owner, PyObject *exception)
{
    struct asgi_websocket *self = asgi_websocket_of(owner);
    bool cancelled = asgi_is_cancelled(exception);
    if (exception != NULL && !cancelled)
        asgi_report("exception in the WebSocket", names.GET, self->target, exception);
    if (self->websocket != NULL)
        release(self, cancelled ? 1001 : exception != NULL ? 1011 : 1000);
    if (self->request == NULL)
        return;
    if (exception == NULL && !self->is_gone)
        asgi_report("the application returned without having accepted or refused the WebSocket",
                    names.GET, self->target, NULL);
    fail(self, cancelled ? 503 : 500);
}

// --- the beginning ---

static struct asgi_websocket *websocket_new(const struct application *application,
                                            struct request *request)
{
    struct asgi_websocket *self = PyObject_New(struct asgi_websocket, websocket_type);
    if (self == NULL)
        return NULL;
    const size_t header = offsetof(struct asgi_websocket, request);
    memset((char *)self + header, 0, sizeof *self - header);
    self->request = self->current.request = request;
    self->application = application;
    self->code = 1006;
    return self;
}

static void websocket_dealloc(PyObject *object)
{
    struct asgi_websocket *self = asgi_websocket_of(object);
    PyTypeObject *type = Py_TYPE(object);
    // Whoever was to go on with it has been thrown away.
    if (self->websocket != NULL)
        release(self, 1011);
    if (self->request != NULL)
        fail(self, 500);
    wait_point_clear(&self->reading);
    wait_point_clear(&self->writing);
    current_drop(&self->current);
    Py_XDECREF(self->target);
    Py_XDECREF(self->subprotocols);
    type->tp_free(object);
    Py_DECREF(type);
}

// The elements of a list of tokens (RFC 9110 section 5.6.1), or NULL with an exception set.
static PyObject *subprotocols_of(struct str list)
{
    _pyref_ PyObject *result = PyList_New(0);
    for (size_t at = 0; result != NULL && at < list.size;) {
        const char *comma = memchr(list.data + at, ',', list.size - at);
        size_t end = comma != NULL ? (size_t)(comma - list.data) : list.size;
        struct str token = str_trim((struct str){list.data + at, end - at});
        at = end + 1;
        if (token.size == 0)
            continue;
        _pyref_ PyObject *text = PyUnicode_DecodeLatin1(token.data, (Py_ssize_t)token.size, NULL);
        if (text == NULL || PyList_Append(result, text) < 0)
            return NULL;
    }
    return py_steal(&result);
}

static PyMethodDef receive_method = {"receive", receive, METH_NOARGS,
                                     "The next message of the client (ASGI)."};
static PyMethodDef send_method = {"send", asgi_websocket_send, METH_O,
                                  "A message for the client (ASGI)."};

static int begin(struct asgi_websocket *self, struct str subprotocols)
{
    self->subprotocols = subprotocols_of(subprotocols);
    _pyref_ PyObject *list =
        self->subprotocols != NULL ? PySequence_List(self->subprotocols) : NULL;
    _pyref_ PyObject *scope =
        list != NULL ? asgi_scope_new(self->application, self->request, true, list) : NULL;
    self->target = scope != NULL ? PyDict_GetItemWithError(scope, names.raw_path) : NULL;
    if (Py_XNewRef(self->target) == NULL)
        return -1;
    _pyref_ PyObject *take = PyCFunction_New(&receive_method, (PyObject *)self);
    _pyref_ PyObject *send = PyCFunction_New(&send_method, (PyObject *)self);
    if (take == NULL || send == NULL)
        return -1;
    struct asgi_owner owner = {(PyObject *)self, &self->current, take_end};
    return asgi_call(self->application, scope, take, send, &owner);
}

// What has kept it from being called.
static void report_failure(const struct asgi_websocket *self)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    struct err err;
    if (self->target != NULL) {
        asgi_report("exception in the WebSocket", names.GET, self->target, exception);
        return;
    }
    PyErr_SetRaisedException(py_steal(&exception));
    pyerr_report(&err);
}

void asgi_websocket_handle(const struct application *application, struct request *request,
                           const struct websocket_offer *offer)
{
    struct asgi_websocket *self = websocket_new(application, request);
    if (self == NULL) {
        PyErr_Clear();
        request_fail(request, 500);
        return;
    }
    exchange_begin(request, &request_events, self);
    struct current *before = current_enter(&self->current);
    if (begin(self, offer->subprotocols) < 0) {
        report_failure(self);
        if (self->websocket != NULL)
            release(self, 1011);
        if (self->request != NULL)
            fail(self, 500);
    }
    current_enter(before);
    Py_DECREF(self);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "A WebSocket as ASGI sees it."},
    {Py_tp_dealloc, websocket_dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.asgi_websocket",
    .basicsize = sizeof(struct asgi_websocket),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int asgi_websocket_init(void)
{
    if (websocket_type == NULL)
        websocket_type = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    return websocket_type != NULL ? 0 : -1;
}
