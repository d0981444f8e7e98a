// streams.c - hands over what limpet.streams has gathered, and what our own C half reports.
#include "streams.h"

#include "current.h"

// What a process has one of: its interpreter is one. NULL: its streams are Python's own.
static PyObject *unended; // a dict of limpet.streams: lines that have no end yet
static PyObject *end_lines;

int streams_install(void)
{
    _pyref_ PyObject *module = PyImport_ImportModule("limpet.streams");
    _pyref_ PyObject *done = module != NULL ? PyObject_CallMethod(module, "install", NULL) : NULL;
    if (done == NULL)
        return -1;
    end_lines = PyObject_GetAttrString(module, "end_lines");
    unended = PyObject_GetAttrString(module, "unended");
    return end_lines != NULL && unended != NULL && PyDict_CheckExact(unended) ? 0 : -1;
}

bool streams_are_installed(void)
{
    return unended != NULL;
}

void streams_write(enum log_level level, const char *name, const char *text, size_t size)
{
    _pyref_ PyObject *id = current_id();
    const char *id_text = id != NULL ? PyUnicode_AsUTF8(id) : "";
    if (id_text == NULL)
        PyErr_Clear();
    log_application(level, name, text, size, id_text != NULL ? id_text : "");
}

void streams_end_lines(void)
{
    if (unended == NULL || PyDict_GET_SIZE(unended) == 0)
        return;
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    _pyref_ PyObject *done = PyObject_CallNoArgs(end_lines);
    if (done == NULL)
        PyErr_Clear();
    PyErr_SetRaisedException(py_steal(&exception));
}

PyObject *streams_log_method(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    Py_buffer text;
    if (count != 4 || !PyUnicode_Check(arguments[1]) ||
        (arguments[3] != Py_None && !PyUnicode_Check(arguments[3])))
        return PyErr_Format(PyExc_TypeError, "log_application(level, name, text, request_id)");
    int level = PyLong_AsInt(arguments[0]);
    const char *name = PyUnicode_AsUTF8(arguments[1]);
    const char *id = arguments[3] != Py_None ? PyUnicode_AsUTF8(arguments[3]) : "";
    if (PyErr_Occurred() || name == NULL || id == NULL)
        return NULL;
    if (level < LOG_LEVEL_ERROR || level > LOG_LEVEL_DEBUG)
        return PyErr_Format(PyExc_ValueError, "%d is no level", level);
    if (PyObject_GetBuffer(arguments[2], &text, PyBUF_SIMPLE) < 0)
        return NULL;
    log_application((enum log_level)level, name, text.buf, (size_t)text.len, id);
    PyBuffer_Release(&text);
    Py_RETURN_NONE;
}
