// ssl_socket.c - _SSLSocket: a connection under ssl.SSLSocket or ssl.SSLObject. Its life, its
// transports and the server name callback; what is exchanged is in ssl_socket_io.c, what is asked
// of it in ssl_socket_info.c.
#include <errno.h>
#include <sys/socket.h>

#include "ssl_priv.h"

enum { ALERT_HANDSHAKE_FAILURE = 40, ALERT_INTERNAL_ERROR = 80, ALERT_MAX = 255 };

static struct ssl_connection *connection_of(PyObject *object)
{
    return (struct ssl_connection *)(void *)object;
}

// --- transports: with the lock, without the GIL ---

static ssize_t read_socket(void *owner, void *out, size_t size)
{
    const struct ssl_connection *self = owner;
    ssize_t count;
    do {
        count = recv(self->fd, out, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static ssize_t write_socket(void *owner, const void *bytes, size_t size)
{
    const struct ssl_connection *self = owner;
    ssize_t count;
    do {
        count = send(self->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static ssize_t read_bio(void *owner, void *out, size_t size)
{
    return ssl_bio_take(((struct ssl_connection *)owner)->incoming, out, size);
}

static ssize_t write_bio(void *owner, const void *bytes, size_t size)
{
    return ssl_bio_put(((struct ssl_connection *)owner)->outgoing, bytes, size);
}

// --- the lock ---

bool ssl_connection_lock(struct ssl_connection *self)
{
    if (self->hooked_thread == PyThread_get_thread_ident())
        return false;
    PyMutex_Lock(&self->lock);
    return true;
}

void ssl_connection_unlock(struct ssl_connection *self, bool locked)
{
    if (locked)
        PyMutex_Unlock(&self->lock);
}

// --- life ---

static int check_side(const struct ssl_context *context, bool is_server)
{
    const char *mistake = NULL;
    if (is_server && context->protocol == SSL_PROTOCOL_CLIENT)
        mistake = "Cannot create a server socket with a PROTOCOL_TLS_CLIENT context";
    else if (!is_server && context->protocol == SSL_PROTOCOL_SERVER)
        mistake = "Cannot create a client socket with a PROTOCOL_TLS_SERVER context";
    if (mistake != NULL)
        ssl_error_set(context->state, SSL_ERROR, SSL_NUMBER_NONE, mistake);
    return mistake == NULL ? 0 : -1;
}

// NULL: an exception is set.
static struct tls_stream *stream_new(struct ssl_connection *self, struct ssl_context *context)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    struct tls_transport transport = {self, read_socket, write_socket};
    if (self->incoming != NULL)
        transport = (struct tls_transport){self, read_bio, write_bio};
    const char *name = NULL;
    if (self->server_hostname != NULL && (name = PyUnicode_AsUTF8(self->server_hostname)) == NULL)
        return NULL;
    PyMutex_Lock(&context->lock);
    struct tls_stream *stream =
        tls_stream_new(context->setup, self->is_server, name, &transport, &fault);
    PyMutex_Unlock(&context->lock);
    if (stream == NULL)
        ssl_fault_raise(context->state, &fault, NULL);
    return stream;
}

static int begin(struct ssl_connection *self, const struct ssl_wrap *wrap)
{
    self->is_server = wrap->is_server;
    self->fd = -1;
    self->incoming = Py_XNewRef(wrap->incoming);
    self->outgoing = Py_XNewRef(wrap->outgoing);
    if (wrap->server_hostname != Py_None)
        self->server_hostname = Py_NewRef(wrap->server_hostname);
    if (wrap->socket != NULL && (self->socket = PyWeakref_NewRef(wrap->socket, NULL)) == NULL)
        return -1;
    if (wrap->owner != Py_None && (self->owner = PyWeakref_NewRef(wrap->owner, NULL)) == NULL)
        return -1;
    if ((self->writing = PyThread_allocate_lock()) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if ((self->stream = stream_new(self, self->context)) == NULL)
        return -1;
    return wrap->session != Py_None ? ssl_connection_set_session(self, wrap->session) : 0;
}

PyObject *ssl_connection_new(struct ssl_context *context, const struct ssl_wrap *wrap)
{
    if (check_side(context, wrap->is_server) < 0 || ssl_library_ready() < 0)
        return NULL;
    PyTypeObject *type = context->state->connection;
    struct ssl_connection *self = connection_of(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    self->state = context->state;
    self->context = (struct ssl_context *)Py_NewRef(context);
    if (begin(self, wrap) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

// A cycle through it goes through its context, which breaks it: so it has one as long as it lives.
static int connection_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(connection_of(object)->context);
    Py_VISIT(connection_of(object)->incoming);
    Py_VISIT(connection_of(object)->outgoing);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

// Nobody is in a call of it: a call holds a reference.
static void connection_dealloc(PyObject *object)
{
    struct ssl_connection *self = connection_of(object);
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->stream != NULL)
        tls_stream_free(self->stream);
    if (self->writing != NULL)
        PyThread_free_lock(self->writing);
    Py_XDECREF(self->context);
    Py_XDECREF(self->socket);
    Py_XDECREF(self->incoming);
    Py_XDECREF(self->outgoing);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->server_hostname);
    type->tp_free(object);
    Py_DECREF(type);
}

// --- another context ---

// Its certificates in the callback, all of it before that. Later nothing is left that a context
// decides, but it is shown.
int ssl_connection_use(struct ssl_connection *self, struct ssl_context *context)
{
    bool is_hooked = self->hooked_thread == PyThread_get_thread_ident();
    if (is_hooked) {
        PyMutex_Lock(&context->lock);
        tls_stream_use(self->stream, context->setup);
        PyMutex_Unlock(&context->lock);
    } else {
        bool locked = ssl_connection_lock(self);
        struct tls_stream *stream = NULL;
        bool anew = !self->has_begun && context != self->context;
        if (anew && check_side(context, self->is_server) == 0)
            stream = stream_new(self, context);
        if (stream != NULL) {
            tls_stream_free(self->stream);
            self->stream = stream;
        }
        ssl_connection_unlock(self, locked);
        if (anew && stream == NULL)
            return -1;
    }
    Py_SETREF(self->context, (struct ssl_context *)Py_NewRef(context));
    return 0;
}

// --- the server name callback (RFC 6066 section 3) ---

// Who the callback is called for: the SSLSocket or SSLObject. NULL: it is gone.
static PyObject *owner_of(struct ssl_connection *self)
{
    PyObject *owner = NULL, *weak = self->owner != NULL ? self->owner : self->socket;
    if (weak == NULL)
        return Py_NewRef(self);
    return PyWeakref_GetRef(weak, &owner) > 0 ? owner : NULL;
}

static PyObject *name_of(const char *name)
{
    if (name == NULL)
        return Py_NewRef(Py_None);
    PyObject *text = PyUnicode_DecodeASCII(name, (Py_ssize_t)strlen(name), NULL);
    if (text == NULL)
        PyErr_FormatUnraisable("Exception ignored in ssl servername callback while decoding name");
    return text;
}

// None goes on; a number is that of the alert that the handshake ends with.
static int alert_of(PyObject *result)
{
    if (result == Py_None)
        return 0;
    long alert = PyLong_AsLong(result);
    if (PyErr_Occurred()) {
        PyErr_FormatUnraisable("Exception ignored in ssl servername callback while calling set SNI "
                               "callback (result=%R)",
                               result);
        return ALERT_INTERNAL_ERROR;
    }
    // None of them is a way to say that all is well.
    return alert > 0 && alert <= ALERT_MAX ? (int)alert : ALERT_INTERNAL_ERROR;
}

static int call_back(struct ssl_connection *self, const char *name)
{
    _pyref_ PyObject *callback = Py_XNewRef(self->context->sni_callback);
    if (callback == NULL)
        return 0;
    _pyref_ PyObject *context = Py_NewRef(self->context);
    _pyref_ PyObject *owner = owner_of(self);
    _pyref_ PyObject *text = owner != NULL ? name_of(name) : NULL;
    if (text == NULL)
        return ALERT_INTERNAL_ERROR;
    PyObject *const arguments[] = {owner, text, context};
    _pyref_ PyObject *result = PyObject_Vectorcall(callback, arguments, 3, NULL);
    if (result == NULL) {
        PyErr_FormatUnraisable("Exception ignored in ssl servername callback while calling set SNI "
                               "callback %R",
                               callback);
        return ALERT_HANDSHAKE_FAILURE;
    }
    return alert_of(result);
}

int ssl_connection_server_name(void *connection, const char *name)
{
    struct ssl_connection *self = connection;
    PyEval_RestoreThread(self->thread);
    self->hooked_thread = PyThread_get_thread_ident();
    int alert = call_back(self, name);
    self->hooked_thread = 0;
    self->thread = PyEval_SaveThread();
    return alert;
}

// --- the type ---

static PyType_Slot slots[] = {
    {Py_tp_doc, "A TLS connection."},          {Py_tp_traverse, connection_traverse},
    {Py_tp_dealloc, connection_dealloc},       {Py_tp_methods, ssl_connection_methods},
    {Py_tp_getset, ssl_connection_attributes}, {0, NULL},
};

PyType_Spec ssl_connection_spec = {
    .name = "_ssl._SSLSocket",
    .basicsize = sizeof(struct ssl_connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
