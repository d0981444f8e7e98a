// ssl_error.c - the exceptions of ssl, with the numbers, attributes and words that programs have
// learned to look for in them.
#include <errno.h>

#include "ssl_priv.h"
#include "tls_verify.h"

// What it says, without the number that stands before the text of an OSError.
static PyObject *error_str(PyObject *object)
{
    PyOSErrorObject *self = (PyOSErrorObject *)(void *)object;
    if (self->strerror != NULL && PyUnicode_Check(self->strerror))
        return Py_NewRef(self->strerror);
    return PyObject_Str(self->args);
}

static PyType_Slot error_slots[] = {
    {Py_tp_doc, "An error occurred in the SSL implementation."},
    {Py_tp_str, error_str},
    {0, NULL},
};

static PyType_Spec error_spec = {
    .name = "ssl.SSLError",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = error_slots,
};

static const struct {
    const char *name, *documentation;
} classes[SSL_ERRORS] = {
    [SSL_ERROR_CERT_VERIFICATION] = {"ssl.SSLCertVerificationError",
                                     "A certificate could not be verified."},
    [SSL_ERROR_ZERO_RETURN] = {"ssl.SSLZeroReturnError", "SSL/TLS session closed cleanly."},
    [SSL_ERROR_WANT_READ] = {"ssl.SSLWantReadError",
                             "Non-blocking SSL socket needs to read more data\n"
                             "before the requested operation can be completed."},
    [SSL_ERROR_WANT_WRITE] = {"ssl.SSLWantWriteError",
                              "Non-blocking SSL socket needs to write more data\n"
                              "before the requested operation can be completed."},
    [SSL_ERROR_SYSCALL] = {"ssl.SSLSyscallError", "System error when attempting SSL operation."},
    [SSL_ERROR_EOF] = {"ssl.SSLEOFError", "SSL/TLS connection terminated abruptly."},
};

int ssl_error_init(PyObject *module, struct ssl_state *state)
{
    PyObject *base = PyType_FromSpecWithBases(&error_spec, PyExc_OSError);
    state->errors[SSL_ERROR] = base;
    if (base == NULL || PyModule_AddObjectRef(module, "SSLError", base) < 0)
        return -1;
    // Programs of before it was an SSLError catch it as a ValueError.
    _pyref_ PyObject *both = PyTuple_Pack(2, base, PyExc_ValueError);
    if (both == NULL)
        return -1;
    for (int i = SSL_ERROR + 1; i < SSL_ERRORS; i++) {
        state->errors[i] =
            PyErr_NewExceptionWithDoc(classes[i].name, classes[i].documentation,
                                      i == SSL_ERROR_CERT_VERIFICATION ? both : base, NULL);
        if (state->errors[i] == NULL ||
            PyModule_AddObjectRef(module, classes[i].name + sizeof "ssl." - 1, state->errors[i]) <
                0)
            return -1;
    }
    return 0;
}

void ssl_error_clear(struct ssl_state *state)
{
    for (int i = 0; i < SSL_ERRORS; i++)
        Py_CLEAR(state->errors[i]);
}

// --- raising ---

// Everything an exception says.
struct report {
    enum ssl_error kind;
    enum ssl_error_number number;
    const char *library, *reason; // NULL: none
    const char *text;
    PyObject *verify_message; // str; NULL: it is not about a certificate
    int verify_code;
};

static PyObject *optional_text(const char *text)
{
    return text != NULL ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

// As CPython writes it, but for the line of its source: "[SSL: REASON] text: verify message".
static PyObject *message_of(const struct report *report)
{
    _pyref_ PyObject *origin = NULL;
    if (report->library != NULL && report->reason != NULL)
        origin = PyUnicode_FromFormat("[%s: %s] ", report->library, report->reason);
    else if (report->library != NULL)
        origin = PyUnicode_FromFormat("[%s] ", report->library);
    else
        origin = PyUnicode_FromString("");
    if (origin == NULL)
        return NULL;
    if (report->verify_message != NULL)
        return PyUnicode_FromFormat("%U%s: %U", origin, report->text, report->verify_message);
    return PyUnicode_FromFormat("%U%s", origin, report->text);
}

static int set_verify(PyObject *error, const struct report *report)
{
    if (report->verify_message == NULL)
        return 0;
    _pyref_ PyObject *code = PyLong_FromLong(report->verify_code);
    if (code == NULL || PyObject_SetAttrString(error, "verify_code", code) < 0)
        return -1;
    return PyObject_SetAttrString(error, "verify_message", report->verify_message);
}

static void raise(const struct ssl_state *state, const struct report *report)
{
    PyObject *class = state->errors[report->kind];
    _pyref_ PyObject *message = message_of(report);
    if (message == NULL)
        return;
    _pyref_ PyObject *error = PyObject_CallFunction(class, "iO", (int)report->number, message);
    _pyref_ PyObject *library = optional_text(report->library);
    _pyref_ PyObject *reason = optional_text(report->reason);
    if (error == NULL || library == NULL || reason == NULL)
        return;
    if (PyObject_SetAttrString(error, "library", library) < 0 ||
        PyObject_SetAttrString(error, "reason", reason) < 0 || set_verify(error, report) < 0)
        return;
    PyErr_SetObject(class, error);
}

PyObject *ssl_error_set(const struct ssl_state *state, enum ssl_error kind,
                        enum ssl_error_number number, const char *text)
{
    raise(state, &(struct report){.kind = kind, .number = number, .text = text});
    return NULL;
}

static PyObject *verify_message(int code, PyObject *hostname)
{
    if (code == TLS_VERIFY_HOST && hostname != NULL)
        return PyUnicode_FromFormat("Hostname mismatch, certificate is not valid for '%S'.",
                                    hostname);
    if (code == TLS_VERIFY_ADDRESS && hostname != NULL)
        return PyUnicode_FromFormat("IP address mismatch, certificate is not valid for '%S'.",
                                    hostname);
    return PyUnicode_FromString(tls_verify_text((enum tls_verify_code)code));
}

static PyObject *raise_verify(const struct ssl_state *state, const struct tls_fault *fault,
                              PyObject *hostname)
{
    _pyref_ PyObject *message = verify_message(fault->number, hostname);
    if (message != NULL)
        raise(state, &(struct report){
                         .kind = SSL_ERROR_CERT_VERIFICATION,
                         .number = SSL_NUMBER_SSL,
                         .library = fault->library,
                         .reason = fault->reason,
                         .text = fault->text,
                         .verify_message = message,
                         .verify_code = fault->number,
                     });
    return NULL;
}

static PyObject *raise_ssl(const struct ssl_state *state, const struct tls_fault *fault)
{
    bool ended = fault->kind == TLS_FAULT_EOF;
    raise(state, &(struct report){
                     .kind = ended ? SSL_ERROR_EOF : SSL_ERROR,
                     .number = ended ? SSL_NUMBER_EOF : SSL_NUMBER_SSL,
                     .library = fault->library,
                     .reason = fault->reason,
                     .text = ended ? "EOF occurred in violation of protocol" : fault->text,
                 });
    return NULL;
}

PyObject *ssl_fault_raise(const struct ssl_state *state, const struct tls_fault *fault,
                          PyObject *hostname)
{
    switch (fault->kind) {
    case TLS_FAULT_VERIFY:
        return raise_verify(state, fault, hostname);
    case TLS_FAULT_SYSTEM:
        errno = fault->number;
        return PyErr_SetFromErrno(PyExc_OSError);
    case TLS_FAULT_VALUE:
        return PyErr_SetString(PyExc_ValueError, fault->text), NULL;
    case TLS_FAULT_MEMORY:
        return PyErr_NoMemory();
    case TLS_FAULT_NONE:
    case TLS_FAULT_SSL:
    case TLS_FAULT_EOF:
        break;
    }
    return raise_ssl(state, fault);
}
