// libc_name.c - the C library's name and version where Python's platform.libc_ver() looks for them:
// in the bytes of the executable. In no header, since nobody calls it.
#include "version.h"

__attribute__((used, retain)) static const char libc_name[] = LIMPET_LIBC;
