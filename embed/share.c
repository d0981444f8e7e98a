// share.c - "immortal" objects (PEP 683): their reference count is a number that neither Py_INCREF
// nor Py_DECREF changes. Nothing is pinned whose end is an event: no instances, no containers that
// an application fills, no functions with a closure.
#include "share.h"

#include <stdbool.h>
#include <stddef.h>

#include "py.h"

enum { TEXT_MAX = 1024 }; // characters

static void pin(PyObject *object);

static void pin_tuple(PyObject *tuple)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
        pin(PyTuple_GET_ITEM(tuple, i));
    Py_SET_REFCNT(tuple, _Py_IMMORTAL_INITIAL_REFCNT);
}

// What it consists of is its own and constant; nested functions are among its constants.
static void pin_parts(PyObject *object)
{
    const PyCodeObject *code = (const PyCodeObject *)object;
    PyObject *parts[] = {code->co_filename, code->co_name, code->co_qualname, code->co_linetable,
                         code->co_exceptiontable};
    PyObject *tuples[] = {code->co_consts, code->co_names, code->co_localsplusnames};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        pin(parts[i]);
    for (size_t i = 0; i < sizeof tuples / sizeof tuples[0]; i++)
        pin_tuple(tuples[i]);
}

static bool is_lasting_function(PyObject *object)
{
    return PyFunction_Check(object) && PyFunction_GET_CLOSURE(object) == NULL;
}

// A built-in one, and no method that is bound to somebody's object.
static bool is_builtin_function(PyObject *object)
{
    if (!PyCFunction_Check(object))
        return false;
    PyObject *self = PyCFunction_GET_SELF(object);
    return self == NULL || PyModule_Check(self);
}

static bool is_descriptor(PyObject *object)
{
    static PyTypeObject *const types[] = {
        &PyMethodDescr_Type,  &PyClassMethodDescr_Type, &PyGetSetDescr_Type,  &PyMemberDescr_Type,
        &PyWrapperDescr_Type, &PyProperty_Type,         &PyStaticMethod_Type, &PyClassMethod_Type};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (Py_IS_TYPE(object, types[i]))
            return true;
    }
    return false;
}

// A large one costs its processes a page at most, and is worth giving back.
static bool is_constant(PyObject *object)
{
    if (PyUnicode_CheckExact(object))
        return PyUnicode_GET_LENGTH(object) <= TEXT_MAX;
    if (PyBytes_CheckExact(object))
        return PyBytes_GET_SIZE(object) <= TEXT_MAX;
    return PyLong_CheckExact(object) || PyFloat_CheckExact(object);
}

static void pin(PyObject *object)
{
    bool code = PyCode_Check(object);
    if (!code && !is_constant(object) && !PyType_Check(object) && !PyModule_Check(object) &&
        !is_lasting_function(object) && !is_builtin_function(object) && !is_descriptor(object))
        return;
    if (Py_REFCNT(object) >= (Py_ssize_t)_Py_IMMORTAL_MINIMUM_REFCNT)
        return;
    Py_SET_REFCNT(object, _Py_IMMORTAL_INITIAL_REFCNT);
    if (code)
        pin_parts(object);
}

// What the collector does not know, and so would not visit, is found where it is referred to.
static int visit_part(PyObject *object, void *unused)
{
    (void)unused;
    if (!PyObject_GC_IsTracked(object))
        pin(object);
    return 0;
}

static int visit(PyObject *object, void *unused)
{
    pin(object);
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    if (traverse != NULL)
        traverse(object, visit_part, unused);
    return 1; // go on
}

void share_objects(void)
{
    PyUnstable_GC_VisitObjects(visit, NULL);
}
