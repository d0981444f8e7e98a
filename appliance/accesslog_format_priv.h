// accesslog_format_priv.h - what accesslog_format.c and accesslog_format_atoms.c share.
#pragma once

#include "accesslog_format.h"

// Find what stands between an atom's parentheses: sets the piece's value and name. The name's bytes
// may be changed, and are the piece's afterwards. Errors name what is like it.
int accesslog_format_find(struct accesslog_piece *piece, struct str name, struct err *err);
