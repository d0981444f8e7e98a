// tls_scratch.c - keeps a few record buffers, so that a request on an idle connection costs no
// allocation.
#include "tls_scratch.h"

#include <stdlib.h>
#include <string.h>

struct tls_scratch *tls_scratch_new(void)
{
    return calloc(1, sizeof(struct tls_scratch));
}

void tls_scratch_free(struct tls_scratch *scratch)
{
    if (scratch == NULL)
        return;
    while (scratch->buffer_count > 0)
        free(scratch->buffers[--scratch->buffer_count]);
    explicit_bzero(scratch, sizeof *scratch);
    free(scratch);
}

// All are of one size, so that either direction can take what the other has left.
void *tls_scratch_take(void *owner, size_t size)
{
    struct tls_scratch *scratch = owner;
    if (size > TLS_BUFFER_SIZE)
        return NULL;
    if (scratch->buffer_count > 0)
        return scratch->buffers[--scratch->buffer_count];
    return malloc(TLS_BUFFER_SIZE);
}

void tls_scratch_give(void *owner, void *buffer, size_t size)
{
    struct tls_scratch *scratch = owner;
    (void)size;
    if (scratch->buffer_count < TLS_BUFFERS_KEPT)
        scratch->buffers[scratch->buffer_count++] = buffer;
    else
        free(buffer);
}
