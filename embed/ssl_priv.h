// ssl_priv.h - the parts of the built-in module _ssl, which the standard library's ssl stands on:
// its objects, and what they show each other. All of it wants the GIL, unless it says otherwise.
#pragma once

#include "py.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "str.h"
#include "tls_fault.h"
#include "tls_setup.h"
#include "tls_stream.h"

// ssl.SSLErrorNumber: the first argument of an SSLError.
enum ssl_error_number {
    SSL_NUMBER_NONE = 0,
    SSL_NUMBER_SSL = 1,
    SSL_NUMBER_WANT_READ = 2,
    SSL_NUMBER_WANT_WRITE = 3,
    SSL_NUMBER_SYSCALL = 5,
    SSL_NUMBER_ZERO_RETURN = 6,
    SSL_NUMBER_EOF = 8,
};

// The classes of exceptions.
enum ssl_error {
    SSL_ERROR,
    SSL_ERROR_CERT_VERIFICATION,
    SSL_ERROR_ZERO_RETURN,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE,
    SSL_ERROR_SYSCALL,
    SSL_ERROR_EOF,
    SSL_ERRORS,
};

// Of an interpreter.
struct ssl_state {
    PyTypeObject *context, *connection, *memory_bio, *session, *certificate;
    PyTypeObject *socket;     // _socket.socket
    PyObject *socket_fileno;  // its methods, whatever classes over it make of them
    PyObject *socket_timeout; // gettimeout
    PyObject *errors[SSL_ERRORS];
};

extern PyModuleDef ssl_module;

// Add a type of this specification to the module. NULL: an exception is set.
PyTypeObject *ssl_add_type(PyObject *module, PyType_Spec *spec);
struct ssl_state *ssl_state_of(PyObject *object); // one whose type has no subclasses
// Ready to be used in this process, too, where it is a forked child: random numbers start anew.
// -1: an exception is set.
int ssl_library_ready(void);
PyObject *ssl_text(struct str text);

// --- ssl_error.c ---

int ssl_error_init(PyObject *module, struct ssl_state *state);
void ssl_error_clear(struct ssl_state *state);
// An exception of one of the classes, with no library behind it. Each returns NULL.
PyObject *ssl_error_set(const struct ssl_state *state, enum ssl_error kind,
                        enum ssl_error_number number, const char *text);
// hostname: that a certificate was to be for, a str, or NULL.
PyObject *ssl_fault_raise(const struct ssl_state *state, const struct tls_fault *fault,
                          PyObject *hostname);

// --- ssl_bio.c ---

extern PyType_Spec ssl_bio_spec;
// As a transport (tls_stream.h) reads and writes. No GIL needed.
ssize_t ssl_bio_take(PyObject *bio, void *out, size_t size);
ssize_t ssl_bio_put(PyObject *bio, const void *bytes, size_t size);
size_t ssl_bio_size(PyObject *bio);

// --- ssl_certificate.c ---

extern PyType_Spec ssl_certificate_spec;
PyObject *ssl_certificate_new(const struct ssl_state *state, struct str der);
// As SSLSocket.getpeercert() shows one.
PyObject *ssl_certificate_dict(const struct ssl_state *state, struct str der);
PyObject *ssl_certificate_of_file(const struct ssl_state *state, PyObject *path);

// --- ssl_context.c ---

// An _SSLContext. What changes setup, or makes connections of it, holds the lock; no Python runs
// meanwhile, so it may be taken with the GIL and without.
struct ssl_context {
    PyObject_HEAD struct ssl_state *state;
    struct tls_setup *setup;
    PyMutex lock;
    int protocol;
    int min_version, max_version; // as they were set: ssl.TLSVersion
    uint64_t options;
    PyObject *sni_callback;    // NULL: none
    PyObject *keylog_filename; // NULL: none
};

extern PyType_Spec ssl_context_spec;
// Put what is kept here into the setup's rules.
void ssl_context_apply(struct ssl_context *self);
extern PyGetSetDef ssl_context_attributes[]; // ssl_context_rules.c

enum {
    SSL_PROTOCOL_TLS = 2,
    SSL_PROTOCOL_TLS_1_2 = 5,
    SSL_PROTOCOL_CLIENT = 16,
    SSL_PROTOCOL_SERVER = 17,
};

// --- ssl_context_load.c ---

PyObject *ssl_context_load_cert_chain(PyObject *self, PyObject *arguments, PyObject *keywords);
PyObject *ssl_context_load_verify_locations(PyObject *self, PyObject *arguments,
                                            PyObject *keywords);
PyObject *ssl_context_load_dh_params(PyObject *self, PyObject *path);
PyObject *ssl_context_set_default_verify_paths(PyObject *self, PyObject *nothing);
PyObject *ssl_context_get_ca_certs(PyObject *self, PyObject *arguments, PyObject *keywords);
PyObject *ssl_context_cert_store_stats(PyObject *self, PyObject *nothing);

// --- ssl_socket.c ---

// An _SSLSocket. Whoever calls the stream holds the lock, without the GIL where that may take long.
struct ssl_connection {
    PyObject_HEAD struct ssl_state *state;
    struct ssl_context *context;
    PyObject *socket;              // a weak reference; NULL: over these two
    PyObject *incoming, *outgoing; // MemoryBIO
    PyObject *owner;               // a weak reference, or NULL
    PyObject *server_hostname;     // str, or NULL
    struct tls_stream *stream;
    PyMutex lock;
    PyThread_type_lock writing;   // of a writer that may wait in the middle of what it writes
    unsigned long writing_thread; // that has it; 0: none
    PyThreadState *thread;        // whose call it is, for hooks
    unsigned long hooked_thread;  // in which the server name callback runs; 0: it does not
    int fd;                       // for the call that is made
    bool is_server;
    bool has_begun;  // something was exchanged, or tried to
    bool said_close; // by unwrap
};

// What a connection is made of.
struct ssl_wrap {
    PyObject *socket;              // or
    PyObject *incoming, *outgoing; // these
    int is_server;
    PyObject *server_hostname, *owner, *session; // or None
};

extern PyType_Spec ssl_connection_spec;
PyObject *ssl_connection_new(struct ssl_context *context, const struct ssl_wrap *wrap);
// Take another context's rules (before anything is exchanged) or certificates (in the server name
// callback). -1: an exception is set.
int ssl_connection_use(struct ssl_connection *self, struct ssl_context *context);
// The hook of tls_setup.h. Without the GIL.
int ssl_connection_server_name(void *connection, const char *name);

// Hold the lock, unless this thread has it already: in the server name callback. Returns what is to
// be given back.
bool ssl_connection_lock(struct ssl_connection *self);
void ssl_connection_unlock(struct ssl_connection *self, bool locked);

// --- ssl_socket_io.c ---

PyObject *ssl_connection_do_handshake(PyObject *self, PyObject *nothing);
PyObject *ssl_connection_read(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *ssl_connection_write(PyObject *self, PyObject *bytes);
PyObject *ssl_connection_shutdown(PyObject *self, PyObject *nothing);

// --- ssl_socket_info.c ---

extern PyMethodDef ssl_connection_methods[]; // with those of ssl_socket_io.c
extern PyGetSetDef ssl_connection_attributes[];
// (name, protocol, bits), or None.
PyObject *ssl_cipher_tuple(const struct tls_cipher *cipher);
// As SSLContext.get_ciphers() shows one.
PyObject *ssl_cipher_dict(const struct tls_cipher *cipher);
int ssl_connection_set_session(struct ssl_connection *self, PyObject *session);

// --- ssl_session.c ---

extern PyType_Spec ssl_session_spec;
// Takes the resumption over.
PyObject *ssl_session_new(struct ssl_context *context, struct tls_resumption *resumption);
struct ssl_context *ssl_session_context(PyObject *session);
struct tls_resumption *ssl_session_resumption(PyObject *session);
