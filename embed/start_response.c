// start_response.c - start_response and the write callable it returns; turns the status and the
// header list into what request.h takes. That happens when it is called, so that what is wrong with
// them is an exception in the application's own line (PEP 3333). exc_info may replace what was set
// until it is taken by start_response_result.
#include "start_response.h"

#include <stddef.h>

#include "check.h"
#include "head.h"
#include "head_fields.h"

struct start_response {
    PyObject_HEAD vectorcallfunc vectorcall;
    struct request *request; // NULL: its handler has returned
    PyObject *written;       // list of bytes, NULL: none
    unsigned status;         // 0: not called yet
    bool taken;
};

static PyTypeObject *start_response_type;

static struct start_response *self_of(PyObject *object)
{
    return (struct start_response *)(void *)object;
}

// "200 OK" -> 200 and the reason: three digits and a space (a missing reason is let through).
static int parse_status(PyObject *object, unsigned *out, struct str *reason)
{
    if (PyUnicode_KIND(object) != PyUnicode_1BYTE_KIND)
        return PyErr_Format(PyExc_ValueError, "status %R has characters beyond latin-1", object),
               -1;
    struct str text = {(const char *)PyUnicode_1BYTE_DATA(object),
                       (size_t)PyUnicode_GET_LENGTH(object)};
    unsigned status = 0;
    for (size_t i = 0; i < 3; i++) {
        if (i >= text.size || !Py_ISDIGIT(text.data[i]))
            return PyErr_Format(PyExc_ValueError, "status %R does not begin with three digits",
                                object),
                   -1;
        status = status * 10 + (unsigned)(text.data[i] - '0');
    }
    if (status < 200 || status > 599 || (text.size > 3 && text.data[3] != ' '))
        return PyErr_Format(PyExc_ValueError,
                            "status %R: must be 200 to 599, then a space and a reason", object),
               -1;
    size_t skipped = text.size > 3 ? 4 : 3;
    *reason = (struct str){text.data + skipped, text.size - skipped};
    *out = status;
    return 0;
}

static int take_header(struct head *head, PyObject *pair)
{
    struct str name, value;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
        return PyErr_Format(PyExc_TypeError, "a header is a tuple (name, value), not %R", pair), -1;
    PyObject *first = PyTuple_GET_ITEM(pair, 0), *second = PyTuple_GET_ITEM(pair, 1);
    if (head_fields_text(first, "name", &name) < 0 || head_fields_text(second, "value", &value) < 0)
        return -1;
    enum head_fault fault = head_add(head, name, value);
    return fault == HEAD_FINE ? 0 : head_fields_refuse(fault, first, second);
}

// All of it, into the head of the request's answer. No Python code of the application's runs
// meanwhile, so its list stays as it is.
static int parse(struct start_response *self, PyObject *status, PyObject *list)
{
    struct head *head = request_response_head(self->request);
    struct str reason;
    unsigned number;
    self->status = 0; // what was there before is written over
    if (parse_status(status, &number, &reason) < 0)
        return -1;
    if (head_begin(head, reason) < 0)
        return PyErr_Format(PyExc_ValueError, "status %R has control characters", status), -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (take_header(head, PyList_GET_ITEM(list, i)) < 0)
            return -1;
    }
    self->status = number;
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

// write(bytes): a piece of the body.
static PyObject *take_written(struct start_response *self, PyObject *data)
{
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "write() takes bytes, not %T", data);
    if (self->written == NULL && (self->written = PyList_New(0)) == NULL)
        return NULL;
    if (PyList_Append(self->written, data) < 0)
        return NULL;
    Py_RETURN_NONE;
}

// The object is the write callable as well: that has one argument, and comes after the first call
// with more.
static PyObject *start_response_call(PyObject *object, PyObject *const *arguments, size_t flags,
                                     PyObject *names)
{
    struct start_response *self = self_of(object);
    PyObject *exc_info;
    if (self->status != 0 && PyVectorcall_NARGS(flags) == 1 && names == NULL)
        return take_written(self, arguments[0]);
    if (parse_arguments(arguments, flags, names, &exc_info) < 0 ||
        (self->status != 0 && check_again(self, exc_info) < 0))
        return NULL;
    if (self->request == NULL)
        return PyErr_SetString(PyExc_RuntimeError, "start_response is called after the answer"),
               NULL;
    return parse(self, arguments[0], arguments[1]) == 0 ? Py_NewRef(object) : NULL;
}

PyObject *start_response_new(struct request *request)
{
    struct start_response *self = PyObject_New(struct start_response, start_response_type);
    if (self == NULL)
        return NULL;
    self->vectorcall = start_response_call;
    self->request = request;
    self->written = NULL;
    self->status = 0;
    self->taken = false;
    return (PyObject *)self;
}

static void start_response_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self_of(object)->written);
    type->tp_free(object);
    Py_DECREF(type);
}

int start_response_result(PyObject *object, struct response *out)
{
    struct start_response *self = self_of(object);
    must(!self->taken);
    if (self->status == 0) {
        PyErr_SetString(PyExc_RuntimeError, "the application did not call start_response");
        return -1;
    }
    *out = (struct response){
        .status = self->status,
        .content_length = request_response_head(self->request)->content_length,
    };
    self->taken = true;
    return 0;
}

void start_response_end(PyObject *object)
{
    self_of(object)->request = NULL;
    self_of(object)->taken = true;
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
    {Py_tp_doc, "start_response(status, headers, exc_info=None) -> write (PEP 3333); write(bytes)"},
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
