// asgi_send.c - send(): the messages of an answer, in the order that ASGI prescribes (HTTP 2.5,
// "Response Start", "Response Body"). What is wrong with one is an exception in the application's
// own line.
#include "asgi_priv.h"

#include <string.h>

#include "call.h"
#include "names.h"

void asgi_http_let_go(struct asgi_http *self, bool cut)
{
    struct request *request = self->request;
    // Within the handler it is looked at behind it: most calls have ended by then.
    if (!self->in_handler)
        current_end(&self->current, !self->has_ended);
    self->request = NULL;
    self->stage = ASGI_STAGE_DONE;
    exchange_end(request, cut);
    // Whoever waits for the client learns that there is nothing more to wait for.
    wait_point_wake(&self->reading);
    wait_point_wake(&self->writing);
}

static void release_object(void *owner)
{
    Py_DECREF(owner);
}

int asgi_answer(struct asgi_http *self, struct response *response)
{
    struct err err;
    response->status = self->status;
    response->content_length = self->announced >= 0 ? self->announced : response->content_length;
    if (request_respond(self->request, response, &err) < 0) {
        PyErr_SetString(PyExc_MemoryError, err.text);
        return -1;
    }
    asgi_http_let_go(self, false);
    return 0;
}

// All of a body in one piece. bytes: NULL, or what holds it.
static int answer_whole(struct asgi_http *self, struct str body, PyObject *bytes)
{
    struct response response = {.content_length = -1, .body = body};
    _pyref_ PyObject *copy = NULL;
    if (body.size > 0 && bytes == NULL) {
        copy = PyBytes_FromStringAndSize(body.data, (Py_ssize_t)body.size);
        if (copy == NULL)
            return -1;
        bytes = copy;
        response.body.data = PyBytes_AS_STRING(copy);
    }
    if (body.size > 0) {
        response.owner = Py_NewRef(bytes);
        response.release = release_object;
        response.release_early = true;
    }
    return asgi_answer(self, &response);
}

// --- lengths ---

// More than was announced, or less at the end, never leaves as a whole answer.
static int check_length(const struct asgi_http *self, size_t size, bool is_last)
{
    int64_t total = self->sent + (int64_t)size;
    if (self->announced < 0 || !request_takes_body(self->request, self->status))
        return 0;
    if (total > self->announced)
        return PyErr_Format(PyExc_RuntimeError,
                            "the body is longer than the %lld bytes of its Content-Length",
                            (long long)self->announced),
               -1;
    if (is_last && total < self->announced)
        return PyErr_Format(PyExc_RuntimeError,
                            "the body ends after %lld of the %lld bytes of its Content-Length",
                            (long long)total, (long long)self->announced),
               -1;
    return 0;
}

// --- pieces ---

static int begin_pieces(struct asgi_http *self)
{
    struct err err;
    if (self->has_trailers)
        exchange_announce_trailers(self->request);
    if (exchange_respond(self->request, self->status, self->announced, &err) < 0) {
        PyErr_SetString(PyExc_MemoryError, err.text);
        return -1;
    }
    self->stage = ASGI_STAGE_BODY;
    return 0;
}

int asgi_push(struct asgi_http *self, struct str piece, bool is_last)
{
    struct err err;
    if (check_length(self, piece.size, is_last) < 0)
        return -1;
    if (self->stage == ASGI_STAGE_HEAD && begin_pieces(self) < 0)
        return -1;
    self->sent += (int64_t)piece.size;
    if (piece.size > 0 && exchange_push(self->request, piece, &err) < 0) {
        PyErr_SetString(PyExc_MemoryError, err.text);
        return -1;
    }
    if (is_last && self->has_trailers)
        self->stage = ASGI_STAGE_TRAILERS;
    else if (is_last)
        asgi_http_let_go(self, false);
    return 0;
}

static int try_writable(PyObject *owner, PyObject *argument, PyObject **result)
{
    const struct asgi_http *self = asgi_http_of(owner);
    (void)argument;
    if (self->is_gone) {
        PyErr_SetString(asgi_client_disconnected(), "the client has disconnected");
        return -1;
    }
    if (self->request != NULL && exchange_waiting(self->request) >= EXCHANGE_LOW)
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

PyObject *asgi_wait_writable(struct asgi_http *self)
{
    if (self->request == NULL || exchange_waiting(self->request) < EXCHANGE_HIGH)
        return operation_done(Py_NewRef(Py_None));
    return operation_new((PyObject *)self, &self->writing, try_writable, NULL);
}

// --- messages ---

static PyObject *send_start(struct asgi_http *self, PyObject *message)
{
    struct head *head = request_response_head(self->request);
    if (self->stage != ASGI_STAGE_START)
        return PyErr_Format(PyExc_RuntimeError, "http.response.start was sent before");
    if (asgi_take_status(message, head, &self->status) < 0 ||
        asgi_take_headers(message, head, &self->wants_close) < 0)
        return NULL;
    int trailers = asgi_flag(message, names.trailers);
    if (trailers < 0)
        return NULL;
    self->has_trailers = trailers == 1 && exchange_takes_trailers(self->request);
    self->announced = head->content_length;
    if (self->wants_close)
        exchange_close_after(self->request);
    self->stage = ASGI_STAGE_HEAD;
    return operation_done(Py_NewRef(Py_None));
}

static int send_piece(struct asgi_http *self, struct str body, PyObject *bytes, bool is_last)
{
    if (self->stage != ASGI_STAGE_HEAD || !is_last || self->has_trailers)
        return asgi_push(self, body, is_last);
    return check_length(self, body.size, true) < 0 ? -1 : answer_whole(self, body, bytes);
}

static PyObject *send_body(struct asgi_http *self, PyObject *message)
{
    int found, more = asgi_flag(message, names.more_body);
    if (self->stage != ASGI_STAGE_HEAD && self->stage != ASGI_STAGE_BODY)
        return PyErr_Format(PyExc_RuntimeError, "http.response.body must come behind %s",
                            self->stage == ASGI_STAGE_START ? "http.response.start"
                                                            : "nothing that ends the body");
    _pyref_ PyObject *body = more >= 0 ? asgi_value(message, names.body, &found) : NULL;
    if (more < 0 || (body == NULL && found < 0))
        return NULL;
    if (body == NULL || PyBytes_CheckExact(body)) {
        struct str text =
            body != NULL ? (struct str){PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body)}
                         : STR("");
        return send_piece(self, text, body, more == 0) < 0 ? NULL : asgi_wait_writable(self);
    }
    Py_buffer view;
    if (PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return PyErr_Format(PyExc_TypeError, "a body is bytes, not %T", body);
    }
    int result = send_piece(self, (struct str){view.buf, (size_t)view.len}, NULL, more == 0);
    PyBuffer_Release(&view);
    return result < 0 ? NULL : asgi_wait_writable(self);
}

static PyObject *send_trailers(struct asgi_http *self, PyObject *message)
{
    struct head lines;
    bool ignored;
    int more = asgi_flag(message, names.more_trailers);
    // Announced, for a client that does not take them: they are for nobody.
    if (self->stage != ASGI_STAGE_TRAILERS)
        return PyErr_Format(PyExc_RuntimeError,
                            "http.response.trailers must come behind the whole body, and be "
                            "announced by http.response.start");
    if (more < 0)
        return NULL;
    head_init(&lines);
    int result = head_begin(&lines, STR(""));
    if (result == 0)
        result = asgi_take_headers(message, &lines, &ignored);
    if (result == 0)
        exchange_trailers(self->request, &lines);
    head_fini(&lines);
    if (result == 0 && more == 0)
        asgi_http_let_go(self, false);
    return result < 0 ? NULL : operation_done(Py_NewRef(Py_None));
}

static int add_links(struct head *lines, PyObject *links)
{
    _pyref_ PyObject *sequence = PySequence_Fast(links, "links are an iterable of bytes");
    for (Py_ssize_t i = 0; sequence != NULL && i < PySequence_Fast_GET_SIZE(sequence); i++) {
        PyObject *link = PySequence_Fast_GET_ITEM(sequence, i);
        if (!PyBytes_Check(link))
            return PyErr_Format(PyExc_TypeError, "a link is bytes, not %T", link), -1;
        struct str value = {PyBytes_AS_STRING(link), (size_t)PyBytes_GET_SIZE(link)};
        if (head_add(lines, STR("link"), value) != HEAD_FINE)
            return PyErr_Format(PyExc_ValueError, "link %R has control characters", link), -1;
    }
    return sequence != NULL ? 0 : -1;
}

// RFC 8297.
static PyObject *send_early_hint(struct asgi_http *self, PyObject *message)
{
    struct head lines;
    int found;
    _pyref_ PyObject *links = asgi_value(message, names.links, &found);
    // What http.response.start has said is kept until the body begins.
    if (self->stage > ASGI_STAGE_HEAD)
        return PyErr_Format(PyExc_RuntimeError,
                            "http.response.early_hint must come before the body of the answer");
    if (links == NULL)
        return found < 0 ? NULL : operation_done(Py_NewRef(Py_None));
    head_init(&lines);
    int result = head_begin(&lines, STR("Early Hints"));
    if (result == 0)
        result = add_links(&lines, links);
    if (result == 0)
        exchange_interim(self->request, 103, &lines);
    head_fini(&lines);
    return result < 0 ? NULL : operation_done(Py_NewRef(Py_None));
}

static PyObject *send_path(struct asgi_http *self, PyObject *message)
{
    if (self->stage != ASGI_STAGE_HEAD)
        return PyErr_Format(PyExc_RuntimeError,
                            "http.response.pathsend must come right behind http.response.start");
    return asgi_send_path(self, message) < 0 ? NULL : operation_done(Py_NewRef(Py_None));
}

static PyObject *send_file(struct asgi_http *self, PyObject *message)
{
    if (self->stage != ASGI_STAGE_HEAD && self->stage != ASGI_STAGE_BODY)
        return PyErr_Format(PyExc_RuntimeError,
                            "http.response.zerocopysend must come behind http.response.start");
    return asgi_send_file(self, message);
}

typedef PyObject *(*sender)(struct asgi_http *self, PyObject *message);

// The messages by their type, the usual first.
static sender sender_of(PyObject *type)
{
    const struct {
        PyObject *type;
        sender send;
    } table[] = {
        {names.http_response_start, send_start},
        {names.http_response_body, send_body},
        {names.http_response_trailers, send_trailers},
        {names.http_response_early_hint, send_early_hint},
        {names.http_response_pathsend, send_path},
        {names.http_response_zerocopysend, send_file},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (type == table[i].type || PyUnicode_Compare(type, table[i].type) == 0)
            return table[i].send;
    }
    return NULL;
}

PyObject *asgi_http_send(PyObject *object, PyObject *message)
{
    struct asgi_http *self = asgi_http_of(object);
    int found;
    if (!call_is_here())
        return NULL;
    if (!PyDict_Check(message))
        return PyErr_Format(PyExc_TypeError, "a message is a dict, not %T", message);
    _pyref_ PyObject *type = asgi_value(message, names.type, &found);
    if (type == NULL && found < 0)
        return NULL;
    if (type == NULL || !PyUnicode_Check(type))
        return PyErr_Format(PyExc_ValueError, "the message %R has no type", message);
    sender send = sender_of(type);
    if (send == NULL)
        return PyErr_Format(PyExc_ValueError, "%R is no message of an answer", type);
    // A client that has only closed its side may still read; who was told that it has gone does not
    // count on it.
    if (self->is_gone || self->told_disconnect) {
        PyErr_SetString(asgi_client_disconnected(), "the client has disconnected");
        return NULL;
    }
    if (self->request == NULL)
        return PyErr_Format(PyExc_RuntimeError, "%U is sent behind the end of the answer", type);
    return send(self, message);
}
