// test_malloc.c - toolchain/shims/malloc.c as it is used: the whole program, the C library
// included, allocates through it. Statically linked with musl, libpython and what libpython needs
// (see toolchain/shims/README.md); it starts no interpreter.
#include "unit.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGEST = 70000, STEP = 37 }; // bytes: sizes are tried up to here, in such steps beyond 1024

bool mi_is_in_heap_region(const void *block); // of CPython's mimalloc
int malloc_trim(size_t kept);                 // no header of musl's names it

// Read and written where the compiler cannot follow, so that it leaves every call in place.
static void *volatile sink;
static volatile size_t impossible = SIZE_MAX;

static size_t next_size(size_t size)
{
    return size < 1024 ? size + 1 : size + STEP;
}

static void fill(unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(seed + i * 31);
}

static bool holds(const unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != (unsigned char)(seed + i * 31))
            return false;
    }
    return true;
}

// ---- Who allocates ------------------------------------------------------------------------------

static unsigned char *block_from_before_main;

// As early as a program can ask: before the constructors of libpython.
__attribute__((constructor(101))) static void allocate_before_main(void)
{
    block_from_before_main = malloc(1000);
    if (block_from_before_main != NULL)
        fill(block_from_before_main, 1000, 1);
}

// Whether the heap knows that it is one of its own, as far as it can tell: where words have 32 bits
// its map of what it has ends at 2 GB, and kernels give memory beyond that first.
static bool is_of_heap(const void *block)
{
    return mi_is_in_heap_region(block) ||
           (UINTPTR_MAX == UINT32_MAX && (uintptr_t)block > INT32_MAX);
}

static void test_is_in_use(void)
{
    void *aligned = NULL;
    CHECK(posix_memalign(&aligned, 64, 10) == 0);
    void *blocks[] = {
        malloc(1),        malloc(100000),   calloc(3, 5),
        realloc(NULL, 9), memalign(128, 9), aligned_alloc(32, 7),
        aligned,          strdup("text"),   reallocarray(NULL, 2, 3),
        valloc(1),
    };
    for (size_t i = 0; i < UNIT_COUNT(blocks); i++) {
        CHECK(blocks[i] != NULL);
        CHECK(is_of_heap(blocks[i]));
        free(blocks[i]);
    }
    int on_stack;
    CHECK(!mi_is_in_heap_region(&on_stack));
}

static void test_before_main(void)
{
    CHECK(is_of_heap(block_from_before_main));
    CHECK(holds(block_from_before_main, 1000, 1));
    free(block_from_before_main);
}

// ---- Blocks -------------------------------------------------------------------------------------

static void test_alignment_and_usable_size(void)
{
    for (size_t size = 0; size < LARGEST; size = next_size(size)) {
        unsigned char *block = malloc(size);
        size_t usable = malloc_usable_size(block);
        uintptr_t alignment = size > 8 ? _Alignof(max_align_t) : 8; // of 8 bytes none needs more
        bool right = block != NULL && (uintptr_t)block % alignment == 0 && usable >= size;
        fill(block, usable, 3);
        sink = block;
        free(block);
        if (!right) {
            CHECK(!"alignment or usable size");
            return;
        }
    }
    CHECK(malloc_usable_size(NULL) == 0);
}

static void test_blocks_do_not_overlap(void)
{
    static unsigned char *blocks[LARGEST];
    size_t count = 0;
    bool right = true;
    for (size_t size = 0; size < LARGEST; size = next_size(size)) {
        blocks[count] = malloc(size);
        fill(blocks[count++], size, (unsigned)size);
    }
    // Each second one goes, others take its place, and the rest must not notice.
    size_t i = 0;
    for (size_t size = 0; size < LARGEST; size = next_size(size), i++) {
        if (i % 2 != 0)
            continue;
        free(blocks[i]);
        blocks[i] = malloc(size);
        memset(blocks[i], 0xaa, size);
    }
    i = 0;
    for (size_t size = 0; size < LARGEST; size = next_size(size), i++) {
        right = right && (i % 2 == 0 || holds(blocks[i], size, (unsigned)size));
        free(blocks[i]);
    }
    CHECK(right);
}

static void test_empty_blocks(void)
{
    void *a = malloc(0), *b = malloc(0), *c = calloc(0, 8), *d = calloc(8, 0);
    CHECK(a != NULL && b != NULL && a != b && c != NULL && d != NULL);
    free(a);
    free(b);
    free(c);
    free(d);
    free(NULL);
}

static void test_calloc_clears(void)
{
    bool right = true;
    for (size_t size = 1; size < LARGEST; size = next_size(size)) {
        void *dirty = malloc(size);
        memset(dirty, 0xff, size);
        sink = dirty;
        free(dirty);
        unsigned char *block = calloc(size, 1);
        for (size_t i = 0; i < size; i++)
            right = right && block[i] == 0;
        free(block);
    }
    CHECK(right);
}

static void test_realloc_keeps_content(void)
{
    bool right = true;
    unsigned char *block = NULL;
    size_t before = 0;
    for (size_t size = 1; size < 4 << 20; size += 1 + size / 7) {
        block = realloc(block, size);
        right = right && block != NULL && holds(block, before, 5);
        fill(block, size, 5);
        before = size;
    }
    for (size_t size = before; size > 0; size -= 1 + size / 5) {
        block = realloc(block, size);
        right = right && block != NULL && holds(block, size, 5);
    }
    CHECK(right);
    block = realloc(block, 0);
    CHECK(block != NULL);
    free(block);
}

// In place of the C library's, for mimalloc to call: gives memory back, and spoils errno as a
// failure would.
static atomic_uint unmapped;

int munmap(void *address, size_t size)
{
    int result = (int)syscall(SYS_munmap, address, size);
    atomic_fetch_add(&unmapped, 1);
    errno = ENOMEM;
    return result;
}

// Blocks that are in use stay as they are.
static void test_trim_keeps_content(void)
{
    enum { COUNT = 1000, SIZE = 3000 };
    static unsigned char *blocks[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK((blocks[i] = malloc(SIZE)) != NULL);
        fill(blocks[i], SIZE, i);
    }
    for (unsigned i = 0; i < COUNT; i += 2)
        free(blocks[i]);
    CHECK(malloc_trim(0) == 1);
    for (unsigned i = 1; i < COUNT; i += 2) {
        CHECK(holds(blocks[i], SIZE, i));
        free(blocks[i]);
    }
    CHECK(malloc_trim(0) == 1);
}

static void test_free_keeps_errno(void)
{
    unsigned before = atomic_load(&unmapped);
    sink = malloc((size_t)1 << 30); // so large that it goes back at once; never touched
    CHECK(sink != NULL);
    errno = EINTR;
    free(sink);
    CHECK(errno == EINTR);
    CHECK(atomic_load(&unmapped) > before);
}

// ---- Alignment ----------------------------------------------------------------------------------

static void test_aligned(void)
{
    for (size_t alignment = 1; alignment <= 64 << 20; alignment *= 2) {
        for (size_t size = 0; size < LARGEST; size = size * 3 + 1) {
            unsigned char *block = aligned_alloc(alignment, size);
            CHECK(block != NULL && (uintptr_t)block % alignment == 0);
            CHECK(malloc_usable_size(block) >= size);
            fill(block, size, 7);
            block = realloc(block, size + 5000); // an aligned block is a block like any other
            CHECK(holds(block, size, 7));
            free(block);
        }
    }
}

static void test_posix_memalign(void)
{
    for (size_t alignment = sizeof(void *); alignment <= 1 << 20; alignment *= 2) {
        void *block = NULL;
        CHECK(posix_memalign(&block, alignment, 100) == 0);
        CHECK(block != NULL && (uintptr_t)block % alignment == 0);
        free(block);
    }
}

static void test_bad_alignments(void)
{
    static const size_t bad[] = {0, 3, 24, 4095, SIZE_MAX};
    void *out = &out;
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        errno = 0;
        CHECK(aligned_alloc(bad[i], 100) == NULL && errno == EINVAL);
        errno = 0;
        CHECK(memalign(bad[i], 100) == NULL && errno == EINVAL);
        CHECK(posix_memalign(&out, bad[i], 100) == EINVAL);
    }
    CHECK(posix_memalign(&out, sizeof(void *) / 2, 100) == EINVAL);
    CHECK(out == &out);
}

// ---- Sizes that cannot be -----------------------------------------------------------------------

static bool fails_with_enomem(void *block)
{
    bool right = block == NULL && errno == ENOMEM;
    errno = 0;
    return right;
}

static void test_impossible_sizes(void)
{
    const size_t sizes[] = {
        impossible,
        impossible - 1,
        impossible - 4096,
        impossible / 2 + 1,
#if SIZE_MAX > UINT32_MAX // a 32-bit process may have two gigabytes
        impossible / 2,
        impossible / 2 - 4096,
        (size_t)1 << 60,
#endif
    };
    errno = 0;
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
        CHECK(fails_with_enomem(malloc(sizes[i])));
        CHECK(fails_with_enomem(calloc(sizes[i], 1)));
        CHECK(fails_with_enomem(aligned_alloc(64, sizes[i])));
        CHECK(fails_with_enomem(memalign(1 << 20, sizes[i])));
        void *out = &out;
        CHECK(posix_memalign(&out, 4096, sizes[i]) == ENOMEM && out == &out);
        unsigned char *block = malloc(100);
        fill(block, 100, 9);
        void *grown = realloc(block, sizes[i]);
        CHECK(grown == NULL && errno == ENOMEM);
        if (grown == NULL) {
            CHECK(holds(block, 100, 9));
            free(block);
        }
    }
    // Alignments as large as that.
    const size_t highest = ~(SIZE_MAX >> 1);
    CHECK(fails_with_enomem(aligned_alloc(highest / 2, 100)));
    CHECK(fails_with_enomem(aligned_alloc(highest, 100)));
    CHECK(fails_with_enomem(aligned_alloc(highest / 2, impossible / 2)));
    CHECK(fails_with_enomem(aligned_alloc(highest, impossible / 2)));
}

static void test_overflowing_products(void)
{
    volatile size_t half = (size_t)1 << sizeof(size_t) * 4; // of a word's bits
    errno = 0;
    CHECK(fails_with_enomem(calloc(half, half)));
    CHECK(fails_with_enomem(calloc(half, half + 1)));
    CHECK(fails_with_enomem(calloc(impossible, 2)));
    CHECK(fails_with_enomem(calloc(3, impossible / 2)));
    CHECK(fails_with_enomem(reallocarray(NULL, half, half)));
}

// ---- Threads ------------------------------------------------------------------------------------

enum { THREADS = 4, ROUNDS = 200, HANDED_ON = 100 };

// What each thread leaves for its neighbour to free.
static unsigned char *handed[THREADS][HANDED_ON];
static pthread_barrier_t barrier;
static atomic_uint mistakes;

static size_t size_of(size_t thread, size_t round, size_t i)
{
    return (thread * 7919 + round * 104729 + i * 1299709) % 9000;
}

static void *allocate_and_hand_on(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument, neighbour = (self + 1) % THREADS;
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < HANDED_ON; i++) {
            size_t size = size_of(self, round, i);
            handed[self][i] = malloc(size);
            fill(handed[self][i], size, (unsigned)i);
        }
        pthread_barrier_wait(&barrier);
        for (size_t i = 0; i < HANDED_ON; i++) {
            if (!holds(handed[neighbour][i], size_of(neighbour, round, i), (unsigned)i))
                atomic_fetch_add(&mistakes, 1);
            free(handed[neighbour][i]);
        }
        pthread_barrier_wait(&barrier);
    }
    return malloc(10); // outlives its thread
}

static void test_threads_free_for_each_other(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_and_hand_on, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *left = NULL;
        CHECK(pthread_join(threads[i], &left) == 0);
        CHECK(malloc_usable_size(left) >= 10);
        free(left);
    }
    pthread_barrier_destroy(&barrier);
    CHECK(atomic_load(&mistakes) == 0);
}

static void *allocate_once(void *argument)
{
    unsigned char *block = malloc(100000);
    fill(block, 100000, (unsigned)(uintptr_t)argument);
    return block;
}

static long resident_pages(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        pages = -1;
    if (file != NULL)
        fclose(file);
    return pages;
}

// Threads come and go: what they leave behind is used again.
static void test_short_lived_threads(void)
{
    long before = resident_pages();
    CHECK(before > 0);
    for (unsigned i = 0; i < 1000; i++) {
        pthread_t thread;
        void *block = NULL;
        CHECK(pthread_create(&thread, NULL, allocate_once, (void *)(uintptr_t)i) == 0);
        CHECK(pthread_join(thread, &block) == 0);
        CHECK(holds(block, 100000, i));
        free(block);
    }
    // 1000 blocks would be 25,000 pages.
    CHECK(resident_pages() < before + 5000);
}

// ---- fork ---------------------------------------------------------------------------------------

static bool use_heap(unsigned char *inherited)
{
    bool right = holds(inherited, 5000, 11);
    free(inherited);
    // In steps that leave out none of the heap's classes of sizes.
    for (size_t size = 0; size < LARGEST; size += size / 16 + 1) {
        unsigned char *block = malloc(size);
        fill(block, size, 13);
        block = realloc(block, size * 2 + 1);
        right = right && holds(block, size, 13);
        free(block);
    }
    return right;
}

static bool child_can_allocate(unsigned char *inherited)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(use_heap(inherited) ? 0 : 1);
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static atomic_bool busy;

static void *allocate_until_told(void *argument)
{
    while (atomic_load(&busy)) {
        for (size_t size = 1; size < 20000; size += 97)
            free(malloc(size));
    }
    return argument;
}

static void test_fork(void)
{
    unsigned char *inherited = malloc(5000);
    fill(inherited, 5000, 11);
    CHECK(child_can_allocate(inherited));
    pthread_t threads[2];
    atomic_store(&busy, true);
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_until_told, NULL) == 0);
    for (int i = 0; i < 50; i++)
        CHECK(child_can_allocate(inherited));
    atomic_store(&busy, false);
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(use_heap(inherited));
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_is_in_use),
    UNIT_CASE(test_before_main),
    UNIT_CASE(test_alignment_and_usable_size),
    UNIT_CASE(test_blocks_do_not_overlap),
    UNIT_CASE(test_empty_blocks),
    UNIT_CASE(test_calloc_clears),
    UNIT_CASE(test_realloc_keeps_content),
    UNIT_CASE(test_trim_keeps_content),
    UNIT_CASE(test_free_keeps_errno),
    UNIT_CASE(test_aligned),
    UNIT_CASE(test_posix_memalign),
    UNIT_CASE(test_bad_alignments),
    UNIT_CASE(test_impossible_sizes),
    UNIT_CASE(test_overflowing_products),
    UNIT_CASE(test_threads_free_for_each_other),
    UNIT_CASE(test_short_lived_threads),
    UNIT_CASE(test_fork),
};

int main(void)
{
    return unit_main("malloc", cases, UNIT_COUNT(cases));
}
