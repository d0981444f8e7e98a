// sink_ring.c - the latest lines, in memory that processes share: how it is made and written. Who
// writes reserves slots by adding to one number, and each slot is made known by a store that comes
// last. The stores before it release and the loads of a reader acquire, so that a reader who sees
// one word of a later line sees that its slot is no longer what it was; on x86 they are plain ones.
#include "sink_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "clock.h"
#include "sink_ring_priv.h"

enum { COUNT_LEAST = 256 }; // slots: three times the longest line, and some

int sink_ring_new(struct sink_ring **out, size_t size, struct err *err)
{
    size_t count = size / SINK_RING_SLOT + (size % SINK_RING_SLOT != 0);
    _free_ struct sink_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return err_system(err, ENOMEM, "a log in memory");
    ring->count = count < COUNT_LEAST ? COUNT_LEAST : count;
    ring->mapped = sizeof(struct sink_ring_memory) + (size_t)ring->count * SINK_RING_SLOT;
    // Without a descriptor: nobody can shrink it, and no program that a worker starts gets it.
    void *memory =
        mmap(NULL, ring->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return err_system(err, errno, "--log-memory: no %zu bytes for a log in memory",
                          ring->mapped);
    ring->memory = memory;
    ring->base = (uint64_t)clock_read(CLOCK_REALTIME) | 1;
    atomic_store_explicit(&ring->memory->next, ring->base, memory_order_relaxed);
    *out = steal_ptr(&ring);
    return 0;
}

void sink_ring_free(struct sink_ring *ring)
{
    if (ring == NULL)
        return;
    munmap(ring->memory, ring->mapped);
    free(ring);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

// Words of text, the last with noughts behind its end.
static void fill_text(struct sink_ring_slot *slot, const char *text, size_t size,
                      struct sink_ring_digest *digest)
{
    uint64_t word;
    size_t i = 0;
    for (; size >= sizeof word; i++, size -= sizeof word) {
        memcpy(&word, text + i * sizeof word, sizeof word);
        store(&slot->text[i], word);
        sink_ring_add(digest, word);
    }
    if (size == 0)
        return;
    word = 0;
    memcpy(&word, text + i * sizeof word, size);
    store(&slot->text[i], word);
    sink_ring_add(digest, word);
}

static void fill(struct sink_ring_slot *slot, uint64_t position, const struct sink_line *line,
                 const struct sink_ring_about *about)
{
    uint64_t packed = sink_ring_pack(about), time = (uint64_t)line->time;
    struct sink_ring_digest digest = sink_ring_digest(position, time, packed);
    atomic_store_explicit(&slot->sequence, 0, memory_order_relaxed);
    store(&slot->time, time);
    store(&slot->about, packed);
    fill_text(slot, line->text.data + (size_t)about->part * SINK_RING_PART,
              sink_ring_held(about->size, about->part), &digest);
    store(&slot->seal, sink_ring_seal(&digest));
    store(&slot->sequence, position);
}

void sink_ring_put(struct sink_ring *ring, const struct sink_line *line)
{
    if (ring == NULL)
        return;
    struct sink_ring_about about = {
        .size = line->text.size < SINK_RING_LINE ? line->text.size : SINK_RING_LINE,
        .level = (unsigned)line->level,
        .status = line->status,
    };
    unsigned parts = sink_ring_parts(about.size);
    uint64_t position = atomic_fetch_add_explicit(&ring->memory->next, parts, memory_order_relaxed);
    // The first part comes last: where it is, all of the line was.
    for (about.part = parts; about.part-- > 0;)
        fill(sink_ring_slot(ring, position + about.part), position + about.part, line, &about);
}
