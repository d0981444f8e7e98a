// hash_object.c - the types HASH and HASHXOF of _hashlib: a digest in the making. Its lock is for
// those who add to it while the GIL is free.
#include <stdint.h>

#include "hash.h"

struct hash_object {
    PyObject ob_base;
    PyMutex lock; // of hash
    struct tls_hash hash;
};

static struct hash_object *hash_of(PyObject *self)
{
    return (struct hash_object *)(void *)self;
}

int hash_view_take(PyObject *object, Py_buffer *view)
{
    if (PyUnicode_Check(object))
        return PyErr_SetString(PyExc_TypeError, "Strings must be encoded before hashing"), -1;
    if (!PyObject_CheckBuffer(object))
        return PyErr_SetString(PyExc_TypeError, "object supporting the buffer API required"), -1;
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0)
        return -1;
    if (view->ndim <= 1)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_BufferError, "Buffer must be single dimension");
    return -1;
}

PyObject *hash_hex(const unsigned char *bytes, size_t size)
{
    PyObject *text = PyUnicode_New((Py_ssize_t)size * 2, 127);
    if (text == NULL)
        return NULL;
    Py_UCS1 *out = PyUnicode_1BYTE_DATA(text);
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = (Py_UCS1) "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = (Py_UCS1) "0123456789abcdef"[bytes[i] & 15];
    }
    return text;
}

static void add(struct hash_object *self, const Py_buffer *view)
{
    PyMutex_Lock(&self->lock);
    tls_hash_update(&self->hash, view->buf, (size_t)view->len);
    PyMutex_Unlock(&self->lock);
}

static int add_object(struct hash_object *self, PyObject *object)
{
    Py_buffer view;
    if (hash_view_take(object, &view) < 0)
        return -1;
    if (view.len < HASH_GIL_MINSIZE) {
        add(self, &view);
    } else {
        Py_BEGIN_ALLOW_THREADS add(self, &view);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return 0;
}

static struct hash_object *object_new(PyTypeObject *type)
{
    struct hash_object *self = PyObject_New(struct hash_object, type);
    if (self != NULL)
        self->lock = (PyMutex){0};
    return self;
}

PyObject *hash_object_new(PyObject *module, const struct tls_hash_kind *kind, PyObject *data)
{
    struct hash_object *self = object_new(hash_module_of(module)->hash);
    if (self == NULL)
        return NULL;
    tls_hash_init(&self->hash, kind);
    if (data == NULL || add_object(self, data) == 0)
        return &self->ob_base;
    Py_DECREF(self);
    return NULL;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    tls_hash_fini(&hash_of(self)->hash);
    PyObject_Free(self);
    Py_DECREF(type);
}

// --- methods ---

static struct tls_hash copy_of(struct hash_object *self)
{
    PyMutex_Lock(&self->lock);
    struct tls_hash copy = self->hash;
    PyMutex_Unlock(&self->lock);
    return copy;
}

static PyObject *copy(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct hash_object *other = object_new(Py_TYPE(self));
    if (other != NULL)
        other->hash = copy_of(hash_of(self));
    return (PyObject *)(void *)other;
}

// The digest until now, of *size bytes.
static void finish(PyObject *self, unsigned char out[static TLS_HASH_MAX], size_t *size)
{
    struct tls_hash hash = copy_of(hash_of(self));
    tls_hash_finish(&hash, out);
    tls_hash_fini(&hash);
    *size = tls_hash_size(hash.kind);
}

static PyObject *digest(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    unsigned char bytes[TLS_HASH_MAX];
    size_t size;
    finish(self, bytes, &size);
    return PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)size);
}

static PyObject *hexdigest(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    unsigned char bytes[TLS_HASH_MAX];
    size_t size;
    finish(self, bytes, &size);
    return hash_hex(bytes, size);
}

static PyObject *update(PyObject *self, PyObject *object)
{
    if (add_object(hash_of(self), object) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"update", update, METH_O,
     PyDoc_STR("update($self, obj, /)\n--\n\nUpdate this hash object's state with the provided "
               "string.")},
    {"digest", digest, METH_NOARGS,
     PyDoc_STR("digest($self, /)\n--\n\nReturn the digest value as a bytes object.")},
    {"hexdigest", hexdigest, METH_NOARGS,
     PyDoc_STR("hexdigest($self, /)\n--\n\nReturn the digest value as a string of hexadecimal "
               "digits.")},
    {"copy", copy, METH_NOARGS,
     PyDoc_STR("copy($self, /)\n--\n\nReturn a copy of the hash object.")},
    {NULL, NULL, 0, NULL},
};

// --- attributes ---

static PyObject *get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(tls_hash_name(hash_of(self)->hash.kind));
}

static PyObject *get_digest_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(tls_hash_size(hash_of(self)->hash.kind));
}

static PyObject *get_block_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(tls_hash_block_size(hash_of(self)->hash.kind));
}

static PyGetSetDef attributes[] = {
    {"digest_size", get_digest_size, NULL, NULL, NULL},
    {"block_size", get_block_size, NULL, NULL, NULL},
    {"name", get_name, NULL, PyDoc_STR("algorithm name."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s %T object @ %p>", tls_hash_name(hash_of(self)->hash.kind),
                                self, self);
}

// --- types ---

static char hash_doc[] = PyDoc_STR("A hash: a checksum of what it is updated with.");
static char xof_doc[] = PyDoc_STR("A hash whose digests are as long as is asked for.");

static PyType_Slot hash_slots[] = {
    {Py_tp_dealloc, dealloc}, {Py_tp_repr, repr},         {Py_tp_doc, hash_doc},
    {Py_tp_methods, methods}, {Py_tp_getset, attributes}, {0, NULL},
};

static PyType_Slot xof_slots[] = {
    {Py_tp_doc, xof_doc},
    {0, NULL},
};

enum {
    TYPE_FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                 Py_TPFLAGS_IMMUTABLETYPE,
};

static PyType_Spec hash_spec = {
    .name = "_hashlib.HASH",
    .basicsize = sizeof(struct hash_object),
    .flags = TYPE_FLAGS,
    .slots = hash_slots,
};

static PyType_Spec xof_spec = {
    .name = "_hashlib.HASHXOF",
    .basicsize = sizeof(struct hash_object),
    .flags = TYPE_FLAGS,
    .slots = xof_slots,
};

int hash_types_add(PyObject *module)
{
    struct hash_module *state = hash_module_of(module);
    state->hash = (PyTypeObject *)(void *)PyType_FromSpec(&hash_spec);
    if (state->hash == NULL || PyModule_AddType(module, state->hash) < 0)
        return -1;
    PyObject *base = (PyObject *)(void *)state->hash;
    state->xof = (PyTypeObject *)(void *)PyType_FromSpecWithBases(&xof_spec, base);
    return state->xof != NULL ? PyModule_AddType(module, state->xof) : -1;
}
