// cgroup_priv.h - where cgroup.c looks, for its test.
#pragma once

#include <stdint.h>

#define CGROUP_NO_LIMIT INT64_MAX

struct cgroup_places {
    const char *self; // which groups this process is in: /proc/self/cgroup
    const char *root; // where they are mounted: /sys/fs/cgroup
};

// The lowest limit from our own group up to the root; CGROUP_NO_LIMIT where there is none, or where
// it cannot be known.
int64_t cgroup_processor_limit(const struct cgroup_places *places);
int64_t cgroup_memory_limit(const struct cgroup_places *places);
