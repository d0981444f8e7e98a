// asgi_file.c - answers out of files (ASGI extensions "http.response.pathsend" and
// "http.response.zerocopysend"): sent by the kernel where the file is all of the answer.
#include "asgi_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "names.h"

enum { PIECE = 64 * 1024 }; // bytes that are read at once

// Size bytes of a file from offset on as the whole answer. Takes the descriptor.
static int answer_file(struct asgi_http *self, int fd, uint64_t offset, uint64_t size)
{
    struct body_source source = {.fd = fd, .offset = offset};
    struct response response = {.content_length = (int64_t)size, .source = &source};
    if (self->announced >= 0 && self->announced != (int64_t)size &&
        request_takes_body(self->request, self->status)) {
        close(fd);
        return PyErr_Format(PyExc_RuntimeError, "the file has %llu bytes, Content-Length says %lld",
                            (unsigned long long)size, (long long)self->announced),
               -1;
    }
    return asgi_answer(self, &response);
}

int asgi_send_path(struct asgi_http *self, PyObject *message)
{
    int found;
    struct stat about;
    _pyref_ PyObject *path = asgi_value(message, names.path, &found);
    if (path == NULL && found == 0)
        PyErr_SetString(PyExc_ValueError, "http.response.pathsend has no path");
    _pyref_ PyObject *bytes = NULL;
    if (path == NULL || !PyUnicode_FSConverter(path, &bytes))
        return -1;
    if (PyBytes_AS_STRING(bytes)[0] != '/')
        return PyErr_Format(PyExc_ValueError, "the path %R is not absolute", path), -1;
    _close_ int fd = open(PyBytes_AS_STRING(bytes), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &about) < 0) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        return -1;
    }
    if (!S_ISREG(about.st_mode))
        return PyErr_Format(PyExc_ValueError, "%R is no regular file", path), -1;
    return answer_file(self, steal_fd(&fd), 0, (uint64_t)about.st_size);
}

// --- zerocopysend ---

struct range {
    int fd;
    int64_t offset, count;
    bool is_last;
    PyObject *file; // kept open by us
};

// A number of the message that may be missing: -1 then; -2 with an exception set.
static int64_t number(PyObject *message, PyObject *key)
{
    int found;
    _pyref_ PyObject *value = asgi_value(message, key, &found);
    if (value == NULL)
        return found < 0 ? -2 : -1;
    int64_t result = PyLong_AsLongLong(value);
    if (result < 0 && !PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "%U is negative", key);
    return result < 0 ? -2 : result;
}

// Where the file is read from, if the message does not say: where it stands.
static int fill_range(PyObject *message, struct range *range)
{
    struct stat about;
    int more = asgi_flag(message, names.more_body);
    range->offset = number(message, names.offset);
    range->count = number(message, names.count);
    if (more < 0 || range->offset == -2 || range->count == -2)
        return -1;
    range->is_last = more == 0;
    if (fstat(range->fd, &about) < 0 || !S_ISREG(about.st_mode))
        return PyErr_Format(PyExc_ValueError, "the file is no regular file"), -1;
    if (range->offset < 0)
        range->offset = lseek(range->fd, 0, SEEK_CUR);
    int64_t rest = about.st_size > range->offset ? about.st_size - range->offset : 0;
    if (range->count < 0 || range->count > rest)
        range->count = rest;
    return 0;
}

// What is left of a range, piece by piece, as the client takes it.
static int try_pieces(PyObject *owner, PyObject *argument, PyObject **result)
{
    struct asgi_http *self = asgi_http_of(owner);
    struct range *range = PyCapsule_GetPointer(argument, NULL);
    _pyref_ PyObject *piece = PyBytes_FromStringAndSize(NULL, PIECE);
    if (piece == NULL)
        return -1;
    for (;;) {
        if (self->request == NULL || self->is_gone)
            return PyErr_SetString(asgi_client_disconnected(), "the client has disconnected"), -1;
        if (exchange_waiting(self->request) >= EXCHANGE_HIGH)
            return 0;
        size_t size = range->count < PIECE ? (size_t)range->count : PIECE;
        ssize_t count = pread(range->fd, PyBytes_AS_STRING(piece), size, (off_t)range->offset);
        if (count < 0)
            return PyErr_SetFromErrno(PyExc_OSError), -1;
        range->offset += count;
        range->count = count == 0 ? 0 : range->count - count;
        bool ends = range->count == 0;
        if (asgi_push(self, (struct str){PyBytes_AS_STRING(piece), (size_t)count},
                      ends && range->is_last) < 0)
            return -1;
        if (ends)
            break;
    }
    *result = Py_NewRef(Py_None);
    return 1;
}

static void free_range(PyObject *capsule)
{
    struct range *range = PyCapsule_GetPointer(capsule, NULL);
    close(range->fd);
    Py_DECREF(range->file);
    PyMem_Free(range);
}

static PyObject *send_pieces(struct asgi_http *self, const struct range *range)
{
    struct range *kept = PyMem_Malloc(sizeof *kept);
    if (kept == NULL)
        return PyErr_NoMemory();
    *kept = *range;
    _pyref_ PyObject *capsule = PyCapsule_New(kept, NULL, free_range);
    if (capsule == NULL) {
        PyMem_Free(kept);
        return NULL;
    }
    kept->fd = fcntl(range->fd, F_DUPFD_CLOEXEC, 3);
    Py_INCREF(kept->file);
    if (kept->fd < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return operation_new((PyObject *)self, &self->writing, try_pieces, capsule);
}

PyObject *asgi_send_file(struct asgi_http *self, PyObject *message)
{
    int found;
    struct range range;
    _pyref_ PyObject *file = asgi_value(message, names.file, &found);
    if (file == NULL && found == 0)
        PyErr_SetString(PyExc_ValueError, "http.response.zerocopysend has no file");
    if (file == NULL)
        return NULL;
    range.file = file;
    range.fd = PyObject_AsFileDescriptor(file);
    if (range.fd < 0 || fill_range(message, &range) < 0)
        return NULL;
    if (self->stage != ASGI_STAGE_HEAD || !range.is_last || self->has_trailers)
        return send_pieces(self, &range);
    int own = fcntl(range.fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (answer_file(self, own, (uint64_t)range.offset, (uint64_t)range.count) < 0)
        return NULL;
    return operation_done(Py_NewRef(Py_None));
}
