// test_memory.c - toolchain/shims/memory.c, under other names, against byte-wise references: every
// size up to 300 at every alignment, sizes around the thresholds up to 70,000, every overlap, and
// both ends of a mapping, where one byte too far is a crash. On x86-64 all of it runs with and
// without the processor's string instructions.
#define MEMORY_NAME(name) shim_##name
#include "../../toolchain/shims/memory.c"

#include "unit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Elsewhere that file is empty, and what limpet has is musl's.
#if !defined(__x86_64__) && !defined(__aarch64__)
// They are asked for more than there can be.
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#define shim_memcpy memcpy
#define shim_memmove memmove
#define shim_memset memset
#define shim_memcmp memcmp
#define shim_memchr memchr
#define shim_memrchr memrchr
#endif

enum {
    SMALL = 300,   // bytes: all sizes up to here
    LARGE = 70000, // bytes: the largest size
    ALIGNMENTS = 32,
    MARGIN = 64, // bytes watched on each side of a destination
    PAGE = 4096,
    AREA = 20 * PAGE, // bytes between two guard pages; holds LARGE, its margins and an alignment
};

static const size_t large_sizes[] = {
    301,  383,   384,   385,   447,   511,   512,   513,   640,   1000,  1023, 1024,
    1025, 1500,  2047,  2048,  2049,  2111,  2112,  4095,  4096,  4097,  8191, 8192,
    8193, 16384, 32767, 32768, 32769, 65535, 65536, 65537, 69999, LARGE,
};

// Two areas with a page before and a page behind that nobody may touch, and a plain one to compute
// in.
static unsigned char *area_a, *area_b, *expected;

static unsigned char *map_area(void)
{
    unsigned char *base =
        mmap(NULL, AREA + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + PAGE, AREA, PROT_READ | PROT_WRITE) != 0)
        abort();
    return base + PAGE;
}

// Bytes that differ from their neighbours near and far, so that a piece moved by any distance
// shows.
static unsigned char sample(size_t i)
{
    return (unsigned char)(i * 7 + (i >> 8) * 13 + 1);
}

static void fill_samples(unsigned char *area, size_t size)
{
    for (size_t i = 0; i < size; i++)
        area[i] = sample(i);
}

// One line for the first failure of a case, not one for each of a million.
static bool differs(const char *what, size_t size, size_t first, size_t second)
{
    printf("    %s is wrong: size %zu, at %zu and %zu\n", what, size, first, second);
    return false;
}

// Run a check for all sizes and stop at the first that fails.
static bool for_sizes(bool (*check)(size_t size))
{
    for (size_t size = 0; size <= SMALL; size++) {
        if (!check(size))
            return false;
    }
    for (size_t i = 0; i < UNIT_COUNT(large_sizes); i++) {
        if (!check(large_sizes[i]))
            return false;
    }
    return true;
}

// The same with the string instructions never and (almost) always used, and as the processor
// decides.
static bool for_sizes_and_ways(bool (*check)(size_t size))
{
#ifdef __x86_64__
    size_t copy_from = string_copy_from, set_from = string_set_from;
    string_copy_from = string_set_from = SIZE_MAX;
    bool right = for_sizes(check);
    string_copy_from = string_set_from = 1;
    right = right && for_sizes(check);
    string_copy_from = copy_from;
    string_set_from = set_from;
    return right && for_sizes(check);
#else
    return for_sizes(check);
#endif
}

// How far apart alignments are tried: all of them for small sizes.
static size_t alignment_step(size_t size)
{
    return size <= SMALL ? 1 : 7;
}

// ---- Copying ------------------------------------------------------------------------------------

// Copy inside areas that hold known bytes, and look at the destination and what is around it.
static bool copy_is_right(void *(*copy)(void *, const void *, size_t), size_t size, size_t to,
                          size_t from)
{
    unsigned char *target = area_a + MARGIN + to;
    for (size_t i = 0; i < size + 2 * MARGIN; i++)
        expected[i] = (unsigned char)~sample(i);
    memcpy(target - MARGIN, expected, size + 2 * MARGIN);
    for (size_t i = 0; i < size; i++)
        expected[MARGIN + i] = area_b[from + i];
    void *result = copy(target, area_b + from, size);
    return result == target && memcmp(target - MARGIN, expected, size + 2 * MARGIN) == 0;
}

static bool check_copy(size_t size)
{
    fill_samples(area_b, size + ALIGNMENTS);
    for (size_t to = 0; to < ALIGNMENTS; to += alignment_step(size)) {
        for (size_t from = 0; from < ALIGNMENTS; from += alignment_step(size)) {
            if (!copy_is_right(shim_memcpy, size, to, from))
                return differs("memcpy", size, to, from);
        }
    }
    return copy_is_right(shim_memmove, size, 0, 0) || differs("memmove", size, 0, 0);
}

static void test_copy(void)
{
    CHECK(for_sizes_and_ways(check_copy));
}

// Both ranges in turn end where the mapping ends and start where it starts.
static bool check_copy_at_guards(size_t size)
{
    fill_samples(area_b, AREA);
    for (int at = 0; at < 4; at++) {
        unsigned char *to = at & 1 ? area_a + AREA - size : area_a;
        unsigned char *from = at & 2 ? area_b + AREA - size : area_b;
        memset(to, 0, size);
        shim_memcpy(to, from, size);
        if (memcmp(to, from, size) != 0)
            return differs("memcpy at a guard page", size, (size_t)(at & 1), (size_t)(at & 2));
        shim_memmove(to, from, size);
        shim_memset(to, 'x', size);
        for (size_t i = 0; i < size; i++) {
            if (to[i] != 'x')
                return differs("memset at a guard page", size, i, (size_t)(at & 1));
        }
    }
    return true;
}

static void test_copy_at_guards(void)
{
    CHECK(for_sizes_and_ways(check_copy_at_guards));
}

// Move inside one area: from base + from to base + to.
static bool move_is_right(size_t size, size_t to, size_t from)
{
    size_t end = (to > from ? to : from) + size + MARGIN;
    fill_samples(area_a, end);
    fill_samples(expected, end);
    for (size_t i = 0; i < size; i++)
        expected[to + i] = sample(from + i);
    return shim_memmove(area_a + to, area_a + from, size) == area_a + to &&
           memcmp(area_a, expected, end) == 0;
}

static bool check_move_both_ways(size_t size, size_t distance)
{
    for (size_t alignment = 0; alignment < 16; alignment += 5) {
        size_t low = MARGIN + alignment, high = low + distance;
        if (!move_is_right(size, low, high))
            return differs("memmove to the left", size, low, high);
        if (!move_is_right(size, high, low))
            return differs("memmove to the right", size, high, low);
    }
    return true;
}

static bool check_move(size_t size)
{
    if (size <= SMALL) {
        for (size_t distance = 0; distance <= size + 1; distance++) {
            if (!check_move_both_ways(size, distance))
                return false;
        }
        return true;
    }
    const size_t distances[] = {1,  8,   15,       16,        17,       63,  64,
                                65, 100, size / 2, size - 64, size - 1, size};
    for (size_t i = 0; i < UNIT_COUNT(distances); i++) {
        // The area has room for LARGE and little more.
        bool fits = size + distances[i] + 2 * MARGIN < AREA;
        if (fits && !check_move_both_ways(size, distances[i]))
            return false;
    }
    return true;
}

static void test_move(void)
{
    CHECK(for_sizes_and_ways(check_move));
}

// An overlapping move that touches both guard pages.
static void test_move_at_guards(void)
{
    for (size_t distance = 1; distance < 200; distance++) {
        fill_samples(area_a, AREA);
        shim_memmove(area_a, area_a + distance, AREA - distance);
        for (size_t i = 0; i < AREA - distance; i++)
            expected[i] = sample(i + distance);
        CHECK(memcmp(area_a, expected, AREA - distance) == 0);
        fill_samples(area_a, AREA);
        shim_memmove(area_a + distance, area_a, AREA - distance);
        for (size_t i = 0; i < AREA - distance; i++)
            expected[i] = sample(i);
        CHECK(memcmp(area_a + distance, expected, AREA - distance) == 0);
    }
}

// ---- Filling ------------------------------------------------------------------------------------

static bool check_set(size_t size)
{
    // Of the last two only the low byte counts.
    static const int values[] = {0, 1, 0x80, 0xff, 'a', -1, 0x1234};
    for (size_t to = 0; to < ALIGNMENTS; to += alignment_step(size)) {
        int value = values[(size + to) % UNIT_COUNT(values)];
        for (size_t i = 0; i < size + 2 * MARGIN; i++) {
            bool inside = i >= MARGIN && i < MARGIN + size;
            area_a[to + i] = (unsigned char)~value;
            expected[i] = (unsigned char)(inside ? value : ~value);
        }
        unsigned char *target = area_a + to + MARGIN;
        if (shim_memset(target, value, size) != target ||
            memcmp(target - MARGIN, expected, size + 2 * MARGIN) != 0)
            return differs("memset", size, to, (size_t)(unsigned)value);
    }
    return true;
}

static void test_set(void)
{
    CHECK(for_sizes_and_ways(check_set));
}

// ---- Comparing ----------------------------------------------------------------------------------

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

// The ranges differ at one place, and behind it in the other direction: the first difference
// decides. Before the first and behind the last byte they differ too, which counts for nothing.
static bool compare_is_right(unsigned char *left, unsigned char *right, size_t size, size_t place)
{
    unsigned char kept[2] = {left[place], size > place + 1 ? left[size - 1] : 0};
    bool right_result = true;
    for (int direction = 0; direction < 2; direction++) {
        left[place] = direction ? 0x80 : 0x7f; // bytes compare without a sign
        right[place] = direction ? 0x7f : 0x80;
        if (size > place + 1) {
            left[size - 1] = direction ? 1 : 0xff;
            right[size - 1] = direction ? 0xff : 1;
        }
        right_result = right_result && sign(shim_memcmp(left, right, size)) == (direction ? 1 : -1);
    }
    left[place] = right[place] = kept[0];
    if (size > place + 1)
        left[size - 1] = right[size - 1] = kept[1];
    return right_result;
}

static bool check_compare_at(size_t size, unsigned char *left, unsigned char *right)
{
    fill_samples(left, size);
    fill_samples(right, size);
    if (shim_memcmp(left, right, size) != 0)
        return differs("memcmp of equal ranges", size, 0, 0);
    size_t step = size <= SMALL ? 1 : size / 50;
    for (size_t place = 0; place < size; place += step) {
        if (!compare_is_right(left, right, size, place))
            return differs("memcmp", size, place, (size_t)((uintptr_t)left & 31));
    }
    return size == 0 || compare_is_right(left, right, size, size - 1) ||
           differs("memcmp at the last byte", size, size - 1, 0);
}

static bool check_compare(size_t size)
{
    static const size_t alignments[][2] = {{1, 1}, {2, 9}, {5, 16}, {16, 31}, {33, 32}};
    area_a[0] = 1;
    area_b[0] = 2;
    for (size_t i = 0; i < UNIT_COUNT(alignments); i++) {
        unsigned char *left = area_a + alignments[i][0], *right = area_b + alignments[i][1];
        left[-1] = left[size] = 3;
        right[-1] = right[size] = 4;
        if (!check_compare_at(size, left, right))
            return false;
    }
    return check_compare_at(size, area_a, area_b + AREA - size) &&
           check_compare_at(size, area_a + AREA - size, area_b);
}

static void test_compare(void)
{
    CHECK(for_sizes(check_compare));
}

// ---- Searching ----------------------------------------------------------------------------------

// The byte looked for stands before the start and behind the end, and (for memchr) once more behind
// the place, (for memrchr) before it.
static bool search_is_right(unsigned char *start, size_t size, size_t place)
{
    start[place] = 'x';
    bool right = shim_memchr(start, 'x', size) == start + place &&
                 shim_memrchr(start, 'x', size) == start + place;
    start[size - 1] = 'x';
    // Only the low byte counts.
    right = right && shim_memchr(start, 'x' | 0x300, size) == start + place;
    start[size - 1] = place == size - 1 ? 'x' : 'y';
    start[0] = 'x';
    right = right && shim_memrchr(start, 'x', size) == start + place;
    start[0] = start[place] = start[size - 1] = 'y';
    return right;
}

static bool check_search_at(unsigned char *start, size_t size)
{
    memset(start, 'y', size);
    if (shim_memchr(start, 'x', size) != NULL)
        return differs("memchr of an absent byte", size, (uintptr_t)start & 31, 0);
    if (shim_memrchr(start, 'x', size) != NULL)
        return differs("memrchr of an absent byte", size, (uintptr_t)start & 31, 0);
    if (shim_memchr(start, 0, size) != NULL || shim_memrchr(start, 0, size) != NULL)
        return differs("memchr or memrchr of an absent 0", size, (uintptr_t)start & 31, 0);
    size_t step = size <= SMALL ? 1 : size / 50;
    for (size_t place = 0; place < size; place += step) {
        if (!search_is_right(start, size, place))
            return differs("memchr or memrchr", size, (uintptr_t)start & 31, place);
    }
    return size == 0 || search_is_right(start, size, size - 1) ||
           differs("memchr or memrchr at the last byte", size, (uintptr_t)start & 31, 0);
}

static bool check_search(size_t size)
{
    for (size_t alignment = 0; alignment < ALIGNMENTS; alignment += alignment_step(size)) {
        unsigned char *start = area_a + 1 + alignment;
        start[-1] = start[size] = 'x';
        if (!check_search_at(start, size))
            return false;
        start[-1] = start[size] = 'y';
    }
    // Across the border of two pages, where memchr starts with a short piece.
    for (size_t before = 1; before < 20; before++) {
        if (size <= SMALL && !check_search_at(area_a + PAGE - before, size))
            return false;
    }
    return check_search_at(area_a, size) && check_search_at(area_a + AREA - size, size);
}

static void test_search(void)
{
    CHECK(for_sizes(check_search));
}

// memchr may be told of more memory than there is when the byte comes before its end.
static void test_search_beyond_the_end(void)
{
    static const size_t sizes[] = {1 << 20, 0x7fffffff, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};
    memset(area_a, 'y', AREA);
    for (size_t distance = 1; distance <= 2 * SMALL; distance++) {
        unsigned char *start = area_a + AREA - distance;
        for (size_t place = 0; place < distance; place++) {
            start[place] = 'x';
            bool right = shim_memchr(start, 'x', distance + 1) == start + place;
            for (size_t i = 0; i < UNIT_COUNT(sizes); i++)
                right = right && shim_memchr(start, 'x', sizes[i]) == start + place;
            start[place] = 'y';
            if (!right) {
                CHECK(differs("memchr with a large size", distance, place, 0));
                return;
            }
        }
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_copy),   UNIT_CASE(test_copy_at_guards),        UNIT_CASE(test_move),
    UNIT_CASE(test_set),    UNIT_CASE(test_move_at_guards),        UNIT_CASE(test_compare),
    UNIT_CASE(test_search), UNIT_CASE(test_search_beyond_the_end),
};

int main(void)
{
    area_a = map_area();
    area_b = map_area();
    expected = malloc(AREA);
    if (expected == NULL)
        return 1;
    int status = unit_main("memory", cases, UNIT_COUNT(cases));
    free(expected);
    return status;
}
