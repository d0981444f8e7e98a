// rsgi_headers.c - the fields of a request as a mapping: a view of the scope. Names are compared
// without regard to case (RFC 9110 section 5.1) and shown in lower case; of a name that came more
// than once, get and [] give the first value.
#include "arguments.h"
#include "header_cache.h"
#include "rsgi_priv.h"

struct headers {
    PyObject_HEAD PyObject *scope;
};

// What a process has one of: its interpreter is one. Names in lower case.
static struct header_cache *lower_names;

static PyObject *make_name(struct str name)
{
    char *lower = PyMem_Malloc(name.size);
    if (lower == NULL)
        return PyErr_NoMemory();
    for (size_t i = 0; i < name.size; i++)
        lower[i] = (char)Py_TOLOWER(name.data[i]);
    PyObject *text = PyUnicode_DecodeLatin1(lower, (Py_ssize_t)name.size, NULL);
    PyMem_Free(lower);
    if (text != NULL)
        PyUnicode_InternInPlace(&text);
    return text;
}

static struct headers *self_of(PyObject *object)
{
    return (struct headers *)(void *)object;
}

PyObject *rsgi_headers_new(PyObject *scope)
{
    struct headers *self = rsgi_new(rsgi_types.headers);
    if (self == NULL)
        return NULL;
    self->scope = Py_NewRef(scope);
    return (PyObject *)self;
}

static void headers_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_DECREF(self_of(object)->scope);
    type->tp_free(object);
    Py_DECREF(type);
}

static const struct request_head *head_of(PyObject *object)
{
    return rsgi_scope_head(self_of(object)->scope);
}

static PyObject *name_of(const struct header *header)
{
    return header_cache_get(lower_names, header->name);
}

static PyObject *value_of(const struct header *header)
{
    return PyUnicode_DecodeLatin1(header->value.data, (Py_ssize_t)header->value.size, NULL);
}

// Its index from a place on; the number of fields where there is none.
static size_t find(const struct request_head *head, struct str name, size_t from)
{
    while (from < head->header_count && !str_equal_nocase(head->headers[from].name, name))
        from++;
    return from;
}

// The head and the name that a call asks for; NULL with an exception set.
static const struct request_head *asked(PyObject *object, PyObject *key, struct str *name)
{
    if (!PyUnicode_Check(key))
        return PyErr_Format(PyExc_TypeError, "a header's name is a str, not %T", key), NULL;
    *name = (struct str){"", 0}; // no field has this one
    if (PyUnicode_IS_ASCII(key))
        *name = (struct str){(const char *)PyUnicode_1BYTE_DATA(key),
                             (size_t)PyUnicode_GET_LENGTH(key)};
    return head_of(object);
}

// 1, 0: there is none, -1 with an exception set.
static int find_value(PyObject *object, PyObject *key, PyObject **value)
{
    struct str name;
    const struct request_head *head = asked(object, key, &name);
    *value = NULL;
    if (head == NULL)
        return -1;
    size_t index = find(head, name, 0);
    if (index == head->header_count)
        return 0;
    *value = value_of(&head->headers[index]);
    return *value != NULL ? 1 : -1;
}

static PyObject *headers_subscript(PyObject *object, PyObject *key)
{
    PyObject *value;
    if (find_value(object, key, &value) == 0)
        PyErr_SetObject(PyExc_KeyError, key);
    return value;
}

static int headers_contains(PyObject *object, PyObject *key)
{
    struct str name;
    const struct request_head *head = asked(object, key, &name);
    return head != NULL ? find(head, name, 0) < head->header_count : -1;
}

PyDoc_STRVAR(get_doc, "get(key, default=None) -> str or default\n\nThe first value of a name.");

static PyObject *headers_get(PyObject *object, PyObject *const *arguments, Py_ssize_t count,
                             PyObject *names)
{
    static const struct arguments_signature signature = {"get", {"key", "default"}, 1, 2};
    PyObject *taken[2], *value;
    if (arguments_take(&signature, arguments, count, names, taken) < 0)
        return NULL;
    if (find_value(object, taken[0], &value) == 0)
        return Py_NewRef(taken[1] != NULL ? taken[1] : Py_None);
    return value;
}

static int append(PyObject *list, PyObject *item_take)
{
    if (item_take == NULL)
        return -1;
    int result = PyList_Append(list, item_take);
    Py_DECREF(item_take);
    return result;
}

PyDoc_STRVAR(get_all_doc, "get_all(key) -> list of str\n\nAll values of a name, as they came.");

static PyObject *headers_get_all(PyObject *object, PyObject *key)
{
    struct str name;
    const struct request_head *head = asked(object, key, &name);
    _pyref_ PyObject *list = head != NULL ? PyList_New(0) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = find(head, name, 0); i < head->header_count; i = find(head, name, i + 1)) {
        if (append(list, value_of(&head->headers[i])) < 0)
            return NULL;
    }
    return py_steal(&list);
}

static bool is_first(const struct request_head *head, size_t index)
{
    return find(head, head->headers[index].name, 0) == index;
}

PyDoc_STRVAR(keys_doc, "keys() -> list of str\n\nThe names, each once.");

static PyObject *headers_keys(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    const struct request_head *head = head_of(object);
    _pyref_ PyObject *list = head != NULL ? PyList_New(0) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        if (is_first(head, i) && append(list, name_of(&head->headers[i])) < 0)
            return NULL;
    }
    return py_steal(&list);
}

PyDoc_STRVAR(values_doc, "values() -> list of str\n\nThe values of all fields.");

static PyObject *headers_values(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    const struct request_head *head = head_of(object);
    _pyref_ PyObject *list = head != NULL ? PyList_New(0) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        if (append(list, value_of(&head->headers[i])) < 0)
            return NULL;
    }
    return py_steal(&list);
}

static PyObject *pair_of(const struct header *header)
{
    _pyref_ PyObject *name = name_of(header);
    _pyref_ PyObject *value = name != NULL ? value_of(header) : NULL;
    return value != NULL ? PyTuple_Pack(2, name, value) : NULL;
}

PyDoc_STRVAR(items_doc, "items() -> list of (str, str)\n\nAll fields, as they came.");

static PyObject *headers_items(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    const struct request_head *head = head_of(object);
    _pyref_ PyObject *list = head != NULL ? PyList_New(0) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        if (append(list, pair_of(&head->headers[i])) < 0)
            return NULL;
    }
    return py_steal(&list);
}

static PyObject *headers_iter(PyObject *object)
{
    _pyref_ PyObject *keys = headers_keys(object, NULL);
    return keys != NULL ? PyObject_GetIter(keys) : NULL;
}

static Py_ssize_t headers_length(PyObject *object)
{
    const struct request_head *head = head_of(object);
    Py_ssize_t count = 0;
    if (head == NULL)
        return -1;
    for (size_t i = 0; i < head->header_count; i++)
        count += is_first(head, i);
    return count;
}

static PyObject *headers_repr(PyObject *object)
{
    _pyref_ PyObject *items = headers_items(object, NULL);
    return items != NULL ? PyUnicode_FromFormat("Headers(%R)", items) : NULL;
}

static PyMethodDef methods[] = {
    {"get", (PyCFunction)(void (*)(void))headers_get, METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"get_all", headers_get_all, METH_O, get_all_doc},
    {"keys", headers_keys, METH_NOARGS, keys_doc},
    {"values", headers_values, METH_NOARGS, values_doc},
    {"items", headers_items, METH_NOARGS, items_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The header fields of a request: names in lower case, values as latin-1 text."},
    {Py_tp_dealloc, headers_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_iter, headers_iter},
    {Py_tp_repr, headers_repr},
    {Py_mp_subscript, headers_subscript},
    {Py_mp_length, headers_length},
    {Py_sq_contains, headers_contains},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "limpet.rsgi.Headers",
    .basicsize = sizeof(struct headers),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_MAPPING,
    .slots = slots,
};

int rsgi_headers_init(void)
{
    lower_names = header_cache_new(make_name);
    if (lower_names == NULL)
        return PyErr_NoMemory(), -1;
    return (rsgi_types.headers = rsgi_type_new(&spec)) != NULL ? 0 : -1;
}
