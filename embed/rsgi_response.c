// rsgi_response.c - the calls that answer an HTTP request. What is wrong with their arguments is an
// exception in the application's own line, and it may answer otherwise then; the first answer wins.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "cleanup.h"
#include "head_fields.h"
#include "rsgi_priv.h"

enum { STATUS, HEADERS, BODY, START, END };

// --- the head ---

static int parse_status(PyObject *object, unsigned *status)
{
    long number = object != NULL ? PyLong_AsLong(object) : 200;
    if (number == -1 && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    if (number < 200 || number > 599)
        return PyErr_Format(PyExc_ValueError, "status %R: must be 200 to 599", object), -1;
    *status = (unsigned)number;
    return 0;
}

struct head *rsgi_response_head(struct request *request, PyObject *status, PyObject *headers,
                                unsigned *number)
{
    struct head_fields_found found = {.wants_close = false};
    if (parse_status(status, number) < 0)
        return NULL;
    struct head *head = request_response_head(request);
    if (head_begin(head, str_of(request_reason(*number))) < 0)
        return (struct head *)PyErr_NoMemory();
    if (headers != NULL && head_fields_add(head, headers, true, &found) < 0)
        return NULL;
    if (found.wants_close)
        exchange_close_after(request);
    return head;
}

// --- an answer ---

// 1: go on. 0: it was answered before. -1 with an exception set.
static int may_answer(const struct rsgi_http *self)
{
    if (!rsgi_life_is_here(&self->life))
        return -1;
    return self->answer == RSGI_UNANSWERED && self->life.request != NULL;
}

// What a call was given.
struct given {
    PyObject *const *arguments;
    Py_ssize_t count;
    PyObject *names;
};

// The arguments of a call and its head. As may_answer.
static int begin(struct rsgi_http *self, const struct arguments_signature *signature,
                 const struct given *given, PyObject **taken, struct response *response)
{
    int result = arguments_take(signature, given->arguments, given->count, given->names, taken);
    if (result < 0 || (result = may_answer(self)) <= 0)
        return result;
    struct head *head =
        rsgi_response_head(self->life.request, taken[STATUS], taken[HEADERS], &response->status);
    if (head == NULL)
        return -1;
    response->content_length = head->content_length;
    return 1;
}

static void release_object(void *owner)
{
    Py_DECREF(owner);
}

// Takes what the response owns along.
static PyObject *respond(struct rsgi_http *self, const struct response *response)
{
    struct err err;
    if (request_respond(self->life.request, response, &err) < 0)
        return PyErr_NoMemory();
    self->answer = RSGI_ANSWERED;
    rsgi_life_finish(&self->life, false);
    Py_RETURN_NONE;
}

static PyObject *respond_object(struct rsgi_http *self, struct response *response, PyObject *object,
                                struct str body)
{
    int64_t announced = response->content_length;
    if (announced >= 0 && announced != (int64_t)body.size &&
        request_takes_body(self->life.request, response->status))
        return PyErr_Format(PyExc_ValueError, "Content-Length says %lld, the body has %zu bytes",
                            (long long)announced, body.size);
    if (body.size > 0) {
        response->body = body;
        response->owner = Py_NewRef(object);
        response->release = release_object;
        response->release_early = true;
    }
    return respond(self, response);
}

RSGI_CALL(rsgi_response_empty)
{
    static const struct arguments_signature signature = {
        "response_empty", {"status", "headers"}, 0, 2};
    const struct given given = {arguments, count, names};
    struct rsgi_http *self = rsgi_http_of(object);
    struct response response = {.status = 0};
    PyObject *taken[2];
    int go_on = begin(self, &signature, &given, taken, &response);
    if (go_on <= 0)
        return go_on == 0 ? Py_NewRef(Py_None) : NULL;
    return respond_object(self, &response, NULL, STR(""));
}

RSGI_CALL(rsgi_response_str)
{
    static const struct arguments_signature signature = {
        "response_str", {"status", "headers", "body"}, 0, 3};
    const struct given given = {arguments, count, names};
    struct rsgi_http *self = rsgi_http_of(object);
    struct response response = {.status = 0};
    struct str body = STR("");
    PyObject *taken[3];
    int go_on = begin(self, &signature, &given, taken, &response);
    if (go_on <= 0)
        return go_on == 0 ? Py_NewRef(Py_None) : NULL;
    if (taken[BODY] != NULL) {
        Py_ssize_t size;
        if (!PyUnicode_Check(taken[BODY]))
            return PyErr_Format(PyExc_TypeError, "the body is a str, not %T", taken[BODY]);
        if ((body.data = PyUnicode_AsUTF8AndSize(taken[BODY], &size)) == NULL)
            return NULL;
        body.size = (size_t)size;
    }
    return respond_object(self, &response, taken[BODY], body);
}

RSGI_CALL(rsgi_response_bytes)
{
    static const struct arguments_signature signature = {
        "response_bytes", {"status", "headers", "body"}, 0, 3};
    const struct given given = {arguments, count, names};
    struct rsgi_http *self = rsgi_http_of(object);
    struct response response = {.status = 0};
    PyObject *taken[3];
    int go_on = begin(self, &signature, &given, taken, &response);
    if (go_on <= 0)
        return go_on == 0 ? Py_NewRef(Py_None) : NULL;
    if (taken[BODY] == NULL)
        return respond_object(self, &response, NULL, STR(""));
    _pyref_ PyObject *body = rsgi_bytes_of(taken[BODY], "the body");
    if (body == NULL)
        return NULL;
    struct str bytes = {PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body)};
    return respond_object(self, &response, body, bytes);
}

// --- files ---

struct range {
    uint64_t start, end; // exclusive; UINT64_MAX: all the file has
};

// A regular file, which nothing is waited for at: a descriptor, or -1 with an exception set.
static int open_file(PyObject *path, int64_t *size)
{
    PyObject *bytes = NULL;
    struct stat about;
    if (!PyUnicode_FSConverter(path, &bytes))
        return -1;
    _pyref_ PyObject *name = bytes;
    _close_ int fd = open(PyBytes_AS_STRING(name), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISDIR(about.st_mode))
        errno = EISDIR;
    else if (fd >= 0 && fstat(fd, &about) == 0 && !S_ISREG(about.st_mode))
        errno = EINVAL;
    else if (fd >= 0) {
        *size = about.st_size;
        return steal_fd(&fd);
    }
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    return -1;
}

// How many bytes of the file make the answer, or -1 with an exception set. A file that has grown
// since the application looked is sent as far as it has said.
static int64_t measure(int64_t announced, int64_t size, const struct range *range)
{
    int64_t start = (int64_t)range->start;
    int64_t end = range->end < (uint64_t)size ? (int64_t)range->end : size;
    if (range->end != UINT64_MAX && range->start >= (uint64_t)size)
        return PyErr_Format(PyExc_ValueError,
                            "the range begins at %llu, the file has only %lld bytes",
                            (unsigned long long)range->start, (long long)size),
               -1;
    if (announced > end - start)
        return PyErr_Format(PyExc_ValueError, "Content-Length says %lld, the file has %lld bytes",
                            (long long)announced, (long long)(end - start)),
               -1;
    return announced >= 0 ? announced : end - start;
}

static PyObject *respond_file(struct rsgi_http *self, struct response *response, PyObject *path,
                              const struct range *range)
{
    int64_t size;
    _close_ int fd = open_file(path, &size);
    if (fd < 0)
        return NULL;
    bool takes_body = request_takes_body(self->life.request, response->status);
    int64_t length = measure(takes_body ? response->content_length : -1, size, range);
    if (length < 0)
        return NULL;
    if (takes_body || response->content_length < 0)
        response->content_length = length;
    struct body_source source = {.fd = steal_fd(&fd), .offset = range->start};
    response->source = &source;
    return respond(self, response);
}

RSGI_CALL(rsgi_response_file)
{
    static const struct arguments_signature signature = {
        "response_file", {"status", "headers", "file"}, 3, 3};
    static const struct range all = {0, UINT64_MAX};
    const struct given given = {arguments, count, names};
    struct rsgi_http *self = rsgi_http_of(object);
    struct response response = {.status = 0};
    PyObject *taken[3];
    int go_on = begin(self, &signature, &given, taken, &response);
    if (go_on <= 0)
        return go_on == 0 ? Py_NewRef(Py_None) : NULL;
    return respond_file(self, &response, taken[BODY], &all);
}

// An offset: 0 or more.
static int parse_offset(PyObject *object, const char *name, uint64_t *out)
{
    long long number = PyLong_AsLongLong(object);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 0)
        return PyErr_Format(PyExc_ValueError, "%s is %lld, must not be negative", name, number), -1;
    *out = (uint64_t)number;
    return 0;
}

RSGI_CALL(rsgi_response_file_range)
{
    static const struct arguments_signature signature = {
        "response_file_range", {"status", "headers", "file", "start", "end"}, 5, 5};
    const struct given given = {arguments, count, names};
    struct rsgi_http *self = rsgi_http_of(object);
    struct response response = {.status = 0};
    struct range range;
    PyObject *taken[5];
    int go_on = begin(self, &signature, &given, taken, &response);
    if (go_on <= 0)
        return go_on == 0 ? Py_NewRef(Py_None) : NULL;
    if (parse_offset(taken[START], "start", &range.start) < 0 ||
        parse_offset(taken[END], "end", &range.end) < 0)
        return NULL;
    if (range.start >= range.end)
        return PyErr_Format(PyExc_ValueError, "a range from %llu to %llu has nothing in it",
                            (unsigned long long)range.start, (unsigned long long)range.end);
    return respond_file(self, &response, taken[BODY], &range);
}

// --- streams ---

RSGI_CALL(rsgi_response_stream)
{
    static const struct arguments_signature signature = {
        "response_stream", {"status", "headers"}, 0, 2};
    const struct given given = {arguments, count, names};
    struct rsgi_http *self = rsgi_http_of(object);
    struct response response = {.status = 0};
    struct err err;
    PyObject *taken[2];
    int go_on = begin(self, &signature, &given, taken, &response);
    if (go_on == 0)
        PyErr_SetString(rsgi_types.protocol_error, "the request was answered before");
    _pyref_ PyObject *stream = go_on > 0 ? rsgi_stream_new(object) : NULL;
    if (stream == NULL)
        return NULL;
    rsgi_http_begin(self);
    if (exchange_respond(self->life.request, response.status, response.content_length, &err) < 0)
        return PyErr_NoMemory();
    self->answer = RSGI_STREAMS;
    return py_steal(&stream);
}
