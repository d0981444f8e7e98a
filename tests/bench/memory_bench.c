// memory_bench.c - how fast the memory functions of toolchain/shims/memory.c are beside the C
// library's own: a table of sizes by functions, GB/s (for very small sizes what counts is the time
// of a call: a GB/s is a byte a nanosecond). Linked with the C library to compare with:
//   limpet-cc -std=gnu17 -O2 -fno-builtin tests/bench/memory_bench.c -o memory_bench
#define MEMORY_NAME(name) shim_##name
#include "../../toolchain/shims/memory.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LARGEST = 1 << 20,     // bytes
    ROOM = LARGEST + 4096, // bytes of each buffer
    BYTES_A_RUN = 1 << 24, // moved in one timing of large sizes
    CALLS_A_RUN = 1 << 17, // at most, in one timing of small ones
    RUNS = 9,              // the best counts
};

static unsigned char *buffer_a, *buffer_b;

typedef void *(*copy_fn)(void *, const void *, size_t);
typedef void *(*set_fn)(void *, int, size_t);
typedef int (*compare_fn)(const void *, const void *, size_t);
typedef void *(*search_fn)(const void *, int, size_t);

// Function pointers that the compiler has to read each time: no call is left out or specialised.
struct functions {
    copy_fn copy, move;
    set_fn set;
    compare_fn compare;
    search_fn search, search_back;
};
static volatile struct functions libc = {memcpy, memmove, memset, memcmp, memchr, memrchr};
static volatile struct functions shim = {shim_memcpy, shim_memmove, shim_memset,
                                         shim_memcmp, shim_memchr,  shim_memrchr};

// The destination's and the source's offsets vary from call to call, as they do in life.
static size_t offset_of_call(size_t i)
{
    return (i * 7) & 63;
}

static void run_copy(volatile struct functions *f, size_t size, size_t i)
{
    f->copy(buffer_a + offset_of_call(i), buffer_b + offset_of_call(i + 3), size);
}

static void run_move_up(volatile struct functions *f, size_t size, size_t i)
{
    f->move(buffer_a + offset_of_call(i) + 8, buffer_a + offset_of_call(i), size);
}

static void run_move_down(volatile struct functions *f, size_t size, size_t i)
{
    f->move(buffer_a + offset_of_call(i), buffer_a + offset_of_call(i) + 8, size);
}

static void run_set(volatile struct functions *f, size_t size, size_t i)
{
    f->set(buffer_a + offset_of_call(i), 0, size);
}

static void run_compare(volatile struct functions *f, size_t size, size_t i)
{
    f->compare(buffer_a + offset_of_call(i), buffer_b + offset_of_call(i + 3), size);
}

static void run_search(volatile struct functions *f, size_t size, size_t i)
{
    f->search(buffer_a + offset_of_call(i), 'x', size);
}

static void run_search_back(volatile struct functions *f, size_t size, size_t i)
{
    f->search_back(buffer_a + offset_of_call(i), 'x', size);
}

static const struct {
    const char *name;
    void (*run)(volatile struct functions *f, size_t size, size_t i);
} columns[] = {
    {"memcpy", run_copy},         {"move up 8", run_move_up}, {"move down 8", run_move_down},
    {"memset", run_set},          {"memcmp", run_compare},    {"memchr", run_search},
    {"memrchr", run_search_back},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// GB/s, the best of some runs: the others were disturbed.
static double measure(size_t column, volatile struct functions *f, size_t size)
{
    size_t calls = BYTES_A_RUN / size < CALLS_A_RUN ? BYTES_A_RUN / size : CALLS_A_RUN;
    double best = 1e9;
    for (int run = 0; run < RUNS; run++) {
        double began = seconds();
        for (size_t i = 0; i < calls; i++)
            columns[column].run(f, size, i);
        double took = seconds() - began;
        best = took < best ? took : best;
    }
    return (double)(calls * size) / best / 1e9;
}

int main(void)
{
    static const size_t sizes[] = {1,    3,    8,     13,    16,     24,     32,   48,
                                   64,   100,  128,   200,   256,    512,    1024, 1500,
                                   2048, 4096, 16384, 65536, 262144, LARGEST};
    buffer_a = aligned_alloc(4096, ROOM);
    buffer_b = aligned_alloc(4096, ROOM);
    if (buffer_a == NULL || buffer_b == NULL)
        return 1;
    for (size_t i = 0; i < ROOM; i++)
        buffer_a[i] = buffer_b[i] = 0;
    printf("| bytes ");
    for (size_t column = 0; column < COLUMNS; column++)
        printf("| %s ", columns[column].name);
    printf("|\n|---:");
    for (size_t column = 0; column < COLUMNS; column++)
        printf("|---:");
    printf("|\n");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        printf("| %zu ", sizes[i]);
        for (size_t column = 0; column < COLUMNS; column++) {
            double theirs = measure(column, &libc, sizes[i]),
                   ours = measure(column, &shim, sizes[i]);
            printf("| %.1f → %.1f ", theirs, ours);
        }
        printf("|\n");
        fflush(stdout);
    }
    free(buffer_a);
    free(buffer_b);
    return 0;
}
