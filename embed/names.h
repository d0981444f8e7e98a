// names.h - the interned strings of names.def, as members of one struct.
#pragma once

#include "py.h"

struct names {
#define NAME(identifier, text) PyObject *identifier;
#include "names.def"
#undef NAME
};

// Valid between names_init and names_fini; borrowed references.
extern struct names names;

int names_init(void); // 0, or -1 with an exception set
void names_fini(void);
