// tls_scratch.c - keeps a few record buffers, so that a request on an idle connection costs no
// allocation.
#include "tls_scratch.h"

#include <stdlib.h>

struct tls_scratch *tls_scratch_new(void)
{
    return calloc(1, sizeof(struct tls_scratch));
}

void tls_scratch_free(struct tls_scratch *scratch)
{
    if (scratch == NULL)
        return;
    for (size_t i = 0; i < scratch->buffer_count; i++)
        free(scratch->buffers[i]);
    explicit_bzero(scratch, sizeof *scratch);
    free(scratch);
}

void *tls_scratch_take(void *owner, size_t size)
{
    struct tls_scratch *scratch = owner;
    if (scratch->buffer_count > 0 && size <= scratch->buffer_size)
        return scratch->buffers[--scratch->buffer_count];
    // One size for both directions, so that each can take what the other has left.
    if (scratch->buffer_size < size) {
        while (scratch->buffer_count > 0)
            free(scratch->buffers[--scratch->buffer_count]);
        scratch->buffer_size = size;
    }
    return malloc(scratch->buffer_size);
}

void tls_scratch_give(void *owner, void *buffer, size_t size)
{
    struct tls_scratch *scratch = owner;
    // One from before the size grew would be too small for the next who takes it.
    if (scratch->buffer_count < TLS_BUFFERS_KEPT && size == scratch->buffer_size)
        scratch->buffers[scratch->buffer_count++] = buffer;
    else
        free(buffer);
}
