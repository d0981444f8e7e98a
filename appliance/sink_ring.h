// sink_ring.h - the latest lines of all processes in memory that they share, for machines whose
// flash must not wear. Any process and thread writes, none of them ever waits, and one that is
// killed in between leaves a line less. The supervisor reads, and believes nothing: workers run the
// application's code.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "sink.h"

struct sink_ring; // opaque

enum { SINK_RING_LINE = 16 * 1024 }; // bytes of a line; a longer one is cut

// Made by the supervisor before its first fork; mapped by all that it forks. size: bytes, rounded
// up. Errors: out of memory.
int sink_ring_new(struct sink_ring **out, size_t size, struct err *err);
void sink_ring_free(struct sink_ring *ring); // our mapping; NULL: nothing

// Never waits, takes no lock, and may be called in a signal's handler. NULL: nothing.
void sink_ring_put(struct sink_ring *ring, const struct sink_line *line);

// --- the supervisor ---

// Where a reader is; 0: before all that there is. A number that means nothing to another ring,
// which sees that.
struct sink_ring_cursor {
    uint64_t position;
};

enum sink_ring_found {
    SINK_RING_END,   // there is none now
    SINK_RING_FOUND, // a line
    SINK_RING_AGAIN, // a good many places were looked at that hold none: call again
};

// What happened to lines between the last one and this.
enum sink_ring_gap {
    SINK_RING_WHOLE,
    SINK_RING_OVERWRITTEN, // some were overwritten before they were read
    SINK_RING_RENEWED,     // the cursor is of another ring: reading begins anew
};

struct sink_ring_reading {
    struct sink_line line; // its text points into text, and has no control characters
    enum sink_ring_gap gap;
    char text[SINK_RING_LINE];
};

// The next line behind the cursor. A place that was reserved and is not written yet is waited for
// (that is: nothing behind it is found) until lines behind it are as old as settled, Unix time in
// milliseconds, or many; INT64_MAX: not at all. The gap is set whatever is found.
enum sink_ring_found sink_ring_next(const struct sink_ring *ring, struct sink_ring_cursor *cursor,
                                    int64_t settled, struct sink_ring_reading *reading);

// Behind all lines that have been begun. As the memory says.
uint64_t sink_ring_head(const struct sink_ring *ring);
