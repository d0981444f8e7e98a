// proxies.h - the proxies whose word on their clients counts (--trusted-proxies). Pure but for the
// memory of the set.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "err.h"

struct proxies; // opaque

// Whether a text names some: "10.0.0.0/8", "fd00::/8", "127.0.0.1", or "unix", whoever connects to
// a unix socket. Errors, ERR_USAGE: as config_option's check.
int proxies_check(const char *text, struct err *err);

// Of such texts. The caller's, to be freed. Errors: those; out of memory.
int proxies_new(struct proxies **out, char *const *texts, size_t count, struct err *err);
void proxies_free(struct proxies *proxies);

// Whether that end of a connection is one of them. proxies: NULL: there are none.
bool proxies_trust(const struct proxies *proxies, const struct address *address);
