// test_cgroup.c - limits of control groups, in a played tree of each version, and the number of
// workers that they make.
#include "cgroup.h"

#include <ftw.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_priv.h"
#include "unit.h"

static char base[] = "/tmp/limpet-cgroup-XXXXXX";
static struct cgroup_places places;

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

// Write a file of the tree, and the folders it is in.
static void put(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", base, name);
    for (char *p = path + sizeof base; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
}

// A machine with nothing in it but these groups of our own process.
static void start(const char *groups)
{
    nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    CHECK(mkdir(base, 0700) == 0);
    put("self", groups);
}

static void check_limits(int64_t processors, int64_t memory)
{
    CHECK(cgroup_processor_limit(&places) == processors);
    CHECK(cgroup_memory_limit(&places) == memory);
}

static void test_nothing_is_there(void)
{
    start("0::/shop\n");
    check_limits(CGROUP_NO_LIMIT, CGROUP_NO_LIMIT);
    struct cgroup_places none = {"/nonexistent/self", "/nonexistent/root"};
    CHECK(cgroup_processor_limit(&none) == CGROUP_NO_LIMIT);
    CHECK(cgroup_memory_limit(&none) == CGROUP_NO_LIMIT);
    start("nonsense\n:\n4\n\n4:memory\n");
    put("root/cpu.max", "100000 100000\n");
    check_limits(CGROUP_NO_LIMIT, CGROUP_NO_LIMIT);
}

static void test_version_2(void)
{
    start("0::/system.slice/shop.service\n");
    put("root/system.slice/shop.service/cpu.max", "150000 100000\n");
    put("root/system.slice/shop.service/memory.max", "268435456\n");
    put("root/system.slice/cpu.max", "max 100000\n");
    put("root/system.slice/memory.max", "max\n");
    check_limits(2, 268435456);
    put("root/system.slice/shop.service/cpu.max", "200000 100000\n");
    check_limits(2, 268435456);
    put("root/system.slice/shop.service/cpu.max", "1000 100000\n");
    check_limits(1, 268435456);
    put("root/system.slice/shop.service/cpu.max", "max 100000\n");
    put("root/system.slice/shop.service/memory.max", "max\n");
    check_limits(CGROUP_NO_LIMIT, CGROUP_NO_LIMIT);
}

static void test_those_above_count(void)
{
    start("0::/a/b/c\n");
    put("root/a/b/c/cpu.max", "800000 100000\n");
    put("root/a/b/c/memory.max", "8000\n");
    put("root/a/cpu.max", "300000 100000\n");
    put("root/a/b/memory.max", "7000\n");
    check_limits(3, 7000);
    put("root/cpu.max", "100000 100000\n");
    put("root/memory.max", "6000\n");
    check_limits(1, 6000);
    put("cpu.max", "1 1\n"); // above the root: not a group
    put("memory.max", "1\n");
    check_limits(1, 6000);
}

static void test_version_1(void)
{
    start("5:cpuset:/other\n4:cpu,cpuacct:/docker/1:2\n3:memory:/docker/1:2\n");
    put("root/cpu/docker/1:2/cpu.cfs_quota_us", "250000\n");
    put("root/cpu/docker/1:2/cpu.cfs_period_us", "100000\n");
    put("root/cpu/cpu.cfs_quota_us", "-1\n");
    put("root/cpu/cpu.cfs_period_us", "100000\n");
    put("root/memory/docker/1:2/memory.limit_in_bytes", "104857600\n");
    put("root/memory/memory.limit_in_bytes", "9223372036854771712\n");
    check_limits(3, 104857600);
    put("root/cpu/docker/1:2/cpu.cfs_quota_us", "-1\n");
    put("root/memory/docker/1:2/memory.limit_in_bytes", "9223372036854771712\n");
    check_limits(CGROUP_NO_LIMIT, 9223372036854771712);
    put("root/cpu/docker/1:2/cpu.cfs_quota_us", "100000\n");
    put("root/cpu/docker/1:2/cpu.cfs_period_us", "0\n");
    check_limits(CGROUP_NO_LIMIT, 9223372036854771712);
}

// The memory by the one, processors by the other.
static void test_both_versions(void)
{
    start("3:memory:/a\n0::/b\n");
    put("root/memory/a/memory.limit_in_bytes", "5000\n");
    put("root/b/cpu.max", "100000 50000\n");
    put("root/b/memory.max", "9000\n");
    check_limits(2, 5000);
}

// In a container: our path is that of the machine outside, our group is what we see as the root.
static void test_paths_from_outside(void)
{
    start("0::/../../outside\n3:memory:/docker/4711\n");
    put("root/cpu.max", "100000 100000\n");
    put("outside/cpu.max", "100 100000\n");
    put("root/memory/memory.limit_in_bytes", "5000\n");
    check_limits(1, 5000);
    start("0::/../x\n");
    put("x/memory.max", "1\n");
    check_limits(CGROUP_NO_LIMIT, CGROUP_NO_LIMIT);
}

static void test_this_machine(void)
{
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    CHECK(cgroup_processors() >= 1 && cgroup_processors() <= CPU_COUNT(&set));
    CHECK(cgroup_memory() > 1 << 20);
    CHECK(cgroup_memory() <= (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        size_t first = 0;
        while (!CPU_ISSET(first, &set))
            first++;
        CPU_ZERO(&set);
        CPU_SET(first, &set);
        _exit(sched_setaffinity(0, sizeof set, &set) == 0 && cgroup_processors() == 1 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_workers(void)
{
    const int64_t megabyte = 1 << 20;
    CHECK(cgroup_workers(4, 8192 * megabyte) == 4);
    CHECK(cgroup_workers(64, 1024 * megabyte) == 12);
    CHECK(cgroup_workers(4, 256 * megabyte) == 3);
    CHECK(cgroup_workers(4, 255 * megabyte) == 2);
    CHECK(cgroup_workers(4, 64 * megabyte) == 1);
    CHECK(cgroup_workers(4, 0) == 1);
    CHECK(cgroup_workers(0, 1024 * megabyte) == 1);
    CHECK(cgroup_workers(4, CGROUP_NO_LIMIT) == 4);
    CHECK(cgroup_workers(4096, CGROUP_NO_LIMIT) == 512);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_nothing_is_there),  UNIT_CASE(test_version_2),
    UNIT_CASE(test_those_above_count), UNIT_CASE(test_version_1),
    UNIT_CASE(test_both_versions),     UNIT_CASE(test_paths_from_outside),
    UNIT_CASE(test_this_machine),      UNIT_CASE(test_workers),
};

int main(void)
{
    char self[sizeof base + 16], root[sizeof base + 16];
    if (mkdtemp(base) == NULL)
        return 1;
    snprintf(self, sizeof self, "%s/self", base);
    snprintf(root, sizeof root, "%s/root", base);
    places = (struct cgroup_places){self, root};
    int status = unit_main("cgroup", cases, UNIT_COUNT(cases));
    nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
