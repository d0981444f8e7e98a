// fuzz_sink_ring.c - any bytes as what processes do to the ring that they share: lines, places that
// stay empty, words changed, slots forged with the right seal; and cursors from anywhere. What is
// read is a line, and reading comes to an end.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sink_ring.h"
#include "sink_ring_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE = 64 * 1024, WORDS = SIZE / 8 };

struct input {
    const uint8_t *data;
    size_t size;
    struct sink_ring *ring;
    struct sink_ring_cursor cursor;
};

// The next number of the input; noughts behind its end.
static uint64_t take(struct input *input, size_t size)
{
    uint64_t number = 0;
    size = size < input->size ? size : input->size;
    memcpy(&number, input->data, size);
    input->data += size;
    input->size -= size;
    return number;
}

static void put(struct input *input)
{
    static const char text[SINK_RING_LINE + 64] = "\x1b[31m \xc2\x9b \xff \xe2\x82\xac";
    struct sink_line line = {.text = {text, (size_t)take(input, 2) % sizeof text},
                             .status = (unsigned)take(input, 2),
                             .time = (int8_t)take(input, 1)};
    sink_ring_put(input->ring, &line);
}

static void reserve(struct input *input)
{
    input->ring->memory->next += take(input, 1);
}

static void change(struct input *input)
{
    uint64_t word = take(input, 2) % WORDS, value = take(input, 8);
    (&input->ring->memory->slots[0].sequence)[word] ^= value;
}

static void move_head(struct input *input)
{
    input->ring->memory->next = take(input, 8);
}

static void move_cursor(struct input *input)
{
    input->cursor.position = take(input, 8);
}

static void rewind_cursor(struct input *input)
{
    input->cursor.position = 0;
}

static void forge(struct input *input)
{
    uint64_t position = input->ring->memory->next - take(input, 1);
    struct sink_ring_slot *slot = sink_ring_slot(input->ring, position);
    uint64_t packed = take(input, 8);
    struct sink_ring_about about = sink_ring_unpack(packed);
    struct sink_ring_digest digest = sink_ring_digest(position, slot->time, packed);
    size_t words = about.size > SINK_RING_LINE || about.part >= sink_ring_parts(about.size)
                       ? 0
                       : (sink_ring_held(about.size, about.part) + 7) / 8;
    for (size_t i = 0; i < words; i++)
        sink_ring_add(&digest, slot->text[i]);
    slot->about = packed;
    slot->seal = sink_ring_seal(&digest);
    slot->sequence = position;
}

static void read_on(struct input *input)
{
    static struct sink_ring_reading reading;
    int64_t settled = (int8_t)take(input, 1);
    // At most: what is left of one ring, then all of it.
    for (unsigned i = 0;; i++) {
        must(i <= 2 * SIZE / SINK_RING_SLOT);
        enum sink_ring_found found = sink_ring_next(input->ring, &input->cursor, settled, &reading);
        must(input->cursor.position >= input->ring->base || found != SINK_RING_FOUND);
        if (found == SINK_RING_END)
            return;
        if (found == SINK_RING_AGAIN)
            continue;
        must(reading.line.text.data == reading.text && reading.line.text.size <= SINK_RING_LINE);
        for (size_t k = 0; k < reading.line.text.size; k++)
            must((unsigned char)reading.text[k] >= 0x20 && reading.text[k] != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct input *) = {put,         reserve,       change, move_head,
                                                    move_cursor, rewind_cursor, forge,  read_on};
    struct input input = {.data = data, .size = size};
    struct err err;
    must(sink_ring_new(&input.ring, SIZE, &err) == 0);
    input.ring->base = 1000; // the same at each run
    input.ring->memory->next = 1000;
    while (input.size > 0)
        steps[take(&input, 1) % (sizeof steps / sizeof steps[0])](&input);
    read_on(&input);
    rewind_cursor(&input);
    read_on(&input);
    sink_ring_free(input.ring);
    return 0;
}
