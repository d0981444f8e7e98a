// cgroup.h - what the machine lets this process have of it: processors and memory, in a container
// or a systemd unit less than there are.
#pragma once

#include <stdint.h>

// The processors that this process is bound to, or fewer where the quota of its control group, or
// of one above it, is not worth as many (rounded up). At least 1.
int64_t cgroup_processors(void);

// Bytes: the machine's memory, or the lowest limit of our control group and those above it.
int64_t cgroup_memory(void);

// The workers that so many processors and so much memory are good for: one a processor, as far as
// three quarters of the memory have room for them. At least 1, at most 512.
int64_t cgroup_workers(int64_t processors, int64_t memory);
