// wsgi.c - calls the application for one request and turns what it yields into one answer.
#include "wsgi.h"

#include "cleanup.h"
#include "environ.h"
#include "log.h"
#include "names.h"
#include "start_response.h"

// What a process has one of: the application it serves.
static PyObject *application;

int wsgi_init(PyObject *callable, bool multiprocess)
{
    if (names_init() < 0 || start_response_init() < 0 || environ_init(multiprocess) < 0)
        return -1;
    application = Py_NewRef(callable);
    return 0;
}

void wsgi_fini(void)
{
    Py_CLEAR(application);
    environ_fini();
    start_response_fini();
    names_fini();
}

// One piece of the body: bytes, and only these (PEP 3333).
static int check_piece(PyObject *piece)
{
    if (PyBytes_Check(piece))
        return 0;
    PyErr_Format(PyExc_TypeError, "the application yielded %T, not bytes", piece);
    return -1;
}

static int append_pieces(PyObject *pieces, PyObject *iterable)
{
    _pyref_ PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL)
        return -1;
    for (;;) {
        _pyref_ PyObject *piece = NULL;
        int more = PyIter_NextItem(iterator, &piece);
        if (more <= 0)
            return more;
        if (check_piece(piece) < 0 || PyList_Append(pieces, piece) < 0)
            return -1;
    }
}

// PEP 3333: close() is called whatever happened before; the first exception is the one that counts.
static int close_iterable(PyObject *iterable)
{
    _pyref_ PyObject *pending = PyErr_GetRaisedException();
    _pyref_ PyObject *close = NULL;
    int failed = 0;
    if (PyObject_GetOptionalAttr(iterable, names.close, &close) > 0) {
        _pyref_ PyObject *result = PyObject_CallNoArgs(close);
        failed = result == NULL;
    }
    if (pending != NULL) {
        PyErr_Clear();
        PyErr_SetRaisedException(py_steal(&pending));
        return -1;
    }
    return failed || PyErr_Occurred() ? -1 : 0;
}

// The whole body as one bytes object: write()'s pieces, then the iterable's. A new reference.
static PyObject *collect_body(PyObject *iterable, PyObject *written)
{
    // The common answer, a list of one piece, is sent from where it is.
    if (PyList_CheckExact(iterable) && PyList_GET_SIZE(iterable) == 1 &&
        PyList_GET_SIZE(written) == 0) {
        PyObject *piece = PyList_GET_ITEM(iterable, 0);
        return check_piece(piece) < 0 ? NULL : Py_NewRef(piece);
    }
    if (append_pieces(written, iterable) < 0)
        return NULL;
    return PyBytes_Join(Py_GetConstantBorrowed(Py_CONSTANT_EMPTY_BYTES), written);
}

static PyObject *call_application(const struct request *request, PyObject *start_response)
{
    _pyref_ PyObject *environ = environ_new(request);
    if (environ == NULL)
        return NULL;
    PyObject *arguments[] = {NULL, environ, start_response};
    _pyref_ PyObject *iterable =
        PyObject_Vectorcall(application, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (iterable == NULL)
        return NULL;
    _pyref_ PyObject *body = collect_body(iterable, start_response_written(start_response));
    if (close_iterable(iterable) < 0)
        return NULL;
    return py_steal(&body);
}

// Called by the reactor, which runs with the GIL held (runtime.c).
static void release_body(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

static bool has_body(const struct request_head *head, unsigned status)
{
    return !str_equal(head->method, STR("HEAD")) && status != 204 && status != 304;
}

// 0, or -1 with an exception set.
static int respond(struct request *request, PyObject *start_response, PyObject *body)
{
    struct started started;
    if (start_response_result(start_response, &started) < 0)
        return -1;
    _free_ struct header *headers = started.headers;
    int64_t size = PyBytes_GET_SIZE(body);
    bool with_body = has_body(request_head(request), started.status);
    if (with_body && started.content_length >= 0 && started.content_length != size) {
        PyErr_Format(PyExc_ValueError, "Content-Length says %lld, the body has %lld bytes",
                     (long long)started.content_length, (long long)size);
        return -1;
    }
    struct response response = {
        .status = started.status,
        .headers = headers,
        .header_count = started.header_count,
        .content_length = started.content_length,
        .body = {PyBytes_AS_STRING(body), (size_t)size},
        .release = release_body,
        .owner = Py_NewRef(body),
    };
    struct err err;
    if (request_respond(request, &response, &err) < 0) {
        PyErr_SetString(PyExc_ValueError, err.text);
        return -1;
    }
    return 0;
}

static void report_failure(struct request *request)
{
    const struct request_head *head = request_head(request);
    log_error("wsgi", "exception while answering %.*s %.*s", (int)head->method.size,
              head->method.data, (int)head->target.size, head->target.data);
    struct err err;
    pyerr_report(&err);
    request_fail(request, 500);
}

void wsgi_handle(struct request *request)
{
    _pyref_ PyObject *start_response = start_response_new();
    _pyref_ PyObject *body = NULL;
    if (start_response != NULL)
        body = call_application(request, start_response);
    if (body == NULL || respond(request, start_response, body) < 0)
        report_failure(request);
}
