// sandbox_priv.h - what the parts of the sandbox share. Included by them only.
#pragma once

#include <stdbool.h>

#include "err.h"
#include "sandbox_landlock.h"

// --- sandbox_public.c ---

// Rules to read what of a folder everybody may read by its modes; all names in it can be listed.
// What is put there later in the place of a file that has a rule of its own has none.
void sandbox_add_public(struct sandbox_rules *rules, const char *path);

// --- sandbox_capabilities.c ---

// Takes capabilities from programs to come; whatever is missing for that is missing to them, too.
void sandbox_drop_bounds(bool stays_root);
// Of root: the capabilities that a server's workers need, and no others.
int sandbox_keep_capabilities(struct err *err);
