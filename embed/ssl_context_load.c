// ssl_context_load.c - what an _SSLContext reads from files and bytes: certificates, keys,
// authorities. It is read without the GIL.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "ssl_priv.h"

static struct ssl_context *context_of(PyObject *object)
{
    return (struct ssl_context *)(void *)object;
}

// What None stands for is NULL in *out. -1: an exception is set.
static int path_of(PyObject *object, const char *name, PyObject **out)
{
    if (object == NULL || object == Py_None || PyUnicode_FSConverter(object, out))
        return 0;
    if (PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Format(PyExc_TypeError, "%s should be a valid filesystem path", name);
    return -1;
}

static const char *text_of(PyObject *bytes)
{
    return bytes != NULL ? PyBytes_AS_STRING(bytes) : NULL;
}

// --- its own certificates ---

struct password {
    PyObject *bytes; // bytes or bytearray's copy; NULL: not known yet
    bool asked;
    size_t limit; // that it is longer than; 0: it fits
};

// tls_setup.h's; runs without the GIL, and touches nothing that Python changes.
static int give_password(void *owner, char *out, size_t size)
{
    struct password *password = owner;
    password->asked = true;
    if (password->bytes == NULL)
        return -1;
    size_t length = (size_t)PyBytes_GET_SIZE(password->bytes);
    if (length > size) {
        password->limit = size;
        return -1;
    }
    memcpy(out, PyBytes_AS_STRING(password->bytes), length);
    return (int)length;
}

static int set_password(struct password *password, PyObject *value, const char *mistake)
{
    if (PyUnicode_Check(value))
        password->bytes = PyUnicode_AsUTF8String(value);
    else if (PyBytes_Check(value) || PyByteArray_Check(value))
        password->bytes = PyBytes_FromObject(value);
    else
        PyErr_SetString(PyExc_TypeError, mistake);
    return password->bytes != NULL ? 0 : -1;
}

static int load_identity(struct ssl_context *self, const char *const paths[2],
                         struct password *password, struct tls_fault *fault)
{
    int result;
    PyMutex_Lock(&self->lock);
    Py_BEGIN_ALLOW_THREADS result = tls_setup_load_identity(
        self->setup, paths[0], paths[1], password != NULL ? give_password : NULL, password, fault);
    Py_END_ALLOW_THREADS PyMutex_Unlock(&self->lock);
    return result;
}

// The callback is called between two readings, so that no lock is held while it does what it likes.
static int load_with_callback(struct ssl_context *self, const char *const paths[2],
                              struct password *password, PyObject *callback,
                              struct tls_fault *fault)
{
    int result = load_identity(self, paths, password, fault);
    if (result == 0 || !password->asked)
        return result;
    _pyref_ PyObject *value = PyObject_CallNoArgs(callback);
    if (value == NULL ||
        set_password(password, value, "password callback must return a string") < 0)
        return -1;
    *fault = (struct tls_fault){.kind = TLS_FAULT_NONE};
    return load_identity(self, paths, password, fault);
}

static PyObject *load_failed(const struct ssl_context *self, const struct password *password,
                             const struct tls_fault *fault)
{
    if (PyErr_Occurred())
        return NULL;
    if (password->limit > 0)
        return PyErr_Format(PyExc_ValueError, "password cannot be longer than %zu bytes",
                            password->limit);
    return ssl_fault_raise(self->state, fault, NULL);
}

PyObject *ssl_context_load_cert_chain(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"certfile", "keyfile", "password", NULL};
    PyObject *certificate, *key = Py_None, *secret = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OO:load_cert_chain", names,
                                     &certificate, &key, &secret) ||
        ssl_library_ready() < 0)
        return NULL;
    _pyref_ PyObject *certificate_path = NULL, *key_path = NULL;
    if (path_of(certificate, "certfile", &certificate_path) < 0 ||
        path_of(key, "keyfile", &key_path) < 0)
        return NULL;
    if (certificate_path == NULL) {
        PyErr_SetString(PyExc_TypeError, "certfile should be a valid filesystem path");
        return NULL;
    }
    const char *const paths[2] = {text_of(certificate_path), text_of(key_path)};
    struct ssl_context *self = context_of(object);
    struct password password = {.bytes = NULL};
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    int result = -1;
    if (secret == Py_None)
        result = load_identity(self, paths, NULL, &fault);
    else if (PyCallable_Check(secret))
        result = load_with_callback(self, paths, &password, secret, &fault);
    else if (set_password(&password, secret, "password should be a string or callable") == 0)
        result = load_identity(self, paths, &password, &fault);
    Py_CLEAR(password.bytes);
    if (result < 0)
        return load_failed(self, &password, &fault);
    Py_RETURN_NONE;
}

// A build with no finite-field Diffie-Hellman still says what is wrong with the file.
PyObject *ssl_context_load_dh_params(PyObject *object, PyObject *path)
{
    static const char begin[] = "-----BEGIN DH PARAMETERS-----";
    FILE *file = Py_fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char line[sizeof begin];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strcmp(line, begin) == 0;
    Py_fclose(file);
    if (!found) {
        struct tls_fault fault = {TLS_FAULT_SSL, 0, "PEM", "NO_START_LINE", "no start line"};
        return ssl_fault_raise(context_of(object)->state, &fault, NULL);
    }
    PyErr_SetString(PyExc_NotImplementedError,
                    "this build has no finite-field Diffie-Hellman: leave load_dh_params out, "
                    "elliptic curves are used without it");
    return NULL;
}

// --- authorities ---

// One source of them: with the lock, without the GIL.
typedef int add_function(struct tls_trust **trust, const void *source, struct tls_fault *fault);

static int add_file(struct tls_trust **trust, const void *source, struct tls_fault *fault)
{
    return tls_trust_add_file(trust, source, fault);
}

static int add_folder(struct tls_trust **trust, const void *source, struct tls_fault *fault)
{
    return tls_trust_add_folder(trust, source, fault);
}

static int add_pem(struct tls_trust **trust, const void *source, struct tls_fault *fault)
{
    return tls_trust_add_pem(trust, *(const struct str *)source, fault);
}

static int add_der(struct tls_trust **trust, const void *source, struct tls_fault *fault)
{
    return tls_trust_add_der(trust, *(const struct str *)source, fault);
}

static int add_default(struct tls_trust **trust, const void *Py_UNUSED(source),
                       struct tls_fault *fault)
{
    return tls_trust_add_default(trust, fault);
}

static int add_quietly(struct ssl_context *self, add_function *add, const void *source,
                       struct tls_fault *fault)
{
    int result;
    PyMutex_Lock(&self->lock);
    Py_BEGIN_ALLOW_THREADS result = add(tls_setup_trust(self->setup), source, fault);
    Py_END_ALLOW_THREADS PyMutex_Unlock(&self->lock);
    return result;
}

static int add_authorities(struct ssl_context *self, add_function *add, const void *source)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    int result = add_quietly(self, add, source, &fault);
    if (result < 0)
        ssl_fault_raise(self->state, &fault, NULL);
    return result;
}

static bool is_reason(const struct tls_fault *fault, const char *reason)
{
    return fault->reason != NULL && strcmp(fault->reason, reason) == 0;
}

// In CPython's words where there is none in it.
static int add_data(struct ssl_context *self, struct str bytes, bool is_text)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    if (bytes.size == 0) {
        PyErr_SetString(PyExc_ValueError, "Empty certificate data");
        return -1;
    }
    if (add_quietly(self, is_text ? add_pem : add_der, &bytes, &fault) == 0)
        return 0;
    bool has_none =
        fault.kind == TLS_FAULT_SSL && (!is_text || is_reason(&fault, "NO_START_LINE") ||
                                        is_reason(&fault, "NO_CERTIFICATE_OR_CRL_FOUND"));
    if (has_none)
        ssl_error_set(self->state, SSL_ERROR, SSL_NUMBER_NONE,
                      is_text ? "no start line: cadata does not contain a certificate"
                              : "not enough data: cadata does not contain a certificate");
    else
        ssl_fault_raise(self->state, &fault, NULL);
    return -1;
}

static int load_data(struct ssl_context *self, PyObject *data)
{
    if (PyUnicode_Check(data) && PyUnicode_IS_ASCII(data)) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(data, &size);
        return text != NULL ? add_data(self, (struct str){text, (size_t)size}, true) : -1;
    }
    if (!PyUnicode_Check(data) && PyObject_CheckBuffer(data)) {
        Py_buffer buffer;
        if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0)
            return -1;
        int result = add_data(self, (struct str){buffer.buf, (size_t)buffer.len}, false);
        PyBuffer_Release(&buffer);
        return result;
    }
    PyErr_SetString(PyExc_TypeError, "cadata should be an ASCII string or a bytes-like object");
    return -1;
}

PyObject *ssl_context_load_verify_locations(PyObject *object, PyObject *arguments,
                                            PyObject *keywords)
{
    static char *names[] = {"cafile", "capath", "cadata", NULL};
    struct ssl_context *self = context_of(object);
    PyObject *file = Py_None, *folder = Py_None, *data = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OOO:load_verify_locations", names,
                                     &file, &folder, &data))
        return NULL;
    if (file == Py_None && folder == Py_None && data == Py_None) {
        PyErr_SetString(PyExc_TypeError, "cafile, capath and cadata cannot be all omitted");
        return NULL;
    }
    _pyref_ PyObject *file_path = NULL, *folder_path = NULL;
    if (path_of(file, "cafile", &file_path) < 0 || path_of(folder, "capath", &folder_path) < 0 ||
        ssl_library_ready() < 0 || (data != Py_None && load_data(self, data) < 0) ||
        (file_path != NULL && add_authorities(self, add_file, text_of(file_path)) < 0) ||
        (folder_path != NULL && add_authorities(self, add_folder, text_of(folder_path)) < 0))
        return NULL;
    Py_RETURN_NONE;
}

PyObject *ssl_context_set_default_verify_paths(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    if (ssl_library_ready() < 0 || add_authorities(context_of(object), add_default, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

// --- what is there ---

// The trust as it is now, to be dropped.
static struct tls_trust *hold_trust(struct ssl_context *self)
{
    PyMutex_Lock(&self->lock);
    struct tls_trust *trust = tls_trust_hold(*tls_setup_trust(self->setup));
    PyMutex_Unlock(&self->lock);
    return trust;
}

static int append_authority(const struct ssl_state *state, PyObject *list, struct str der,
                            bool binary)
{
    _pyref_ PyObject *item = binary ? PyBytes_FromStringAndSize(der.data, (Py_ssize_t)der.size)
                                    : ssl_certificate_dict(state, der);
    return item != NULL ? PyList_Append(list, item) : -1;
}

PyObject *ssl_context_get_ca_certs(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"binary_form", NULL};
    struct ssl_context *self = context_of(object);
    int binary = false;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|p:get_ca_certs", names, &binary))
        return NULL;
    _pyref_ PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    struct tls_trust *trust = hold_trust(self);
    struct tls_trust_counts counts;
    tls_trust_count(trust, &counts);
    int result = 0;
    for (size_t i = 0; i < counts.certificates && result == 0; i++) {
        bool is_authority;
        struct str der = tls_trust_certificate(trust, i, &is_authority);
        if (is_authority)
            result = append_authority(self->state, list, der, binary);
    }
    tls_trust_drop(trust);
    return result == 0 ? py_steal(&list) : NULL;
}

PyObject *ssl_context_cert_store_stats(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct tls_trust *trust = hold_trust(context_of(object));
    struct tls_trust_counts counts;
    tls_trust_count(trust, &counts);
    tls_trust_drop(trust);
    return Py_BuildValue("{snsnsn}", "x509", (Py_ssize_t)counts.certificates, "crl",
                         (Py_ssize_t)counts.lists, "x509_ca", (Py_ssize_t)counts.authorities);
}
