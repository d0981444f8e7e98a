// mod_ssl.h - the built-in module _ssl, for the table of built-in modules.
#pragma once

#include "py.h"

// For PyImport_AppendInittab.
PyObject *mod_ssl_init(void);
