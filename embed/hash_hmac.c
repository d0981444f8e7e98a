// hash_hmac.c - the type HMAC of _hashlib, and the code of a single message.
#include <limits.h>

#include "hash.h"

struct hmac_object {
    PyObject ob_base;
    PyMutex lock; // of hmac
    struct tls_hmac *hmac;
};

static struct hmac_object *hmac_of(PyObject *self)
{
    return (struct hmac_object *)(void *)self;
}

static const struct tls_hash_kind *kind_of(PyObject *self)
{
    return tls_hmac_kind(hmac_of(self)->hmac);
}

// hmac is ours from now on; NULL: there was no memory for it.
static PyObject *object_new_take(PyTypeObject *type, struct tls_hmac *hmac)
{
    if (hmac == NULL)
        return PyErr_NoMemory();
    struct hmac_object *self = PyObject_New(struct hmac_object, type);
    if (self == NULL) {
        tls_hmac_free(hmac);
        return NULL;
    }
    self->lock = (PyMutex){0};
    self->hmac = hmac;
    return &self->ob_base;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    tls_hmac_free(hmac_of(self)->hmac);
    PyObject_Free(self);
    Py_DECREF(type);
}

static void add(struct hmac_object *self, const Py_buffer *view)
{
    PyMutex_Lock(&self->lock);
    tls_hmac_update(self->hmac, view->buf, (size_t)view->len);
    PyMutex_Unlock(&self->lock);
}

static int add_object(PyObject *self, PyObject *object)
{
    Py_buffer view;
    if (hash_view_take(object, &view) < 0)
        return -1;
    if (view.len < HASH_GIL_MINSIZE) {
        add(hmac_of(self), &view);
    } else {
        Py_BEGIN_ALLOW_THREADS add(hmac_of(self), &view);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return 0;
}

// --- methods ---

static PyObject *update(PyObject *self, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"msg", NULL};
    PyObject *message;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "O:update", keywords, &message) ||
        add_object(self, message) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *copy(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyMutex_Lock(&hmac_of(self)->lock);
    struct tls_hmac *other = tls_hmac_copy(hmac_of(self)->hmac);
    PyMutex_Unlock(&hmac_of(self)->lock);
    return object_new_take(Py_TYPE(self), other);
}

static int finish(PyObject *self, unsigned char out[static TLS_HASH_MAX])
{
    PyMutex_Lock(&hmac_of(self)->lock);
    int status = tls_hmac_digest(hmac_of(self)->hmac, out);
    PyMutex_Unlock(&hmac_of(self)->lock);
    if (status < 0)
        PyErr_NoMemory();
    return status;
}

static PyObject *digest(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    unsigned char bytes[TLS_HASH_MAX];
    if (finish(self, bytes) < 0)
        return NULL;
    return PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)tls_hash_size(kind_of(self)));
}

static PyObject *hexdigest(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    unsigned char bytes[TLS_HASH_MAX];
    if (finish(self, bytes) < 0)
        return NULL;
    return hash_hex(bytes, tls_hash_size(kind_of(self)));
}

static PyMethodDef methods[] = {
    {"update", _PyCFunction_CAST(update), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("update($self, /, msg)\n--\n\nUpdate the HMAC object with msg.")},
    {"digest", digest, METH_NOARGS,
     PyDoc_STR("digest($self, /)\n--\n\nReturn the digest of the bytes passed to the update() "
               "method so far.")},
    {"hexdigest", hexdigest, METH_NOARGS,
     PyDoc_STR("hexdigest($self, /)\n--\n\nReturn hexadecimal digest of the bytes passed to the "
               "update() method so far.")},
    {"copy", copy, METH_NOARGS,
     PyDoc_STR("copy($self, /)\n--\n\nReturn a copy (\"clone\") of the HMAC object.")},
    {NULL, NULL, 0, NULL},
};

// --- attributes ---

static PyObject *get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromFormat("hmac-%s", tls_hash_name(kind_of(self)));
}

static PyObject *get_digest_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(tls_hash_size(kind_of(self)));
}

static PyObject *get_block_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(tls_hash_block_size(kind_of(self)));
}

static PyGetSetDef attributes[] = {
    {"digest_size", get_digest_size, NULL, NULL, NULL},
    {"block_size", get_block_size, NULL, NULL, NULL},
    {"name", get_name, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s HMAC object @ %p>", tls_hash_name(kind_of(self)), self);
}

// --- type ---

static char hmac_doc[] = PyDoc_STR("The HMAC of a message: of what it is updated with.");

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc}, {Py_tp_repr, repr},         {Py_tp_doc, hmac_doc},
    {Py_tp_methods, methods}, {Py_tp_getset, attributes}, {0, NULL},
};

static PyType_Spec spec = {
    .name = "_hashlib.HMAC",
    .basicsize = sizeof(struct hmac_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int hash_hmac_type_add(PyObject *module)
{
    struct hash_module *state = hash_module_of(module);
    state->hmac = (PyTypeObject *)(void *)PyType_FromSpec(&spec);
    return state->hmac != NULL ? PyModule_AddType(module, state->hmac) : -1;
}

// --- functions of the module ---

// OpenSSL's limit, which hmac.py counts on.
static int check_length(const Py_buffer *view, const char *what)
{
    if (view->len <= INT_MAX)
        return 0;
    PyErr_Format(PyExc_OverflowError, "%s is too long.", what);
    return -1;
}

static PyObject *new_with(PyObject *module, const Py_buffer *key, PyObject *message,
                          PyObject *digestmod)
{
    if (check_length(key, "key") < 0)
        return NULL;
    if (digestmod == NULL)
        return PyErr_SetString(PyExc_TypeError, "Missing required parameter 'digestmod'."), NULL;
    const struct tls_hash_kind *kind = hash_kind_of(module, digestmod);
    if (kind == NULL)
        return NULL;
    _pyref_ PyObject *self = object_new_take(hash_module_of(module)->hmac,
                                             tls_hmac_new(kind, key->buf, (size_t)key->len));
    if (self == NULL)
        return NULL;
    if (message != NULL && message != Py_None && add_object(self, message) < 0)
        return NULL;
    return py_steal(&self);
}

PyObject *hash_hmac_new(PyObject *module, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"key", "msg", "digestmod", NULL};
    Py_buffer key;
    PyObject *message = NULL, *digestmod = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "y*|OO:hmac_new", keywords, &key, &message,
                                     &digestmod))
        return NULL;
    PyObject *self = new_with(module, &key, message, digestmod);
    PyBuffer_Release(&key);
    return self;
}

static PyObject *digest_with(PyObject *module, const Py_buffer *key, const Py_buffer *message,
                             PyObject *digestmod)
{
    if (check_length(key, "key") < 0 || check_length(message, "msg") < 0)
        return NULL;
    const struct tls_hash_kind *kind = hash_kind_of(module, digestmod);
    if (kind == NULL)
        return NULL;
    unsigned char out[TLS_HASH_MAX];
    struct str secret = {key->buf, (size_t)key->len}, text = {message->buf, (size_t)message->len};
    int status;
    if (message->len < HASH_GIL_MINSIZE) {
        status = tls_hmac_once(kind, secret, text, out);
    } else {
        Py_BEGIN_ALLOW_THREADS status = tls_hmac_once(kind, secret, text, out);
        Py_END_ALLOW_THREADS
    }
    if (status < 0)
        return PyErr_NoMemory();
    return PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)tls_hash_size(kind));
}

PyObject *hash_hmac_digest(PyObject *module, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"key", "msg", "digest", NULL};
    Py_buffer key, message;
    PyObject *digestmod;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "y*y*O:hmac_digest", keywords, &key,
                                     &message, &digestmod))
        return NULL;
    PyObject *code = digest_with(module, &key, &message, digestmod);
    PyBuffer_Release(&key);
    PyBuffer_Release(&message);
    return code;
}
