// cgroup.c - reads the limits of control groups, of version 2 and of version 1, which may be there
// both. A group obeys the limits of all above it, so we walk up.
#include "cgroup.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_priv.h"
#include "text_file.h"

enum {
    GROUPS_MAX = 16384, // bytes of /proc/self/cgroup
    VALUE_MAX = 64,     // bytes of a limit
    WORKER_MEMORY = 64 << 20,
    WORKERS_MAX = 512,
};

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// --- one group ---

// A file of the group; "" where it is not there.
static void read_value(const char *folder, const char *name, char out[static VALUE_MAX])
{
    char path[PATH_MAX + VALUE_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    text_file_read(path, out, VALUE_MAX);
}

// The number at *text, which is moved behind it; "max" and negative numbers are no limit.
static int64_t read_number(const char **text)
{
    char *end;
    int64_t number = strtoll(*text, &end, 10);
    if (end == *text || number < 0)
        return CGROUP_NO_LIMIT;
    *text = end;
    return number;
}

static int64_t read_one_number(const char *folder, const char *name)
{
    char value[VALUE_MAX];
    const char *text = value;
    read_value(folder, name, value);
    return read_number(&text);
}

// So much processor time in each period.
static int64_t processors_of(int64_t quota, int64_t period)
{
    if (quota == CGROUP_NO_LIMIT || period == CGROUP_NO_LIMIT || period == 0)
        return CGROUP_NO_LIMIT;
    return quota / period + (quota % period != 0);
}

// "150000 100000".
static int64_t processors_v2(const char *folder)
{
    char value[VALUE_MAX];
    const char *text = value;
    read_value(folder, "cpu.max", value);
    int64_t quota = read_number(&text);
    return processors_of(quota, read_number(&text));
}

static int64_t processors_v1(const char *folder)
{
    return processors_of(read_one_number(folder, "cpu.cfs_quota_us"),
                         read_one_number(folder, "cpu.cfs_period_us"));
}

static int64_t memory_v2(const char *folder)
{
    return read_one_number(folder, "memory.max");
}

static int64_t memory_v1(const char *folder)
{
    return read_one_number(folder, "memory.limit_in_bytes");
}

// --- all of them ---

struct resource {
    const char *controller; // its name in version 1, where it has a tree of its own
    int64_t (*read_v1)(const char *folder);
    int64_t (*read_v2)(const char *folder);
};

// The lowest limit of the group at path, below root, and of those above it; path is shortened.
static int64_t walk_up(const char *root, char *path, int64_t (*read)(const char *folder))
{
    int64_t lowest = CGROUP_NO_LIMIT;
    char *slash;
    do {
        char folder[PATH_MAX];
        int size = snprintf(folder, sizeof folder, "%s%s", root, path);
        if (size < (int)sizeof folder)
            lowest = lower(lowest, read(folder));
        slash = strrchr(path, '/');
        if (slash != NULL)
            *slash = '\0';
    } while (slash != NULL);
    return lowest;
}

static bool has_controller(char *controllers, const char *wanted)
{
    char *name;
    while ((name = strsep(&controllers, ",")) != NULL) {
        if (strcmp(name, wanted) == 0)
            return true;
    }
    return false;
}

// A line of /proc/self/cgroup, "4:cpu,cpuacct:/path" or, of version 2, "0::/path". A container may
// see a path of outside it, which is not there; or "/..", which leads out. Then its root counts.
static int64_t limit_of_line(char *line, const char *root, const struct resource *resource)
{
    const char *number = strsep(&line, ":");
    char *controllers = strsep(&line, ":");
    if (number == NULL || controllers == NULL || line == NULL)
        return CGROUP_NO_LIMIT;
    if (strstr(line, "/..") != NULL)
        *line = '\0';
    if (*controllers == '\0')
        return walk_up(root, line, resource->read_v2);
    if (!has_controller(controllers, resource->controller))
        return CGROUP_NO_LIMIT;
    char tree[PATH_MAX];
    snprintf(tree, sizeof tree, "%s/%s", root, resource->controller);
    return walk_up(tree, line, resource->read_v1);
}

static int64_t limit_of(const struct cgroup_places *places, const struct resource *resource)
{
    char groups[GROUPS_MAX];
    char *rest = groups, *line;
    int64_t lowest = CGROUP_NO_LIMIT;
    text_file_read(places->self, groups, sizeof groups);
    while ((line = strsep(&rest, "\n")) != NULL)
        lowest = lower(lowest, limit_of_line(line, places->root, resource));
    return lowest;
}

int64_t cgroup_processor_limit(const struct cgroup_places *places)
{
    return limit_of(places, &(struct resource){"cpu", processors_v1, processors_v2});
}

int64_t cgroup_memory_limit(const struct cgroup_places *places)
{
    return limit_of(places, &(struct resource){"memory", memory_v1, memory_v2});
}

// --- this machine ---

static const struct cgroup_places places = {"/proc/self/cgroup", "/sys/fs/cgroup"};

// The processors that this process may use; where the kernel knows more of them than cpu_set_t has
// room for, those that are there.
static int64_t bound_processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    return sysconf(_SC_NPROCESSORS_ONLN);
}

int64_t cgroup_processors(void)
{
    int64_t count = lower(bound_processors(), cgroup_processor_limit(&places));
    return count > 1 ? count : 1;
}

int64_t cgroup_memory(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), limit = cgroup_memory_limit(&places);
    return pages > 0 ? lower(pages * sysconf(_SC_PAGESIZE), limit) : limit;
}

int64_t cgroup_workers(int64_t processors, int64_t memory)
{
    int64_t workers = lower(processors, memory / 4 * 3 / WORKER_MEMORY);
    return workers < 1 ? 1 : lower(workers, WORKERS_MAX);
}
