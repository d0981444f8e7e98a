// ssl_certificate.c - certificates as Python sees them: the type Certificate, and the dictionaries
// of getpeercert().
#include "ssl_priv.h"

#include "tls_certificate.h"
#include "tls_object.h"

enum { FORMAT_PEM = 1, FORMAT_DER = 2 };

struct certificate {
    PyObject_HEAD PyObject *der; // bytes
};

static struct str der_of(PyObject *object)
{
    PyObject *der = ((struct certificate *)(void *)object)->der;
    return (struct str){PyBytes_AS_STRING(der), (size_t)PyBytes_GET_SIZE(der)};
}

PyObject *ssl_certificate_new(const struct ssl_state *state, struct str der)
{
    PyTypeObject *type = state->certificate;
    struct certificate *self = (struct certificate *)(void *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->der = PyBytes_FromStringAndSize(der.data, (Py_ssize_t)der.size);
    if (self->der == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void certificate_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(((struct certificate *)(void *)object)->der);
    type->tp_free(object);
    Py_DECREF(type);
}

// --- dictionaries ---

static PyObject *pair(struct str kind, PyObject *value_take)
{
    if (value_take == NULL)
        return NULL;
    PyObject *result = Py_BuildValue("(s#N)", kind.data, (Py_ssize_t)kind.size, value_take);
    return result;
}

// A list's items as a tuple. The list's reference is taken; NULL stays NULL.
static PyObject *frozen(PyObject *list_take)
{
    if (list_take == NULL)
        return NULL;
    PyObject *tuple = PyList_AsTuple(list_take);
    Py_DECREF(list_take);
    return tuple;
}

static int append(PyObject *list, PyObject *item_take)
{
    if (item_take == NULL)
        return -1;
    int result = PyList_Append(list, item_take);
    Py_DECREF(item_take);
    return result;
}

// ((("countryName", "DE"),), (("commonName", "localhost"),)): a tuple of relative names.
static PyObject *name_tuple(const struct tls_name_parts *name)
{
    _pyref_ PyObject *whole = PyList_New(0);
    _pyref_ PyObject *relative = NULL;
    if (whole == NULL)
        return NULL;
    for (size_t i = 0; i < name->count; i++) {
        const struct tls_name_part *part = &name->parts[i];
        if (relative != NULL && part->begins && append(whole, frozen(py_steal(&relative))) < 0)
            return NULL;
        if (relative == NULL && (relative = PyList_New(0)) == NULL)
            return NULL;
        PyObject *value = part->is_bytes ? PyBytes_FromStringAndSize(part->value.data,
                                                                     (Py_ssize_t)part->value.size)
                                         : ssl_text(part->value);
        if (append(relative, pair(part->kind, value)) < 0)
            return NULL;
    }
    if (relative != NULL && append(whole, frozen(py_steal(&relative))) < 0)
        return NULL;
    return PyList_AsTuple(whole);
}

static PyObject *alt_names_tuple(const struct tls_certificate_text *facts)
{
    if (facts->alt_names == NULL)
        return Py_NewRef(Py_None);
    _pyref_ PyObject *names = PyList_New(0);
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < facts->alt_name_count; i++) {
        const struct tls_alt_name *name = &facts->alt_names[i];
        bool is_directory = str_equal(name->kind, STR("DirName"));
        PyObject *value = is_directory ? name_tuple(&name->names) : ssl_text(name->value);
        if (append(names, pair(name->kind, value)) < 0)
            return NULL;
    }
    return PyList_AsTuple(names);
}

static PyObject *texts_tuple(const struct tls_texts *texts)
{
    if (texts->count == 0)
        return Py_NewRef(Py_None);
    _pyref_ PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < texts->count; i++) {
        if (append(list, ssl_text(texts->texts[i])) < 0)
            return NULL;
    }
    return PyList_AsTuple(list);
}

// What is None is left out.
static int add(PyObject *dict, const char *key, PyObject *value_take)
{
    if (value_take == NULL)
        return -1;
    int result = value_take == Py_None ? 0 : PyDict_SetItemString(dict, key, value_take);
    Py_DECREF(value_take);
    return result;
}

static PyObject *dict_of(const struct tls_certificate_text *facts)
{
    _pyref_ PyObject *dict = PyDict_New();
    if (dict == NULL || add(dict, "subject", name_tuple(&facts->subject)) < 0 ||
        add(dict, "issuer", name_tuple(&facts->issuer)) < 0 ||
        add(dict, "version", PyLong_FromLong(facts->version)) < 0 ||
        add(dict, "serialNumber", ssl_text(facts->serial)) < 0 ||
        add(dict, "notBefore", ssl_text(facts->not_before)) < 0 ||
        add(dict, "notAfter", ssl_text(facts->not_after)) < 0 ||
        add(dict, "subjectAltName", alt_names_tuple(facts)) < 0 ||
        add(dict, "OCSP", texts_tuple(&facts->ocsp)) < 0 ||
        add(dict, "caIssuers", texts_tuple(&facts->ca_issuers)) < 0 ||
        add(dict, "crlDistributionPoints", texts_tuple(&facts->crl_points)) < 0)
        return NULL;
    return py_steal(&dict);
}

PyObject *ssl_certificate_dict(const struct ssl_state *state, struct str der)
{
    struct tls_certificate_text facts;
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    if (tls_certificate_read(&facts, der, &fault) < 0)
        return ssl_fault_raise(state, &fault, NULL);
    PyObject *dict = dict_of(&facts);
    tls_certificate_fini(&facts);
    return dict;
}

PyObject *ssl_certificate_of_file(const struct ssl_state *state, PyObject *path)
{
    _pyref_ PyObject *name = NULL;
    if (!PyUnicode_FSConverter(path, &name))
        return NULL;
    struct str der;
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    if (tls_certificate_load(&der, PyBytes_AS_STRING(name), &fault) < 0)
        return ssl_fault_raise(state, &fault, NULL);
    PyObject *dict = ssl_certificate_dict(state, der);
    free((void *)(uintptr_t)der.data);
    return dict;
}

// --- the type ---

PyDoc_STRVAR(public_bytes_doc, "public_bytes(format=ENCODING_PEM)\n\nPEM as str, DER as bytes.");

static PyObject *public_bytes(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"format", NULL};
    int format = FORMAT_PEM;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|i:public_bytes", names, &format))
        return NULL;
    if (format == FORMAT_DER)
        return Py_NewRef(((struct certificate *)(void *)object)->der);
    if (format != FORMAT_PEM)
        return PyErr_SetString(PyExc_ValueError, "Unsupported format"), NULL;
    struct str pem = tls_certificate_pem(der_of(object));
    if (pem.data == NULL)
        return PyErr_NoMemory();
    PyObject *text = ssl_text(pem);
    free((void *)(uintptr_t)pem.data);
    return text;
}

PyDoc_STRVAR(get_info_doc, "get_info() -> dict\n\nAs SSLSocket.getpeercert().");

static PyObject *get_info(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    return ssl_certificate_dict(ssl_state_of(object), der_of(object));
}

// RFC 4514 section 2.4: what would be taken for the name's own signs, and what is not ASCII.
static int write_escaped(PyUnicodeWriter *writer, struct str value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool at_end = i == 0 || i + 1 == value.size;
        int result;
        if (c < ' ' || c >= 0x7f)
            result = PyUnicodeWriter_Format(writer, "\\%c%c", "0123456789ABCDEF"[c >> 4],
                                            "0123456789ABCDEF"[c & 15]);
        else if (strchr(",+\"\\<>;", c) != NULL || (at_end && c == ' ') || (i == 0 && c == '#'))
            result = PyUnicodeWriter_Format(writer, "\\%c", c);
        else
            result = PyUnicodeWriter_WriteChar(writer, c);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int write_part(PyUnicodeWriter *writer, const struct tls_name_part *part)
{
    char kind[128];
    snprintf(kind, sizeof kind, "%.*s", (int)part->kind.size, part->kind.data);
    const struct tls_object *object = tls_object_by_text(kind, true);
    if (PyUnicodeWriter_Format(writer, "%s=", object != NULL ? object->short_name : kind) < 0)
        return -1;
    return write_escaped(writer, part->value);
}

// RFC 4514 section 2.1: relative names from the last to the first, "+" inside of one.
static int write_name(PyUnicodeWriter *writer, const struct tls_name_parts *name)
{
    for (size_t end = name->count; end > 0;) {
        size_t begin = end - 1;
        while (begin > 0 && !name->parts[begin].begins)
            begin--;
        for (size_t i = begin; i < end; i++) {
            if (i > begin && PyUnicodeWriter_WriteChar(writer, '+') < 0)
                return -1;
            if (write_part(writer, &name->parts[i]) < 0)
                return -1;
        }
        if (begin > 0 && PyUnicodeWriter_WriteChar(writer, ',') < 0)
            return -1;
        end = begin;
    }
    return 0;
}

static PyObject *certificate_repr(PyObject *object)
{
    struct tls_certificate_text facts;
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    if (tls_certificate_read(&facts, der_of(object), &fault) < 0)
        return ssl_fault_raise(ssl_state_of(object), &fault, NULL);
    PyUnicodeWriter *writer = PyUnicodeWriter_Create(0);
    PyObject *text = NULL;
    if (writer != NULL && PyUnicodeWriter_Format(writer, "<%s '", Py_TYPE(object)->tp_name) == 0 &&
        write_name(writer, &facts.subject) == 0 && PyUnicodeWriter_WriteUTF8(writer, "'>", 2) == 0)
        text = PyUnicodeWriter_Finish(writer);
    else
        PyUnicodeWriter_Discard(writer);
    tls_certificate_fini(&facts);
    return text;
}

static Py_hash_t certificate_hash(PyObject *object)
{
    return PyObject_Hash(((struct certificate *)(void *)object)->der);
}

static PyObject *certificate_compare(PyObject *left, PyObject *right, int operation)
{
    if (!Py_IS_TYPE(right, Py_TYPE(left)) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    bool equal = str_equal(der_of(left), der_of(right));
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

static PyMethodDef methods[] = {
    {"public_bytes", (PyCFunction)(void (*)(void))public_bytes, METH_VARARGS | METH_KEYWORDS,
     public_bytes_doc},
    {"get_info", get_info, METH_NOARGS, get_info_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An X.509 certificate."},
    {Py_tp_dealloc, certificate_dealloc},
    {Py_tp_repr, certificate_repr},
    {Py_tp_hash, certificate_hash},
    {Py_tp_richcompare, certificate_compare},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec ssl_certificate_spec = {
    .name = "_ssl.Certificate",
    .basicsize = sizeof(struct certificate),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
