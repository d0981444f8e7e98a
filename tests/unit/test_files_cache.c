// test_files_cache.c - members that were made in memory: what is kept, what goes first, and that
// what is being sent lives until it was.
#include <stdlib.h>

#include "files_priv.h"
#include "unit.h"

static struct archive_member members[300];

static struct str put(struct files_cache *cache, size_t index, size_t size, struct files_bytes *out)
{
    char *data = malloc(size);
    memset(data, (int)('a' + index % 26), size);
    files_cache_put(cache, &members[index], false, data, size, out);
    return out->bytes;
}

static void put_and_release(struct files_cache *cache, size_t index, size_t size)
{
    struct files_bytes bytes;
    CHECK(put(cache, index, size, &bytes).size == size);
    bytes.release(bytes.owner);
}

static bool has(struct files_cache *cache, size_t index)
{
    struct files_bytes bytes;
    if (!files_cache_find(cache, &members[index], false, &bytes))
        return false;
    bytes.release(bytes.owner);
    return true;
}

static void test_find(void)
{
    struct files_cache *cache = files_cache_new();
    struct files_bytes bytes;
    CHECK(!has(cache, 0));
    put_and_release(cache, 0, 10);
    CHECK(files_cache_find(cache, &members[0], false, &bytes));
    CHECK(bytes.bytes.size == 10 && bytes.bytes.data[9] == 'a');
    bytes.release(bytes.owner);
    CHECK(!files_cache_find(cache, &members[0], true, &bytes)); // in another form
    CHECK(!has(cache, 1));
    files_cache_free(cache);
}

static void test_size(void)
{
    struct files_cache *cache = files_cache_new();
    for (size_t i = 0; i < 8; i++)
        put_and_release(cache, i, 1 << 20);
    CHECK(has(cache, 0)); // which makes it the latest
    put_and_release(cache, 8, 1 << 20);
    CHECK(has(cache, 0) && !has(cache, 1) && has(cache, 2) && has(cache, 8));
    files_cache_free(cache);
}

static void test_count(void)
{
    struct files_cache *cache = files_cache_new();
    size_t kept = 0;
    for (size_t i = 0; i < UNIT_COUNT(members); i++)
        put_and_release(cache, i, 1);
    for (size_t i = 0; i < UNIT_COUNT(members); i++)
        kept += has(cache, i);
    CHECK(kept == 128 && has(cache, 299) && !has(cache, 171) && has(cache, 172));
    files_cache_free(cache);
}

static void test_held(void)
{
    struct files_cache *cache = files_cache_new();
    struct files_bytes held;
    put(cache, 0, 1 << 20, &held);
    for (size_t i = 1; i < 20; i++)
        put_and_release(cache, i, 1 << 20);
    CHECK(!has(cache, 0));
    CHECK(held.bytes.data[0] == 'a' && held.bytes.data[(1 << 20) - 1] == 'a');
    files_cache_free(cache);
    CHECK(held.bytes.data[1] == 'a');
    held.release(held.owner);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_find),
    UNIT_CASE(test_size),
    UNIT_CASE(test_count),
    UNIT_CASE(test_held),
};

int main(void)
{
    return unit_main("files_cache", cases, UNIT_COUNT(cases));
}
