// start_response.c - start_response and the write callable it returns; turns the status and the
// header list into what request.h takes. That happens when it is called, so that what is wrong with
// them is an exception in the application's own line (PEP 3333). exc_info may replace what was set
// until it is taken by start_response_result.
#include "start_response.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "check.h"
#include "cleanup.h"

struct start_response {
    PyObject_HEAD vectorcallfunc vectorcall;
    PyObject *headers;      // list of (str, str), NULL until called
    PyObject *written;      // list of bytes
    struct started started; // its headers point into the list
    bool taken;
};

enum {
    HEADERS_SIZE_MAX = 32 * 1024, // bytes as sent: a connection's memory has the request's beside
    FIELD_OVERHEAD = 4,           // ": " and the line's end
};

static PyTypeObject *start_response_type;

// RFC 9110 section 7.6.1: these belong to the connection, which is ours (PEP 3333 forbids them).
static const char *const hop_by_hop[] = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "te",         "trailer",    "transfer-encoding",  "upgrade",
};

static struct start_response *self_of(PyObject *object)
{
    return (struct start_response *)(void *)object;
}

// They have no place in a status, a header's name or its value (RFC 9110 section 5.5).
static bool has_control_characters(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

// "200 OK" -> 200: three digits and a space (a missing reason is let through).
static int parse_status(PyObject *status, unsigned *out)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(status, &size);
    if (text == NULL)
        return -1;
    if (has_control_characters((struct str){text, (size_t)size}))
        return PyErr_Format(PyExc_ValueError, "status %R has control characters", status), -1;
    for (int i = 0; i < 3; i++) {
        if (!Py_ISDIGIT(text[i]))
            return PyErr_Format(PyExc_ValueError, "status %R does not begin with three digits",
                                status),
                   -1;
    }
    *out = (unsigned)(text[0] - '0') * 100 + (unsigned)(text[1] - '0') * 10 +
           (unsigned)(text[2] - '0');
    if (*out < 200 || *out > 599 || (text[3] != ' ' && text[3] != '\0'))
        return PyErr_Format(PyExc_ValueError,
                            "status %R: must be 200 to 599, then a space and a reason", status),
               -1;
    return 0;
}

// The bytes of a header's name or value: latin-1 text, in the object itself.
static int latin1(PyObject *text, const char *what, struct str *out)
{
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a header's %s is a str, not %T", what, text), -1;
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND)
        return PyErr_Format(PyExc_ValueError, "header %s %R has characters beyond latin-1", what,
                            text),
               -1;
    *out =
        (struct str){(const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text)};
    if (has_control_characters(*out))
        return PyErr_Format(PyExc_ValueError, "header %s %R has control characters", what, text),
               -1;
    return 0;
}

// RFC 9110 section 5.6.2.
static int check_token(PyObject *name, struct str bytes)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < bytes.size; i++) {
        char c = bytes.data[i];
        if (!Py_ISALNUM(c) && (c == '\0' || strchr(others, c) == NULL))
            return PyErr_Format(PyExc_ValueError, "header name %R is not a token", name), -1;
    }
    if (bytes.size == 0)
        return PyErr_SetString(PyExc_ValueError, "header name '' is not a token"), -1;
    return 0;
}

static int name_is(struct str name, const char *text)
{
    return name.size == strlen(text) && strncasecmp(name.data, text, name.size) == 0;
}

static int parse_length(struct str value, int64_t *out)
{
    int64_t length = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (!Py_ISDIGIT(value.data[i]) || length > INT64_MAX / 100)
            length = -1;
        if (length < 0)
            break;
        length = length * 10 + (value.data[i] - '0');
    }
    if (value.size == 0 || length < 0 || (*out >= 0 && *out != length))
        return PyErr_SetString(PyExc_ValueError, "Content-Length is not one number"), -1;
    *out = length;
    return 0;
}

// size: grows by the bytes of the header.
static int take_header(PyObject *pair, struct started *out, size_t *size)
{
    struct header header;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
        return PyErr_Format(PyExc_TypeError, "a header is a tuple (name, value), not %R", pair), -1;
    if (latin1(PyTuple_GET_ITEM(pair, 0), "name", &header.name) < 0 ||
        latin1(PyTuple_GET_ITEM(pair, 1), "value", &header.value) < 0 ||
        check_token(PyTuple_GET_ITEM(pair, 0), header.name) < 0)
        return -1;
    for (size_t i = 0; i < sizeof hop_by_hop / sizeof hop_by_hop[0]; i++) {
        if (name_is(header.name, hop_by_hop[i]))
            return PyErr_Format(PyExc_ValueError,
                                "header %R is hop-by-hop: the server's, not the application's",
                                PyTuple_GET_ITEM(pair, 0)),
                   -1;
    }
    *size += header.name.size + header.value.size + FIELD_OVERHEAD;
    if (name_is(header.name, "content-length"))
        return parse_length(header.value, &out->content_length);
    out->headers[out->header_count++] = header;
    return 0;
}

// All of it, into what request.h takes; the caller frees out->headers.
static int parse(PyObject *status, PyObject *list, struct started *out)
{
    Py_ssize_t count = PyList_GET_SIZE(list);
    size_t size = 0;
    struct started started = {.content_length = -1};
    if (parse_status(status, &started.status) < 0)
        return -1;
    _free_ struct header *headers = calloc((size_t)count + 1, sizeof *headers);
    if (headers == NULL)
        return PyErr_NoMemory(), -1;
    started.headers = headers;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (take_header(PyList_GET_ITEM(list, i), &started, &size) < 0)
            return -1;
    }
    if (size > HEADERS_SIZE_MAX)
        return PyErr_Format(PyExc_ValueError, "%zu bytes of headers are too many (at most %d)",
                            size, HEADERS_SIZE_MAX),
               -1;
    steal_ptr(&headers);
    *out = started;
    return 0;
}

// start_response(status, headers, exc_info): the last may come by position or by name.
static int parse_arguments(PyObject *const *arguments, size_t flags, PyObject *names,
                           PyObject **exc_info)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    *exc_info = Py_None;
    if (count + named < 2 || count + named > 3 || count < 2 || named > 1)
        return PyErr_SetString(PyExc_TypeError,
                               "start_response takes a status, headers and maybe exc_info"),
               -1;
    if (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "exc_info") != 0)
        return PyErr_SetString(PyExc_TypeError, "start_response's only named argument is exc_info"),
               -1;
    if (count + named == 3)
        *exc_info = arguments[2];
    if (!PyUnicode_Check(arguments[0]))
        return PyErr_Format(PyExc_TypeError, "the status is a str, not %T", arguments[0]), -1;
    if (!PyList_Check(arguments[1]))
        return PyErr_Format(PyExc_TypeError, "the headers are a list, not %T", arguments[1]), -1;
    return 0;
}

// A second call: exc_info says what made it necessary, and is raised where it comes too late.
static int check_again(const struct start_response *self, PyObject *exc_info)
{
    if (exc_info == Py_None)
        return PyErr_SetString(PyExc_AssertionError,
                               "start_response was called a second time without exc_info"),
               -1;
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3 ||
        !PyExceptionInstance_Check(PyTuple_GET_ITEM(exc_info, 1)))
        return PyErr_Format(PyExc_TypeError, "exc_info is what sys.exc_info() returns, not %R",
                            exc_info),
               -1;
    if (!self->taken)
        return 0;
    PyErr_SetRaisedException(Py_NewRef(PyTuple_GET_ITEM(exc_info, 1)));
    return -1;
}

static PyObject *start_response_write(PyObject *object, PyObject *data)
{
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "write() takes bytes, not %T", data);
    if (PyList_Append(self_of(object)->written, data) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef write_method = {"write", start_response_write, METH_O,
                                   "write(bytes): a piece of the body."};

static PyObject *start_response_call(PyObject *object, PyObject *const *arguments, size_t flags,
                                     PyObject *names)
{
    struct start_response *self = self_of(object);
    PyObject *exc_info;
    struct started started;
    if (parse_arguments(arguments, flags, names, &exc_info) < 0 ||
        (self->headers != NULL && check_again(self, exc_info) < 0))
        return NULL;
    // A copy: the application may go on changing its list.
    _pyref_ PyObject *headers = PyList_GetSlice(arguments[1], 0, PyList_GET_SIZE(arguments[1]));
    if (headers == NULL || parse(arguments[0], headers, &started) < 0)
        return NULL;
    free(self->started.headers);
    self->started = started;
    Py_XSETREF(self->headers, py_steal(&headers));
    return PyCFunction_New(&write_method, object);
}

PyObject *start_response_new(void)
{
    struct start_response *self = PyObject_New(struct start_response, start_response_type);
    if (self == NULL)
        return NULL;
    self->vectorcall = start_response_call;
    self->headers = NULL;
    self->started = (struct started){.headers = NULL};
    self->taken = false;
    self->written = PyList_New(0);
    if (self->written == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void start_response_dealloc(PyObject *object)
{
    struct start_response *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    free(self->started.headers);
    Py_XDECREF(self->headers);
    Py_XDECREF(self->written);
    type->tp_free(object);
    Py_DECREF(type);
}

int start_response_result(PyObject *object, struct started *out)
{
    struct start_response *self = self_of(object);
    must(!self->taken);
    if (self->headers == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the application did not call start_response");
        return -1;
    }
    *out = self->started;
    self->started.headers = NULL;
    self->taken = true;
    return 0;
}

PyObject *start_response_written(PyObject *object)
{
    return self_of(object)->written;
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(struct start_response, vectorcall),
     Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "start_response(status, headers, exc_info=None) -> write (PEP 3333)"},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, start_response_dealloc},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.start_response",
    .basicsize = sizeof(struct start_response),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int start_response_init(void)
{
    start_response_type = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    return start_response_type != NULL ? 0 : -1;
}

void start_response_fini(void)
{
    Py_CLEAR(start_response_type);
}
