// header_key.c - clients say the same few names all the time, so the latest text of each slot is
// kept. What a client invents replaces one other, and no more.
#include "header_key.h"

#include <string.h>

#include "names.h"

enum {
    KEY_MAX = 256,  // bytes of a name that becomes a key; a longer one gets none
    SLOTS = 128,    // a power of two
    NAME_KEPT = 40, // bytes of a name whose text is kept
};

struct slot {
    PyObject *text; // NULL: none
    size_t size;
    char name[NAME_KEPT]; // as it was spelled
};

// What a process has one of: its interpreter is one.
static struct slot keys[SLOTS], lower_names[SLOTS];

static struct slot *slot_of(struct slot *slots, struct str name)
{
    unsigned hash = (unsigned)name.size;
    for (size_t i = 0; i < name.size; i++)
        hash = hash * 31 + (unsigned char)name.data[i];
    return &slots[(hash ^ hash >> 7) % SLOTS];
}

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
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)name.size + 5, NULL);
}

static PyObject *make_name(struct str name)
{
    char *lower = PyMem_Malloc(name.size);
    if (lower == NULL)
        return PyErr_NoMemory();
    for (size_t i = 0; i < name.size; i++)
        lower[i] = (char)Py_TOLOWER(name.data[i]);
    PyObject *text = PyUnicode_DecodeLatin1(lower, (Py_ssize_t)name.size, NULL);
    PyMem_Free(lower);
    return text;
}

// The text that is kept, or a new one in its place.
static PyObject *find(struct slot *slots, struct str name, PyObject *(*make)(struct str name))
{
    if (name.size > NAME_KEPT)
        return make(name);
    struct slot *slot = slot_of(slots, name);
    if (slot->text != NULL && slot->size == name.size &&
        memcmp(slot->name, name.data, name.size) == 0)
        return Py_NewRef(slot->text);
    PyObject *text = make(name);
    if (text == NULL)
        return NULL;
    PyUnicode_InternInPlace(&text);
    Py_XSETREF(slot->text, Py_NewRef(text));
    slot->size = name.size;
    memcpy(slot->name, name.data, name.size);
    return text;
}

PyObject *header_key(struct str name)
{
    return find(keys, name, make_key);
}

PyObject *header_name(struct str name)
{
    return find(lower_names, name, make_name);
}

void header_key_fini(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        Py_CLEAR(keys[i].text);
        Py_CLEAR(lower_names[i].text);
    }
}
