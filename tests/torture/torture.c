// torture.c - allocations that fail when a test wants them to: linked in place of what appliance/,
// embed/, libmicrohttpd and mbedTLS call (limpet.mk renames it there; Python's own allocations stay
// as they are). What is to fail, and how many there were, is in a file that the test has mapped
// ($TORTURE), so it can say so at any time.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUPERVISOR, OTHERS, KINDS };

// As tests/torture/tortured.py knows it.
struct orders {
    _Atomic uint64_t counts[KINDS]; // of allocations, by who asked
    uint64_t victims[KINDS];        // the one that fails, counted from 1; 0: none
    _Atomic uint64_t failed;        // how many have
    _Atomic uint64_t place;         // in the program, of the last one
};

static struct orders *orders;
static pid_t supervisor;

__attribute__((constructor)) static void obey(void)
{
    const char *path = getenv("TORTURE");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    supervisor = getpid();
    orders = memory != MAP_FAILED ? memory : NULL;
}

static int fails(const void *place)
{
    if (orders == NULL)
        return 0;
    int kind = getpid() == supervisor ? SUPERVISOR : OTHERS;
    uint64_t number = atomic_fetch_add(&orders->counts[kind], 1) + 1;
    if (number != orders->victims[kind])
        return 0;
    orders->place = (uint64_t)(uintptr_t)place;
    orders->failed++;
    errno = ENOMEM;
    return 1;
}

#define HERE __builtin_return_address(0)

void *torture_malloc(size_t size)
{
    return fails(HERE) ? NULL : malloc(size);
}

void *torture_calloc(size_t count, size_t size)
{
    return fails(HERE) ? NULL : calloc(count, size);
}

void *torture_realloc(void *memory, size_t size)
{
    return fails(HERE) ? NULL : realloc(memory, size);
}

int torture_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails(HERE) ? ENOMEM : posix_memalign(out, alignment, size);
}

void *torture_aligned_alloc(size_t alignment, size_t size)
{
    return fails(HERE) ? NULL : aligned_alloc(alignment, size);
}

char *torture_strdup(const char *text)
{
    return fails(HERE) ? NULL : strdup(text);
}

char *torture_strndup(const char *text, size_t size)
{
    return fails(HERE) ? NULL : strndup(text, size);
}

void *torture_mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(HERE) ? MAP_FAILED : mmap(where, size, protection, flags, fd, offset);
}
