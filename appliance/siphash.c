// siphash.c - the rounds, as the paper has them.
#include "siphash.h"

#include <string.h>
#include <sys/random.h>

#include "clock.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void mix(struct state *state)
{
    state->v0 += state->v1;
    state->v1 = rotate(state->v1, 13) ^ state->v0;
    state->v0 = rotate(state->v0, 32);
    state->v2 += state->v3;
    state->v3 = rotate(state->v3, 16) ^ state->v2;
    state->v0 += state->v3;
    state->v3 = rotate(state->v3, 21) ^ state->v0;
    state->v2 += state->v1;
    state->v1 = rotate(state->v1, 17) ^ state->v2;
    state->v2 = rotate(state->v2, 32);
}

static inline struct state begin(const struct siphash_key *key)
{
    return (struct state){
        key->low ^ UINT64_C(0x736f6d6570736575), key->high ^ UINT64_C(0x646f72616e646f6d),
        key->low ^ UINT64_C(0x6c7967656e657261), key->high ^ UINT64_C(0x7465646279746573)};
}

static inline void take(struct state *state, uint64_t block)
{
    state->v3 ^= block;
    mix(state);
    mix(state);
    state->v0 ^= block;
}

static inline uint64_t end(struct state *state)
{
    state->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(state);
    return state->v0 ^ state->v1 ^ state->v2 ^ state->v3;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t size)
{
    struct state state = begin(key);
    const unsigned char *at = data;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t block = 0;
        for (int i = 7; i >= 0; i--)
            block = block << 8 | at[i];
        take(&state, block);
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    take(&state, last);
    return end(&state);
}

uint64_t siphash_number(const struct siphash_key *key, uint64_t number)
{
    struct state state = begin(key);
    take(&state, number);
    take(&state, UINT64_C(8) << 56);
    return end(&state);
}

struct siphash_key siphash_draw_key(void)
{
    struct siphash_key key;
    if (getrandom(&key, sizeof key, GRND_NONBLOCK) == (ssize_t)sizeof key)
        return key;
    // What changes from one start to the next, and where the stack is.
    key.low = (uint64_t)clock_read(CLOCK_REALTIME);
    key.high = (uint64_t)clock_read(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)&key;
    return key;
}
