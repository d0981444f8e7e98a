// siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012): a hash with a secret key, so that nobody
// outside can choose what falls into one place of a table. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t low, high; // the 16 bytes of the key as two little-endian numbers
};

// A key that nobody can guess; early in a machine's life it may be a worse one, as none waits.
struct siphash_key siphash_draw_key(void);

uint64_t siphash(const struct siphash_key *key, const void *data, size_t size);

// The same of a number's eight bytes, the lowest first.
uint64_t siphash_number(const struct siphash_key *key, uint64_t number);
