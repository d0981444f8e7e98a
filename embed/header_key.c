// header_key.c - "HTTP_" and the name, as CGI has it (RFC 3875 section 4.1.18).
#include "header_key.h"

#include <string.h>

#include "header_cache.h"
#include "names.h"

enum { KEY_MAX = 256 }; // bytes of a name that becomes a key; a longer one gets none

// What a process has one of: its interpreter is one.
static struct header_cache *cache;

// A name with '_' would pass for another ("X_Real_IP" for "X-Real-IP"): it gets no key. Nor does
// Transfer-Encoding: a body comes decoded (environ.c tells its length).
static PyObject *make_key(struct str name)
{
    if (str_equal_nocase(name, STR("content-type")))
        return Py_NewRef(names.CONTENT_TYPE);
    if (str_equal_nocase(name, STR("content-length")))
        return Py_NewRef(names.CONTENT_LENGTH);
    if (str_equal_nocase(name, STR("transfer-encoding")))
        return NULL;
    char text[KEY_MAX + 5] = "HTTP_";
    if (name.size > KEY_MAX || memchr(name.data, '_', name.size) != NULL)
        return NULL;
    for (size_t i = 0; i < name.size; i++)
        text[5 + i] = (char)(name.data[i] == '-' ? '_' : Py_TOUPPER(name.data[i]));
    PyObject *key = PyUnicode_DecodeLatin1(text, (Py_ssize_t)name.size + 5, NULL);
    if (key != NULL)
        PyUnicode_InternInPlace(&key);
    return key;
}

PyObject *header_key(struct str name)
{
    if (cache == NULL && (cache = header_cache_new(make_key)) == NULL)
        return PyErr_NoMemory();
    return header_cache_get(cache, name);
}

void header_key_fini(void)
{
    header_cache_free(cache);
    cache = NULL;
}
