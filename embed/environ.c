// environ.c - a request as a WSGI environ: a copy of a prepared dict, then what differs from
// request to request.
#include "environ.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "check.h"
#include "names.h"
#include "pool.h"
#include "version.h"

enum {
    HEADER_KEY_MAX = 256
}; // bytes of a header's name that becomes HTTP_NAME; longer ones are left out

// What a process has one of: its interpreter is one.
static struct {
    PyObject *base;         // dict
    PyObject *bytes_io;     // io.BytesIO
    PyObject *file_wrapper; // wsgiref.util.FileWrapper
    struct str prefix;      // of all paths; empty: none
} shared;

void environ_use_prefix(const char *prefix)
{
    shared.prefix = prefix != NULL ? str_of(prefix) : STR("");
}

static int set_new(PyObject *environ, PyObject *key, PyObject *value_take)
{
    if (value_take == NULL)
        return -1;
    int result = PyDict_SetItem(environ, key, value_take);
    Py_DECREF(value_take);
    return result;
}

static PyObject *text(struct str bytes)
{
    if (bytes.size == 0)
        return Py_NewRef(names.empty);
    return PyUnicode_DecodeLatin1(bytes.data, (Py_ssize_t)bytes.size, NULL);
}

int environ_init(bool multithread, bool multiprocess)
{
    _pyref_ PyObject *io = PyImport_ImportModule("io");
    _pyref_ PyObject *base = PyDict_New();
    if (io == NULL || base == NULL ||
        (shared.bytes_io = PyObject_GetAttrString(io, "BytesIO")) == NULL)
        return -1;
    // Its pieces are of no use to us: what it wraps is sent by the kernel where it is a file
    // (wsgi_body.c).
    _pyref_ PyObject *util = PyImport_ImportModule("wsgiref.util");
    if (util == NULL || (shared.file_wrapper = PyObject_GetAttrString(util, "FileWrapper")) == NULL)
        return -1;
    PyObject *errors = PySys_GetObject("stderr"); // borrowed
    struct {
        PyObject *key;
        PyObject *value;
    } constants[] = {
        {names.wsgi_version, Py_BuildValue("(ii)", 1, 0)},
        {names.wsgi_errors, Py_NewRef(errors != NULL ? errors : Py_None)},
        {names.wsgi_multithread, PyBool_FromLong(multithread)},
        {names.wsgi_multiprocess, PyBool_FromLong(multiprocess)},
        {names.wsgi_run_once, Py_NewRef(Py_False)},
        {names.wsgi_input_terminated, Py_NewRef(Py_True)},
        {names.wsgi_file_wrapper, Py_NewRef(shared.file_wrapper)},
        {names.SERVER_SOFTWARE, PyUnicode_FromString("limpet/" LIMPET_VERSION)},
        {names.GATEWAY_INTERFACE, PyUnicode_FromString("CGI/1.1")},
        {names.SCRIPT_NAME, text(shared.prefix)},
    };
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
        if (set_new(base, constants[i].key, constants[i].value) < 0)
            return -1;
    }
    shared.base = py_steal(&base);
    return 0;
}

void environ_fini(void)
{
    Py_CLEAR(shared.base);
    Py_CLEAR(shared.bytes_io);
    Py_CLEAR(shared.file_wrapper);
}

PyObject *environ_file_wrapper(void)
{
    return shared.file_wrapper;
}

// absolute-form ("http://host/path", RFC 9112 section 3.2.2) stands for its path and query.
static struct str strip_authority(struct str target)
{
    const char *scheme_end = target.size > 0 && target.data[0] != '/'
                                 ? memmem(target.data, target.size, "://", 3)
                                 : NULL;
    if (scheme_end == NULL)
        return target;
    const char *end = target.data + target.size;
    const char *path = scheme_end + 3;
    while (path < end && *path != '/' && *path != '?')
        path++;
    return (struct str){path, (size_t)(end - path)};
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The octet of a raw path that starts at *at, which is moved behind it: percent-decoded; a '%' that
// starts none stays.
static char next_octet(struct str path, size_t *at)
{
    size_t i = (*at)++;
    if (path.data[i] != '%' || i + 2 >= path.size)
        return path.data[i];
    int high = hex(path.data[i + 1]), low = hex(path.data[i + 2]);
    if (high < 0 || low < 0)
        return path.data[i];
    *at += 2;
    return (char)(high * 16 + low);
}

// As latin-1 text (PEP 3333, "Unicode Issues").
static PyObject *decode_path(struct str path)
{
    if (path.size == 0 || memchr(path.data, '%', path.size) == NULL)
        return text(path);
    char *decoded = PyMem_Malloc(path.size);
    if (decoded == NULL)
        return PyErr_NoMemory();
    size_t size = 0;
    for (size_t i = 0; i < path.size;)
        decoded[size++] = next_octet(path, &i);
    PyObject *result = PyUnicode_DecodeLatin1(decoded, (Py_ssize_t)size, NULL);
    PyMem_Free(decoded);
    return result;
}

// The path of a request target, still encoded, and its query.
static void split_target(struct str target, struct str *path, struct str *query)
{
    *path = strip_authority(target);
    *query = (struct str){path->data, 0};
    const char *mark = path->size > 0 ? memchr(path->data, '?', path->size) : NULL;
    if (mark != NULL) {
        *query = (struct str){mark + 1, (size_t)(path->data + path->size - mark - 1)};
        path->size = (size_t)(mark - path->data);
    }
    if (path->size == 0)
        *path = STR("/");
}

// What of a path lies below the prefix; false where it is not below it.
static bool strip_prefix(struct str path, struct str *out)
{
    size_t at = 0;
    for (size_t i = 0; i < shared.prefix.size; i++) {
        if (at >= path.size || next_octet(path, &at) != shared.prefix.data[i])
            return false;
    }
    *out = (struct str){path.data + at, path.size - at};
    return shared.prefix.size == 0 || at == path.size || next_octet(path, &at) == '/';
}

bool environ_covers(const struct request *request)
{
    struct str path, query;
    if (shared.prefix.size == 0)
        return true;
    split_target(request_head(request)->target, &path, &query);
    return strip_prefix(path, &path);
}

static int set_target(PyObject *environ, struct str target)
{
    struct str path, query;
    split_target(target, &path, &query);
    must(strip_prefix(path, &path));
    _pyref_ PyObject *raw = text(target);
    if (raw == NULL || PyDict_SetItem(environ, names.REQUEST_URI, raw) < 0 ||
        PyDict_SetItem(environ, names.RAW_URI, raw) < 0)
        return -1;
    if (set_new(environ, names.PATH_INFO, decode_path(path)) < 0)
        return -1;
    return set_new(environ, names.QUERY_STRING, text(query));
}

// The key of a header field, or NULL without an exception for one that gets none: a name with '_'
// would pass for another ("X_Real_IP" for "X-Real-IP").
static PyObject *header_key(struct str name)
{
    static const struct str type = {"content-type", 12}, length = {"content-length", 14};
    if (name.size == type.size && strncasecmp(name.data, type.data, type.size) == 0)
        return Py_NewRef(names.CONTENT_TYPE);
    if (name.size == length.size && strncasecmp(name.data, length.data, length.size) == 0)
        return Py_NewRef(names.CONTENT_LENGTH);
    char key[HEADER_KEY_MAX + 5] = "HTTP_";
    if (name.size > HEADER_KEY_MAX || memchr(name.data, '_', name.size) != NULL)
        return NULL;
    for (size_t i = 0; i < name.size; i++)
        key[5 + i] = (char)(name.data[i] == '-' ? '_' : Py_TOUPPER(name.data[i]));
    return PyUnicode_DecodeLatin1(key, (Py_ssize_t)name.size + 5, NULL);
}

// A field that comes again joins the first (RFC 9110 section 5.3; cookies with their own
// separator).
static int join_header(PyObject *environ, PyObject *key, PyObject *first, PyObject *value)
{
    const char *separator = PyUnicode_Compare(key, names.HTTP_COOKIE) == 0 ? "; " : ",";
    return set_new(environ, key, PyUnicode_FromFormat("%U%s%U", first, separator, value));
}

static int set_header(PyObject *environ, const struct header *header)
{
    _pyref_ PyObject *key = header_key(header->name);
    if (key == NULL)
        return PyErr_Occurred() ? -1 : 0;
    _pyref_ PyObject *value = text(header->value);
    if (value == NULL)
        return -1;
    _pyref_ PyObject *first = NULL;
    int found = PyDict_GetItemRef(environ, key, &first);
    if (found < 0)
        return -1;
    return found ? join_header(environ, key, first, value) : PyDict_SetItem(environ, key, value);
}

static int set_peer(PyObject *environ, const struct request_head *head)
{
    const struct endpoint *endpoint = head->endpoint;
    if (set_new(environ, names.REMOTE_ADDR, text(head->peer_address)) < 0 ||
        set_new(environ, names.SERVER_NAME, PyUnicode_DecodeFSDefault(endpoint->address)) < 0 ||
        set_new(environ, names.SERVER_PORT, PyUnicode_FromFormat("%d", endpoint->port)) < 0)
        return -1;
    if (head->peer_port == 0)
        return 0;
    return set_new(environ, names.REMOTE_PORT, PyUnicode_FromFormat("%d", head->peer_port));
}

// A file object of its own on a body that lies in a file; the application may close it.
static PyObject *open_body(int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    lseek(own, 0, SEEK_SET); // a regular file: it cannot fail
    PyObject *file = PyFile_FromFd(own, NULL, "rb", -1, NULL, NULL, NULL, 1);
    if (file == NULL)
        close(own);
    return file;
}

// A file object on a body that is here.
static PyObject *open_received(const struct request *request)
{
    int fd = request_body_file(request);
    if (fd >= 0)
        return open_body(fd);
    struct str body = request_body(request);
    _pyref_ PyObject *bytes = PyBytes_FromStringAndSize(body.data, (Py_ssize_t)body.size);
    return bytes != NULL ? PyObject_CallOneArg(shared.bytes_io, bytes) : NULL;
}

// What the capsule of an answered request points to.
static char answered;

// limpet.awaited_input's way to a body: wait for it, and open it.
static PyObject *await_body(PyObject *capsule, PyObject *Py_UNUSED(nothing))
{
    void *request = PyCapsule_GetPointer(capsule, NULL);
    if (request == &answered)
        return PyErr_SetString(PyExc_OSError, "wsgi.input is read after the answer has begun"),
               NULL;
    if (!request_has_body(request) && !pool_await_body(request))
        return PyErr_SetString(PyExc_ConnectionResetError,
                               "the client has gone before it sent the body"),
               NULL;
    return open_received(request);
}

static PyMethodDef await_method = {"await_body", await_body, METH_NOARGS, NULL};

void environ_forget(PyObject *awaited)
{
    if (awaited != NULL)
        PyCapsule_SetPointer(awaited, &answered);
    Py_XDECREF(awaited);
}

static PyObject *open_awaited(struct request *request, PyObject **awaited)
{
    _pyref_ PyObject *module = PyImport_ImportModule("limpet.awaited_input");
    *awaited = PyCapsule_New(request, NULL, NULL);
    if (module == NULL || *awaited == NULL)
        return NULL;
    return PyObject_CallMethod(module, "AwaitedInput", "N",
                               PyCFunction_New(&await_method, *awaited));
}

static int set_input(PyObject *environ, struct request *request, PyObject **awaited)
{
    if (!request_has_body(request))
        return set_new(environ, names.wsgi_input, open_awaited(request, awaited));
    return set_new(environ, names.wsgi_input, open_received(request));
}

PyObject *environ_new(struct request *request, PyObject **awaited)
{
    *awaited = NULL;
    const struct request_head *head = request_head(request);
    _pyref_ PyObject *environ = PyDict_Copy(shared.base);
    if (environ == NULL)
        return NULL;
    if (set_new(environ, names.REQUEST_METHOD, text(head->method)) < 0 ||
        set_new(environ, names.SERVER_PROTOCOL, text(head->version)) < 0 ||
        set_new(environ, names.wsgi_url_scheme, PyUnicode_FromString(head->endpoint->scheme)) < 0 ||
        set_target(environ, head->target) < 0 || set_peer(environ, head) < 0 ||
        set_input(environ, request, awaited) < 0)
        return NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        if (set_header(environ, &head->headers[i]) < 0)
            return NULL;
    }
    return py_steal(&environ);
}
