// ssl_bio.c - MemoryBIO: bytes on their way between a connection and who carries them.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ssl_priv.h"

enum {
    KEPT = 64 * 1024, // bytes of memory that an empty one keeps
    LEAST = 512,
};

// Its lock is held for as long as it takes to copy, and nothing of Python's is done meanwhile.
struct memory_bio {
    PyObject_HEAD PyMutex lock;
    char *memory; // what malloc gave: it is used without the GIL
    size_t start, size, capacity;
    bool eof; // nothing is written any more
};

static struct memory_bio *bio_of(PyObject *object)
{
    return (struct memory_bio *)(void *)object;
}

// With the lock.
static size_t take(struct memory_bio *self, void *out, size_t size)
{
    if (size > self->size)
        size = self->size;
    if (size > 0)
        memcpy(out, self->memory + self->start, size);
    self->start += size;
    self->size -= size;
    if (self->size == 0) {
        self->start = 0;
        if (self->capacity > KEPT) {
            free(self->memory);
            self->memory = NULL;
            self->capacity = 0;
        }
    }
    return size;
}

static bool reserve(struct memory_bio *self, size_t more)
{
    if (self->start + self->size + more <= self->capacity)
        return true;
    // Moving what is there to the front is worth it where it is the smaller part.
    if (self->size + more <= self->capacity && self->size <= self->start) {
        memcpy(self->memory, self->memory + self->start, self->size);
        self->start = 0;
        return true;
    }
    // By doubling, so that what fits into what is kept is copied once, and then never again.
    size_t needed = self->size + more, capacity = LEAST;
    if (needed < more || needed > SIZE_MAX / 2)
        return false;
    while (capacity < needed)
        capacity *= 2;
    char *memory = malloc(capacity);
    if (memory == NULL)
        return false;
    if (self->size > 0)
        memcpy(memory, self->memory + self->start, self->size);
    free(self->memory);
    self->memory = memory;
    self->start = 0;
    self->capacity = capacity;
    return true;
}

// With the lock. False: out of memory.
static bool put(struct memory_bio *self, const void *bytes, size_t size)
{
    if (size == 0)
        return true;
    if (!reserve(self, size))
        return false;
    memcpy(self->memory + self->start + self->size, bytes, size);
    self->size += size;
    return true;
}

ssize_t ssl_bio_take(PyObject *bio, void *out, size_t size)
{
    struct memory_bio *self = bio_of(bio);
    PyMutex_Lock(&self->lock);
    size_t taken = take(self, out, size);
    bool ended = taken == 0 && self->eof;
    PyMutex_Unlock(&self->lock);
    return taken > 0 || ended ? (ssize_t)taken : -EAGAIN;
}

ssize_t ssl_bio_put(PyObject *bio, const void *bytes, size_t size)
{
    struct memory_bio *self = bio_of(bio);
    PyMutex_Lock(&self->lock);
    bool done = put(self, bytes, size);
    PyMutex_Unlock(&self->lock);
    return done ? (ssize_t)size : -ENOMEM;
}

// --- Python's side ---

static PyObject *bio_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    if (!PyArg_ParseTuple(arguments, ":MemoryBIO") ||
        (keywords != NULL && PyDict_GET_SIZE(keywords) > 0)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "MemoryBIO() takes no keyword arguments");
        return NULL;
    }
    return type->tp_alloc(type, 0);
}

static int bio_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void bio_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    free(bio_of(object)->memory);
    type->tp_free(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(read_doc,
             "read(size=-1, /) -> bytes\n\n"
             "Up to so many bytes; all of them by default. Nothing: there is none, or eof.");

static PyObject *bio_read(PyObject *object, PyObject *arguments)
{
    struct memory_bio *self = bio_of(object);
    int asked = -1;
    if (!PyArg_ParseTuple(arguments, "|i:read", &asked))
        return NULL;
    PyMutex_Lock(&self->lock);
    size_t size = self->size < INT_MAX ? self->size : INT_MAX;
    if (asked >= 0 && (size_t)asked < size)
        size = (size_t)asked;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL)
        take(self, PyBytes_AS_STRING(bytes), size);
    PyMutex_Unlock(&self->lock);
    return bytes;
}

PyDoc_STRVAR(write_doc, "write(b, /) -> int\n\nTakes all of the bytes.");

static PyObject *bio_write(PyObject *object, PyObject *bytes)
{
    struct memory_bio *self = bio_of(object);
    Py_buffer buffer;
    if (PyObject_GetBuffer(bytes, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    PyMutex_Lock(&self->lock);
    bool ended = self->eof;
    bool done = !ended && put(self, buffer.buf, (size_t)buffer.len);
    PyMutex_Unlock(&self->lock);
    if (ended)
        PyErr_SetString(ssl_state_of(object)->errors[SSL_ERROR],
                        "cannot write() after write_eof()");
    else if (!done)
        PyErr_NoMemory();
    else
        result = PyLong_FromSsize_t(buffer.len);
    PyBuffer_Release(&buffer);
    return result;
}

PyDoc_STRVAR(write_eof_doc, "write_eof()\n\nNothing is written any more.");

static PyObject *bio_write_eof(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct memory_bio *self = bio_of(object);
    PyMutex_Lock(&self->lock);
    self->eof = true;
    PyMutex_Unlock(&self->lock);
    Py_RETURN_NONE;
}

static size_t pending_of(struct memory_bio *self, bool *eof)
{
    PyMutex_Lock(&self->lock);
    size_t size = self->size;
    *eof = self->eof && size == 0;
    PyMutex_Unlock(&self->lock);
    return size;
}

size_t ssl_bio_size(PyObject *bio)
{
    bool eof;
    return pending_of(bio_of(bio), &eof);
}

static PyObject *get_pending(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(ssl_bio_size(object));
}

static PyObject *get_eof(PyObject *object, void *Py_UNUSED(closure))
{
    bool eof;
    pending_of(bio_of(object), &eof);
    return PyBool_FromLong(eof);
}

static PyMethodDef methods[] = {
    {"read", bio_read, METH_VARARGS, read_doc},
    {"write", bio_write, METH_O, write_doc},
    {"write_eof", bio_write_eof, METH_NOARGS, write_eof_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"pending", get_pending, NULL, "The number of bytes in it.", NULL},
    {"eof", get_eof, NULL, "Whether nothing is in it, and nothing comes.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Bytes on their way to or from an SSLObject."},
    {Py_tp_new, bio_new},
    {Py_tp_traverse, bio_traverse},
    {Py_tp_dealloc, bio_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec ssl_bio_spec = {
    .name = "_ssl.MemoryBIO",
    .basicsize = sizeof(struct memory_bio),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
