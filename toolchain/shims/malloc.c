// malloc.c - the C library's allocator, passed on to the mimalloc that CPython carries in
// libpython (obmalloc.o): musl's own is built to be small and hardened, and costs an interpreter
// more than a factor of 2.
//
// All of the family must be here: musl's realloc, aligned_alloc and malloc_usable_size look into
// the blocks of musl's allocator, and a single one of them left out would be handed a block of
// mimalloc's. What musl builds upon them (strdup, reallocarray, valloc, getline) calls these. What
// musl keeps for itself (atexit, locales) comes from an allocator of its own and never meets these.
//
// Before main: the first call starts mimalloc, in whatever constructor that is.
// Threads: each has a heap of its own from its first allocation on; any thread may free a block.
// When a thread ends, what it left allocated passes to the others.
// fork: nothing is locked over a call, so a child may allocate at once, also one forked by a
// process with threads. The heaps of threads that fork did not copy stay as they are: their blocks
// can be used and freed, their free space is lost to the child.
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

// From CPython's Include/internal/mimalloc/mimalloc.h. They return NULL without setting errno.
void *mi_malloc(size_t size);
void *mi_calloc(size_t count, size_t size);
void *mi_realloc(void *block, size_t size);
void *mi_malloc_aligned(size_t size, size_t alignment);
size_t mi_usable_size(const void *block);
void mi_free(void *block);
void mi_collect(bool force);

static inline void *block_or_enomem(void *block)
{
    if (__builtin_expect(block == NULL, 0))
        errno = ENOMEM;
    return block;
}

void *malloc(size_t size)
{
    return block_or_enomem(mi_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return block_or_enomem(mi_calloc(count, size));
}

// With size 0 the block is replaced by an empty one, as musl does: NULL always means failure.
void *realloc(void *block, size_t size)
{
    return block_or_enomem(mi_realloc(block, size));
}

// Callers may free between a failure and their look at errno (POSIX.1-2024).
void free(void *block)
{
    int kept = errno;
    mi_free(block);
    errno = kept;
}

size_t malloc_usable_size(void *block)
{
    return mi_usable_size(block);
}

static inline bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return block_or_enomem(mi_malloc_aligned(size, alignment));
}

void *memalign(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

// Tells its error by its result and leaves *out alone then.
int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment) || alignment < sizeof(void *))
        return EINVAL;
    void *block = mi_malloc_aligned(size, alignment);
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

// As the GNU C library has it: give free memory back to the system. All that can be is. No header
// of musl's names it.
int malloc_trim(size_t kept);

int malloc_trim(size_t kept)
{
    (void)kept;
    mi_collect(true);
    return 1;
}
