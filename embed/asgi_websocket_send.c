// asgi_websocket_send.c - send() of a WebSocket: the messages in the order that ASGI prescribes
// (WebSocket 2.5, and its Denial Response extension). What is wrong with one is an exception in the
// application's own line.
#include <string.h>
#include <strings.h>

#include "asgi_websocket_priv.h"
#include "names.h"

static PyObject *done(void)
{
    return operation_done(Py_NewRef(Py_None));
}

static PyObject *refuse_gone(void)
{
    PyErr_SetString(asgi_client_disconnected(), "the client has disconnected");
    return NULL;
}

static PyObject *refuse_order(const struct asgi_websocket *self, PyObject *type)
{
    static const char *const states[] = {
        [ASGI_WEBSOCKET_CONNECTING] = "before websocket.accept",
        [ASGI_WEBSOCKET_DENIED_HEAD] = "behind websocket.http.response.start",
        [ASGI_WEBSOCKET_DENIED_BODY] = "behind websocket.http.response.start",
        [ASGI_WEBSOCKET_OPEN] = "behind websocket.accept",
        [ASGI_WEBSOCKET_CLOSED] = "behind websocket.close",
        [ASGI_WEBSOCKET_OVER] = "when the WebSocket is over",
    };
    return PyErr_Format(PyExc_RuntimeError, "%U is sent %s", type, states[self->stage]);
}

// --- websocket.accept ---

// One of those that the client offers: no other would be taken (RFC 6455 section 4.1).
static int take_subprotocol(const struct asgi_websocket *self, PyObject *message, struct str *out)
{
    int found;
    _pyref_ PyObject *value = asgi_value(message, names.subprotocol, &found);
    *out = STR("");
    if (value == NULL || value == Py_None)
        return found;
    if (!PyUnicode_Check(value))
        return PyErr_Format(PyExc_TypeError, "a subprotocol is a str, not %T", value), -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->subprotocols); i++) {
        PyObject *offered = PyList_GET_ITEM(self->subprotocols, i);
        if (PyUnicode_Compare(offered, value) != 0)
            continue;
        Py_ssize_t size;
        // Ours lives as long as we do.
        const char *text = PyUnicode_AsUTF8AndSize(offered, &size);
        *out = (struct str){text, (size_t)size};
        return text != NULL ? 1 : -1;
    }
    return PyErr_Format(PyExc_ValueError, "subprotocol %R is none of those that the client offers",
                        value),
           -1;
}

// The handshake's own fields are the server's.
static int check_fields(const struct head *head)
{
    static const char own[] = "sec-websocket-";
    const size_t size = sizeof own - 1;
    const char *at = buf_text(&head->lines) + head->reason_size;
    const char *end = buf_text(&head->lines) + head->lines.size;
    while (at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if ((size_t)(end - at) > size && strncasecmp(at, own, size) == 0) {
            PyErr_Format(PyExc_ValueError,
                         "the headers of websocket.accept have %.40s: the server's, not the "
                         "application's",
                         at);
            return -1;
        }
        at = next != NULL ? next + 1 : end;
    }
    return 0;
}

static int accept(struct asgi_websocket *self, struct str subprotocol)
{
    struct err err;
    current_end(&self->current, true);
    struct websocket *websocket =
        websocket_accept(self->request, subprotocol, &asgi_websocket_events, self, &err);
    if (websocket == NULL) {
        if (!exchange_is_connected(self->request))
            refuse_gone();
        else
            PyErr_Format(PyExc_RuntimeError, "the WebSocket cannot be accepted: %s", err.text);
        return -1;
    }
    self->websocket = websocket;
    self->request = NULL;
    self->stage = ASGI_WEBSOCKET_OPEN;
    // Who has asked for messages before it was accepted.
    wait_point_wake(&self->reading);
    return 0;
}

static PyObject *send_accept(struct asgi_websocket *self, PyObject *message)
{
    struct head *head = request_response_head(self->request);
    struct str subprotocol;
    bool ignored;
    if (take_subprotocol(self, message, &subprotocol) < 0)
        return NULL;
    if (head_begin(head, STR("Switching Protocols")) < 0)
        return PyErr_NoMemory();
    if (asgi_take_headers(message, head, &ignored) < 0 || check_fields(head) < 0 ||
        accept(self, subprotocol) < 0)
        return NULL;
    return done();
}

// --- websocket.send ---

static int try_writable(PyObject *owner, PyObject *argument, PyObject **result)
{
    const struct asgi_websocket *self = asgi_websocket_of(owner);
    (void)argument;
    if (self->websocket != NULL && websocket_waiting(self->websocket) >= WEBSOCKET_LOW)
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

static int put(struct asgi_websocket *self, enum websocket_kind kind, struct str data)
{
    struct err err;
    if (websocket_send(self->websocket, kind, data, &err) == 0)
        return 0;
    // Closed, by whomever, or out of memory, which closes it as well.
    refuse_gone();
    return -1;
}

static int put_text(struct asgi_websocket *self, PyObject *text)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a WebSocket's text is a str, not %T", text), -1;
    const char *data = PyUnicode_AsUTF8AndSize(text, &size);
    return data != NULL ? put(self, WEBSOCKET_TEXT, (struct str){data, (size_t)size}) : -1;
}

static int put_bytes(struct asgi_websocket *self, PyObject *bytes)
{
    Py_buffer view;
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return PyErr_Format(PyExc_TypeError, "a WebSocket's bytes are bytes, not %T", bytes), -1;
    }
    int result = put(self, WEBSOCKET_BINARY, (struct str){view.buf, (size_t)view.len});
    PyBuffer_Release(&view);
    return result;
}

static PyObject *send_message(struct asgi_websocket *self, PyObject *message)
{
    int found;
    _pyref_ PyObject *bytes = asgi_value(message, names.bytes, &found);
    if (found < 0)
        return NULL;
    _pyref_ PyObject *text = asgi_value(message, names.text, &found);
    if (found < 0)
        return NULL;
    int result;
    if (bytes != NULL && bytes != Py_None)
        result = put_bytes(self, bytes);
    else if (text != NULL && text != Py_None)
        result = put_text(self, text);
    else
        return PyErr_Format(PyExc_ValueError, "websocket.send has neither bytes nor text");
    if (result < 0)
        return NULL;
    if (websocket_waiting(self->websocket) < WEBSOCKET_HIGH)
        return done();
    return operation_new((PyObject *)self, &self->writing, try_writable, NULL);
}

// --- websocket.close ---

static int take_code(PyObject *message, unsigned *code)
{
    int found;
    _pyref_ PyObject *value = asgi_value(message, names.code, &found);
    *code = 1000;
    if (value == NULL || value == Py_None)
        return found;
    long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 0 || number > 4999 || !websocket_may_close_with((unsigned)number))
        return PyErr_Format(PyExc_ValueError,
                            "a WebSocket cannot be closed with code %ld: 1000 to 1003, 1007 to "
                            "1014 and 3000 to 4999 are codes for that",
                            number),
               -1;
    *code = (unsigned)number;
    return 0;
}

static PyObject *send_close(struct asgi_websocket *self, PyObject *message)
{
    unsigned code;
    int found;
    Py_ssize_t size = 0;
    if (take_code(message, &code) < 0)
        return NULL;
    _pyref_ PyObject *reason = asgi_value(message, names.reason, &found);
    if (found < 0)
        return NULL;
    const char *text = "";
    if (reason != NULL && reason != Py_None) {
        if (!PyUnicode_Check(reason))
            return PyErr_Format(PyExc_TypeError, "a reason is a str, not %T", reason);
        text = PyUnicode_AsUTF8AndSize(reason, &size);
        if (text == NULL)
            return NULL;
    }
    websocket_close(self->websocket, code, (struct str){text, (size_t)size});
    self->stage = ASGI_WEBSOCKET_CLOSED;
    return done();
}

static PyObject *send_refusal(struct asgi_websocket *self, PyObject *message)
{
    (void)message;
    request_fail(self->request, 403);
    asgi_websocket_let_go(self, false);
    return done();
}

// --- websocket.http.response.start and body ---

static PyObject *send_denial_start(struct asgi_websocket *self, PyObject *message)
{
    struct head *head = request_response_head(self->request);
    bool wants_close = false;
    if (asgi_take_status(message, head, &self->status) < 0 ||
        asgi_take_headers(message, head, &wants_close) < 0)
        return NULL;
    if (wants_close)
        exchange_close_after(self->request);
    self->announced = head->content_length;
    self->stage = ASGI_WEBSOCKET_DENIED_HEAD;
    return done();
}

static int try_denial_writable(PyObject *owner, PyObject *argument, PyObject **result)
{
    const struct asgi_websocket *self = asgi_websocket_of(owner);
    (void)argument;
    if (self->request != NULL && exchange_waiting(self->request) >= EXCHANGE_LOW)
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

static int push_denial(struct asgi_websocket *self, PyObject *body)
{
    struct err err = {.text = ""};
    Py_buffer view = {.buf = NULL};
    if (body != NULL && PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return PyErr_Format(PyExc_TypeError, "a body is bytes, not %T", body), -1;
    }
    int result = 0;
    if (self->stage == ASGI_WEBSOCKET_DENIED_HEAD)
        result = exchange_respond(self->request, self->status, self->announced, &err);
    if (result == 0)
        self->stage = ASGI_WEBSOCKET_DENIED_BODY;
    if (result == 0 && view.len > 0)
        result = exchange_push(self->request, (struct str){view.buf, (size_t)view.len}, &err);
    if (body != NULL)
        PyBuffer_Release(&view);
    if (result < 0)
        PyErr_SetString(PyExc_MemoryError, err.text);
    return result;
}

static PyObject *send_denial_body(struct asgi_websocket *self, PyObject *message)
{
    int found, more = asgi_flag(message, names.more_body);
    _pyref_ PyObject *body = more >= 0 ? asgi_value(message, names.body, &found) : NULL;
    if (more < 0 || (body == NULL && found < 0) || push_denial(self, body) < 0)
        return NULL;
    if (more == 0)
        asgi_websocket_let_go(self, false);
    else if (exchange_waiting(self->request) >= EXCHANGE_HIGH)
        return operation_new((PyObject *)self, &self->writing, try_denial_writable, NULL);
    return done();
}

// --- messages ---

typedef PyObject *(*sender)(struct asgi_websocket *self, PyObject *message);

// What a message does at that stage. NULL: it is out of order (*exists), or none of ours.
static sender sender_of(PyObject *type, enum asgi_websocket_stage stage, bool *exists)
{
    const struct {
        PyObject *type;
        unsigned stages; // bits
        sender send;
    } table[] = {
        {names.websocket_send, 1u << ASGI_WEBSOCKET_OPEN, send_message},
        {names.websocket_accept, 1u << ASGI_WEBSOCKET_CONNECTING, send_accept},
        {names.websocket_close, 1u << ASGI_WEBSOCKET_OPEN, send_close},
        {names.websocket_close, 1u << ASGI_WEBSOCKET_CONNECTING, send_refusal},
        {names.websocket_http_response_start, 1u << ASGI_WEBSOCKET_CONNECTING, send_denial_start},
        {names.websocket_http_response_body,
         1u << ASGI_WEBSOCKET_DENIED_HEAD | 1u << ASGI_WEBSOCKET_DENIED_BODY, send_denial_body},
    };
    *exists = false;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (type != table[i].type && PyUnicode_Compare(type, table[i].type) != 0)
            continue;
        *exists = true;
        if ((table[i].stages & 1u << stage) != 0)
            return table[i].send;
    }
    return NULL;
}

PyObject *asgi_websocket_send(PyObject *object, PyObject *message)
{
    struct asgi_websocket *self = asgi_websocket_of(object);
    int found;
    bool exists;
    if (!PyDict_Check(message))
        return PyErr_Format(PyExc_TypeError, "a message is a dict, not %T", message);
    _pyref_ PyObject *type = asgi_value(message, names.type, &found);
    if (type == NULL && found < 0)
        return NULL;
    if (type == NULL || !PyUnicode_Check(type))
        return PyErr_Format(PyExc_ValueError, "the message %R has no type", message);
    sender send = sender_of(type, self->stage, &exists);
    if (!exists)
        return PyErr_Format(PyExc_ValueError, "%R is no message of a WebSocket", type);
    if (send == NULL)
        return refuse_order(self, type);
    if (self->is_gone)
        return refuse_gone();
    return send(self, message);
}
