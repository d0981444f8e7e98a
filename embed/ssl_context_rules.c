// ssl_context_rules.c - the attributes of an _SSLContext: what connections that are made from now
// on keep to.
#include "ssl_priv.h"

#include "tls_verify.h"

enum {
    VERSION_MINIMUM = -2, // ssl.TLSVersion.MINIMUM_SUPPORTED
    VERSION_MAXIMUM = -1,
    VERSION_SSL_3 = 0x300,
    VERSION_1_0 = 0x301,
    VERSION_1_1 = 0x302,
    VERSION_1_2 = 0x303,
    VERSION_1_3 = 0x304,
};

// ssl.Options, as far as they change anything.
enum {
    NO_TICKET = 1 << 14,
    NO_SSL_3 = 1 << 25,
    NO_1_0 = 1 << 26,
    NO_1_1 = 1 << 28,
    NO_1_2 = 1 << 27,
    NO_1_3 = 1 << 29,
    OWN_ORDER = 1 << 22,
    IGNORE_EOF = 1 << 7,
};

static struct ssl_context *context_of(PyObject *object)
{
    return (struct ssl_context *)(void *)object;
}

static struct tls_setup_rules *rules_of(PyObject *object)
{
    return tls_setup_rules(context_of(object)->setup);
}

// Deleting an attribute is an error.
static int settable(PyObject *value)
{
    if (value == NULL)
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
    return value != NULL ? 0 : -1;
}

// --- versions and options ---

// The oldest and the newest version that are allowed; the first above the second: none.
static void versions_of(const struct ssl_context *self, int *first, int *last)
{
    *first = self->min_version == VERSION_MAXIMUM ? VERSION_1_3 : self->min_version;
    *last = self->max_version == VERSION_MAXIMUM ? VERSION_1_3 : self->max_version;
    if (*first < VERSION_1_2)
        *first = VERSION_1_2;
    if (*first == VERSION_1_2 && (self->options & NO_1_2) != 0)
        *first = VERSION_1_3;
    if (*last == VERSION_1_3 && (self->options & NO_1_3) != 0)
        *last = VERSION_1_2;
}

void ssl_context_apply(struct ssl_context *self)
{
    int first, last;
    versions_of(self, &first, &last);
    PyMutex_Lock(&self->lock);
    struct tls_setup_rules *rules = tls_setup_rules(self->setup);
    rules->min_version = (uint16_t)first;
    rules->max_version = (uint16_t)last;
    rules->tickets = (self->options & NO_TICKET) == 0;
    rules->ignores_eof = (self->options & IGNORE_EOF) != 0;
    rules->prefers_own_order = (self->options & OWN_ORDER) != 0;
    PyMutex_Unlock(&self->lock);
}

static int check_version(const struct ssl_context *self, int version)
{
    if (self->protocol == SSL_PROTOCOL_TLS_1_2) {
        PyErr_SetString(PyExc_ValueError, "The context's protocol doesn't support modification of "
                                          "highest and lowest version.");
        return -1;
    }
    switch (version) {
    case VERSION_SSL_3:
        return PyErr_WarnEx(PyExc_DeprecationWarning, "ssl.TLSVersion.SSLv3 is deprecated", 2);
    case VERSION_1_0:
        return PyErr_WarnEx(PyExc_DeprecationWarning, "ssl.TLSVersion.TLSv1 is deprecated", 2);
    case VERSION_1_1:
        return PyErr_WarnEx(PyExc_DeprecationWarning, "ssl.TLSVersion.TLSv1_1 is deprecated", 2);
    case VERSION_MINIMUM:
    case VERSION_MAXIMUM:
    case VERSION_1_2:
    case VERSION_1_3:
        return 0;
    default:
        PyErr_Format(PyExc_ValueError, "Unsupported TLS/SSL version 0x%x", (unsigned)version);
        return -1;
    }
}

static PyObject *get_minimum_version(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(context_of(object)->min_version);
}

static int set_minimum_version(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_context *self = context_of(object);
    int version;
    if (settable(value) < 0 || !PyArg_Parse(value, "i", &version) ||
        check_version(self, version) < 0)
        return -1;
    self->min_version = version == VERSION_MAXIMUM ? VERSION_1_3 : version;
    ssl_context_apply(self);
    return 0;
}

static PyObject *get_maximum_version(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(context_of(object)->max_version);
}

static int set_maximum_version(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_context *self = context_of(object);
    int version;
    if (settable(value) < 0 || !PyArg_Parse(value, "i", &version) ||
        check_version(self, version) < 0)
        return -1;
    self->max_version = version == VERSION_MINIMUM ? VERSION_1_2 : version;
    ssl_context_apply(self);
    return 0;
}

static PyObject *get_options(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(context_of(object)->options);
}

static int set_options(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_context *self = context_of(object);
    const uint64_t versions = NO_SSL_3 | NO_1_0 | NO_1_1 | NO_1_2 | NO_1_3;
    if (settable(value) < 0)
        return -1;
    _pyref_ PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return -1;
    if (PyLong_IsNegative(number)) {
        PyErr_SetString(PyExc_ValueError, "value must be positive");
        return -1;
    }
    uint64_t options = PyLong_AsUnsignedLongLong(number);
    if (options == UINT64_MAX && PyErr_Occurred())
        return -1;
    if ((options & ~self->options & versions) != 0 &&
        PyErr_WarnEx(PyExc_DeprecationWarning,
                     "ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated", 2) < 0)
        return -1;
    self->options = options;
    ssl_context_apply(self);
    return 0;
}

static PyObject *get_protocol(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(context_of(object)->protocol);
}

// --- verification ---

static PyObject *get_verify_mode(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((long)rules_of(object)->verify_mode);
}

static int set_verify_mode(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    int mode;
    if (settable(value) < 0 || !PyArg_Parse(value, "i", &mode))
        return -1;
    if (mode == TLS_CERT_NONE && rules_of(object)->check_hostname) {
        PyErr_SetString(PyExc_ValueError, "Cannot set verify_mode to CERT_NONE when "
                                          "check_hostname is enabled.");
        return -1;
    }
    if (mode != TLS_CERT_NONE && mode != TLS_CERT_OPTIONAL && mode != TLS_CERT_REQUIRED) {
        PyErr_SetString(PyExc_ValueError, "invalid value for verify_mode");
        return -1;
    }
    PyMutex_Lock(&context_of(object)->lock);
    rules_of(object)->verify_mode = (enum tls_verify_mode)mode;
    PyMutex_Unlock(&context_of(object)->lock);
    return 0;
}

static PyObject *get_check_hostname(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(rules_of(object)->check_hostname);
}

static int set_check_hostname(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    int check = settable(value) < 0 ? -1 : PyObject_IsTrue(value);
    if (check < 0)
        return -1;
    struct tls_setup_rules *rules = rules_of(object);
    PyMutex_Lock(&context_of(object)->lock);
    // A name means something in a certificate that is believed.
    if (check && rules->verify_mode == TLS_CERT_NONE)
        rules->verify_mode = TLS_CERT_REQUIRED;
    rules->check_hostname = check;
    PyMutex_Unlock(&context_of(object)->lock);
    return 0;
}

static PyObject *get_verify_flags(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(rules_of(object)->verify_flags);
}

static int set_verify_flags(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    unsigned long flags;
    if (settable(value) < 0 || !PyArg_Parse(value, "k", &flags))
        return -1;
    PyMutex_Lock(&context_of(object)->lock);
    rules_of(object)->verify_flags = (unsigned)flags;
    PyMutex_Unlock(&context_of(object)->lock);
    return 0;
}

static PyObject *get_host_flags(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(rules_of(object)->host_flags);
}

static int set_host_flags(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    unsigned flags;
    if (settable(value) < 0 || !PyArg_Parse(value, "I", &flags))
        return -1;
    PyMutex_Lock(&context_of(object)->lock);
    rules_of(object)->host_flags = flags;
    PyMutex_Unlock(&context_of(object)->lock);
    return 0;
}

static PyObject *get_security_level(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(rules_of(object)->security_level);
}

// --- servers ---

static PyObject *get_num_tickets(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(rules_of(object)->ticket_count);
}

static int set_num_tickets(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    int count;
    if (settable(value) < 0 || !PyArg_Parse(value, "i", &count))
        return -1;
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "value must be non-negative");
        return -1;
    }
    if (context_of(object)->protocol != SSL_PROTOCOL_SERVER) {
        PyErr_SetString(PyExc_ValueError, "SSLContext is not a server context.");
        return -1;
    }
    PyMutex_Lock(&context_of(object)->lock);
    rules_of(object)->ticket_count = (unsigned)count;
    PyMutex_Unlock(&context_of(object)->lock);
    return 0;
}

static PyObject *optional(PyObject *object)
{
    return Py_NewRef(object != NULL ? object : Py_None);
}

static PyObject *get_sni_callback(PyObject *object, void *Py_UNUSED(closure))
{
    return optional(context_of(object)->sni_callback);
}

static int set_sni_callback(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_context *self = context_of(object);
    if (settable(value) < 0)
        return -1;
    if (self->protocol == SSL_PROTOCOL_CLIENT) {
        PyErr_SetString(PyExc_ValueError, "sni_callback cannot be set on TLS_CLIENT context");
        return -1;
    }
    bool is_hook = PyCallable_Check(value);
    PyMutex_Lock(&self->lock);
    tls_setup_set_server_name_hook(self->setup, is_hook ? ssl_connection_server_name : NULL);
    PyMutex_Unlock(&self->lock);
    Py_XSETREF(self->sni_callback, is_hook ? Py_NewRef(value) : NULL);
    if (!is_hook && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "not a callable object");
        return -1;
    }
    return 0;
}

// --- looking on ---

static PyObject *get_keylog_filename(PyObject *object, void *Py_UNUSED(closure))
{
    return optional(context_of(object)->keylog_filename);
}

static int set_key_log(struct ssl_context *self, const char *path, struct tls_fault *fault)
{
    int result;
    PyMutex_Lock(&self->lock);
    // A FIFO, or a disk far away, may take its time.
    Py_BEGIN_ALLOW_THREADS result = tls_setup_set_key_log(self->setup, path, fault);
    Py_END_ALLOW_THREADS PyMutex_Unlock(&self->lock);
    return result;
}

static int set_keylog_filename(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_context *self = context_of(object);
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    _pyref_ PyObject *path = NULL;
    if (settable(value) < 0)
        return -1;
    set_key_log(self, NULL, &fault);
    Py_CLEAR(self->keylog_filename);
    if (value == Py_None)
        return 0;
    if (!PyUnicode_FSConverter(value, &path))
        return -1;
    if (set_key_log(self, PyBytes_AS_STRING(path), &fault) < 0) {
        if (fault.kind == TLS_FAULT_SYSTEM) {
            errno = fault.number;
            PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, value);
        } else {
            ssl_fault_raise(self->state, &fault, NULL);
        }
        return -1;
    }
    self->keylog_filename = Py_NewRef(value);
    return 0;
}

// --- what there is not ---

static PyObject *get_nothing(PyObject *Py_UNUSED(object), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

// http.client and urllib3 set it wherever it is not None; httpx sets it anywhere, and goes on where
// there is no such attribute.
static int set_post_handshake_auth(PyObject *Py_UNUSED(object), PyObject *value,
                                   void *Py_UNUSED(closure))
{
    int asked = settable(value) < 0 ? -1 : PyObject_IsTrue(value);
    if (asked > 0)
        PyErr_SetString(PyExc_AttributeError,
                        "this build has no post-handshake authentication (ssl.HAS_PHA is False): "
                        "ask for the client's certificate in the handshake, by verify_mode");
    return asked == 0 ? 0 : -1;
}

static int set_msg_callback(PyObject *Py_UNUSED(object), PyObject *value, void *Py_UNUSED(closure))
{
    if (settable(value) < 0)
        return -1;
    if (value == Py_None)
        return 0;
    PyErr_SetString(PyExc_NotImplementedError,
                    "this build shows no messages of TLS: use keylog_filename and a packet "
                    "analyser");
    return -1;
}

PyGetSetDef ssl_context_attributes[] = {
    {"check_hostname", get_check_hostname, set_check_hostname, NULL, NULL},
    {"_host_flags", get_host_flags, set_host_flags, NULL, NULL},
    {"minimum_version", get_minimum_version, set_minimum_version, NULL, NULL},
    {"maximum_version", get_maximum_version, set_maximum_version, NULL, NULL},
    {"keylog_filename", get_keylog_filename, set_keylog_filename, NULL, NULL},
    {"_msg_callback", get_nothing, set_msg_callback, NULL, NULL},
    {"sni_callback", get_sni_callback, set_sni_callback,
     "Called on a server with the connection, the name that the client asks for or None, and this "
     "context (RFC 6066).",
     NULL},
    {"num_tickets", get_num_tickets, set_num_tickets,
     "How many tickets a client of TLS 1.3 is given.", NULL},
    {"options", get_options, set_options, NULL, NULL},
    {"post_handshake_auth", get_nothing, set_post_handshake_auth, NULL, NULL},
    {"protocol", get_protocol, NULL, NULL, NULL},
    {"verify_flags", get_verify_flags, set_verify_flags, NULL, NULL},
    {"verify_mode", get_verify_mode, set_verify_mode, NULL, NULL},
    {"security_level", get_security_level, NULL, "The current security level.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
