// hash.h - what the files of _hashlib share.
#pragma once

#include "py.h"
#include "tls_hash.h"

// From so many bytes on, other threads run meanwhile: _hashlib._GIL_MINSIZE.
enum { HASH_GIL_MINSIZE = 2048 };

// What a module has.
struct hash_module {
    PyTypeObject *hash; // HASH
    PyTypeObject *xof;  // HASHXOF: with a length of the caller's choice; there are none
    PyTypeObject *hmac; // HMAC
    // {constructor: name}: ours, and CPython's of the digests that are left to it
    PyObject *constructors;
    PyObject *unsupported; // the exception UnsupportedDigestmodError
};

struct hash_module *hash_module_of(PyObject *module);

// What is to be digested: the view of a bytes-like object, to be released. 0, or -1 with a
// TypeError or BufferError set.
int hash_view_take(PyObject *object, Py_buffer *view);

// Bytes as lower-case hexadecimal digits.
PyObject *hash_hex(const unsigned char *bytes, size_t size);

// --- HASH (hash_object.c) ---

int hash_types_add(PyObject *module);
// A hash object; data may be NULL.
PyObject *hash_object_new(PyObject *module, const struct tls_hash_kind *kind, PyObject *data);

// --- HMAC (hash_hmac.c) ---

int hash_hmac_type_add(PyObject *module);
PyObject *hash_hmac_new(PyObject *module, PyObject *arguments, PyObject *names);
PyObject *hash_hmac_digest(PyObject *module, PyObject *arguments, PyObject *names);

// --- keys from passwords (hash_derive.c) ---

PyObject *hash_pbkdf2_hmac(PyObject *module, PyObject *arguments, PyObject *names);
PyObject *hash_scrypt(PyObject *module, PyObject *arguments, PyObject *names);

// --- which digest (mod_hash.c) ---

// The digest that is meant, if it is for us: one that CPython's own does quicker, and under a name
// that it knows, is not. NULL with UnsupportedDigestmodError set.
const struct tls_hash_kind *hash_kind_named(PyObject *module, const char *name);
// The digest of hmac's digestmod: a name, or a constructor of hashlib's.
const struct tls_hash_kind *hash_kind_of(PyObject *module, PyObject *digestmod);
