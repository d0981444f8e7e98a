// refusals.h - clients that are refused: counted each, and told in the log without a flood of it:
// the first of a kind at once, then how many there were, once in a while. A worker's, used with the
// baton.
#pragma once

#include <stdint.h>

#include "str.h"

struct refusals;     // opaque
struct stats_worker; // stats.h

enum refusal {
#define REFUSAL(name, ...) REFUSAL_##name,
#include "refusals.def"
#undef REFUSAL
    REFUSAL_COUNT,
};

enum { REFUSALS_INTERVAL = 10000 }; // milliseconds between two lines about refusals of one kind

// stats: where they are counted, NULL: nowhere; the caller's. NULL: out of memory.
struct refusals *refusals_new(struct stats_worker *stats);
void refusals_free(struct refusals *refusals);

// One more. client: its address; detail: what is wrong with it, bytes from outside escaped by the
// log, "": nothing to add. now: monotonic milliseconds. refusals: NULL: nobody looks.
void refusals_tell(struct refusals *refusals, enum refusal which, struct str client,
                   struct str detail, int64_t now);

// The status that answers it; 0: none. And the kind that such a status stands for where nothing
// more is known; REFUSAL_other: of none.
unsigned refusal_status(enum refusal which);
enum refusal refusal_of(unsigned status);
