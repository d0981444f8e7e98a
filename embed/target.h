// target.h - the parts of a request target (RFC 9112 section 3.2). No Python.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

// The path, still encoded ("/" where there is none), and the query behind the first '?'.
void target_split(struct str target, struct str *path, struct str *query);

// The authority of a target in absolute-form (RFC 9112 section 3.2.2); empty where there is none.
struct str target_authority(struct str target);

// The octet of a raw path that starts at *at, which is moved behind it: percent-decoded; a '%' that
// starts none stays.
char target_next_octet(struct str path, size_t *at);

// What of a path lies below the prefix ("/shop", "": all do); false where it is not below it.
bool target_strip_prefix(struct str path, struct str prefix, struct str *out);
