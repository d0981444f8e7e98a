// header_key.h - the names of header fields as Python texts: as keys of an environ ("User-Agent" is
// HTTP_USER_AGENT), and in lower case.
#pragma once

#include "py.h"
#include "str.h"

// The key of a header field: interned, a new reference. NULL without an exception for a name that
// gets none, or with one set.
PyObject *header_key(struct str name);

// "user-agent": interned, a new reference; NULL with an exception set.
PyObject *header_name(struct str name);

// Forget the texts that were made.
void header_key_fini(void);
