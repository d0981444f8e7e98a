// spool.h - the body of a request while it arrives: in memory as long as it is small, in a file
// without a name once it is not.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct spool_limits {
    size_t memory;      // bytes that are kept in memory; with more, all goes to the file
    uint64_t maximum;   // bytes in all; 0: no limit
    const char *folder; // for the file. NULL: /tmp, and memory where that cannot be used
    bool scarce;        // memory is: nothing large is kept there, even if it cannot be kept at all
};

struct spool {
    const struct spool_limits *limits; // must outlive it
    struct buf memory;
    int fd; // -1: all is in memory
    uint64_t size;
};

// Whether files can be made in the folder that the limits name, or can be done without; to be asked
// at start.
int spool_check(const struct spool_limits *limits, struct err *err);

void spool_init(struct spool *spool, const struct spool_limits *limits);
void spool_fini(struct spool *spool);

// Empty it for the next body; a little memory is kept.
void spool_clear(struct spool *spool);

// Whether size more bytes would be too many.
bool spool_exceeds(const struct spool *spool, uint64_t size);

// So many bytes are to come to an empty one: where they need a file, it is made now. Errors: it
// cannot be made.
int spool_expect(struct spool *spool, uint64_t size, struct err *err);

// Append. Errors: beyond the maximum; no file, or no space in it.
int spool_append(struct spool *spool, const void *data, size_t size, struct err *err);
