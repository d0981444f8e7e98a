// config_small.h - --small: defaults for machines with little memory. What the operator has set
// himself, wherever, stays as it is.
#pragma once

#include "config.h"

// When all is read: a machine that has less than 256 MB is small, unless --small or --no-small was
// given; on a small one, options that nobody has set get the values of small machines. They count
// as defaults. memory: bytes that this process may have (cgroup.h).
void config_settle_small(struct config *config, int64_t memory);

// What --small has set, and the way out, in one line; nothing where it is off.
void config_small_describe(const struct config *config, int64_t memory, struct buf *out);
