// environ.c - a request as a WSGI environ: a copy of a dict that was prepared for its listener,
// with every key that is always there, then what differs from request to request.
#include "environ.h"

#include <string.h>

#include "check.h"
#include "environ_tls.h"
#include "header_key.h"
#include "input.h"
#include "names.h"
#include "target.h"
#include "version.h"

enum {
    ROOM = 40,         // keys for which a copy of a prepared dict has room
    ADDRESS_KEPT = 48, // bytes
    PORTS_KEPT = 256,  // a power of two
};

// What is prepared for the requests of a listener to an application.
struct base {
    struct base *next;
    const struct endpoint *endpoint;
    PyObject *environ;
};

struct environ_site {
    struct str prefix;     // of all paths; empty: none
    PyObject *script_name; // the same
    struct base *bases;
};

// What a process has one of: its interpreter is one.
static struct {
    PyObject *constants;    // dict: the same for all requests
    PyObject *file_wrapper; // wsgiref.util.FileWrapper
    // The latest peer's address, since many requests come from one.
    PyObject *address;
    size_t address_size;
    char address_bytes[ADDRESS_KEPT];
    // Ports of peers as text, since a connection has many requests.
    struct {
        uint16_t number;
        PyObject *text; // NULL: none
    } ports[PORTS_KEPT];
} shared;

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

// One that is likely to be the usual: no new object then.
static PyObject *likely_text(struct str bytes, PyObject *usual)
{
    if (bytes.size == (size_t)PyUnicode_GET_LENGTH(usual) &&
        memcmp(bytes.data, PyUnicode_1BYTE_DATA(usual), bytes.size) == 0)
        return Py_NewRef(usual);
    return text(bytes);
}

static PyObject *decimal(uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return text((struct str){digits + at, sizeof digits - at});
}

static int set_constants(PyObject *environ, bool multithread, bool multiprocess)
{
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
        // Always there, and set anew for every request.
        {names.REQUEST_METHOD, Py_NewRef(names.GET)},
        {names.SERVER_PROTOCOL, Py_NewRef(names.HTTP_1_1)},
        {names.REQUEST_URI, Py_NewRef(names.empty)},
        {names.RAW_URI, Py_NewRef(names.empty)},
        {names.PATH_INFO, Py_NewRef(names.empty)},
        {names.QUERY_STRING, Py_NewRef(names.empty)},
        {names.REMOTE_ADDR, Py_NewRef(names.empty)},
        {names.wsgi_input, Py_NewRef(Py_None)},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
        if (set_new(environ, constants[i].key, constants[i].value) < 0)
            result = -1;
    }
    return result;
}

int environ_init(bool multithread, bool multiprocess)
{
    // Its pieces are of no use to us: what it wraps is sent by the kernel where it is a file
    // (wsgi_body.c).
    _pyref_ PyObject *util = PyImport_ImportModule("wsgiref.util");
    if (util == NULL || (shared.file_wrapper = PyObject_GetAttrString(util, "FileWrapper")) == NULL)
        return -1;
    shared.constants = PyDict_New();
    if (shared.constants == NULL || input_init() < 0)
        return -1;
    return set_constants(shared.constants, multithread, multiprocess);
}

void environ_fini(void)
{
    Py_CLEAR(shared.constants);
    Py_CLEAR(shared.file_wrapper);
    Py_CLEAR(shared.address);
    for (size_t i = 0; i < PORTS_KEPT; i++)
        Py_CLEAR(shared.ports[i].text);
    environ_tls_fini();
    header_key_fini();
    input_fini();
}

PyObject *environ_file_wrapper(void)
{
    return shared.file_wrapper;
}

struct environ_site *environ_site_new(struct str prefix)
{
    struct environ_site *site = PyMem_Calloc(1, sizeof *site);
    if (site == NULL)
        return PyErr_NoMemory(), NULL;
    site->prefix = prefix;
    site->script_name = text(prefix);
    if (site->script_name != NULL)
        return site;
    environ_site_free(site);
    return NULL;
}

void environ_site_free(struct environ_site *site)
{
    if (site == NULL)
        return;
    while (site->bases != NULL) {
        struct base *base = site->bases;
        site->bases = base->next;
        Py_DECREF(base->environ);
        PyMem_Free(base);
    }
    Py_XDECREF(site->script_name);
    PyMem_Free(site);
}

// What a listener tells of itself. A peer has a port unless the listener is a unix socket.
static int set_endpoint(PyObject *environ, const struct endpoint *endpoint)
{
    if (PyDict_Update(environ, shared.constants) < 0 ||
        set_new(environ, names.wsgi_url_scheme, PyUnicode_FromString(endpoint->scheme)) < 0 ||
        set_new(environ, names.SERVER_NAME, PyUnicode_DecodeFSDefault(endpoint->address)) < 0 ||
        set_new(environ, names.SERVER_PORT, decimal(endpoint->port)) < 0)
        return -1;
    if (strcmp(endpoint->scheme, "https") == 0 && environ_tls_prepare(environ) < 0)
        return -1;
    return endpoint->port != 0 ? PyDict_SetItem(environ, names.REMOTE_PORT, names.empty) : 0;
}

// The dict to copy for requests of an endpoint: borrowed, or NULL with an exception set.
static PyObject *base_of(struct environ_site *site, const struct endpoint *endpoint)
{
    for (struct base *base = site->bases; base != NULL; base = base->next) {
        if (base->endpoint == endpoint)
            return base->environ;
    }
    _pyref_ PyObject *environ = _PyDict_NewPresized(ROOM);
    if (environ == NULL || set_endpoint(environ, endpoint) < 0 ||
        PyDict_SetItem(environ, names.SCRIPT_NAME, site->script_name) < 0)
        return NULL;
    struct base *base = PyMem_Malloc(sizeof *base);
    if (base == NULL)
        return PyErr_NoMemory();
    *base = (struct base){site->bases, endpoint, py_steal(&environ)};
    site->bases = base;
    return base->environ;
}

// As latin-1 text (PEP 3333, "Unicode Issues").
static PyObject *decode_path(struct str path)
{
    char *decoded = PyMem_Malloc(path.size);
    if (decoded == NULL)
        return PyErr_NoMemory();
    size_t size = 0;
    for (size_t i = 0; i < path.size;)
        decoded[size++] = target_next_octet(path, &i);
    PyObject *result = PyUnicode_DecodeLatin1(decoded, (Py_ssize_t)size, NULL);
    PyMem_Free(decoded);
    return result;
}

static int set_target(PyObject *environ, struct str target, struct str prefix)
{
    struct str path, query;
    target_split(target, &path, &query);
    must(target_strip_prefix(path, prefix, &path));
    _pyref_ PyObject *raw = likely_text(target, names.slash);
    if (raw == NULL || PyDict_SetItem(environ, names.REQUEST_URI, raw) < 0 ||
        PyDict_SetItem(environ, names.RAW_URI, raw) < 0)
        return -1;
    bool encoded = path.size > 0 && memchr(path.data, '%', path.size) != NULL;
    bool same = path.size == target.size && !encoded;
    PyObject *info = same ? Py_NewRef(raw) : encoded ? decode_path(path) : text(path);
    if (set_new(environ, names.PATH_INFO, info) < 0)
        return -1;
    return query.size > 0 ? set_new(environ, names.QUERY_STRING, text(query)) : 0;
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
    PyObject *first = NULL;
    int found = PyDict_SetDefaultRef(environ, key, value, &first);
    int result = found == 1 ? join_header(environ, key, first, value) : found;
    Py_XDECREF(first);
    return result;
}

static PyObject *peer_address(struct str address)
{
    if (shared.address != NULL && address.size == shared.address_size &&
        memcmp(address.data, shared.address_bytes, address.size) == 0)
        return Py_NewRef(shared.address);
    PyObject *object = text(address);
    if (object != NULL && address.size <= ADDRESS_KEPT) {
        Py_XSETREF(shared.address, Py_NewRef(object));
        shared.address_size = address.size;
        memcpy(shared.address_bytes, address.data, address.size);
    }
    return object;
}

static PyObject *peer_port(uint16_t port)
{
    PyObject **kept = &shared.ports[port % PORTS_KEPT].text;
    if (*kept == NULL || shared.ports[port % PORTS_KEPT].number != port) {
        PyObject *object = decimal(port);
        if (object == NULL)
            return NULL;
        Py_XSETREF(*kept, object);
        shared.ports[port % PORTS_KEPT].number = port;
    }
    return Py_NewRef(*kept);
}

static int set_peer(PyObject *environ, const struct request_head *head)
{
    if (set_new(environ, names.REMOTE_ADDR, peer_address(head->peer_address)) < 0)
        return -1;
    if (head->endpoint->port == 0 && head->peer_port == 0)
        return 0;
    return set_new(environ, names.REMOTE_PORT, peer_port(head->peer_port));
}

// The listener's is there already; a trusted proxy may have been asked in another way.
static int set_scheme(PyObject *environ, const struct request_head *head)
{
    if (head->scheme == head->endpoint->scheme)
        return 0;
    bool is_https = strcmp(head->scheme, "https") == 0;
    if (set_new(environ, names.wsgi_url_scheme, PyUnicode_FromString(head->scheme)) < 0)
        return -1;
    return is_https ? PyDict_SetItem(environ, names.HTTPS, names.on)
                    : PyDict_DelItem(environ, names.HTTPS);
}

// What is in the prepared dict already needs not be set.
static int set_likely(PyObject *environ, PyObject *key, struct str bytes, PyObject *usual)
{
    PyObject *value = likely_text(bytes, usual);
    if (value != usual)
        return set_new(environ, key, value);
    Py_DECREF(value);
    return 0;
}

PyObject *environ_new(struct environ_site *site, struct request *request, PyObject **awaited)
{
    *awaited = NULL;
    const struct request_head *head = request_head(request);
    PyObject *base = base_of(site, head->endpoint);
    _pyref_ PyObject *environ = base != NULL ? PyDict_Copy(base) : NULL;
    if (environ == NULL)
        return NULL;
    if (set_likely(environ, names.REQUEST_METHOD, head->method, names.GET) < 0 ||
        set_likely(environ, names.SERVER_PROTOCOL, head->version, names.HTTP_1_1) < 0 ||
        set_target(environ, head->target, site->prefix) < 0 || set_peer(environ, head) < 0 ||
        set_new(environ, names.wsgi_input, input_new(request, awaited)) < 0)
        return NULL;
    if (set_scheme(environ, head) < 0)
        return NULL;
    if (head->tls != NULL && environ_tls_set(environ, head->tls) < 0)
        return NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        if (set_header(environ, &head->headers[i]) < 0)
            return NULL;
    }
    // As if it had come with it (RFC 9112 section 7.1.3): many applications read as much and no
    // more.
    if (head->decoded_length >= 0 &&
        set_new(environ, names.CONTENT_LENGTH, decimal((uint64_t)head->decoded_length)) < 0)
        return NULL;
    return py_steal(&environ);
}
