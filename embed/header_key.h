// header_key.h - the names of header fields as keys of an environ: "User-Agent" is HTTP_USER_AGENT.
#pragma once

#include "py.h"
#include "str.h"

// The key of a header field: interned, a new reference. NULL without an exception for a name that
// gets none, or with one set.
PyObject *header_key(struct str name);

// Forget the keys that were made.
void header_key_fini(void);
