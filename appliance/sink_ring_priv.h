// sink_ring_priv.h - what the ring's memory looks like, for sink_ring*.c and tests that damage it.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sink_ring.h"

enum { SINK_RING_SLOT = 256, SINK_RING_WORDS = 28, SINK_RING_PART = SINK_RING_WORDS * 8 };

// A line takes as many of these, one after another, as its text needs; slots have positions, which
// only grow. All of it is atomic because it is read while it is written, in words because that
// costs no more than plain memory.
struct sink_ring_slot {
    _Atomic uint64_t sequence; // its position, stored last; 0: it is being written
    _Atomic uint64_t seal;     // digest of all else: two writers a lap apart may meet here
    _Atomic uint64_t time;
    _Atomic uint64_t about; // sink_ring_about
    _Atomic uint64_t text[SINK_RING_WORDS];
};

_Static_assert(sizeof(struct sink_ring_slot) == SINK_RING_SLOT, "slots are not as large as said");

struct sink_ring_memory {
    _Atomic uint64_t next; // the position that nobody has yet
    _Atomic uint64_t padding[SINK_RING_SLOT / 8 - 1];
    struct sink_ring_slot slots[];
};

// Our own record of it: nothing here can be changed by others.
struct sink_ring {
    struct sink_ring_memory *memory;
    size_t mapped;  // bytes
    uint64_t count; // of slots
    uint64_t base;  // the first position of all: Unix time in nanoseconds, so that no two rings
                    // of a server ever have one in common
};

// What a slot holds.
struct sink_ring_about {
    size_t size;   // of the whole line, bytes
    unsigned part; // of the line, from 0
    unsigned level, status;
};

static inline uint64_t sink_ring_pack(const struct sink_ring_about *about)
{
    return about->size | (uint64_t)about->part << 16 | (uint64_t)(about->level & 0xff) << 32 |
           (uint64_t)(about->status & 0xffff) << 40;
}

static inline struct sink_ring_about sink_ring_unpack(uint64_t packed)
{
    return (struct sink_ring_about){.size = packed & 0xffff,
                                    .part = packed >> 16 & 0xffff,
                                    .level = packed >> 32 & 0xff,
                                    .status = packed >> 40 & 0xffff};
}

// Slots of a line.
static inline unsigned sink_ring_parts(size_t size)
{
    return size == 0 ? 1 : (unsigned)((size + SINK_RING_PART - 1) / SINK_RING_PART);
}

// Bytes of a line that such a part of it holds.
static inline size_t sink_ring_held(size_t size, unsigned part)
{
    size_t left = size - (size_t)part * SINK_RING_PART;
    return left < SINK_RING_PART ? left : SINK_RING_PART;
}

static inline struct sink_ring_slot *sink_ring_slot(const struct sink_ring *ring, uint64_t position)
{
    return &ring->memory->slots[position % ring->count];
}

// The digest of a slot: sums of its words and of these sums (Fletcher's). Not against malice, for
// which there is no help, but against chance.
struct sink_ring_digest {
    uint64_t sum, sums;
};

static inline struct sink_ring_digest sink_ring_digest(uint64_t position, uint64_t time,
                                                       uint64_t packed)
{
    return (struct sink_ring_digest){.sum = position + time + packed,
                                     .sums = position + 3 * time + 5 * packed};
}

static inline void sink_ring_add(struct sink_ring_digest *digest, uint64_t word)
{
    digest->sum += word;
    digest->sums += digest->sum;
}

static inline uint64_t sink_ring_seal(const struct sink_ring_digest *digest)
{
    uint64_t turned = digest->sum << 32 | digest->sum >> 32;
    return turned * UINT64_C(0x9e3779b97f4a7c15) ^ digest->sums;
}
