// header_cache.c - clients say the same few names all the time, so the latest object of each slot
// is kept. What a client invents replaces one other, and no more.
#include "header_cache.h"

#include <string.h>

enum {
    SLOTS = 128,    // a power of two
    NAME_KEPT = 40, // bytes of a name whose object is kept
};

struct slot {
    PyObject *object; // NULL: none
    size_t size;
    char name[NAME_KEPT]; // as it was spelled
};

struct header_cache {
    PyObject *(*make)(struct str name);
    struct slot slots[SLOTS];
};

struct header_cache *header_cache_new(PyObject *(*make)(struct str name))
{
    struct header_cache *cache = PyMem_Calloc(1, sizeof *cache);
    if (cache != NULL)
        cache->make = make;
    return cache;
}

void header_cache_free(struct header_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        Py_CLEAR(cache->slots[i].object);
    PyMem_Free(cache);
}

static struct slot *slot_of(struct header_cache *cache, struct str name)
{
    unsigned hash = (unsigned)name.size;
    for (size_t i = 0; i < name.size; i++)
        hash = hash * 31 + (unsigned char)name.data[i];
    return &cache->slots[(hash ^ hash >> 7) % SLOTS];
}

PyObject *header_cache_get(struct header_cache *cache, struct str name)
{
    if (name.size > NAME_KEPT)
        return cache->make(name);
    struct slot *slot = slot_of(cache, name);
    if (slot->object != NULL && slot->size == name.size &&
        memcmp(slot->name, name.data, name.size) == 0)
        return Py_NewRef(slot->object);
    PyObject *object = cache->make(name);
    if (object == NULL)
        return NULL;
    Py_XSETREF(slot->object, Py_NewRef(object));
    slot->size = name.size;
    memcpy(slot->name, name.data, name.size);
    return object;
}
