// near.h - how far apart two words are, to guess what an operator meant to type.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

// The nearest word so far; start from {.distance = NEAR_NOTHING}.
struct near {
    const char *word;
    size_t distance;
};

enum { NEAR_NOTHING = 1000 };

// Take candidate as the best guess for typed if it is nearer than the last one, and near at all:
// at most a third of its letters differ, at least one may. Returns whether it was taken.
bool near_consider(struct near *best, struct str typed, const char *candidate);
