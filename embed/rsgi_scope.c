// rsgi_scope.c - what an application is told of a request. Nothing of it is made before it is asked
// for. It reads the request's own head as long as there is one; whoever keeps the scope for longer
// has it read a copy.
#include <string.h>

#include "names.h"
#include "rsgi_priv.h"
#include "socket_name.h"
#include "target.h"

struct scope {
    PyObject_HEAD const struct request_head *head; // NULL: there was no memory to copy it
    struct request_head *copy;                     // NULL: it is the request's
    PyObject *path, *query_string;                 // NULL: not asked for yet
    bool is_websocket;
};

// A head with everything that it points to.
struct copied {
    struct request_head head;
    struct header headers[];
};

static struct scope *self_of(PyObject *object)
{
    return (struct scope *)(void *)object;
}

PyObject *rsgi_scope_new(const struct request_head *head, bool is_websocket)
{
    struct scope *self = rsgi_new(rsgi_types.scope);
    if (self == NULL)
        return NULL;
    self->head = head;
    self->is_websocket = is_websocket;
    return (PyObject *)self;
}

static void scope_dealloc(PyObject *object)
{
    struct scope *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->path);
    Py_XDECREF(self->query_string);
    PyMem_Free(self->copy);
    type->tp_free(object);
    Py_DECREF(type);
}

const struct request_head *rsgi_scope_head(PyObject *scope)
{
    const struct request_head *head = self_of(scope)->head;
    if (head == NULL)
        PyErr_NoMemory();
    return head;
}

static struct str put(char **at, struct str text)
{
    char *start = *at;
    memcpy(start, text.data, text.size);
    *at += text.size;
    return (struct str){start, text.size};
}

static struct request_head *copy_head(const struct request_head *head)
{
    size_t size = sizeof(struct copied) + head->header_count * sizeof(struct header) +
                  head->method.size + head->target.size + head->version.size +
                  head->peer_address.size;
    for (size_t i = 0; i < head->header_count; i++)
        size += head->headers[i].name.size + head->headers[i].value.size;
    struct copied *copied = PyMem_Malloc(size);
    if (copied == NULL)
        return NULL;
    char *at = (char *)&copied->headers[head->header_count];
    copied->head = *head;
    copied->head.tls = NULL; // it is the connection's
    copied->head.method = put(&at, head->method);
    copied->head.target = put(&at, head->target);
    copied->head.version = put(&at, head->version);
    copied->head.peer_address = put(&at, head->peer_address);
    copied->head.headers = copied->headers;
    for (size_t i = 0; i < head->header_count; i++) {
        copied->headers[i].name = put(&at, head->headers[i].name);
        copied->headers[i].value = put(&at, head->headers[i].value);
    }
    return &copied->head;
}

void rsgi_scope_detach(PyObject *scope, bool is_needed)
{
    struct scope *self = self_of(scope);
    if (self->copy != NULL || self->head == NULL)
        return;
    if (is_needed || Py_REFCNT(scope) > 1)
        self->copy = copy_head(self->head);
    self->head = self->copy;
}

// --- attributes ---

static PyObject *constant(PyObject *object, void *name)
{
    (void)object;
    return Py_NewRef(*(PyObject **)name);
}

static PyObject *get_proto(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(self_of(object)->is_websocket ? names.ws : names.http);
}

static PyObject *get_http_version(PyObject *object, void *unused)
{
    (void)unused;
    const struct request_head *head = rsgi_scope_head(object);
    if (head == NULL)
        return NULL;
    if (str_equal(head->version, STR("HTTP/1.1")))
        return Py_NewRef(names.version_1_1);
    return Py_NewRef(names.version_1);
}

static PyObject *get_server(PyObject *object, void *unused)
{
    (void)unused;
    const struct request_head *head = rsgi_scope_head(object);
    return head != NULL ? socket_name(str_of(head->endpoint->address), head->endpoint->port) : NULL;
}

static PyObject *get_client(PyObject *object, void *unused)
{
    (void)unused;
    const struct request_head *head = rsgi_scope_head(object);
    return head != NULL ? socket_name(head->peer_address, head->peer_port) : NULL;
}

static PyObject *get_scheme(PyObject *object, void *unused)
{
    (void)unused;
    const struct request_head *head = rsgi_scope_head(object);
    if (head == NULL)
        return NULL;
    bool is_tls = strcmp(head->scheme, "https") == 0;
    return Py_NewRef(is_tls ? names.https : names.http);
}

static PyObject *get_method(PyObject *object, void *unused)
{
    (void)unused;
    const struct request_head *head = rsgi_scope_head(object);
    if (head == NULL)
        return NULL;
    if (str_equal(head->method, STR("GET")))
        return Py_NewRef(names.GET);
    if (str_equal(head->method, STR("POST")))
        return Py_NewRef(names.POST);
    _pyref_ PyObject *method =
        PyUnicode_DecodeLatin1(head->method.data, (Py_ssize_t)head->method.size, NULL);
    return method != NULL ? PyObject_CallMethod(method, "upper", NULL) : NULL;
}

static PyObject *decode(struct str text)
{
    return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.size, "replace");
}

static PyObject *decode_path(struct str path)
{
    if (memchr(path.data, '%', path.size) == NULL)
        return decode(path);
    char *octets = PyMem_Malloc(path.size);
    if (octets == NULL)
        return PyErr_NoMemory();
    size_t size = 0;
    for (size_t i = 0; i < path.size;)
        octets[size++] = target_next_octet(path, &i);
    PyObject *result = decode((struct str){octets, size});
    PyMem_Free(octets);
    return result;
}

static PyObject *get_path(PyObject *object, void *unused)
{
    struct scope *self = self_of(object);
    struct str path, query;
    (void)unused;
    if (self->path == NULL) {
        const struct request_head *head = rsgi_scope_head(object);
        if (head == NULL)
            return NULL;
        target_split(head->target, &path, &query);
        self->path = str_equal(path, STR("/")) ? Py_NewRef(names.slash) : decode_path(path);
    }
    return Py_XNewRef(self->path);
}

static PyObject *get_query_string(PyObject *object, void *unused)
{
    struct scope *self = self_of(object);
    struct str path, query;
    (void)unused;
    if (self->query_string == NULL) {
        const struct request_head *head = rsgi_scope_head(object);
        if (head == NULL)
            return NULL;
        target_split(head->target, &path, &query);
        self->query_string = query.size == 0 ? Py_NewRef(names.empty) : decode(query);
    }
    return Py_XNewRef(self->query_string);
}

static PyObject *get_headers(PyObject *object, void *unused)
{
    (void)unused;
    return rsgi_headers_new(object);
}

// A pseudo-header of HTTP/2; of older versions only where the target has one.
static PyObject *get_authority(PyObject *object, void *unused)
{
    (void)unused;
    const struct request_head *head = rsgi_scope_head(object);
    if (head == NULL)
        return NULL;
    struct str authority = target_authority(head->target);
    return authority.size > 0 ? decode(authority) : Py_NewRef(Py_None);
}

static PyObject *scope_repr(PyObject *object)
{
    _pyref_ PyObject *method = get_method(object, NULL);
    _pyref_ PyObject *path = method != NULL ? get_path(object, NULL) : NULL;
    return path != NULL ? PyUnicode_FromFormat("<Scope %U %R>", method, path) : NULL;
}

static PyGetSetDef attributes[] = {
    {"proto", get_proto, NULL, "\"http\" or \"ws\"", NULL},
    {"rsgi_version", constant, NULL, "of the specification", &names.version_1_6},
    {"http_version", get_http_version, NULL, "\"1\" or \"1.1\"", NULL},
    {"server", get_server, NULL, "\"address:port\", or the path of a unix socket", NULL},
    {"client", get_client, NULL, "\"address:port\"; \"\" on a unix socket", NULL},
    {"scheme", get_scheme, NULL, "\"http\" or \"https\"", NULL},
    {"method", get_method, NULL, "upper case", NULL},
    {"path", get_path, NULL, "decoded, without the query", NULL},
    {"query_string", get_query_string, NULL, "as it came", NULL},
    {"headers", get_headers, NULL, "a mapping", NULL},
    {"authority", get_authority, NULL, "where the request line has one, else None", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What a request is, or that for a WebSocket."},
    {Py_tp_dealloc, scope_dealloc},
    {Py_tp_getset, attributes},
    {Py_tp_repr, scope_repr},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.rsgi.Scope",
    .basicsize = sizeof(struct scope),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int rsgi_scope_init(void)
{
    return (rsgi_types.scope = rsgi_type_new(&spec)) != NULL ? 0 : -1;
}
