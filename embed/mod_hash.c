// mod_hash.c - the built-in module _hashlib: what CPython's own has from OpenSSL, by mbedTLS
// (tls_hash.h) and scrypt. A constructor is there for a digest that is quicker here than CPython's
// own: for the others hashlib.py takes its built-in one when we have none, and hmac.py likewise.
#include "mod_hash.h"

#include <string.h>

#include "hash.h"
#include "tls_library.h"

struct hash_module *hash_module_of(PyObject *module)
{
    return PyModule_GetState(module);
}

// --- which digest ---

// Whether hashlib finds the digest under this name without us: as it is written, or, but for SHA-3,
// in capitals.
static int is_known_without_us(const struct tls_hash_kind *kind, const char *name)
{
    const char *own = tls_hash_name(kind);
    if (strcmp(name, own) == 0)
        return 1;
    if (strchr(name, '_') != NULL || strcasecmp(name, own) != 0)
        return 0;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(name);
}

static int is_left_to_python(const struct tls_hash_kind *kind, const char *name)
{
    return !tls_hash_is_quicker(kind) && is_known_without_us(kind, name);
}

static void *refuse(PyObject *module, const char *name)
{
    return PyErr_Format(hash_module_of(module)->unsupported, "unsupported hash type %s", name);
}

const struct tls_hash_kind *hash_kind_named(PyObject *module, const char *name)
{
    const struct tls_hash_kind *kind = tls_hash_find(name);
    return kind != NULL && !is_left_to_python(kind, name) ? kind : refuse(module, name);
}

const struct tls_hash_kind *hash_kind_of(PyObject *module, PyObject *digestmod)
{
    struct hash_module *state = hash_module_of(module);
    if (PyUnicode_Check(digestmod)) {
        const char *name = PyUnicode_AsUTF8(digestmod);
        return name != NULL ? hash_kind_named(module, name) : NULL;
    }
    PyObject *name = PyDict_GetItemWithError(state->constructors, digestmod);
    if (name != NULL)
        return tls_hash_find(PyUnicode_AsUTF8(name));
    if (!PyErr_Occurred())
        PyErr_Format(state->unsupported, "Unsupported digestmod %R", digestmod);
    return NULL;
}

// --- constructors ---

// What may stand behind a constructor's name: data, by position, too, usedforsecurity, string.
struct constructor_arguments {
    PyObject *data;
    PyObject *security;
    PyObject *string;
};

static int take_by_name(const char *function, PyObject *name, PyObject *value,
                        struct constructor_arguments *taken)
{
    static const char *const names[] = {"data", "usedforsecurity", "string"};
    PyObject **const places[] = {&taken->data, &taken->security, &taken->string};
    for (size_t i = 0; i < 3; i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) != 0)
            continue;
        if (*places[i] != NULL)
            return PyErr_Format(PyExc_TypeError,
                                "argument for %s() given by name ('%s') and position (1)", function,
                                names[i]),
                   -1;
        *places[i] = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
    return -1;
}

// What is to be digested, or NULL where there is nothing: data under either of its names. 0 or -1.
static int take_data(const struct constructor_arguments *taken, PyObject **data)
{
    // Every digest is there for every purpose, but what cannot be a bool is a mistake.
    if (taken->security != NULL && PyObject_IsTrue(taken->security) < 0)
        return -1;
    if (taken->data != NULL && taken->string != NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "'data' and 'string' are mutually exclusive and support for 'string' "
                        "keyword parameter is slated for removal in a future version.");
        return -1;
    }
    *data = taken->data != NULL ? taken->data : taken->string;
    return 0;
}

struct call {
    const char *function;
    PyObject *const *arguments;
    Py_ssize_t count; // of those by position
    PyObject *names;  // of the others; NULL: none
};

// A constructor's arguments, of which the one by position is data. 0 or -1.
static int take_arguments(const struct call *call, PyObject **data)
{
    if (call->count > 1)
        return PyErr_Format(PyExc_TypeError, "%s() takes at most 1 positional argument (%zd given)",
                            call->function, call->count),
               -1;
    struct constructor_arguments taken = {.data = call->count > 0 ? call->arguments[0] : NULL};
    for (Py_ssize_t i = 0; call->names != NULL && i < PyTuple_GET_SIZE(call->names); i++) {
        if (take_by_name(call->function, PyTuple_GET_ITEM(call->names, i),
                         call->arguments[call->count + i], &taken) < 0)
            return -1;
    }
    return take_data(&taken, data);
}

static PyObject *construct(PyObject *module, enum tls_hash_id id, const struct call *call)
{
    PyObject *data;
    if (take_arguments(call, &data) < 0)
        return NULL;
    return hash_object_new(module, tls_hash_kind(id), data);
}

#define FASTCALL_KEYWORDS(function) _PyCFunction_CAST(function), METH_FASTCALL | METH_KEYWORDS

#define CONSTRUCTOR(name, id)                                                                    \
    static PyObject *openssl_##name(PyObject *module, PyObject *const *arguments,                \
                                    Py_ssize_t count, PyObject *names)                           \
    {                                                                                            \
        return construct(module, id, &(struct call){"openssl_" #name, arguments, count, names}); \
    }

#define CONSTRUCTOR_METHOD(name)                                                          \
    {                                                                                     \
        "openssl_" #name, FASTCALL_KEYWORDS(openssl_##name),                              \
            PyDoc_STR("openssl_" #name "($module, /, data=b'', *, usedforsecurity=True, " \
                      "string=None)\n--\n\nReturns a " #name                              \
                      " hash object; optionally initialized with a string")               \
    }

// clang-format off
CONSTRUCTOR(md5, TLS_HASH_MD5)
CONSTRUCTOR(sha1, TLS_HASH_SHA1)
CONSTRUCTOR(sha224, TLS_HASH_SHA224)
CONSTRUCTOR(sha256, TLS_HASH_SHA256)
CONSTRUCTOR(sha384, TLS_HASH_SHA384)
CONSTRUCTOR(sha512, TLS_HASH_SHA512)
CONSTRUCTOR(sha3_224, TLS_HASH_SHA3_224)
CONSTRUCTOR(sha3_256, TLS_HASH_SHA3_256)
CONSTRUCTOR(sha3_384, TLS_HASH_SHA3_384)
CONSTRUCTOR(sha3_512, TLS_HASH_SHA3_512)
CONSTRUCTOR(ripemd160, TLS_HASH_RIPEMD160)

static PyMethodDef constructors[TLS_HASH_COUNT] = {
    [TLS_HASH_MD5] = CONSTRUCTOR_METHOD(md5),
    [TLS_HASH_SHA1] = CONSTRUCTOR_METHOD(sha1),
    [TLS_HASH_SHA224] = CONSTRUCTOR_METHOD(sha224),
    [TLS_HASH_SHA256] = CONSTRUCTOR_METHOD(sha256),
    [TLS_HASH_SHA384] = CONSTRUCTOR_METHOD(sha384),
    [TLS_HASH_SHA512] = CONSTRUCTOR_METHOD(sha512),
    [TLS_HASH_SHA3_224] = CONSTRUCTOR_METHOD(sha3_224),
    [TLS_HASH_SHA3_256] = CONSTRUCTOR_METHOD(sha3_256),
    [TLS_HASH_SHA3_384] = CONSTRUCTOR_METHOD(sha3_384),
    [TLS_HASH_SHA3_512] = CONSTRUCTOR_METHOD(sha3_512),
    [TLS_HASH_RIPEMD160] = CONSTRUCTOR_METHOD(ripemd160),
};
// clang-format on

// Where CPython's own constructor is. RIPEMD-160 has none, and none of OpenSSL's in hashlib either.
static const char *const python_modules[TLS_HASH_COUNT] = {
    [TLS_HASH_MD5] = "_md5",       [TLS_HASH_SHA1] = "_sha1",     [TLS_HASH_SHA224] = "_sha2",
    [TLS_HASH_SHA256] = "_sha2",   [TLS_HASH_SHA384] = "_sha2",   [TLS_HASH_SHA512] = "_sha2",
    [TLS_HASH_SHA3_224] = "_sha3", [TLS_HASH_SHA3_256] = "_sha3", [TLS_HASH_SHA3_384] = "_sha3",
    [TLS_HASH_SHA3_512] = "_sha3",
};

static PyObject *new_hash(PyObject *module, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"name", "data", "usedforsecurity", "string", NULL};
    const char *name;
    struct constructor_arguments taken = {NULL};
    PyObject *data;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "s|O$OO:new", keywords, &name, &taken.data,
                                     &taken.security, &taken.string) ||
        take_data(&taken, &data) < 0)
        return NULL;
    const struct tls_hash_kind *kind = hash_kind_named(module, name);
    return kind != NULL ? hash_object_new(module, kind, data) : NULL;
}

// hmac.py looks at openssl_sha256, whether or not it is of use.
static PyObject *refuse_sha256(PyObject *module, PyObject *const *Py_UNUSED(arguments),
                               Py_ssize_t Py_UNUSED(count), PyObject *Py_UNUSED(names))
{
    return refuse(module, "sha256");
}

static PyMethodDef refusing_sha256[] = {
    {"openssl_sha256", FASTCALL_KEYWORDS(refuse_sha256), NULL},
    {NULL, NULL, 0, NULL},
};

// --- the rest ---

static PyObject *get_fips_mode(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(0);
}

static PyMethodDef methods[] = {
    {"new", _PyCFunction_CAST(new_hash), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("new($module, /, name, data=b'', *, usedforsecurity=True, string=None)\n--\n\n"
               "Return a new hash object using the named algorithm.")},
    {"hmac_new", _PyCFunction_CAST(hash_hmac_new), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("hmac_new($module, /, key, msg=b'', digestmod=None)\n--\n\n"
               "Return a new hmac object.")},
    {"hmac_digest", _PyCFunction_CAST(hash_hmac_digest), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("hmac_digest($module, /, key, msg, digest)\n--\n\nSingle-shot HMAC.")},
    {"pbkdf2_hmac", _PyCFunction_CAST(hash_pbkdf2_hmac), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("pbkdf2_hmac($module, /, hash_name, password, salt, iterations, dklen=None)\n--\n\n"
               "Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom "
               "function.")},
    {"scrypt", _PyCFunction_CAST(hash_scrypt), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("scrypt($module, /, password, *, salt, n, r, p, maxmem=0, dklen=64)\n--\n\n"
               "scrypt password-based key derivation function.")},
    {"get_fips_mode", get_fips_mode, METH_NOARGS,
     PyDoc_STR("get_fips_mode($module, /)\n--\n\nThere is none: 0.")},
    {NULL, NULL, 0, NULL},
};

// --- what a module begins with ---

// One of our constructors: known to new HMACs, in _by_mbedtls, and hashlib's where it is quicker.
static int add_constructor(PyObject *module, enum tls_hash_id id, PyObject *all)
{
    const struct tls_hash_kind *kind = tls_hash_kind(id);
    _pyref_ PyObject *name = PyUnicode_FromString(tls_hash_name(kind));
    _pyref_ PyObject *module_name = PyUnicode_FromString("_hashlib");
    if (name == NULL || module_name == NULL)
        return -1;
    _pyref_ PyObject *function = PyCFunction_NewEx(&constructors[id], module, module_name);
    if (function == NULL || PyDict_SetItem(all, name, function) < 0 ||
        PyDict_SetItem(hash_module_of(module)->constructors, function, name) < 0)
        return -1;
    if (python_modules[id] == NULL || !tls_hash_is_quicker(kind))
        return 0;
    return PyModule_AddObjectRef(module, constructors[id].ml_name, function);
}

// All of ours are in _by_mbedtls, for whoever has to have one, and to be tested and measured.
static int add_constructors(PyObject *module)
{
    if ((hash_module_of(module)->constructors = PyDict_New()) == NULL)
        return -1;
    _pyref_ PyObject *all = PyDict_New();
    for (size_t i = 0; i < TLS_HASH_COUNT; i++) {
        if (all == NULL || add_constructor(module, (enum tls_hash_id)i, all) < 0)
            return -1;
    }
    if (!tls_hash_is_quicker(tls_hash_kind(TLS_HASH_SHA256)) &&
        PyModule_AddFunctions(module, refusing_sha256) < 0)
        return -1;
    _pyref_ PyObject *known = PyDict_Copy(hash_module_of(module)->constructors);
    if (known == NULL || PyModule_Add(module, "_constructors", PyDictProxy_New(known)) < 0)
        return -1;
    return PyModule_Add(module, "_by_mbedtls", PyDictProxy_New(all));
}

// CPython's own constructors of the other digests, which are hashlib's, are good for an HMAC, too:
// hmac.py has only Python for a function that we do not take.
static int know_python_constructors(PyObject *module)
{
    PyObject *known = hash_module_of(module)->constructors;
    for (size_t i = 0; i < TLS_HASH_COUNT; i++) {
        const struct tls_hash_kind *kind = tls_hash_kind((enum tls_hash_id)i);
        if (python_modules[i] == NULL || tls_hash_is_quicker(kind))
            continue;
        _pyref_ PyObject *name = PyUnicode_FromString(tls_hash_name(kind));
        _pyref_ PyObject *function =
            PyImport_ImportModuleAttrString(python_modules[i], tls_hash_name(kind));
        if (function == NULL || name == NULL || PyDict_SetItem(known, function, name) < 0)
            return -1;
    }
    return 0;
}

// The names of the digests that new() takes.
static int add_names(PyObject *module)
{
    _pyref_ PyObject *names = PySet_New(NULL);
    for (size_t i = 0; i < TLS_HASH_COUNT; i++) {
        const struct tls_hash_kind *kind = tls_hash_kind((enum tls_hash_id)i);
        _pyref_ PyObject *name = PyUnicode_FromString(tls_hash_name(kind));
        if (names == NULL || name == NULL)
            return -1;
        if (!is_left_to_python(kind, tls_hash_name(kind)) && PySet_Add(names, name) < 0)
            return -1;
    }
    return PyModule_Add(module, "openssl_md_meth_names", PyFrozenSet_New(names));
}

// What is what it is elsewhere, too. CPython's comparison in constant time is as good.
static int add_others(PyObject *module)
{
    struct hash_module *state = hash_module_of(module);
    state->unsupported =
        PyErr_NewException("_hashlib.UnsupportedDigestmodError", PyExc_ValueError, NULL);
    if (PyModule_AddObjectRef(module, "UnsupportedDigestmodError", state->unsupported) < 0 ||
        PyModule_AddIntConstant(module, "_GIL_MINSIZE", HASH_GIL_MINSIZE) < 0)
        return -1;
    return PyModule_Add(module, "compare_digest",
                        PyImport_ImportModuleAttrString("_operator", "_compare_digest"));
}

static int start_library(PyObject *Py_UNUSED(module))
{
    struct err err = {0};
    if (tls_library_start(&err) == 0)
        return 0;
    PyErr_SetString(PyExc_ImportError, err.text);
    return -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, start_library},
    {Py_mod_exec, hash_types_add},
    {Py_mod_exec, hash_hmac_type_add},
    {Py_mod_exec, add_constructors},
    {Py_mod_exec, know_python_constructors},
    {Py_mod_exec, add_names},
    {Py_mod_exec, add_others},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL},
};

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    struct hash_module *state = hash_module_of(module);
    Py_VISIT(state->hash);
    Py_VISIT(state->xof);
    Py_VISIT(state->hmac);
    Py_VISIT(state->constructors);
    Py_VISIT(state->unsupported);
    return 0;
}

static int clear(PyObject *module)
{
    struct hash_module *state = hash_module_of(module);
    Py_CLEAR(state->hash);
    Py_CLEAR(state->xof);
    Py_CLEAR(state->hmac);
    Py_CLEAR(state->constructors);
    Py_CLEAR(state->unsupported);
    return 0;
}

static void free_module(void *module)
{
    clear(module);
}

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_hashlib",
    .m_doc = "Digests, HMAC and keys from passwords, for hashlib and hmac.",
    .m_size = sizeof(struct hash_module),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

PyObject *mod_hash_init(void)
{
    return PyModuleDef_Init(&definition);
}
