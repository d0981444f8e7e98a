// names.c - makes and drops the interned strings: one table, two loops.
#include "names.h"

struct names names;

static const struct {
    PyObject **slot;
    const char *text;
} table[] = {
#define NAME(identifier, text) {&names.identifier, text},
#include "names.def"
#undef NAME
};

enum { NAMES_COUNT = sizeof table / sizeof table[0] };

int names_init(void)
{
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        *table[i].slot = PyUnicode_InternFromString(table[i].text);
        if (*table[i].slot == NULL)
            return -1;
    }
    return 0;
}

void names_fini(void)
{
    for (size_t i = 0; i < NAMES_COUNT; i++)
        Py_CLEAR(*table[i].slot);
}
