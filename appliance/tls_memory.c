// tls_memory.c - the memory of mbedTLS: the heap, but for private keys, which are in pages of their
// own. Every block says by a header of its own where it is from, since the library frees through
// one function.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "log.h"
#include "tls_library.h"

enum {
    BLOCK_ALIGN = 16,
    // Big numbers of an RSA key, its structures and their headers, for each byte of its DER; and
    // what the least key takes.
    SPACE_A_BYTE = 8,
    SPACE_LEAST = 16 << 10, // bytes
};

struct block {
    struct tls_secrets *secrets; // NULL: the heap
    _Alignas(8) size_t size;     // bytes behind this header, which is as long with 32-bit words
};
_Static_assert(sizeof(struct block) == BLOCK_ALIGN, "what follows the header is aligned as it is");

struct tls_secrets {
    size_t size; // bytes of the mapping, which begins with this
    size_t used;
    size_t blocks; // that were not given back
    bool told;     // that it is full
};

// A thread parses one key at a time.
static _Thread_local struct tls_secrets *current;

struct tls_secrets *tls_secrets_new(size_t key_bytes)
{
    size_t page = 4096;
    size_t size = (SPACE_LEAST + key_bytes * SPACE_A_BYTE + page - 1) / page * page;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    // The usual limit is 8 MB; a machine that swaps nothing needs no lock.
    if (mlock(memory, size) < 0)
        log_debug("tls", "private keys cannot be locked into memory: %s", strerror(errno));
    madvise(memory, size, MADV_DONTDUMP);
    madvise(memory, size, MADV_WIPEONFORK);
    struct tls_secrets *secrets = memory;
    *secrets = (struct tls_secrets){
        .size = size,
        .used = (sizeof *secrets + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN,
    };
    return secrets;
}

void tls_secrets_free(struct tls_secrets *secrets)
{
    if (secrets == NULL)
        return;
    must(secrets->blocks == 0);
    size_t size = secrets->size;
    explicit_bzero(secrets, size);
    munmap(secrets, size);
}

void tls_secrets_begin(struct tls_secrets *secrets)
{
    must(current == NULL);
    current = secrets;
}

void tls_secrets_end(void)
{
    current = NULL;
}

// From the pages of secrets, one block behind the other; NULL: they are full.
static struct block *carve(struct tls_secrets *secrets, size_t size)
{
    size_t rounded = (sizeof(struct block) + size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    if (rounded > secrets->size - secrets->used) {
        if (!secrets->told)
            log_debug("tls", "private keys need more memory than was locked for them");
        secrets->told = true;
        return NULL;
    }
    struct block *block = (struct block *)(void *)((char *)secrets + secrets->used);
    secrets->used += rounded;
    secrets->blocks++;
    return block;
}

void *tls_memory_allocate(size_t count, size_t size)
{
    size_t bytes;
    struct tls_secrets *secrets = current;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *block = secrets != NULL ? carve(secrets, bytes) : NULL;
    if (block == NULL) {
        secrets = NULL;
        block = calloc(1, sizeof *block + bytes);
    }
    if (block == NULL)
        return NULL;
    *block = (struct block){secrets, bytes};
    return block + 1;
}

void tls_memory_release(void *memory)
{
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    if (block->secrets == NULL) {
        free(block);
        return;
    }
    explicit_bzero(memory, block->size);
    block->secrets->blocks--;
}
