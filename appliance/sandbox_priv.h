// sandbox_priv.h - what the parts of the sandbox share. Included by them only.
#pragma once

#include <stdbool.h>

#include "buf.h"
#include "err.h"
#include "sandbox_landlock.h"

// --- sandbox_public.c ---

// Rules to read those parts of /etc (sandbox_find_public) that everybody may still read by their
// modes; all names in it can be listed. What is put there later in the place of a file that has a
// rule of its own has none. -1: no memory.
int sandbox_add_public(struct sandbox_rules *rules, const struct buf *parts);

// --- sandbox_capabilities.c ---

// Takes capabilities from programs to come; whatever is missing for that is missing to them, too.
void sandbox_drop_bounds(bool stays_root);
// Of root: the capabilities that a server's workers need, and no others.
int sandbox_keep_capabilities(struct err *err);
