// header_cache.h - objects made of the names of header fields, kept for the next request.
#pragma once

#include "py.h"
#include "str.h"

// Opaque. One a way of making them.
struct header_cache;

// make: a new reference for a name; NULL without an exception for a name that gets none, or with
// one set. NULL: out of memory.
struct header_cache *header_cache_new(PyObject *(*make)(struct str name));
void header_cache_free(struct header_cache *cache);

// The object of a name: a new reference, or NULL as make says.
PyObject *header_cache_get(struct header_cache *cache, struct str name);
