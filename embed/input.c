// input.c - wsgi.input: a file object on a received body, in memory or in a file; or, where the
// client waits to be asked for the body, one that asks when it is read.
#include "input.h"

#include <fcntl.h>
#include <unistd.h>

#include "pool.h"

// What a process has one of: its interpreter is one.
static PyObject *bytes_io;     // io.BytesIO
static PyObject *no_arguments; // an empty tuple

int input_init(void)
{
    _pyref_ PyObject *io = PyImport_ImportModule("io");
    bytes_io = io != NULL ? PyObject_GetAttrString(io, "BytesIO") : NULL;
    no_arguments = PyTuple_New(0);
    return bytes_io != NULL && no_arguments != NULL ? 0 : -1;
}

void input_fini(void)
{
    Py_CLEAR(bytes_io);
    Py_CLEAR(no_arguments);
}

// A file object of its own on a body that lies in a file; the application may close it.
static PyObject *open_body(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    lseek(own, 0, SEEK_SET); // a regular file: it cannot fail
    PyObject *file = PyFile_FromFd(own, NULL, "rb", -1, NULL, NULL, NULL, 1);
    if (file == NULL)
        close(own);
    return file;
}

// A file object on a body that is here.
static PyObject *open_received(const struct request *request)
{
    int fd = request_body_file(request);
    if (fd >= 0)
        return open_body(fd);
    struct str body = request_body(request);
    if (body.size == 0) // as new as any, without the call of its __init__
        return ((PyTypeObject *)bytes_io)->tp_new((PyTypeObject *)bytes_io, no_arguments, NULL);
    _pyref_ PyObject *bytes = PyBytes_FromStringAndSize(body.data, (Py_ssize_t)body.size);
    return bytes != NULL ? PyObject_CallOneArg(bytes_io, bytes) : NULL;
}

// What the capsule of an answered request points to.
static char answered;

// limpet.awaited_input's way to a body: wait for it, and open it.
static PyObject *await_body(PyObject *capsule, PyObject *Py_UNUSED(nothing))
{
    void *request = PyCapsule_GetPointer(capsule, NULL);
    if (request == &answered)
        return PyErr_SetString(PyExc_OSError, "wsgi.input is read after the answer has begun"),
               NULL;
    if (request_has_body(request) || pool_await_body(request))
        return open_received(request);
    if (request_lacks_room(request))
        PyErr_SetString(PyExc_OSError, "there is no room for the body, the client is told so");
    else
        PyErr_SetString(PyExc_ConnectionResetError, "the client has gone before it sent the body");
    return NULL;
}

static PyMethodDef await_method = {"await_body", await_body, METH_NOARGS, NULL};

void input_forget(PyObject *awaited)
{
    if (awaited == NULL)
        return;
    // Waits for a thread of the application's that still waits for the body.
    _pyref_ PyObject *fetch = NULL;
    while ((fetch = PyObject_CallMethod(awaited, "end", NULL)) == NULL)
        PyErr_WriteUnraisable(awaited);
    PyCapsule_SetPointer(PyCFunction_GetSelf(fetch), &answered);
    Py_DECREF(awaited);
}

static PyObject *open_awaited(struct request *request, PyObject **awaited)
{
    _pyref_ PyObject *module = PyImport_ImportModule("limpet.awaited_input");
    _pyref_ PyObject *capsule = PyCapsule_New(request, NULL, NULL);
    if (module == NULL || capsule == NULL)
        return NULL;
    *awaited =
        PyObject_CallMethod(module, "AwaitedInput", "N", PyCFunction_New(&await_method, capsule));
    return Py_XNewRef(*awaited);
}

PyObject *input_new(struct request *request, PyObject **awaited)
{
    *awaited = NULL;
    return request_has_body(request) ? open_received(request) : open_awaited(request, awaited);
}
