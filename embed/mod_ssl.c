// mod_ssl.c - the built-in module _ssl: what the standard library's ssl stands on, with mbedTLS
// under it. Constants, functions and the start; the types are in ssl_*.c.
#include "mod_ssl.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>

#include "ssl_priv.h"
#include "tls_library.h"
#include "tls_object.h"

// What programs take for the version of OpenSSL, and compare: the one whose interface and decisions
// these are. So urllib3 neither refuses the module (it wants 1.1.1 or later, and a text that begins
// with "OpenSSL ") nor looks for faults of earlier ones. The text says what is really there.
enum { VERSION_MAJOR = 3, VERSION_MINOR = 0, VERSION_FIX = 0 };
#define VERSION_NUMBER (VERSION_MAJOR << 28 | VERSION_MINOR << 20 | VERSION_FIX << 12)

// --- the library, in forked children, too ---

// A child whose random numbers are still its parent's. Set in the child alone, while it has no
// other thread.
static atomic_bool is_stale = true;

static void note_fork(void)
{
    atomic_store(&is_stale, true);
}

static void watch_forks(void)
{
    // Out of memory is met where the library is used next, at the latest.
    int ignored = pthread_atfork(NULL, NULL, note_fork);
    (void)ignored;
}

int ssl_library_ready(void)
{
    struct err err;
    if (!atomic_load(&is_stale))
        return 0;
    if (tls_library_start(&err) < 0) {
        PyErr_SetString(PyExc_OSError, err.text);
        return -1;
    }
    atomic_store(&is_stale, false);
    return 0;
}

// --- for all of it ---

PyObject *ssl_text(struct str text)
{
    return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.size, "strict");
}

struct ssl_state *ssl_state_of(PyObject *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

PyTypeObject *ssl_add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)(void *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type;
}

// --- functions ---

PyDoc_STRVAR(rand_add_doc, "RAND_add(string, entropy, /)\n\n"
                           "The kernel's random numbers need none: nothing is done.");

static PyObject *rand_add(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer seed;
    double entropy;
    if (!PyArg_ParseTuple(arguments, "s*d:RAND_add", &seed, &entropy))
        return NULL;
    PyBuffer_Release(&seed);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(rand_bytes_doc, "RAND_bytes(n, /) -> bytes\n\nThe kernel's random numbers.");

static PyObject *rand_bytes(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int size = PyLong_AsInt(argument);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (size < 0)
        return PyErr_SetString(PyExc_ValueError, "num must be positive"), NULL;
    _pyref_ PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL)
        return NULL;
    char *out = PyBytes_AS_STRING(bytes);
    for (ssize_t done = 0, count; done < size; done += count) {
        count = getrandom(out + done, (size_t)(size - done), 0);
        if (count < 0 && errno != EINTR)
            return PyErr_SetFromErrno(PyExc_OSError);
        if (count < 0)
            count = 0;
    }
    return py_steal(&bytes);
}

PyDoc_STRVAR(rand_status_doc, "RAND_status() -> True");

static PyObject *rand_status(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing))
{
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(verify_paths_doc, "get_default_verify_paths() -> tuple\n\n"
                               "Variable and path of a file, variable and path of a folder.");

static PyObject *get_default_verify_paths(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing))
{
    struct tls_trust_paths paths;
    tls_trust_paths(&paths);
    return Py_BuildValue("(ssss)", paths.file_variable, paths.file, paths.folder_variable,
                         paths.folder);
}

static PyObject *object_tuple(const struct tls_object *object)
{
    const char *dotted = object->dotted != NULL && *object->dotted != '\0' ? object->dotted : NULL;
    return Py_BuildValue("(issz)", object->number, object->short_name, object->long_name, dotted);
}

PyDoc_STRVAR(txt2obj_doc, "txt2obj(txt, name=False) -> (NID, short name, long name, OID)\n\n"
                          "Of dotted numbers; with name=True of names, too.");

static PyObject *txt2obj(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"txt", "name", NULL};
    const char *text;
    int by_name = false;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "s|p:txt2obj", names, &text, &by_name))
        return NULL;
    const struct tls_object *object = tls_object_by_text(text, by_name);
    if (object == NULL)
        return PyErr_Format(PyExc_ValueError, "unknown object '%.100s'", text);
    return object_tuple(object);
}

PyDoc_STRVAR(nid2obj_doc, "nid2obj(nid, /) -> (NID, short name, long name, OID)");

static PyObject *nid2obj(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int number = PyLong_AsInt(argument);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    if (number < 0)
        return PyErr_SetString(PyExc_ValueError, "NID must be positive."), NULL;
    const struct tls_object *object = tls_object_by_number(number);
    if (object == NULL)
        return PyErr_Format(PyExc_ValueError, "unknown NID %i", number);
    return object_tuple(object);
}

static PyObject *test_decode_cert(PyObject *module, PyObject *path)
{
    return ssl_certificate_of_file(PyModule_GetState(module), path);
}

static PyMethodDef functions[] = {
    {"_test_decode_cert", test_decode_cert, METH_O, "Of a PEM file, as SSLSocket.getpeercert()."},
    {"RAND_add", rand_add, METH_VARARGS, rand_add_doc},
    {"RAND_bytes", rand_bytes, METH_O, rand_bytes_doc},
    {"RAND_status", rand_status, METH_NOARGS, rand_status_doc},
    {"get_default_verify_paths", get_default_verify_paths, METH_NOARGS, verify_paths_doc},
    {"txt2obj", (PyCFunction)(void (*)(void))txt2obj, METH_VARARGS | METH_KEYWORDS, txt2obj_doc},
    {"nid2obj", nid2obj, METH_O, nid2obj_doc},
    {NULL, NULL, 0, NULL},
};

// --- start ---

static int add_constants(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } numbers[] = {
#define INT(name, value) {#name, value},
#define FLAG(name, value)
#define BOOL(name, value)
#include "ssl_constants.def"
#undef INT
#undef FLAG
#undef BOOL
    };
    static const struct {
        const char *name;
        uint64_t value;
        bool is_bool;
    } flags[] = {
#define INT(name, value)
#define FLAG(name, value) {#name, value, false},
#define BOOL(name, value) {#name, value, true},
#include "ssl_constants.def"
#undef INT
#undef FLAG
#undef BOOL
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        PyObject *value = flags[i].is_bool ? PyBool_FromLong((long)flags[i].value)
                                           : PyLong_FromUnsignedLongLong(flags[i].value);
        if (PyModule_Add(module, flags[i].name, value) < 0)
            return -1;
    }
    return PyModule_AddStringConstant(module, "_DEFAULT_CIPHERS", tls_ciphers_default);
}

static PyObject *version_tuple(void)
{
    return Py_BuildValue("(iiiii)", VERSION_MAJOR, VERSION_MINOR, VERSION_FIX, 0, 0);
}

static int add_versions(PyObject *module)
{
    PyObject *text =
        PyUnicode_FromFormat("OpenSSL %d.%d.%d (the interface; the library is mbedTLS %s)",
                             VERSION_MAJOR, VERSION_MINOR, VERSION_FIX, tls_library_version());
    if (PyModule_Add(module, "OPENSSL_VERSION", text) < 0 ||
        PyModule_Add(module, "OPENSSL_VERSION_INFO", version_tuple()) < 0 ||
        PyModule_Add(module, "_OPENSSL_API_VERSION", version_tuple()) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "OPENSSL_VERSION_NUMBER", VERSION_NUMBER);
}

static int add_types(PyObject *module)
{
    struct ssl_state *state = PyModule_GetState(module);
    state->context = ssl_add_type(module, &ssl_context_spec);
    state->connection = ssl_add_type(module, &ssl_connection_spec);
    state->memory_bio = ssl_add_type(module, &ssl_bio_spec);
    state->session = ssl_add_type(module, &ssl_session_spec);
    state->certificate = ssl_add_type(module, &ssl_certificate_spec);
    return state->context != NULL && state->connection != NULL && state->memory_bio != NULL &&
                   state->session != NULL && state->certificate != NULL
               ? 0
               : -1;
}

// The class of sockets, and what is called of it.
static int know_sockets(struct ssl_state *state)
{
    _pyref_ PyObject *module = PyImport_ImportModule("_socket");
    _pyref_ PyObject *class = module != NULL ? PyObject_GetAttrString(module, "socket") : NULL;
    if (class == NULL)
        return -1;
    if (!PyType_Check(class)) {
        PyErr_SetString(PyExc_TypeError, "_socket.socket is not a class");
        return -1;
    }
    state->socket_fileno = PyObject_GetAttrString(class, "fileno");
    state->socket_timeout = PyObject_GetAttrString(class, "gettimeout");
    state->socket = (PyTypeObject *)(void *)py_steal(&class);
    return state->socket_fileno != NULL && state->socket_timeout != NULL ? 0 : -1;
}

static int execute(PyObject *module)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    struct ssl_state *state = PyModule_GetState(module);
    if (add_types(module) < 0 || ssl_error_init(module, state) < 0 || know_sockets(state) < 0 ||
        add_constants(module) < 0)
        return -1;
    return add_versions(module);
}

// --- state ---

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    struct ssl_state *state = PyModule_GetState(module);
    Py_VISIT(state->context);
    Py_VISIT(state->connection);
    Py_VISIT(state->memory_bio);
    Py_VISIT(state->session);
    Py_VISIT(state->certificate);
    Py_VISIT(state->socket);
    Py_VISIT(state->socket_fileno);
    Py_VISIT(state->socket_timeout);
    for (int i = 0; i < SSL_ERRORS; i++)
        Py_VISIT(state->errors[i]);
    return 0;
}

static int clear(PyObject *module)
{
    struct ssl_state *state = PyModule_GetState(module);
    Py_CLEAR(state->context);
    Py_CLEAR(state->connection);
    Py_CLEAR(state->memory_bio);
    Py_CLEAR(state->session);
    Py_CLEAR(state->certificate);
    Py_CLEAR(state->socket);
    Py_CLEAR(state->socket_fileno);
    Py_CLEAR(state->socket_timeout);
    ssl_error_clear(state);
    return 0;
}

static void release(void *module)
{
    clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_USED},
    {0, NULL},
};

PyModuleDef ssl_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ssl",
    .m_doc = "TLS for connections of the application's own: what the module ssl stands on.",
    .m_size = sizeof(struct ssl_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyObject *mod_ssl_init(void)
{
    return PyModuleDef_Init(&ssl_module);
}
