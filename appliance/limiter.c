// limiter.c - a table of sets, each one line of the processor's cache with eight places. A place is
// one number that is changed by compare-and-swap: when the debt is paid, and who has it, as a part
// of the address's hash (the set is another part).
//
// Times are counted in 1024ths of the interval between two requests, modulo 2^44: a rate of 100,000
// a second comes round after two days, "1/h" after two million years. One that lies further ahead
// than a burst is one of long ago.
//
// That an address has one place only, however many processes see it first at the same moment: times
// in a place only grow as long as a place is free or its debt paid, and all look for the place with
// the least one, the first of those. Who finds another place than the one where the address was
// just put has read a time there that is no more, and its compare-and-swap fails. Where all places
// are taken by debtors, an address may get two: that lets a burst more through.
#include "limiter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "siphash.h"

enum {
    WAYS = 8,
    SETS = LIMITER_ADDRESSES / WAYS,
    STEPS = 1024, // of an interval
    TAG_BITS = 20,
};

struct set {
    _Alignas(64) _Atomic uint64_t places[WAYS]; // time, then TAG_BITS of the hash; 0: nobody's
};

struct limiter {
    struct set *sets; // shared
    struct siphash_key key;
    double steps; // a nanosecond
    double step;  // seconds
    int64_t most; // steps that a debt may be
};

int limiter_new(struct limiter **out, const struct limiter_rate *rate, struct err *err)
{
    struct limiter *limiter = calloc(1, sizeof *limiter);
    if (limiter == NULL)
        return err_system(err, ENOMEM, "cannot limit rates");
    void *memory = mmap(NULL, SETS * sizeof(struct set), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        free(limiter);
        return err_system(err, errno, "cannot limit rates");
    }
    *limiter = (struct limiter){
        .sets = memory,
        .key = siphash_draw_key(),
        .steps = (double)STEPS / (double)rate->interval,
        .step = (double)rate->interval / STEPS / 1e9,
        .most = (int64_t)rate->burst * STEPS,
    };
    *out = limiter;
    return 0;
}

int limiter_open(struct limiter **out, const char *rate, struct err *err)
{
    struct limiter_rate parsed;
    *out = NULL;
    if (rate == NULL)
        return 0;
    if (limiter_rate_parse(&parsed, rate, err) < 0)
        return err_wrap(err, "--rate-limit");
    return limiter_new(out, &parsed, err);
}

void limiter_free(struct limiter *limiter)
{
    if (limiter == NULL)
        return;
    munmap(limiter->sets, SETS * sizeof(struct set));
    free(limiter);
}

// Steps until a place's debt is paid; 0 or less: it is.
static inline int64_t ahead(uint64_t place, uint64_t now, int64_t most)
{
    int64_t steps = (int64_t)(place - (now << TAG_BITS)) >> TAG_BITS;
    return steps <= most ? steps : INT64_MIN; // no debt is larger: of a round before
}

// The place of that tag, or the one that is least in debt; *place: what stands there, *debt: in
// steps, of that tag.
static inline _Atomic uint64_t *find(const struct limiter *limiter, struct set *set, uint64_t hash,
                                     uint64_t now, uint64_t *place, int64_t *debt)
{
    const uint64_t mask = (UINT64_C(1) << TAG_BITS) - 1;
    _Atomic uint64_t *least = &set->places[0];
    int64_t least_ahead = INT64_MAX;
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t value = atomic_load_explicit(&set->places[i], memory_order_acquire);
        int64_t steps = ahead(value, now, limiter->most);
        if (((value ^ hash) & mask) == 0) {
            *place = value;
            *debt = steps > 0 ? steps : 0;
            return &set->places[i];
        }
        if (steps < least_ahead) {
            least = &set->places[i];
            least_ahead = steps;
            *place = value;
        }
    }
    *debt = 0;
    return least;
}

// Until so many steps of the debt are paid.
static uint32_t seconds_until(const struct limiter *limiter, int64_t steps)
{
    double seconds = (double)steps * limiter->step;
    if (seconds >= (double)INT32_MAX)
        return INT32_MAX;
    uint32_t whole = (uint32_t)seconds;
    return (double)whole < seconds || whole == 0 ? whole + 1 : whole;
}

uint32_t limiter_take(struct limiter *limiter, uint64_t address, int64_t now)
{
    const uint64_t mask = (UINT64_C(1) << TAG_BITS) - 1;
    uint64_t hash = siphash_number(&limiter->key, address);
    struct set *set = &limiter->sets[(hash >> TAG_BITS) % SETS];
    uint64_t time = (uint64_t)(int64_t)((double)now * limiter->steps);
    for (;;) {
        uint64_t place;
        int64_t debt;
        _Atomic uint64_t *at = find(limiter, set, hash, time, &place, &debt);
        debt += STEPS;
        if (debt > limiter->most)
            return seconds_until(limiter, debt - limiter->most);
        uint64_t paid = (time + (uint64_t)debt) << TAG_BITS | (hash & mask);
        if (atomic_compare_exchange_strong_explicit(at, &place, paid, memory_order_acq_rel,
                                                    memory_order_acquire))
            return 0;
    }
}
