// near.c - the edit distance that knows swapped neighbours (optimal string alignment).
#include "near.h"

enum { NEAR_WORD_MAX = 63 }; // bytes; a longer word is near to nothing

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(struct str a, struct str b)
{
    size_t rows[3][NEAR_WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.size; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t change = above[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.size];
}

bool near_consider(struct near *best, struct str typed, const char *candidate)
{
    struct str word = str_of(candidate);
    if (typed.size == 0 || typed.size > NEAR_WORD_MAX || word.size > NEAR_WORD_MAX)
        return false;
    size_t limit = word.size < 6 ? 1 + (word.size > 3) : word.size / 3;
    size_t found = distance(typed, word);
    if (found > limit || found >= best->distance)
        return false;
    best->word = candidate;
    best->distance = found;
    return true;
}
