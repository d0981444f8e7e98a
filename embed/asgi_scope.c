// asgi_scope.c - scopes are copies of a dict that was prepared for its listener and application,
// with every key that is always there.
#include "asgi_priv.h"

#include <string.h>

#include "header_cache.h"
#include "names.h"
#include "target.h"
#include "tls_facts.h"

enum {
    ROOM = 24,          // keys for which a copy of a prepared dict has room
    CLIENTS_KEPT = 256, // a power of two
    ADDRESS_KEPT = 48,  // bytes
};

// What is prepared for the connections of a listener.
struct base {
    struct base *next;
    const struct endpoint *endpoint;
    const struct application *application;
    bool is_websocket;
    PyObject *scope;
};

// What a process has one of: its interpreter is one.
static struct {
    struct base *bases;
    struct header_cache *header_names;
    // The latest clients' (host, port), since a connection has many requests.
    struct {
        uint16_t port;
        size_t size;
        char address[ADDRESS_KEPT];
        PyObject *tuple; // NULL: none
    } clients[CLIENTS_KEPT];
} shared;

static PyObject *make_header_name(struct str name)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.size);
    for (size_t i = 0; bytes != NULL && i < name.size; i++)
        PyBytes_AS_STRING(bytes)[i] = (char)Py_TOLOWER(name.data[i]);
    return bytes;
}

int asgi_scope_init(void)
{
    if (shared.header_names == NULL)
        shared.header_names = header_cache_new(make_header_name);
    return shared.header_names != NULL ? 0 : (PyErr_NoMemory(), -1);
}

void asgi_scope_fini(void)
{
    while (shared.bases != NULL) {
        struct base *base = shared.bases;
        shared.bases = base->next;
        Py_DECREF(base->scope);
        PyMem_Free(base);
    }
    for (size_t i = 0; i < CLIENTS_KEPT; i++)
        Py_CLEAR(shared.clients[i].tuple);
    header_cache_free(shared.header_names);
    shared.header_names = NULL;
}

static int set_new(PyObject *scope, PyObject *key, PyObject *value_take)
{
    if (value_take == NULL)
        return -1;
    int result = PyDict_SetItem(scope, key, value_take);
    Py_DECREF(value_take);
    return result;
}

// --- what all connections of a listener share ---

static PyObject *server_of(const struct endpoint *endpoint)
{
    PyObject *address = PyUnicode_DecodeFSDefault(endpoint->address);
    if (endpoint->port == 0)
        return Py_BuildValue("(NO)", address, Py_None);
    return Py_BuildValue("(Ni)", address, (int)endpoint->port);
}

static const char *scheme_of(const char *scheme, bool is_websocket)
{
    if (!is_websocket)
        return scheme;
    return strcmp(scheme, "https") == 0 ? "wss" : "ws";
}

static PyObject *extensions_of(bool is_websocket)
{
    if (is_websocket)
        return Py_BuildValue("{s{}}", "websocket.http.response");
    return Py_BuildValue("{s{}s{}s{}}", "http.response.pathsend", "http.response.zerocopysend",
                         "http.response.early_hint");
}

static int fill(PyObject *scope, const struct base *base)
{
    const struct endpoint *endpoint = base->endpoint;
    struct str prefix = base->application->prefix;
    const char *version = base->application->interface == APPLICATION_ASGI2 ? "2.0" : "3.0";
    struct {
        PyObject *key;
        PyObject *value;
    } table[] = {
        {names.type, Py_NewRef(base->is_websocket ? names.websocket : names.http)},
        {names.asgi, Py_BuildValue("{ssss}", "version", version, "spec_version", "2.5")},
        {names.http_version, PyUnicode_FromString("1.1")},
        {names.scheme, PyUnicode_FromString(scheme_of(endpoint->scheme, base->is_websocket))},
        {names.root_path, PyUnicode_DecodeUTF8(prefix.data, (Py_ssize_t)prefix.size, "replace")},
        {names.server, server_of(endpoint)},
        {names.client, Py_NewRef(Py_None)},
        {names.path, Py_NewRef(names.slash)},
        {names.raw_path, PyBytes_FromString("/")},
        {names.query_string, PyBytes_FromString("")},
        {names.headers, Py_NewRef(Py_None)},
        {names.extensions, extensions_of(base->is_websocket)},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (set_new(scope, table[i].key, table[i].value) < 0)
            result = -1;
    }
    if (result == 0 && !base->is_websocket)
        result = PyDict_SetItem(scope, names.method, names.GET);
    return result;
}

// The dict to copy: borrowed, or NULL with an exception set.
static PyObject *base_of(const struct application *application, const struct endpoint *endpoint,
                         bool is_websocket)
{
    for (struct base *base = shared.bases; base != NULL; base = base->next) {
        if (base->endpoint == endpoint && base->application == application &&
            base->is_websocket == is_websocket)
            return base->scope;
    }
    _pyref_ PyObject *scope = _PyDict_NewPresized(ROOM);
    struct base *base = scope != NULL ? PyMem_Malloc(sizeof *base) : NULL;
    if (base == NULL)
        return PyErr_NoMemory();
    *base = (struct base){shared.bases, endpoint, application, is_websocket, NULL};
    if (fill(scope, base) < 0) {
        PyMem_Free(base);
        return NULL;
    }
    base->scope = py_steal(&scope);
    shared.bases = base;
    return base->scope;
}

// --- what differs ---

static PyObject *client_of(struct str address, uint16_t port)
{
    size_t index = (port ^ port >> 8) % CLIENTS_KEPT;
    if (address.size == 0)
        return Py_NewRef(Py_None);
    if (shared.clients[index].tuple != NULL && shared.clients[index].port == port &&
        shared.clients[index].size == address.size &&
        memcmp(shared.clients[index].address, address.data, address.size) == 0)
        return Py_NewRef(shared.clients[index].tuple);
    PyObject *tuple = Py_BuildValue("(s#i)", address.data, (Py_ssize_t)address.size, (int)port);
    if (tuple != NULL && address.size <= ADDRESS_KEPT) {
        Py_XSETREF(shared.clients[index].tuple, Py_NewRef(tuple));
        shared.clients[index].port = port;
        shared.clients[index].size = address.size;
        memcpy(shared.clients[index].address, address.data, address.size);
    }
    return tuple;
}

// Decoded, as UTF-8; what is none becomes U+FFFD: the raw path has it as it was.
static PyObject *decode_path(struct str path)
{
    if (memchr(path.data, '%', path.size) == NULL)
        return PyUnicode_DecodeUTF8(path.data, (Py_ssize_t)path.size, "replace");
    char *decoded = PyMem_Malloc(path.size);
    if (decoded == NULL)
        return PyErr_NoMemory();
    size_t size = 0;
    for (size_t i = 0; i < path.size;)
        decoded[size++] = target_next_octet(path, &i);
    PyObject *result = PyUnicode_DecodeUTF8(decoded, (Py_ssize_t)size, "replace");
    PyMem_Free(decoded);
    return result;
}

static int set_target(PyObject *scope, struct str target)
{
    struct str path, query;
    target_split(target, &path, &query);
    if (query.size > 0 &&
        set_new(scope, names.query_string,
                PyBytes_FromStringAndSize(query.data, (Py_ssize_t)query.size)) < 0)
        return -1;
    if (path.size == 1 && path.data[0] == '/')
        return 0;
    if (set_new(scope, names.raw_path,
                PyBytes_FromStringAndSize(path.data, (Py_ssize_t)path.size)) < 0)
        return -1;
    return set_new(scope, names.path, decode_path(path));
}

static PyObject *headers_of(const struct request_head *head)
{
    _pyref_ PyObject *list = PyList_New((Py_ssize_t)head->header_count);
    for (size_t i = 0; list != NULL && i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        PyObject *name = header_cache_get(shared.header_names, header->name);
        PyObject *value =
            PyBytes_FromStringAndSize(header->value.data, (Py_ssize_t)header->value.size);
        PyObject *pair = name != NULL && value != NULL ? PyTuple_New(2) : NULL;
        if (pair == NULL) {
            Py_XDECREF(name);
            Py_XDECREF(value);
            return NULL;
        }
        PyTuple_SET_ITEM(pair, 0, name);
        PyTuple_SET_ITEM(pair, 1, value);
        PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return py_steal(&list);
}

// The extension "tls" (ASGI TLS Extension 0.2).
static PyObject *tls_of(const struct tls_facts *facts)
{
    _pyref_ PyObject *chain = PyList_New(0);
    const struct tls_client *client = facts->client;
    for (size_t i = 0; chain != NULL && client != NULL && client->chain[i] != NULL; i++) {
        _pyref_ PyObject *certificate = PyUnicode_FromString(client->chain[i]);
        if (certificate == NULL || PyList_Append(chain, certificate) < 0)
            return NULL;
    }
    if (chain == NULL)
        return NULL;
    return Py_BuildValue("{szsOszsOsisi}", "server_cert", facts->certificate, "client_cert_chain",
                         chain, "client_cert_name", client != NULL ? client->subject : NULL,
                         "client_cert_error", Py_None, "tls_version", (int)facts->version,
                         "cipher_suite", (int)facts->cipher_id);
}

// Applications may write into it: each request has its own.
static int set_asgi(PyObject *scope)
{
    PyObject *always = PyDict_GetItemWithError(scope, names.asgi);
    return always != NULL ? set_new(scope, names.asgi, PyDict_Copy(always)) : -1;
}

// Those that depend on the connection, beside those that are always there. Each request has its
// own.
static int set_extensions(PyObject *scope, const struct request *request, bool is_websocket)
{
    const struct request_head *head = request_head(request);
    bool trailers = !is_websocket && exchange_takes_trailers(request);
    PyObject *always = PyDict_GetItemWithError(scope, names.extensions);
    _pyref_ PyObject *extensions = always != NULL ? PyDict_Copy(always) : NULL;
    if (extensions == NULL ||
        (head->tls != NULL && set_new(extensions, names.tls, tls_of(head->tls)) < 0) ||
        (trailers && set_new(extensions, names.http_response_trailers, PyDict_New()) < 0))
        return -1;
    return PyDict_SetItem(scope, names.extensions, extensions);
}

static int set_method(PyObject *scope, struct str method)
{
    if (str_equal(method, STR("GET")))
        return 0;
    PyObject *text = PyUnicode_DecodeLatin1(method.data, (Py_ssize_t)method.size, NULL);
    if (text != NULL)
        PyUnicode_InternInPlace(&text);
    return set_new(scope, names.method, text);
}

// The listener's is there already; a trusted proxy may have been asked in another way.
static int set_scheme(PyObject *scope, const struct request_head *head, bool is_websocket)
{
    if (head->scheme == head->endpoint->scheme)
        return 0;
    return set_new(scope, names.scheme,
                   PyUnicode_FromString(scheme_of(head->scheme, is_websocket)));
}

static int set_state(PyObject *scope, const struct application *application)
{
    PyObject *state = application->interface_data;
    return state != NULL ? set_new(scope, names.state, PyDict_Copy(state)) : 0;
}

PyObject *asgi_scope_new(const struct application *application, const struct request *request,
                         bool is_websocket, PyObject *subprotocols)
{
    const struct request_head *head = request_head(request);
    PyObject *base = base_of(application, head->endpoint, is_websocket);
    _pyref_ PyObject *scope = base != NULL ? PyDict_Copy(base) : NULL;
    if (scope == NULL || set_target(scope, head->target) < 0 ||
        set_new(scope, names.headers, headers_of(head)) < 0 ||
        set_new(scope, names.client, client_of(head->peer_address, head->peer_port)) < 0 ||
        set_scheme(scope, head, is_websocket) < 0 || set_asgi(scope) < 0 ||
        set_extensions(scope, request, is_websocket) < 0 || set_state(scope, application) < 0)
        return NULL;
    if (is_websocket && PyDict_SetItem(scope, names.subprotocols, subprotocols) < 0)
        return NULL;
    if (!is_websocket && set_method(scope, head->method) < 0)
        return NULL;
    if (!str_equal(head->version, STR("HTTP/1.1")) &&
        set_new(scope, names.http_version, PyUnicode_FromString("1.0")) < 0)
        return NULL;
    return py_steal(&scope);
}
