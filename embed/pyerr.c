// pyerr.c - the one place where Python exceptions become struct err and text.
#include "py.h"

#include "err.h"

// "ModuleNotFoundError: No module named 'flask'"; the type's name alone where str() fails or is
// empty.
static void describe(PyObject *exception, struct err *err)
{
    const char *type = Py_TYPE(exception)->tp_name;
    _pyref_ PyObject *text = PyObject_Str(exception);
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    if (utf8 != NULL && utf8[0] != '\0')
        err_set(err, ERR_FAILED, "%s: %s", type, utf8);
    else
        err_set(err, ERR_FAILED, "%s", type);
}

int pyerr_take(struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    if (exception == NULL)
        return err_set(err, ERR_FAILED, "a Python call failed without an exception");
    describe(exception, err);
    return -1;
}

int pyerr_report(struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    if (exception == NULL)
        return err_set(err, ERR_FAILED, "a Python call failed without an exception");
    // Not PyErr_Print: it would end the process for SystemExit.
    PyErr_DisplayException(exception);
    describe(exception, err);
    return -1;
}
