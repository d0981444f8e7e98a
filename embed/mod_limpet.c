// mod_limpet.c - the built-in module _limpet: the archive's index and code for limpet.importer. All
// names are members' names, relative to the archive.
#include "mod_limpet.h"

#include <marshal.h>
#include <string.h>

#include "archive.h"
#include "buf.h"
#include "current.h"
#include "log.h"
#include "streams.h"

enum {
    MEMBER_NAME_MAX = 4096,
    PYC_HEADER = 16, // bytes: magic, flags, hash (PEP 552)
    PYC_HASH_BASED = 1,
};

// What archive_locate answers; limpet.importer has the same numbers.
enum { LOCATED_NOTHING, LOCATED_MODULE, LOCATED_PACKAGE, LOCATED_FOLDER };

// A process has one executable, so one archive.
static const struct archive *archive;

void mod_limpet_use_archive(const struct archive *ours)
{
    archive = ours;
}

PyDoc_STRVAR(archive_root_doc,
             "archive_root() -> str\n\nThe executable's path: members are below it.");

static PyObject *archive_root(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_DecodeFSDefault(archive_path(archive));
}

static int joined_kind(struct str folder, struct str name, const char *tail)
{
    char text[MEMBER_NAME_MAX];
    int size = snprintf(text, sizeof text, "%.*s/%.*s%s", (int)folder.size, folder.data,
                        (int)name.size, name.data, tail);
    if (size < 0 || (size_t)size >= sizeof text)
        return ARCHIVE_NOTHING;
    return (int)archive_kind_of(archive, (struct str){text, (size_t)size});
}

PyDoc_STRVAR(archive_locate_doc,
             "archive_locate(folder, name) -> int\n\n"
             "What a module's last name stands for in a folder: 0 nothing, 1 NAME.py, "
             "2 NAME/__init__.py, 3 a folder without (PEP 420).");

static PyObject *archive_locate(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    struct str folder, name;
    Py_ssize_t size;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "archive_locate takes a folder and a name");
        return NULL;
    }
    if ((folder.data = PyUnicode_AsUTF8AndSize(arguments[0], &size)) == NULL)
        return NULL;
    folder.size = (size_t)size;
    if ((name.data = PyUnicode_AsUTF8AndSize(arguments[1], &size)) == NULL)
        return NULL;
    name.size = (size_t)size;
    long located = LOCATED_NOTHING;
    if (joined_kind(folder, name, "/__init__.py") == ARCHIVE_FILE)
        located = LOCATED_PACKAGE;
    else if (joined_kind(folder, name, ".py") == ARCHIVE_FILE)
        located = LOCATED_MODULE;
    else if (joined_kind(folder, name, "") == ARCHIVE_FOLDER)
        located = LOCATED_FOLDER;
    return PyLong_FromLong(located);
}

static PyObject *damaged(struct err *err)
{
    PyErr_SetString(PyExc_ImportError, err->text);
    return NULL;
}

PyDoc_STRVAR(
    archive_code_doc,
    "archive_code(member) -> code or None\n\n"
    "The code object of a .pyc member, unmarshalled from the executable's mapping; None when there "
    "is no such member or it is of another Python version.\n"
    "Raises ImportError when the archive is damaged.");

static PyObject *archive_code(PyObject *module, PyObject *name)
{
    (void)module;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL)
        return NULL;
    const struct archive_member *member = archive_find(archive, (struct str){text, (size_t)size});
    if (member == NULL)
        Py_RETURN_NONE;
    struct err err;
    struct str bytes;
    _pyref_ PyObject *inflated = NULL;
    if (!member->deflated) {
        // The check sum is verified: unmarshalling damaged bytes may do anything.
        if (archive_view(archive, member, true, &bytes, &err) < 0)
            return damaged(&err);
    } else {
        inflated = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)member->size);
        if (inflated == NULL)
            return NULL;
        bytes = (struct str){PyBytes_AS_STRING(inflated), member->size};
        if (archive_read(archive, member, PyBytes_AS_STRING(inflated), &err) < 0)
            return damaged(&err);
    }
    uint32_t magic = (uint32_t)PyImport_GetMagicNumber(), found[2];
    if (bytes.size < PYC_HEADER)
        Py_RETURN_NONE;
    memcpy(found, bytes.data, sizeof found);
    if (found[0] != magic || found[1] != PYC_HASH_BASED)
        Py_RETURN_NONE;
    return PyMarshal_ReadObjectFromString(bytes.data + PYC_HEADER,
                                          (Py_ssize_t)bytes.size - PYC_HEADER);
}

PyDoc_STRVAR(archive_children_doc, "archive_children(folder) -> list of (name, is a folder)\n\n"
                                   "The direct children of a folder, sorted.");

static PyObject *archive_children(PyObject *module, PyObject *folder)
{
    (void)module;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(folder, &size);
    _pyref_ PyObject *list = PyList_New(0);
    if (text == NULL || list == NULL)
        return NULL;
    size_t cursor = 0;
    struct str name;
    enum archive_kind kind;
    while (archive_next_child(archive, (struct str){text, (size_t)size}, &cursor, &name, &kind)) {
        _pyref_ PyObject *child = Py_BuildValue("s#O", name.data, (Py_ssize_t)name.size,
                                                kind == ARCHIVE_FOLDER ? Py_True : Py_False);
        if (child == NULL || PyList_Append(list, child) < 0)
            return NULL;
    }
    return py_steal(&list);
}

// Both are texts: which part of the server says it, and what.
static PyObject *write_log(PyObject *arguments, void (*write)(const char *part, const char *text))
{
    const char *part, *text;
    if (!PyArg_ParseTuple(arguments, "ss", &part, &text))
        return NULL;
    write(part, text);
    Py_RETURN_NONE;
}

static void write_info(const char *part, const char *text)
{
    log_info(part, "%s", text);
}

static void write_error(const char *part, const char *text)
{
    log_error(part, "%s", text);
}

PyDoc_STRVAR(log_info_doc, "log_info(part, text)\n\nWrite a line to the server's log.");

static PyObject *log_info_method(PyObject *module, PyObject *arguments)
{
    (void)module;
    return write_log(arguments, write_info);
}

PyDoc_STRVAR(log_error_doc, "log_error(part, text)\n\nThe same, as an error.");

static PyObject *log_error_method(PyObject *module, PyObject *arguments)
{
    (void)module;
    return write_log(arguments, write_error);
}

PyDoc_STRVAR(log_application_doc,
             "log_application(level, name, text, request_id)\n\n"
             "Write bytes to the server's log as one record of the application's.\n"
             "level: 0 error, 1 warning, 2 info, 3 debug. name: a stream's or a logger's. "
             "request_id: a str or None.");

PyDoc_STRVAR(log_shows_doc, "log_shows(level) -> bool\n\nWhether records of a level are written.");

static PyObject *log_shows(PyObject *module, PyObject *level)
{
    (void)module;
    int number = PyLong_AsInt(level);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(log_enabled((enum log_level)number));
}

PyDoc_STRVAR(request_id_doc,
             "request_id() -> str or None\n\n"
             "The id of the request that is worked on, as it stands in the log and in "
             "X-Request-ID; None outside of one.");

static PyMethodDef methods[] = {
    {"request_id", current_id_method, METH_NOARGS, request_id_doc},
    {"tell_context", current_tell_context_method, METH_NOARGS,
     "tell_context()\n\n"
     "Have the current context know the request that is worked on: it is copied next."},
    {"log_application", (PyCFunction)(void (*)(void))streams_log_method, METH_FASTCALL,
     log_application_doc},
    {"log_shows", log_shows, METH_O, log_shows_doc},
    {"log_info", log_info_method, METH_VARARGS, log_info_doc},
    {"log_error", log_error_method, METH_VARARGS, log_error_doc},
    {"archive_root", archive_root, METH_NOARGS, archive_root_doc},
    {"archive_locate", (PyCFunction)(void (*)(void))archive_locate, METH_FASTCALL,
     archive_locate_doc},
    {"archive_code", archive_code, METH_O, archive_code_doc},
    {"archive_children", archive_children, METH_O, archive_children_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_limpet",
    .m_doc = "What limpet's Python half asks of its C half.",
    .m_methods = methods,
};

PyObject *mod_limpet_init(void)
{
    return PyModuleDef_Init(&definition);
}
