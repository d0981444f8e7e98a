// ssl_socket_info.c - what is known of an _SSLSocket's connection: versions, ciphers, certificates,
// sessions.
#include "ssl_priv.h"

#include "tls_ciphers.h"

enum { CHAIN_MAX = 64 };

// What OpenSSL puts before IANA's number of a cipher suite.
#define CIPHER_ID 0x03000000L

static struct ssl_connection *connection_of(PyObject *object)
{
    return (struct ssl_connection *)(void *)object;
}

static PyObject *optional_text(const char *text)
{
    return text != NULL ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

// --- ciphers ---

PyObject *ssl_cipher_tuple(const struct tls_cipher *cipher)
{
    if (cipher == NULL)
        Py_RETURN_NONE;
    return Py_BuildValue("(ssi)", cipher->name, cipher->protocol, cipher->strength_bits);
}

PyObject *ssl_cipher_dict(const struct tls_cipher *cipher)
{
    return Py_BuildValue(
        "{slsssssssisisOszszszsz}", "id", CIPHER_ID | (long)cipher->number, "name", cipher->name,
        "protocol", cipher->protocol, "description", cipher->description, "strength_bits",
        cipher->strength_bits, "alg_bits", cipher->algorithm_bits, "aead",
        cipher->digest == NULL ? Py_True : Py_False, "symmetric", cipher->symmetric, "digest",
        cipher->digest, "kea", cipher->kea, "auth", cipher->auth);
}

static PyObject *get_cipher(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    PyObject *result = ssl_cipher_tuple(tls_stream_cipher(self->stream));
    ssl_connection_unlock(self, locked);
    return result;
}

static PyObject *cipher_list(const int *numbers)
{
    if (numbers == NULL)
        Py_RETURN_NONE;
    _pyref_ PyObject *list = PyList_New(0);
    for (; list != NULL && *numbers != 0; numbers++) {
        const struct tls_cipher *cipher = tls_cipher_of(*numbers);
        _pyref_ PyObject *tuple = cipher != NULL ? ssl_cipher_tuple(cipher) : NULL;
        if (cipher != NULL && (tuple == NULL || PyList_Append(list, tuple) < 0))
            return NULL;
    }
    return py_steal(&list);
}

static PyObject *get_shared_ciphers(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    PyObject *result = cipher_list(tls_stream_shared_ciphers(self->stream));
    ssl_connection_unlock(self, locked);
    return result;
}

// --- what was agreed on ---

static PyObject *get_version(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    bool done = tls_stream_is_done(self->stream);
    PyObject *result = optional_text(done ? tls_stream_version(self->stream) : NULL);
    ssl_connection_unlock(self, locked);
    return result;
}

static PyObject *get_alpn(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    PyObject *result = optional_text(tls_stream_alpn(self->stream));
    ssl_connection_unlock(self, locked);
    return result;
}

// Nobody compresses any more (RFC 8446 section 4.1.2, CVE-2012-4929).
static PyObject *get_compression(PyObject *Py_UNUSED(object), PyObject *Py_UNUSED(nothing))
{
    Py_RETURN_NONE;
}

static PyObject *get_pending(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    size_t pending = tls_stream_pending(self->stream);
    ssl_connection_unlock(self, locked);
    return PyLong_FromSize_t(pending);
}

// --- certificates ---

// The peer's own; None: there is none.
static PyObject *peer_certificate(struct ssl_connection *self)
{
    struct str der;
    bool locked = ssl_connection_lock(self);
    size_t count = tls_stream_certificates(self->stream, false, &der, 1);
    PyObject *bytes =
        count > 0 ? PyBytes_FromStringAndSize(der.data, (Py_ssize_t)der.size) : Py_NewRef(Py_None);
    ssl_connection_unlock(self, locked);
    return bytes;
}

static PyObject *get_peer_certificate(PyObject *object, PyObject *arguments)
{
    struct ssl_connection *self = connection_of(object);
    int binary = false;
    if (!PyArg_ParseTuple(arguments, "|p:getpeercert", &binary))
        return NULL;
    bool locked = ssl_connection_lock(self);
    bool done = tls_stream_is_done(self->stream);
    ssl_connection_unlock(self, locked);
    if (!done)
        return PyErr_SetString(PyExc_ValueError, "handshake not done yet"), NULL;
    _pyref_ PyObject *der = peer_certificate(self);
    if (der == NULL || der == Py_None || binary)
        return py_steal(&der);
    // What nobody has looked at says nothing.
    if (tls_setup_rules(self->context->setup)->verify_mode == TLS_CERT_NONE)
        return PyDict_New();
    struct str bytes = {PyBytes_AS_STRING(der), (size_t)PyBytes_GET_SIZE(der)};
    return ssl_certificate_dict(self->state, bytes);
}

// With the lock. None: there are none.
static PyObject *chain_list(struct ssl_connection *self, bool verified)
{
    struct str chain[CHAIN_MAX];
    size_t count = tls_stream_certificates(self->stream, verified, chain, CHAIN_MAX);
    if (count == 0)
        Py_RETURN_NONE;
    _pyref_ PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count && i < CHAIN_MAX; i++) {
        _pyref_ PyObject *certificate = ssl_certificate_new(self->state, chain[i]);
        if (certificate == NULL || PyList_Append(list, certificate) < 0)
            return NULL;
    }
    return py_steal(&list);
}

static PyObject *get_unverified_chain(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    PyObject *result = chain_list(self, false);
    ssl_connection_unlock(self, locked);
    return result;
}

// Where nothing is verified, it is what was sent.
static PyObject *get_verified_chain(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = connection_of(object);
    bool unverified = tls_setup_rules(self->context->setup)->verify_mode == TLS_CERT_NONE;
    bool locked = ssl_connection_lock(self);
    PyObject *result = chain_list(self, true);
    if (result == Py_None && unverified) {
        Py_DECREF(result);
        result = chain_list(self, false);
    }
    ssl_connection_unlock(self, locked);
    return result;
}

static PyObject *get_channel_binding(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    struct ssl_connection *self = connection_of(object);
    static char *names[] = {"cb_type", NULL};
    const char *type = "tls-unique";
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|s:get_channel_binding", names, &type))
        return NULL;
    if (strcmp(type, "tls-unique") != 0)
        return PyErr_Format(PyExc_ValueError, "'%s' channel binding type not implemented", type);
    bool locked = ssl_connection_lock(self);
    struct str binding = tls_stream_unique(self->stream);
    PyObject *bytes = PyBytes_FromStringAndSize(binding.data, (Py_ssize_t)binding.size);
    ssl_connection_unlock(self, locked);
    // Not yet, or TLS 1.3, which has none (RFC 8446 appendix C.5).
    if (bytes != NULL && binding.size == 0) {
        Py_DECREF(bytes);
        Py_RETURN_NONE;
    }
    return bytes;
}

// --- what there is not ---

static PyObject *verify_client_post_handshake(PyObject *Py_UNUSED(object),
                                              PyObject *Py_UNUSED(nothing))
{
    PyErr_SetString(PyExc_NotImplementedError,
                    "this build has no post-handshake authentication (ssl.HAS_PHA is False): ask "
                    "for the client's certificate in the handshake, by verify_mode");
    return NULL;
}

// --- attributes ---

static PyObject *get_context(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(connection_of(object)->context);
}

static int set_context(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_connection *self = connection_of(object);
    if (value == NULL || !PyObject_TypeCheck(value, self->state->context)) {
        PyErr_SetString(PyExc_TypeError, "The value must be a SSLContext");
        return -1;
    }
    return ssl_connection_use(self, (struct ssl_context *)(void *)value);
}

static PyObject *get_server_side(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(connection_of(object)->is_server);
}

static PyObject *get_server_hostname(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *name = connection_of(object)->server_hostname;
    return Py_NewRef(name != NULL ? name : Py_None);
}

static PyObject *get_owner(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *weak = connection_of(object)->owner, *owner = NULL;
    int found = weak != NULL ? PyWeakref_GetRef(weak, &owner) : 0;
    if (found < 0)
        return NULL;
    return found > 0 ? owner : Py_NewRef(Py_None);
}

static int set_owner(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    struct ssl_connection *self = connection_of(object);
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    PyObject *weak = PyWeakref_NewRef(value, NULL);
    if (weak == NULL)
        return -1;
    Py_XSETREF(self->owner, weak);
    return 0;
}

// --- sessions ---

static PyObject *get_session(PyObject *object, void *Py_UNUSED(closure))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    struct tls_resumption *resumption = tls_stream_session(self->stream);
    ssl_connection_unlock(self, locked);
    if (resumption == NULL)
        Py_RETURN_NONE;
    return ssl_session_new(self->context, resumption);
}

int ssl_connection_set_session(struct ssl_connection *self, PyObject *session)
{
    const char *mistake = NULL;
    if (!Py_IS_TYPE(session, self->state->session)) {
        PyErr_SetString(PyExc_TypeError, "Value is not a SSLSession.");
        return -1;
    }
    bool locked = ssl_connection_lock(self);
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    if (ssl_session_context(session) != self->context)
        mistake = "Session refers to a different SSLContext.";
    else if (self->is_server)
        mistake = "Cannot set session for server-side SSLSocket.";
    else if (tls_stream_is_done(self->stream))
        mistake = "Cannot set session after handshake.";
    int result = -1;
    if (mistake == NULL)
        result = tls_stream_resume(self->stream, ssl_session_resumption(session), &fault);
    ssl_connection_unlock(self, locked);
    if (mistake != NULL)
        PyErr_SetString(PyExc_ValueError, mistake);
    else if (result < 0)
        ssl_fault_raise(self->state, &fault, NULL);
    return result;
}

static int set_session(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    return ssl_connection_set_session(connection_of(object), value != NULL ? value : Py_None);
}

static PyObject *get_session_reused(PyObject *object, void *Py_UNUSED(closure))
{
    struct ssl_connection *self = connection_of(object);
    bool locked = ssl_connection_lock(self);
    bool resumed = tls_stream_is_done(self->stream) && tls_stream_is_resumed(self->stream);
    ssl_connection_unlock(self, locked);
    return PyBool_FromLong(resumed);
}

// --- tables ---

PyMethodDef ssl_connection_methods[] = {
    {"do_handshake", ssl_connection_do_handshake, METH_NOARGS, "do_handshake()"},
    {"write", ssl_connection_write, METH_O,
     "write(b, /) -> int\n\nHow many of the bytes were taken."},
    {"read", (PyCFunction)(void (*)(void))ssl_connection_read, METH_FASTCALL,
     "read(size, [buffer])\n\nUp to size bytes; into the buffer: how many."},
    {"shutdown", ssl_connection_shutdown, METH_NOARGS,
     "shutdown()\n\nSay that nothing more comes, and wait for the other side to say it. Returns "
     "the socket."},
    {"pending", get_pending, METH_NOARGS, "pending() -> int\n\nBytes that were decrypted already."},
    {"getpeercert", get_peer_certificate, METH_VARARGS,
     "getpeercert(der=False, /)\n\nNone: the peer has none. {}: it was not verified."},
    {"get_verified_chain", get_verified_chain, METH_NOARGS, NULL},
    {"get_unverified_chain", get_unverified_chain, METH_NOARGS, NULL},
    {"get_channel_binding", (PyCFunction)(void (*)(void))get_channel_binding,
     METH_VARARGS | METH_KEYWORDS,
     "get_channel_binding(cb_type='tls-unique') -> bytes or None\n\n"
     "RFC 5929. None: not yet, or TLS 1.3, which has none."},
    {"cipher", get_cipher, METH_NOARGS, "cipher() -> (name, protocol, bits) or None"},
    {"shared_ciphers", get_shared_ciphers, METH_NOARGS, "shared_ciphers() -> list or None"},
    {"version", get_version, METH_NOARGS, "version() -> str or None"},
    {"selected_alpn_protocol", get_alpn, METH_NOARGS, "selected_alpn_protocol() -> str or None"},
    {"compression", get_compression, METH_NOARGS, "compression() -> None"},
    {"verify_client_post_handshake", verify_client_post_handshake, METH_NOARGS,
     "Not in this build: ssl.HAS_PHA is False."},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef ssl_connection_attributes[] = {
    {"context", get_context, set_context,
     "The SSLContext. Another one may be set in the server name callback, for its certificates.",
     NULL},
    {"server_side", get_server_side, NULL, "Whether this is a server-side socket.", NULL},
    {"server_hostname", get_server_hostname, NULL, "The server hostname (for SNI), or None.", NULL},
    {"owner", get_owner, set_owner, "Who is passed to the server name callback.", NULL},
    {"session", get_session, set_session, "An SSLSession to be taken up again, or None.", NULL},
    {"session_reused", get_session_reused, NULL, "Was a session taken up?", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
