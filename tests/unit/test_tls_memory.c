// test_tls_memory.c - private keys lie in pages of their own: locked, in no core dump, empty behind
// a fork and wiped behind their use.
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "apart.h"
#include "check.h"
#include "tls_library.h"
#include "unit.h"

enum { KEY = 1000 }; // bytes

static void *allocate_secret(struct tls_secrets *secrets, size_t size)
{
    tls_secrets_begin(secrets);
    void *block = tls_memory_allocate(1, size);
    tls_secrets_end();
    must(block != NULL);
    return block;
}

static bool is_in(const void *block, const struct tls_secrets *secrets)
{
    uintptr_t at = (uintptr_t)block, first = (uintptr_t)secrets;
    return at > first && at < first + (64 << 10);
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

// The mapping at that address has this of smaps' flags.
static bool has_flag(const void *address, const char *flag)
{
    char line[4096];
    bool here = false, found = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    must(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t first, end;
        if (sscanf(line, "%zx-%zx ", &first, &end) == 2)
            here = (uintptr_t)address >= first && (uintptr_t)address < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(maps);
    return found;
}

static void test_where(void)
{
    struct tls_secrets *secrets = tls_secrets_new(KEY);
    char *before = tls_memory_allocate(1, KEY);
    char *secret = allocate_secret(secrets, KEY);
    char *after = tls_memory_allocate(1, KEY);
    CHECK(is_in(secret, secrets) && !is_in(before, secrets) && !is_in(after, secrets));
    CHECK(is_zero((unsigned char *)before, KEY) && is_zero((unsigned char *)secret, KEY));
    CHECK((uintptr_t)secret % 16 == 0 && (uintptr_t)before % 16 == 0);
    CHECK(has_flag(secret, " dd") && has_flag(secret, " wf"));
#ifndef __SANITIZE_ADDRESS__ // which locks nothing
    CHECK(has_flag(secret, " lo"));
#endif
    tls_memory_release(before);
    tls_memory_release(secret);
    tls_memory_release(after);
    tls_memory_release(NULL);
    tls_secrets_free(secrets);
    tls_secrets_free(NULL);
}

static void test_wiped(void)
{
    struct tls_secrets *secrets = tls_secrets_new(KEY);
    unsigned char *secret = allocate_secret(secrets, KEY);
    memset(secret, 'k', KEY);
    tls_memory_release(secret);
    CHECK(is_zero(secret, KEY)); // the pages are still there
    tls_secrets_free(secrets);
}

static const unsigned char *inherited;

static void look_at_it(void)
{
    CHECK(is_zero(inherited, KEY));
}

static void test_empty_behind_a_fork(void)
{
    struct tls_secrets *secrets = tls_secrets_new(KEY);
    unsigned char *secret = allocate_secret(secrets, KEY);
    memset(secret, 'k', KEY);
    inherited = secret;
    run_apart(look_at_it);
    CHECK(secret[0] == 'k' && secret[KEY - 1] == 'k');
    tls_memory_release(secret);
    tls_secrets_free(secrets);
}

static void test_in_any_order(void)
{
    struct tls_secrets *secrets = tls_secrets_new(4 * KEY), *others = tls_secrets_new(KEY);
    unsigned char *blocks[8];
    for (unsigned char i = 0; i < 8; i++) {
        blocks[i] = allocate_secret(i % 2 == 0 ? secrets : others, 100);
        memset(blocks[i], i, 100);
    }
    static const unsigned char order[] = {3, 0, 7, 6, 1, 2, 5, 4};
    for (size_t i = 0; i < 8; i++) {
        CHECK(blocks[order[i]][99] == order[i]);
        tls_memory_release(blocks[order[i]]);
    }
    tls_secrets_free(others);
    tls_secrets_free(secrets);
}

// Keys that are larger than was thought are taken all the same, from the heap.
static void test_more_than_fits(void)
{
    struct tls_secrets *secrets = tls_secrets_new(KEY);
    void *blocks[100];
    unsigned inside = 0;
    for (int i = 0; i < 100; i++) {
        blocks[i] = allocate_secret(secrets, KEY);
        inside += is_in(blocks[i], secrets);
    }
    CHECK(inside >= 8 && inside < 100);
    for (int i = 0; i < 100; i++)
        tls_memory_release(blocks[i]);
    tls_secrets_free(secrets);
}

static void test_too_much(void)
{
    CHECK(tls_memory_allocate(SIZE_MAX / 2, 3) == NULL);
    CHECK(tls_memory_allocate(1, SIZE_MAX) == NULL);
    CHECK(tls_memory_allocate(SIZE_MAX - 15, 1) == NULL);
}

static void cannot_lock(void)
{
    struct rlimit none = {0, 0};
    must(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
    // The limit is not root's.
    must(geteuid() != 0 || setuid(65534) == 0);
    test_wiped();
    test_more_than_fits();
}

static void test_no_memory_may_be_locked(void)
{
    run_apart(cannot_lock);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_where),
    UNIT_CASE(test_wiped),
    UNIT_CASE(test_empty_behind_a_fork),
    UNIT_CASE(test_in_any_order),
    UNIT_CASE(test_more_than_fits),
    UNIT_CASE(test_too_much),
    UNIT_CASE(test_no_memory_may_be_locked),
};

int main(void)
{
    return unit_main("tls_memory", cases, UNIT_COUNT(cases));
}
