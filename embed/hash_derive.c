// hash_derive.c - keys from passwords: pbkdf2_hmac (RFC 8018) and scrypt (RFC 7914) of _hashlib,
// with OpenSSL's limits and words, in 64 bits on every processor. Both take their time without the
// GIL.
#include <limits.h>
#include <pthread.h>
#include <scrypt-kdf.h>
#include <stdint.h>

#include "hash.h"

static int check_lengths(const Py_buffer *password, const Py_buffer *salt)
{
    if (password->len > INT_MAX)
        return PyErr_SetString(PyExc_OverflowError, "password is too long."), -1;
    if (salt->len > INT_MAX)
        return PyErr_SetString(PyExc_OverflowError, "salt is too long."), -1;
    return 0;
}

// --- PBKDF2 ---

struct pbkdf2 {
    const char *name; // of the digest
    Py_buffer password;
    Py_buffer salt;
    long long iterations;
    PyObject *length; // of the key; None: the digest's
};

static int check_iterations(long long iterations)
{
    if (iterations < 1) {
        PyErr_SetString(PyExc_ValueError, "iteration value must be greater than 0.");
        return -1;
    }
    if (iterations > INT_MAX)
        return PyErr_SetString(PyExc_OverflowError, "iteration value is too great."), -1;
    return 0;
}

// The length of the key, or -1 with an exception set.
static Py_ssize_t take_length(PyObject *length, const struct tls_hash_kind *kind)
{
    long long size = length == Py_None ? (long long)tls_hash_size(kind) : PyLong_AsLongLong(length);
    if (size == -1 && PyErr_Occurred())
        return -1;
    if (size < 1)
        return PyErr_SetString(PyExc_ValueError, "key length must be greater than 0."), -1;
    if (size > INT_MAX)
        return PyErr_SetString(PyExc_OverflowError, "key length is too great."), -1;
    return (Py_ssize_t)size;
}

static PyObject *pbkdf2(PyObject *module, const struct pbkdf2 *asked)
{
    // All digests there are: nobody else has the function, whoever may be quicker.
    const struct tls_hash_kind *kind = tls_hash_find(asked->name);
    if (kind == NULL)
        return PyErr_Format(hash_module_of(module)->unsupported, "unsupported hash type %s",
                            asked->name);
    if (check_lengths(&asked->password, &asked->salt) < 0 ||
        check_iterations(asked->iterations) < 0)
        return NULL;
    Py_ssize_t size = take_length(asked->length, kind);
    if (size < 0)
        return NULL;
    _pyref_ PyObject *key = PyBytes_FromStringAndSize(NULL, size);
    if (key == NULL)
        return NULL;
    struct str password = {asked->password.buf, (size_t)asked->password.len},
               salt = {asked->salt.buf, (size_t)asked->salt.len};
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(key);
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        tls_hash_pbkdf2(kind, password, salt, (unsigned)asked->iterations, out, (size_t)size);
    Py_END_ALLOW_THREADS return status < 0 ? PyErr_NoMemory() : py_steal(&key);
}

PyObject *hash_pbkdf2_hmac(PyObject *module, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"hash_name", "password", "salt", "iterations", "dklen", NULL};
    struct pbkdf2 asked = {.length = Py_None};
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "sy*y*L|O:pbkdf2_hmac", keywords,
                                     &asked.name, &asked.password, &asked.salt, &asked.iterations,
                                     &asked.length))
        return NULL;
    PyObject *key = pbkdf2(module, &asked);
    PyBuffer_Release(&asked.password);
    PyBuffer_Release(&asked.salt);
    return key;
}

// --- scrypt ---

struct scrypt {
    Py_buffer password;
    Py_buffer salt;
    unsigned long long n; // cost
    unsigned long long r; // size of a block, in 128 bytes
    unsigned long long p; // blocks
    long long memory;     // bytes that may be taken; 0: SCRYPT_MEMORY
    long long length;     // of the key
};

#define SCRYPT_MEMORY (32L * 1024 * 1024) // OpenSSL's
#define SCRYPT_PR_MAX ((1UL << 30) - 1)   // RFC 7914 section 6

// What OpenSSL computes with: whether it is more memory than there may be, or than can be counted.
static int needs_too_much(const struct scrypt *asked)
{
    if (asked->p > SCRYPT_PR_MAX / asked->r)
        return 1;
    // The cost must be below 2^(128 * r / 8).
    if (asked->r < 4 && asked->n >= 1ULL << (16 * asked->r))
        return 1;
    unsigned long long memory =
        (unsigned long long)(asked->memory != 0 ? asked->memory : SCRYPT_MEMORY);
    unsigned long long blocks = asked->p * 128 * asked->r, table;
    return blocks > INT_MAX || __builtin_mul_overflow(asked->n + 2, 128 * asked->r, &table) ||
           table > memory || blocks > memory - table;
}

static int check_scrypt(const struct scrypt *asked)
{
    if (check_lengths(&asked->password, &asked->salt) < 0)
        return -1;
    if (asked->n < 2 || (asked->n & (asked->n - 1)) != 0)
        return PyErr_SetString(PyExc_ValueError, "n must be a power of 2."), -1;
    if (asked->memory < 0 || asked->memory > INT_MAX)
        return PyErr_Format(PyExc_ValueError, "maxmem must be positive and smaller than %d",
                            INT_MAX),
               -1;
    if (asked->length < 1 || asked->length > INT_MAX)
        return PyErr_Format(PyExc_ValueError, "dklen must be greater than 0 and smaller than %d",
                            INT_MAX),
               -1;
    if (asked->r == 0 || asked->p == 0)
        return PyErr_SetString(PyExc_ValueError,
                               "Invalid parameter combination for n, r, p, maxmem."),
               -1;
    if (asked->r > UINT32_MAX || asked->p > UINT32_MAX)
        return PyErr_SetString(PyExc_ValueError, "[digital envelope routines] parameter too large"),
               -1;
    if (needs_too_much(asked))
        return PyErr_SetString(PyExc_ValueError,
                               "[digital envelope routines] memory limit exceeded"),
               -1;
    return 0;
}

// The first call finds out what the processor can do, and tries that: in one thread.
static void try_scrypt(void)
{
    unsigned char out[1] = {0};
    int ignored = scrypt_kdf(out, 0, out, 0, 2, 1, 1, out, sizeof out);
    (void)ignored;
}

static PyObject *scrypt(const struct scrypt *asked)
{
    static pthread_once_t tried = PTHREAD_ONCE_INIT;
    if (check_scrypt(asked) < 0)
        return NULL;
    _pyref_ PyObject *key = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)asked->length);
    if (key == NULL)
        return NULL;
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(key);
    int status;
    Py_BEGIN_ALLOW_THREADS pthread_once(&tried, try_scrypt);
    status = scrypt_kdf(asked->password.buf, (size_t)asked->password.len, asked->salt.buf,
                        (size_t)asked->salt.len, asked->n, (uint32_t)asked->r, (uint32_t)asked->p,
                        out, (size_t)asked->length);
    Py_END_ALLOW_THREADS return status < 0 ? PyErr_NoMemory() : py_steal(&key);
}

static int take_unsigned(PyObject *object, unsigned long long *out)
{
    if (PyLong_Check(object) && PyLong_IsNegative(object))
        return PyErr_SetString(PyExc_ValueError, "value must be positive"), -1;
    *out = PyLong_AsUnsignedLongLong(object);
    return *out == (unsigned long long)-1 && PyErr_Occurred() ? -1 : 0;
}

// The arguments that go by name and must be there: salt, n, r, p. asked->salt is to be released if
// it has an object, whatever is returned: 0, or -1 with an exception set.
static int take_named(PyObject *const named[4], struct scrypt *asked)
{
    static const char *const keywords[] = {"salt", "n", "r", "p"};
    for (size_t i = 0; i < 4; i++) {
        if (named[i] == NULL)
            return PyErr_Format(PyExc_TypeError,
                                "scrypt() missing required argument '%s' (pos %zu)", keywords[i],
                                i + 2),
                   -1;
    }
    if (PyObject_GetBuffer(named[0], &asked->salt, PyBUF_SIMPLE) < 0)
        return -1;
    if (take_unsigned(named[1], &asked->n) < 0 || take_unsigned(named[2], &asked->r) < 0 ||
        take_unsigned(named[3], &asked->p) < 0)
        return -1;
    return 0;
}

PyObject *hash_scrypt(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"password", "salt", "n", "r", "p", "maxmem", "dklen", NULL};
    struct scrypt asked = {.length = 64};
    PyObject *named[4] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "y*|$OOOOLL:scrypt", keywords,
                                     &asked.password, &named[0], &named[1], &named[2], &named[3],
                                     &asked.memory, &asked.length))
        return NULL;
    PyObject *key = take_named(named, &asked) == 0 ? scrypt(&asked) : NULL;
    PyBuffer_Release(&asked.password);
    PyBuffer_Release(&asked.salt);
    return key;
}
