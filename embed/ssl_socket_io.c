// ssl_socket_io.c - what an _SSLSocket exchanges: handshake, reading, writing, closing. A call of
// the stream never waits, is made with the connection's lock and without the GIL; who has to wait
// for the socket does so with neither, by the timeout of Python's socket. So a thread that waits
// for something to read does not keep another from writing.
#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "ssl_priv.h"

enum {
    RECORD = 16 * 1024,       // bytes: the most that one record carries (RFC 8446 section 5.1)
    READ_MAX = 256 * 1024,    // bytes, at once
    WRITE_BATCH = 1 << 20,    // bytes that are written without looking at the other threads
    TIMEOUT_MAX = 1000000000, // seconds: decades
};

#define NANOSECONDS INT64_C(1000000000)

struct operation;
typedef enum tls_stream_status step_function(struct operation *operation);

// One call of a method.
struct operation {
    struct ssl_connection *self;
    step_function *step;
    const char *name; // as TimeoutError says it; NULL: by what is waited for
    char *out;        // to read into
    const char *bytes;
    size_t size, done;
    PyObject *socket;  // NULL: over MemoryBIOs
    PyTime_t timeout;  // nanoseconds; 0: never wait; < 0: for ever
    PyTime_t deadline; // of the monotonic clock, where there is a timeout
    enum tls_stream_status status;
    struct tls_fault fault;
};

// --- the socket ---

static int raise_ssl(const struct operation *operation, const char *text)
{
    ssl_error_set(operation->self->state, SSL_ERROR, SSL_NUMBER_NONE, text);
    return -1;
}

static int read_timeout(struct operation *operation)
{
    _pyref_ PyObject *timeout =
        PyObject_CallOneArg(operation->self->state->socket_timeout, operation->socket);
    if (timeout == NULL)
        return -1;
    operation->timeout = -1;
    if (timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds > TIMEOUT_MAX)
        seconds = TIMEOUT_MAX;
    operation->timeout = (PyTime_t)(seconds * (double)NANOSECONDS);
    PyTime_t now = 0;
    if (operation->timeout > 0 && PyTime_Monotonic(&now) < 0)
        return -1;
    operation->deadline = now + operation->timeout;
    return 0;
}

// -1 where the socket is closed, or an exception is set.
static int descriptor_of(const struct operation *operation)
{
    _pyref_ PyObject *number =
        PyObject_CallOneArg(operation->self->state->socket_fileno, operation->socket);
    return number != NULL ? PyLong_AsInt(number) : -1;
}

// A socket that the operation owns, if it is over one.
static int find_socket(struct operation *operation)
{
    struct ssl_connection *self = operation->self;
    if (self->socket == NULL)
        return 0;
    int found = PyWeakref_GetRef(self->socket, &operation->socket);
    if (found == 0)
        raise_ssl(operation, "Underlying socket connection gone");
    return found > 0 ? read_timeout(operation) : -1;
}

// 1: ready, or worth another try; 0: the time is over; -1: an exception is set.
static int poll_socket(const struct operation *operation, struct pollfd *watch)
{
    int milliseconds = -1;
    if (operation->timeout > 0) {
        PyTime_t now;
        if (PyTime_Monotonic(&now) < 0)
            return -1;
        PyTime_t left = operation->deadline - now;
        if (left <= 0)
            return 0;
        left = (left + 999999) / 1000000;
        milliseconds = left < INT_MAX ? (int)left : INT_MAX;
    }
    int count, error;
    Py_BEGIN_ALLOW_THREADS count = poll(watch, 1, milliseconds);
    error = errno;
    Py_END_ALLOW_THREADS if (count < 0 && error != EINTR)
    {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return count != 0 ? 1 : 0;
}

// Until the socket is ready for what the stream wants. -1: an exception is set.
static int wait_for_socket(struct operation *operation)
{
    int fd = descriptor_of(operation);
    if (fd < 0)
        return PyErr_Occurred() ? -1 : raise_ssl(operation, "Underlying socket has been closed.");
    struct pollfd watch = {.fd = fd,
                           .events = operation->status == TLS_STREAM_WANTS_READ ? POLLIN : POLLOUT};
    int ready = poll_socket(operation, &watch);
    if (ready == 0 && operation->name != NULL)
        PyErr_Format(PyExc_TimeoutError, "The %s operation timed out", operation->name);
    else if (ready == 0)
        PyErr_Format(PyExc_TimeoutError, "The %s operation timed out",
                     operation->status == TLS_STREAM_WANTS_READ ? "read" : "write");
    return ready > 0 ? PyErr_CheckSignals() : -1;
}

// --- one call of the stream ---

// Sets the status. -1: an exception is set.
static int attempt(struct operation *operation)
{
    struct ssl_connection *self = operation->self;
    if (self->hooked_thread == PyThread_get_thread_ident())
        return raise_ssl(operation, "the handshake waits for this server name callback");
    int fd = operation->socket != NULL ? descriptor_of(operation) : -1;
    if (operation->socket != NULL && fd < 0)
        return PyErr_Occurred() ? -1 : raise_ssl(operation, "Underlying socket has been closed.");
    PyMutex_Lock(&self->lock);
    self->fd = fd;
    self->has_begun = true;
    self->thread = PyEval_SaveThread();
    operation->status = operation->step(operation);
    if (operation->status == TLS_STREAM_FAILED)
        operation->fault = *tls_stream_fault(self->stream);
    PyEval_RestoreThread(self->thread);
    self->thread = NULL;
    PyMutex_Unlock(&self->lock);
    return 0;
}

static bool is_waiting(const struct operation *operation)
{
    return operation->status == TLS_STREAM_WANTS_READ ||
           operation->status == TLS_STREAM_WANTS_WRITE;
}

// Until it is done, or cannot go on without waiting where nobody is to wait.
static int run(struct operation *operation)
{
    for (;;) {
        if (attempt(operation) < 0)
            return -1;
        if (!is_waiting(operation))
            return 0;
        if (PyErr_CheckSignals() < 0)
            return -1;
        if (operation->socket == NULL || operation->timeout == 0)
            return 0;
        if (wait_for_socket(operation) < 0)
            return -1;
    }
}

static PyObject *raise_status(const struct operation *operation)
{
    const struct ssl_state *state = operation->self->state;
    switch (operation->status) {
    case TLS_STREAM_WANTS_READ:
        return ssl_error_set(state, SSL_ERROR_WANT_READ, SSL_NUMBER_WANT_READ,
                             "The operation did not complete (read)");
    case TLS_STREAM_WANTS_WRITE:
        return ssl_error_set(state, SSL_ERROR_WANT_WRITE, SSL_NUMBER_WANT_WRITE,
                             "The operation did not complete (write)");
    case TLS_STREAM_CLOSED:
        return ssl_error_set(state, SSL_ERROR_ZERO_RETURN, SSL_NUMBER_ZERO_RETURN,
                             "TLS/SSL connection has been closed (EOF)");
    case TLS_STREAM_DONE:
    case TLS_STREAM_FAILED:
        break;
    }
    return ssl_fault_raise(state, &operation->fault, operation->self->server_hostname);
}

// From beginning to end, with nothing freed meanwhile. -1: an exception is set.
static int perform(struct operation *operation)
{
    _pyref_ PyObject *self = Py_NewRef(operation->self);
    if (ssl_library_ready() < 0 || find_socket(operation) < 0)
        return -1;
    return run(operation);
}

static void finish(struct operation *operation)
{
    Py_CLEAR(operation->socket);
}

#define _operation_ __attribute__((cleanup(finish)))

// --- handshake and closing ---

static enum tls_stream_status step_handshake(struct operation *operation)
{
    return tls_stream_handshake(operation->self->stream);
}

// get_ca_certs() shows the certificates of a folder that were needed.
static void keep_authority(struct ssl_connection *self)
{
    // Waiting for the lock lets the GIL go, and the connection may get another context meanwhile.
    struct ssl_context *context = (struct ssl_context *)Py_NewRef(self->context);
    PyMutex_Lock(&context->lock);
    tls_stream_keep_authority(self->stream, context->setup);
    PyMutex_Unlock(&context->lock);
    Py_DECREF(context);
}

PyObject *ssl_connection_do_handshake(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = (struct ssl_connection *)(void *)object;
    _operation_ struct operation operation = {
        .self = self,
        .step = step_handshake,
        .name = "handshake",
    };
    if (perform(&operation) < 0)
        return NULL;
    if (operation.status != TLS_STREAM_DONE)
        return raise_status(&operation);
    keep_authority(self);
    Py_RETURN_NONE;
}

static enum tls_stream_status step_shutdown(struct operation *operation)
{
    return tls_stream_shutdown(operation->self->stream);
}

PyObject *ssl_connection_shutdown(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    struct ssl_connection *self = (struct ssl_connection *)(void *)object;
    _operation_ struct operation operation = {
        .self = self,
        .step = step_shutdown,
    };
    if (perform(&operation) < 0)
        return NULL;
    self->said_close |= tls_stream_said_end(self->stream);
    // Both have said it: the connection is plain again.
    if (operation.status != TLS_STREAM_DONE && operation.status != TLS_STREAM_CLOSED)
        return raise_status(&operation);
    return Py_NewRef(operation.socket != NULL ? operation.socket : Py_None);
}

// --- reading ---

static enum tls_stream_status step_read(struct operation *operation)
{
    return tls_stream_read(operation->self->stream, operation->out, operation->size,
                           &operation->done);
}

// How many bytes there are, none at the end. -1: an exception is set.
static Py_ssize_t read_into(struct ssl_connection *self, char *out, size_t size)
{
    _operation_ struct operation operation = {
        .self = self, .step = step_read, .name = "read", .out = out, .size = size};
    if (perform(&operation) < 0)
        return -1;
    if (operation.status == TLS_STREAM_DONE)
        return (Py_ssize_t)operation.done;
    // Whoever has said its own end is told of the other's as an error, as OpenSSL's users expect.
    if (operation.status == TLS_STREAM_CLOSED && !self->said_close)
        return 0;
    raise_status(&operation);
    return -1;
}

// What a read may bring at most: a record, or all records that are there.
static Py_ssize_t room_for(const struct ssl_connection *self)
{
    size_t size = self->incoming != NULL ? ssl_bio_size(self->incoming) : 0;
    if (size < RECORD)
        return RECORD;
    return size < READ_MAX ? (Py_ssize_t)size : READ_MAX;
}

static PyObject *read_bytes(struct ssl_connection *self, Py_ssize_t size)
{
    if (size < 0)
        return PyErr_SetString(PyExc_ValueError, "size should not be negative"), NULL;
    Py_ssize_t room = room_for(self);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size < room ? size : room);
    if (bytes == NULL || size == 0)
        return bytes;
    Py_ssize_t count = read_into(self, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    if (count < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    _PyBytes_Resize(&bytes, count);
    return bytes;
}

static PyObject *read_buffer(struct ssl_connection *self, Py_ssize_t size, PyObject *target)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) < 0) {
        if (PyErr_ExceptionMatches(PyExc_BufferError))
            PyErr_Format(PyExc_TypeError,
                         "read() argument 2 must be read-write bytes-like object, "
                         "not %T",
                         target);
        return NULL;
    }
    if (size <= 0 || size > buffer.len)
        size = buffer.len;
    Py_ssize_t count = size > 0 ? read_into(self, buffer.buf, (size_t)size) : 0;
    PyBuffer_Release(&buffer);
    return count >= 0 ? PyLong_FromSsize_t(count) : NULL;
}

PyObject *ssl_connection_read(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    struct ssl_connection *self = (struct ssl_connection *)(void *)object;
    if (count != 1 && count != 2)
        return PyErr_SetString(PyExc_TypeError, "_ssl._SSLSocket.read requires 1 to 2 arguments"),
               NULL;
    Py_ssize_t size = PyNumber_AsSsize_t(arguments[0], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    return count == 1 ? read_bytes(self, size) : read_buffer(self, size, arguments[1]);
}

// --- writing ---

// Record after record as long as they go. What was sent before one that has to wait is told to the
// caller, who comes back with the rest.
static enum tls_stream_status step_write(struct operation *operation)
{
    size_t left = WRITE_BATCH;
    enum tls_stream_status status;
    do {
        size_t count = 0, part = operation->size - operation->done;
        status = tls_stream_write(operation->self->stream, operation->bytes + operation->done,
                                  part < left ? part : left, &count);
        operation->done += count;
        left -= count;
    } while (status == TLS_STREAM_DONE && operation->done < operation->size && left > 0);
    return status;
}

// The turn of a writer that may have to wait: what it has begun to send is not to be mixed with
// another's. -1: an exception is set.
static int begin_turn(struct operation *operation)
{
    struct ssl_connection *self = operation->self;
    unsigned long thread = PyThread_get_thread_ident();
    if (self->writing_thread == thread) {
        // A signal's handler, or a finalizer, in the middle of a write.
        ssl_error_set(self->state, SSL_ERROR, SSL_NUMBER_NONE,
                      "this thread is writing to the connection already");
        return -1;
    }
    for (;;) {
        PyTime_t left = -1, now = 0;
        if (operation->timeout > 0) {
            if (PyTime_Monotonic(&now) < 0)
                return -1;
            left = operation->deadline > now ? (operation->deadline - now + 999) / 1000 : 0;
        }
        PyLockStatus got = PyThread_acquire_lock_timed(operation->self->writing, 0, 0);
        if (got != PY_LOCK_ACQUIRED) {
            Py_BEGIN_ALLOW_THREADS got =
                PyThread_acquire_lock_timed(operation->self->writing, left, 1);
            Py_END_ALLOW_THREADS
        }
        if (got == PY_LOCK_ACQUIRED) {
            self->writing_thread = thread;
            return 0;
        }
        if (got == PY_LOCK_FAILURE) {
            PyErr_SetString(PyExc_TimeoutError, "The write operation timed out");
            return -1;
        }
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
}

static int run_write(struct operation *operation)
{
    for (;;) {
        if (run(operation) < 0) {
            // What is sent already is what the caller has to know first.
            if (operation->done == 0 || !PyErr_ExceptionMatches(PyExc_TimeoutError))
                return -1;
            PyErr_Clear();
            return 0;
        }
        if (operation->status != TLS_STREAM_DONE || operation->done >= operation->size)
            return 0;
    }
}

static int write_bytes(struct operation *operation)
{
    _pyref_ PyObject *self = Py_NewRef(operation->self);
    if (ssl_library_ready() < 0 || find_socket(operation) < 0)
        return -1;
    bool may_wait = operation->socket != NULL && operation->timeout != 0;
    if (may_wait && begin_turn(operation) < 0)
        return -1;
    int result = run_write(operation);
    if (may_wait) {
        operation->self->writing_thread = 0;
        PyThread_release_lock(operation->self->writing);
    }
    return result;
}

PyObject *ssl_connection_write(PyObject *object, PyObject *bytes)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(bytes, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    _operation_ struct operation operation = {
        .self = (struct ssl_connection *)(void *)object,
        .step = step_write,
        .name = "write",
        .bytes = buffer.buf,
        .size = (size_t)buffer.len,
    };
    int result = write_bytes(&operation);
    PyBuffer_Release(&buffer);
    if (result < 0)
        return NULL;
    if (operation.done == 0 && operation.status != TLS_STREAM_DONE)
        return raise_status(&operation);
    return PyLong_FromSize_t(operation.done);
}
