// mod_hash.h - the built-in module _hashlib, on which CPython's own hashlib.py and hmac.py run.
#pragma once

#include "py.h"

PyObject *mod_hash_init(void);
