// hosts.h - the names that a server is asked for (--allowed-hosts). Pure but for the memory of the
// set.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

struct hosts; // opaque

// Whether a text is one: "shop.example", "*.example" (all names below), ".example" (these and
// itself), "192.0.2.1", "[2001:db8::1]" or "2001:db8::1". Errors, ERR_USAGE: as config_option's
// check.
int hosts_check(const char *text, struct err *err);

// Of such texts. The caller's, to be freed. Errors: those; out of memory.
int hosts_new(struct hosts **out, char *const *texts, size_t count, struct err *err);
void hosts_free(struct hosts *hosts);

// Whether a host is one of them: as a Host field has it but for its port, an IPv6 address in
// brackets (RFC 9110 section 7.2). Names are compared without regard to case and to a dot at the
// end, which DNS knows as the same.
bool hosts_have(const struct hosts *hosts, struct str host);
