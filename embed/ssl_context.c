// ssl_context.c - _SSLContext: what ssl.SSLContext is made of. Its life and its methods; what they
// load is in ssl_context_load.c, its attributes in ssl_context_rules.c.
#include "ssl_priv.h"

#include "tls_verify.h"

// What CPython's contexts begin with: OP_ALL, OP_NO_SSLv3, OP_NO_COMPRESSION,
// OP_CIPHER_SERVER_PREFERENCE, OP_ENABLE_MIDDLEBOX_COMPAT.
#define FIRST_OPTIONS (UINT64_C(0x80000050) | 1 << 25 | 1 << 17 | 1 << 22 | 1 << 20)

static struct ssl_context *context_of(PyObject *object)
{
    return (struct ssl_context *)(void *)object;
}

// --- life ---

static int check_protocol(int protocol)
{
    switch (protocol) {
    case SSL_PROTOCOL_CLIENT:
    case SSL_PROTOCOL_SERVER:
        return 0;
    case SSL_PROTOCOL_TLS:
        return PyErr_WarnEx(PyExc_DeprecationWarning, "ssl.PROTOCOL_TLS is deprecated", 2);
    case SSL_PROTOCOL_TLS_1_2:
        return PyErr_WarnEx(PyExc_DeprecationWarning, "ssl.PROTOCOL_TLSv1_2 is deprecated", 2);
    default:
        PyErr_Format(PyExc_ValueError, "invalid or unsupported protocol version %i", protocol);
        return -1;
    }
}

static int begin(struct ssl_context *self, int protocol)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    self->protocol = protocol;
    self->options = FIRST_OPTIONS;
    self->min_version = 0x303;
    self->max_version = -1; // MAXIMUM_SUPPORTED
    if (protocol == SSL_PROTOCOL_TLS_1_2)
        self->min_version = self->max_version = 0x303;
    if ((self->setup = tls_setup_new(&fault)) == NULL) {
        ssl_fault_raise(self->state, &fault, NULL);
        return -1;
    }
    bool is_client = protocol == SSL_PROTOCOL_CLIENT;
    struct tls_setup_rules *rules = tls_setup_rules(self->setup);
    rules->verify_mode = is_client ? TLS_CERT_REQUIRED : TLS_CERT_NONE;
    rules->check_hostname = is_client;
    rules->verify_flags = TLS_VERIFY_TRUSTED_FIRST;
    rules->host_flags = TLS_HOST_NO_PARTIAL_WILDCARDS;
    rules->ticket_count = 2;
    ssl_context_apply(self);
    return 0;
}

static PyObject *context_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(keywords))
{
    int protocol;
    if (!PyArg_ParseTuple(arguments, "i:_SSLContext", &protocol) || check_protocol(protocol) < 0 ||
        ssl_library_ready() < 0)
        return NULL;
    // The type may be a subclass, which has no module of its own.
    PyObject *module = PyType_GetModuleByDef(type, &ssl_module);
    if (module == NULL)
        return NULL;
    struct ssl_context *self = context_of(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    self->state = PyModule_GetState(module);
    if (begin(self, protocol) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int context_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(context_of(object)->sni_callback);
    Py_VISIT(context_of(object)->keylog_filename);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int context_clear(PyObject *object)
{
    Py_CLEAR(context_of(object)->sni_callback);
    Py_CLEAR(context_of(object)->keylog_filename);
    return 0;
}

static void context_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    context_clear(object);
    if (context_of(object)->setup != NULL)
        tls_setup_free(context_of(object)->setup);
    type->tp_free(object);
    Py_DECREF(type);
}

// --- connections ---

static int wrap_hostname(PyObject *hostname)
{
    if (hostname == Py_None)
        return 0;
    if (!PyUnicode_Check(hostname)) {
        PyErr_Format(PyExc_TypeError, "server_hostname is a str or None, not %T", hostname);
        return -1;
    }
    _pyref_ PyObject *ascii = PyUnicode_AsASCIIString(hostname);
    if (ascii == NULL)
        return -1;
    const char *name = PyBytes_AS_STRING(ascii);
    if (strlen(name) != (size_t)PyBytes_GET_SIZE(ascii)) {
        PyErr_SetString(PyExc_TypeError, "server_hostname is a str without null characters");
        return -1;
    }
    if (*name == '\0' || *name == '.') {
        PyErr_SetString(PyExc_ValueError, "server_hostname cannot be an empty string or start "
                                          "with a leading dot.");
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(wrap_socket_doc,
             "_wrap_socket(sock, server_side, server_hostname=None, *, owner=None, session=None)");

static PyObject *wrap_socket(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"sock", "server_side", "server_hostname", "owner", "session", NULL};
    struct ssl_context *self = context_of(object);
    struct ssl_wrap wrap = {.server_hostname = Py_None, .owner = Py_None, .session = Py_None};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!p|O$OO:_wrap_socket", names,
                                     self->state->socket, &wrap.socket, &wrap.is_server,
                                     &wrap.server_hostname, &wrap.owner, &wrap.session) ||
        wrap_hostname(wrap.server_hostname) < 0)
        return NULL;
    return ssl_connection_new(self, &wrap);
}

PyDoc_STRVAR(wrap_bio_doc, "_wrap_bio(incoming, outgoing, server_side, server_hostname=None, *, "
                           "owner=None, session=None)");

static PyObject *wrap_bio(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"incoming", "outgoing", "server_side", "server_hostname",
                            "owner",    "session",  NULL};
    struct ssl_context *self = context_of(object);
    PyTypeObject *bio = self->state->memory_bio;
    struct ssl_wrap wrap = {.server_hostname = Py_None, .owner = Py_None, .session = Py_None};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!O!p|O$OO:_wrap_bio", names, bio,
                                     &wrap.incoming, bio, &wrap.outgoing, &wrap.is_server,
                                     &wrap.server_hostname, &wrap.owner, &wrap.session) ||
        wrap_hostname(wrap.server_hostname) < 0)
        return NULL;
    return ssl_connection_new(self, &wrap);
}

// --- what they speak ---

PyDoc_STRVAR(set_ciphers_doc, "set_ciphers(cipherlist, /)\n\nIn OpenSSL's language.");

static PyObject *set_ciphers(PyObject *object, PyObject *argument)
{
    struct ssl_context *self = context_of(object);
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    const char *list;
    if (!PyArg_Parse(argument, "s:set_ciphers", &list))
        return NULL;
    PyMutex_Lock(&self->lock);
    int result = tls_setup_set_ciphers(self->setup, list, &fault);
    PyMutex_Unlock(&self->lock);
    if (result == 0)
        Py_RETURN_NONE;
    if (fault.kind != TLS_FAULT_SSL)
        return ssl_fault_raise(self->state, &fault, NULL);
    PyErr_SetString(self->state->errors[SSL_ERROR], fault.text);
    return NULL;
}

PyDoc_STRVAR(get_ciphers_doc, "get_ciphers() -> list of dict\n\nBest first.");

static PyObject *get_ciphers(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_context *self = context_of(object);
    _pyref_ PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    int numbers[TLS_CIPHERS_MAX + 1] = {0};
    PyMutex_Lock(&self->lock);
    const int *all = tls_setup_ciphers(self->setup);
    for (int i = 0; i < TLS_CIPHERS_MAX && all[i] != 0; i++)
        numbers[i] = all[i];
    PyMutex_Unlock(&self->lock);
    for (int i = 0; numbers[i] != 0; i++) {
        const struct tls_cipher *cipher = tls_cipher_of(numbers[i]);
        if (cipher == NULL)
            continue;
        _pyref_ PyObject *dict = ssl_cipher_dict(cipher);
        if (dict == NULL || PyList_Append(list, dict) < 0)
            return NULL;
    }
    return py_steal(&list);
}

PyDoc_STRVAR(set_alpn_doc, "_set_alpn_protocols(protos, /)\n\nA byte of length before each.");

static PyObject *set_alpn_protocols(PyObject *object, PyObject *protocols)
{
    struct ssl_context *self = context_of(object);
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    Py_buffer wire;
    if (PyObject_GetBuffer(protocols, &wire, PyBUF_SIMPLE) < 0)
        return NULL;
    PyMutex_Lock(&self->lock);
    int result = tls_setup_set_alpn(self->setup, (struct str){wire.buf, (size_t)wire.len}, &fault);
    PyMutex_Unlock(&self->lock);
    PyBuffer_Release(&wire);
    if (result < 0)
        return ssl_fault_raise(self->state, &fault, NULL);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_ecdh_curve_doc, "set_ecdh_curve(name, /)\n\nThe one group that is offered.");

static PyObject *set_ecdh_curve(PyObject *object, PyObject *name)
{
    struct ssl_context *self = context_of(object);
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    _pyref_ PyObject *bytes = NULL;
    if (!PyUnicode_FSConverter(name, &bytes))
        return NULL;
    PyMutex_Lock(&self->lock);
    int result = tls_setup_set_group(self->setup, PyBytes_AS_STRING(bytes), &fault);
    PyMutex_Unlock(&self->lock);
    if (result == 0)
        Py_RETURN_NONE;
    if (fault.kind != TLS_FAULT_VALUE)
        return ssl_fault_raise(self->state, &fault, NULL);
    return PyErr_Format(PyExc_ValueError, "unknown elliptic curve name %R", name);
}

PyDoc_STRVAR(session_stats_doc, "session_stats() -> dict");

static PyObject *session_stats(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_context *self = context_of(object);
    struct tls_setup_stats stats;
    PyMutex_Lock(&self->lock);
    tls_setup_stats(self->setup, &stats);
    PyMutex_Unlock(&self->lock);
    return Py_BuildValue("{slslslslslslslslslslsl}", "number", stats.number, "connect",
                         stats.connect, "connect_good", stats.connect_good, "connect_renegotiate",
                         stats.connect_renegotiate, "accept", stats.accept, "accept_good",
                         stats.accept_good, "accept_renegotiate", stats.accept_renegotiate, "hits",
                         stats.hits, "misses", stats.misses, "timeouts", stats.timeouts,
                         "cache_full", stats.cache_full);
}

// --- what there is not ---

PyDoc_STRVAR(set_psk_doc, "Not in this build: ssl.HAS_PSK is False.");

static PyObject *set_psk_callback(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(arguments),
                                  PyObject *Py_UNUSED(keywords))
{
    PyErr_SetString(PyExc_NotImplementedError,
                    "this build has no TLS with pre-shared keys (ssl.HAS_PSK is False): "
                    "use certificates");
    return NULL;
}

// --- the type ---

#define WITH_KEYWORDS(function) \
    (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"_wrap_socket", WITH_KEYWORDS(wrap_socket), wrap_socket_doc},
    {"_wrap_bio", WITH_KEYWORDS(wrap_bio), wrap_bio_doc},
    {"set_ciphers", set_ciphers, METH_O, set_ciphers_doc},
    {"get_ciphers", get_ciphers, METH_NOARGS, get_ciphers_doc},
    {"_set_alpn_protocols", set_alpn_protocols, METH_O, set_alpn_doc},
    {"set_ecdh_curve", set_ecdh_curve, METH_O, set_ecdh_curve_doc},
    {"load_cert_chain", WITH_KEYWORDS(ssl_context_load_cert_chain),
     "load_cert_chain(certfile, keyfile=None, password=None)"},
    {"load_dh_params", ssl_context_load_dh_params, METH_O,
     "Not in this build: it has no finite-field Diffie-Hellman."},
    {"load_verify_locations", WITH_KEYWORDS(ssl_context_load_verify_locations),
     "load_verify_locations(cafile=None, capath=None, cadata=None)"},
    {"set_default_verify_paths", ssl_context_set_default_verify_paths, METH_NOARGS,
     "set_default_verify_paths()\n\nThe authorities that this system believes."},
    {"get_ca_certs", WITH_KEYWORDS(ssl_context_get_ca_certs),
     "get_ca_certs(binary_form=False) -> list of dict, or of bytes"},
    {"cert_store_stats", ssl_context_cert_store_stats, METH_NOARGS, "cert_store_stats() -> dict"},
    {"session_stats", session_stats, METH_NOARGS, session_stats_doc},
    {"set_psk_client_callback", WITH_KEYWORDS(set_psk_callback), set_psk_doc},
    {"set_psk_server_callback", WITH_KEYWORDS(set_psk_callback), set_psk_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What ssl.SSLContext is made of."},
    {Py_tp_new, context_new},
    {Py_tp_traverse, context_traverse},
    {Py_tp_clear, context_clear},
    {Py_tp_dealloc, context_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, ssl_context_attributes},
    {0, NULL},
};

PyType_Spec ssl_context_spec = {
    .name = "_ssl._SSLContext",
    .basicsize = sizeof(struct ssl_context),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
