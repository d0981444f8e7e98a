// wsgi_body.c - runs an application's iterable as the client takes what it yields. One thread at a
// time does so, but not always the same.
#include "wsgi_body.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "current.h"
#include "environ.h"
#include "forked.h"
#include "names.h"
#include "report.h"
#include "streams.h"

enum { LINE_MAX_SHOWN = 200 }; // bytes of a request line in the log

struct wsgi_body {
    PyObject *iterable;
    PyObject *context; // of the request
    PyObject *written; // pieces that come first
    Py_ssize_t next_written;
    PyObject *iterator; // NULL: not asked for yet
    PyObject *piece;    // the latest bytes
    bool ended;
    struct request *request;   // valid where pieces are asked for
    char line[LINE_MAX_SHOWN]; // "GET /path": the request may have gone when close() fails
};

// A list's or tuple's pieces are let go of at any time, in any thread: no work on a request.
static bool is_plain(const struct wsgi_body *body)
{
    return PyList_CheckExact(body->iterable) || PyTuple_CheckExact(body->iterable);
}

// As much of text as fits, with a NUL behind it. Returns its size. (snprintf would cost more than
// the rest of this file for a small answer.)
static size_t copy_text(char *out, size_t size, struct str text)
{
    size_t count = text.size < size ? text.size : size - 1;
    memcpy(out, text.data, count);
    out[count] = '\0';
    return count;
}

struct wsgi_body *wsgi_body_new(PyObject *iterable, PyObject *written, PyObject *context,
                                struct request *request)
{
    const struct request_head *head = request_head(request);
    struct wsgi_body *body = PyMem_Calloc(1, sizeof *body);
    if (body == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    body->context = Py_NewRef(context);
    body->iterable = Py_NewRef(iterable);
    body->written = Py_XNewRef(written);
    body->request = request;
    size_t used = copy_text(body->line, sizeof body->line - 1, head->method);
    body->line[used++] = ' ';
    copy_text(body->line + used, sizeof body->line - used, head->target);
    return body;
}

static int check_piece(PyObject *piece)
{
    if (PyBytes_Check(piece))
        return 0;
    PyErr_Format(PyExc_TypeError, "the application yielded %T, not bytes", piece);
    return -1;
}

// A new reference to what comes next, NULL at the end or with an exception set.
static PyObject *take_next(struct wsgi_body *body)
{
    PyObject *piece = NULL;
    if (body->written != NULL && body->next_written < PyList_GET_SIZE(body->written))
        return Py_NewRef(PyList_GET_ITEM(body->written, body->next_written++));
    if (body->iterator == NULL && (body->iterator = PyObject_GetIter(body->iterable)) == NULL)
        return NULL;
    PyIter_NextItem(body->iterator, &piece);
    return piece;
}

// Advance to the next piece that is not empty: 1, 0 at the end, -1 with an exception set.
static int advance(struct wsgi_body *body)
{
    Py_CLEAR(body->piece);
    while (!body->ended) {
        _pyref_ PyObject *piece = take_next(body);
        forked_end_child();
        if (piece == NULL) {
            body->ended = true;
            return PyErr_Occurred() ? -1 : 0;
        }
        if (check_piece(piece) < 0)
            return -1;
        if (PyBytes_GET_SIZE(piece) > 0) {
            body->piece = py_steal(&piece);
            return 1;
        }
    }
    return 0;
}

// The pieces of a list or tuple are there already: one body, whose length is known.
static int join(struct wsgi_body *body)
{
    body->ended = true;
    _pyref_ PyObject *pieces =
        body->written != NULL ? PySequence_List(body->written) : PyList_New(0);
    if (pieces == NULL || PyList_Extend(pieces, body->iterable) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pieces); i++) {
        if (check_piece(PyList_GET_ITEM(pieces, i)) < 0)
            return -1;
    }
    body->piece = PyBytes_Join(Py_GetConstantBorrowed(Py_CONSTANT_EMPTY_BYTES), pieces);
    return body->piece != NULL ? 0 : -1;
}

int wsgi_body_begin(struct wsgi_body *body)
{
    if (is_plain(body))
        return join(body);
    if (Py_TYPE(body->iterable) == (PyTypeObject *)environ_file_wrapper())
        return 0; // its file may be sent without being read
    return advance(body) < 0 ? -1 : 0;
}

static void report(const struct wsgi_body *body, const char *when)
{
    char heading[LINE_MAX_SHOWN + 64];
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    snprintf(heading, sizeof heading, "exception %s %s", when, body->line);
    report_lines("wsgi", heading, exception);
}

// struct body_source
static int source_next(void *owner, struct str *piece)
{
    struct wsgi_body *body = owner;
    struct current current = {.request = body->request, .is_apart = true};
    struct current *before = current_enter(&current);
    int more = PyContext_Enter(body->context) == 0 ? advance(body) : -1;
    if (more < 0)
        report(body, "in the middle of the answer to");
    if (more == 1)
        *piece =
            (struct str){PyBytes_AS_STRING(body->piece), (size_t)PyBytes_GET_SIZE(body->piece)};
    PyContext_Exit(body->context);
    streams_end_lines();
    current_enter(before);
    current_drop(&current);
    return more;
}

static int call_close(PyObject *iterable)
{
    _pyref_ PyObject *close = NULL;
    int found = PyObject_GetOptionalAttr(iterable, names.close, &close);
    if (found <= 0)
        return found;
    _pyref_ PyObject *result = PyObject_CallNoArgs(close);
    forked_end_child();
    return result != NULL ? 0 : -1;
}

void wsgi_body_free(struct wsgi_body *body)
{
    if (body == NULL)
        return;
    _pyref_ PyObject *pending = PyErr_GetRaisedException();
    if (call_close(body->iterable) < 0)
        report(body, "in close() after");
    Py_XDECREF(body->iterator);
    Py_XDECREF(body->piece);
    Py_XDECREF(body->written);
    Py_DECREF(body->iterable);
    Py_DECREF(body->context);
    PyMem_Free(body);
    if (pending != NULL)
        PyErr_SetRaisedException(py_steal(&pending));
}

static void source_release(void *owner)
{
    struct wsgi_body *body = owner;
    struct current current = {.request = is_plain(body) ? NULL : body->request, .is_apart = true};
    struct current *before = current_enter(&current);
    _pyref_ PyObject *context = Py_NewRef(body->context);
    bool entered = PyContext_Enter(context) == 0;
    wsgi_body_free(body);
    if (entered)
        PyContext_Exit(context);
    else
        PyErr_Clear(); // it is entered: the answer failed in the request's own thread
    streams_end_lines();
    current_enter(before);
    current_drop(&current);
}

// The position of a file object, or -1 where it tells none; no exception is left.
static int64_t position_of(PyObject *file)
{
    _pyref_ PyObject *position = PyObject_CallMethodNoArgs(file, names.tell);
    int64_t result = position != NULL ? PyLong_AsLongLong(position) : -1;
    PyErr_Clear();
    return result;
}

// Whether the wrapped object is a regular file that the kernel can send. On success source->fd is a
// descriptor of our own.
static bool find_file(const struct wsgi_body *body, struct response *response,
                      struct body_source *source)
{
    struct stat about;
    if (body->written != NULL)
        return false;
    _pyref_ PyObject *file = PyObject_GetAttr(body->iterable, names.filelike);
    _pyref_ PyObject *number = file != NULL ? PyObject_CallMethodNoArgs(file, names.fileno) : NULL;
    int fd = number != NULL ? PyLong_AsInt(number) : -1;
    PyErr_Clear();
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode))
        return false;
    int64_t position = position_of(file);
    if (position < 0 || position > about.st_size)
        return false;
    int64_t left = about.st_size - position;
    if (response->content_length < 0)
        response->content_length = left;
    if (response->content_length > left)
        return false; // the shortfall is told where it is read
    source->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    source->offset = (uint64_t)position;
    return source->fd >= 0;
}

void wsgi_body_describe(struct wsgi_body *body, struct response *response,
                        struct body_source *source)
{
    *source = (struct body_source){.next = source_next, .fd = -1};
    response->owner = body;
    response->release = source_release;
    // Without a close() that must come behind the answer.
    response->release_early = is_plain(body);
    bool wrapped = Py_TYPE(body->iterable) == (PyTypeObject *)environ_file_wrapper();
    if (!body->ended || (wrapped && body->piece == NULL)) {
        response->source = source;
        if (wrapped && find_file(body, response, source))
            return;
    }
    if (body->piece != NULL)
        response->body =
            (struct str){PyBytes_AS_STRING(body->piece), (size_t)PyBytes_GET_SIZE(body->piece)};
}
