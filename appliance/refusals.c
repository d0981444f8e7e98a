// refusals.c - a table of kinds, and when each was last told.
#include "refusals.h"

#include <stdlib.h>

#include "log.h"
#include "stats.h"

static const struct {
    unsigned status;
    enum stats_counter counter;
    const char *text;
} kinds[REFUSAL_COUNT] = {
#define REFUSAL(name, status, counter, text) [REFUSAL_##name] = {status, STATS_##counter, text},
#include "refusals.def"
#undef REFUSAL
};

struct refusals {
    struct stats_worker *stats;
    struct {
        int64_t told_at; // monotonic milliseconds
        uint64_t untold;
        bool told;
    } kinds[REFUSAL_COUNT];
};

struct refusals *refusals_new(struct stats_worker *stats)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);
    if (refusals != NULL)
        refusals->stats = stats;
    return refusals;
}

void refusals_free(struct refusals *refusals)
{
    free(refusals);
}

void refusals_tell(struct refusals *refusals, enum refusal which, struct str client,
                   struct str detail, int64_t now)
{
    if (refusals == NULL)
        return;
    stats_count(refusals->stats, kinds[which].counter, 1);
    if (refusals->kinds[which].told && now - refusals->kinds[which].told_at < REFUSALS_INTERVAL) {
        refusals->kinds[which].untold++;
        return;
    }
    uint64_t untold = refusals->kinds[which].untold;
    refusals->kinds[which].told = true;
    refusals->kinds[which].told_at = now;
    refusals->kinds[which].untold = 0;
    if (untold > 0)
        log_info("http", "%s: %llu more before this one", kinds[which].text,
                 (unsigned long long)untold);
    log_info("http", "%s%s%.*s: client=%.*s", kinds[which].text, detail.size > 0 ? ": " : "",
             (int)detail.size, detail.data, (int)client.size, client.data);
}

unsigned refusal_status(enum refusal which)
{
    return kinds[which].status;
}

enum refusal refusal_of(unsigned status)
{
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        // Those of 500 and more are for one reason each, and not all that there is.
        bool is_known =
            status != 0 && (status < 500 || i == REFUSAL_coding || i == REFUSAL_version);
        if (is_known && kinds[i].status == status)
            return (enum refusal)i;
    }
    return REFUSAL_other;
}
