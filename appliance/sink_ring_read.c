// sink_ring_read.c - reads what may change meanwhile, and may have been written by anybody: each
// number is bounds-checked once it is ours, and each slot copied and then looked at again.
#include <string.h>

#include "mask.h"
#include "sink_ring.h"
#include "sink_ring_priv.h"

enum { LOOKS_MAX = 4096 }; // slots without a line that one call looks at

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

// A slot as it was all the time while we copied it: its part of the text to out, which has
// SINK_RING_PART bytes.
static bool read_slot(const struct sink_ring *ring, uint64_t position,
                      struct sink_ring_about *about, uint64_t *time, char *out)
{
    const struct sink_ring_slot *slot = sink_ring_slot(ring, position);
    uint64_t words[SINK_RING_WORDS];
    if (load(&slot->sequence) != position)
        return false;
    *time = load(&slot->time);
    uint64_t packed = load(&slot->about);
    *about = sink_ring_unpack(packed);
    if (about->size > SINK_RING_LINE || about->part >= sink_ring_parts(about->size))
        return false;
    size_t held = sink_ring_held(about->size, about->part);
    struct sink_ring_digest digest = sink_ring_digest(position, *time, packed);
    for (size_t i = 0; i * sizeof words[0] < held; i++) {
        words[i] = load(&slot->text[i]);
        sink_ring_add(&digest, words[i]);
    }
    if (load(&slot->seal) != sink_ring_seal(&digest) || load(&slot->sequence) != position)
        return false;
    memcpy(out, words, held);
    return true;
}

// The line that begins at a position, if one does.
static bool read_line(const struct sink_ring *ring, uint64_t position,
                      struct sink_ring_reading *reading, unsigned *parts)
{
    struct sink_ring_about first, other;
    uint64_t time, other_time;
    char piece[SINK_RING_PART];
    if (!read_slot(ring, position, &first, &time, piece) || first.part != 0)
        return false;
    *parts = sink_ring_parts(first.size);
    memcpy(reading->text, piece, sink_ring_held(first.size, 0));
    for (unsigned part = 1; part < *parts; part++) {
        if (!read_slot(ring, position + part, &other, &other_time, piece) || other.part != part ||
            other.size != first.size)
            return false;
        memcpy(reading->text + (size_t)part * SINK_RING_PART, piece,
               sink_ring_held(first.size, part));
    }
    mask_controls(reading->text, first.size);
    reading->line = (struct sink_line){.text = {reading->text, first.size},
                                       .time = (int64_t)time,
                                       .level = (int)first.level,
                                       .status = first.status};
    return true;
}

uint64_t sink_ring_head(const struct sink_ring *ring)
{
    uint64_t next = load(&ring->memory->next);
    // Numbers of which no honest writer comes near: nothing was written.
    return next - ring->base > INT64_MAX ? ring->base : next;
}

// The oldest position that is not overwritten while that is the head.
static uint64_t tail(const struct sink_ring *ring, uint64_t head)
{
    return head - ring->base > ring->count ? head - ring->count : ring->base;
}

// Where reading begins, for a cursor from wherever.
static enum sink_ring_gap place(const struct sink_ring *ring, struct sink_ring_cursor *cursor,
                                uint64_t head)
{
    uint64_t given = cursor->position, oldest = tail(ring, head);
    if (given != 0 && given >= oldest && given <= head)
        return SINK_RING_WHOLE;
    cursor->position = oldest;
    if (given == 0)
        return SINK_RING_WHOLE;
    return given >= ring->base && given <= head ? SINK_RING_OVERWRITTEN : SINK_RING_RENEWED;
}

enum sink_ring_found sink_ring_next(const struct sink_ring *ring, struct sink_ring_cursor *cursor,
                                    int64_t settled, struct sink_ring_reading *reading)
{
    uint64_t head = sink_ring_head(ring);
    unsigned parts = 1;
    reading->gap = place(ring, cursor, head);
    uint64_t from = cursor->position, at = from;
    bool found = false;
    while (at != head && at - from < LOOKS_MAX && !found) {
        found = read_line(ring, at, reading, &parts) && parts <= head - at;
        at += !found;
    }
    bool hole = at != from, waits = hole && head - from <= ring->count / 2;
    if ((!found && at == head) || (found && waits && reading->line.time > settled))
        return SINK_RING_END;
    if (hole && from < tail(ring, sink_ring_head(ring)))
        reading->gap = reading->gap == SINK_RING_WHOLE ? SINK_RING_OVERWRITTEN : reading->gap;
    cursor->position = at + (found ? parts : 0);
    return found ? SINK_RING_FOUND : SINK_RING_AGAIN;
}
