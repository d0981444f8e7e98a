// resident.c - finds the executable's own segments by its program headers.
#include "resident.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive.h"

// Of the GNU C library, and of toolchain/shims.
int malloc_trim(size_t kept) __attribute__((weak));

// Pages that lie in the segment as a whole: its neighbours may be of another kind.
static void release_segment(const struct dl_phdr_info *object, const ElfW(Phdr) * segment)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = object->dlpi_addr + segment->p_vaddr;
    uintptr_t end = (begin + segment->p_filesz) / page * page;
    begin = (begin + page - 1) / page * page;
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

// Called for the executable first, which is all there is of a static one.
static int release_object(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void)size, (void)unused;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0)
            release_segment(object, segment);
    }
    return 1;
}

void resident_release(const struct archive *archive)
{
    if (malloc_trim != NULL)
        malloc_trim(0);
    dl_iterate_phdr(release_object, NULL);
    archive_let_go(archive);
}
