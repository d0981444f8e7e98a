// head_fields.c - one pass over the pairs; their bytes are copied where they are found.
#include "head_fields.h"

int head_fields_refuse(enum head_fault fault, PyObject *name, PyObject *value)
{
    switch (fault) {
    case HEAD_CONTROL_IN_NAME:
        PyErr_Format(PyExc_ValueError, "header name %R has control characters", name);
        break;
    case HEAD_CONTROL_IN_VALUE:
        PyErr_Format(PyExc_ValueError, "header value %R has control characters", value);
        break;
    case HEAD_NOT_A_TOKEN:
        PyErr_Format(PyExc_ValueError, "header name %R is not a token", name);
        break;
    case HEAD_HOP_BY_HOP: // PEP 3333 forbids them, too
        PyErr_Format(PyExc_ValueError,
                     "header %R is hop-by-hop: the server's, not the application's", name);
        break;
    case HEAD_LENGTH:
        PyErr_SetString(PyExc_ValueError, "Content-Length is not one number");
        break;
    case HEAD_TOO_LONG:
        PyErr_Format(PyExc_ValueError, "the headers are too many: more than %d bytes", HEAD_MAX);
        break;
    case HEAD_FINE:
        return 0;
    }
    return -1;
}

int head_fields_text(PyObject *text, const char *what, struct str *out)
{
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a header's %s is a str, not %T", what, text), -1;
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND)
        return PyErr_Format(PyExc_ValueError, "header %s %R has characters beyond latin-1", what,
                            text),
               -1;
    *out =
        (struct str){(const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text)};
    return 0;
}

static int take_bytes(PyObject *bytes, const char *what, struct str *out)
{
    if (PyBytes_Check(bytes))
        *out = (struct str){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
    else if (PyByteArray_Check(bytes))
        *out = (struct str){PyByteArray_AS_STRING(bytes), (size_t)PyByteArray_GET_SIZE(bytes)};
    else
        return PyErr_Format(PyExc_TypeError, "a header's %s is bytes, not %T", what, bytes), -1;
    return 0;
}

// A field that is the connection's: "close" is listened to, and a Trailer tells what will follow;
// all else is the server's to say.
static enum head_fault take_hop_by_hop(struct head *head, struct str name, struct str value,
                                       struct head_fields_found *found)
{
    if (str_equal_nocase(name, STR("connection")) && str_list_has(value, STR("close")))
        found->wants_close = true;
    if (str_equal_nocase(name, STR("trailer")))
        return head_add_hop_by_hop(head, name, value);
    return HEAD_FINE;
}

static int add_pair(struct head *head, PyObject *first, PyObject *second, bool as_text,
                    struct head_fields_found *found)
{
    struct str name, value;
    int taken = as_text ? head_fields_text(first, "name", &name) : take_bytes(first, "name", &name);
    if (taken == 0)
        taken = as_text ? head_fields_text(second, "value", &value)
                        : take_bytes(second, "value", &value);
    if (taken < 0)
        return -1;
    enum head_fault fault = head_add(head, name, value);
    if (fault == HEAD_HOP_BY_HOP)
        fault = take_hop_by_hop(head, name, value, found);
    return fault == HEAD_FINE ? 0 : head_fields_refuse(fault, first, second);
}

// A pair that is neither a tuple nor a list: any iterable of two.
static int add_any(struct head *head, PyObject *pair, bool as_text, struct head_fields_found *found)
{
    _pyref_ PyObject *two = PySequence_Tuple(pair);
    if (two == NULL || PyTuple_GET_SIZE(two) != 2) {
        PyErr_Clear();
        return PyErr_Format(PyExc_TypeError, "a header is a pair (name, value), not %R", pair), -1;
    }
    return add_pair(head, PyTuple_GET_ITEM(two, 0), PyTuple_GET_ITEM(two, 1), as_text, found);
}

static int add(struct head *head, PyObject *pair, bool as_text, struct head_fields_found *found)
{
    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2)
        return add_pair(head, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), as_text, found);
    return add_any(head, pair, as_text, found);
}

int head_fields_add(struct head *head, PyObject *pairs, bool as_text,
                    struct head_fields_found *found)
{
    if (PyList_CheckExact(pairs)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
            _pyref_ PyObject *pair = Py_NewRef(PyList_GET_ITEM(pairs, i));
            if (add(head, pair, as_text, found) < 0)
                return -1;
        }
        return 0;
    }
    _pyref_ PyObject *iterator = PyObject_GetIter(pairs);
    if (iterator == NULL) {
        PyErr_Clear();
        return PyErr_Format(PyExc_TypeError, "headers are an iterable of pairs, not %T", pairs), -1;
    }
    PyObject *pair;
    while ((pair = PyIter_Next(iterator)) != NULL) {
        int result = add(head, pair, as_text, found);
        Py_DECREF(pair);
        if (result < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}
