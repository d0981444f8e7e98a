// arguments.c - says what is wrong with a call as Python does.
#include "arguments.h"

#include <string.h>

static int take_named(const struct arguments_signature *signature, PyObject *name, PyObject *value,
                      PyObject **taken)
{
    for (Py_ssize_t i = 0; i < signature->count; i++) {
        if (PyUnicode_CompareWithASCIIString(name, signature->names[i]) != 0)
            continue;
        if (taken[i] != NULL)
            return PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'",
                                signature->function, name),
                   -1;
        taken[i] = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 signature->function, name);
    return -1;
}

int arguments_take(const struct arguments_signature *signature, PyObject *const *arguments,
                   Py_ssize_t count, PyObject *names, PyObject **taken)
{
    if (count > signature->count)
        return PyErr_Format(PyExc_TypeError,
                            "%s() takes at most %zd positional arguments (%zd given)",
                            signature->function, signature->count, count),
               -1;
    for (Py_ssize_t i = 0; i < signature->count; i++)
        taken[i] = i < count ? arguments[i] : NULL;
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
        if (take_named(signature, PyTuple_GET_ITEM(names, i), arguments[count + i], taken) < 0)
            return -1;
    }
    for (Py_ssize_t i = 0; i < signature->required; i++) {
        if (taken[i] == NULL)
            return PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'",
                                signature->function, signature->names[i]),
                   -1;
    }
    return 0;
}
