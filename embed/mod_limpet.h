// mod_limpet.h - the built-in module _limpet: what our Python half asks of C.
#pragma once

#include "py.h"

struct archive;

// The archive which the module shows. Before the interpreter starts; it must stay open.
void mod_limpet_use_archive(const struct archive *archive);

// For PyImport_AppendInittab.
PyObject *mod_limpet_init(void);
