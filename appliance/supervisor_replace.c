// supervisor_replace.c - one process takes the place of another while both live: how a worker is
// replaced warm, how a new generation goes through all of them, and how they become more or fewer.
#include "supervisor_priv.h"

#include <inttypes.h>

#include "clock.h"
#include "config_option.h"
#include "log.h"

// Until an outdated worker whose successor has failed is tried again (milliseconds).
enum { GO_ON_FIRST = 1000, GO_ON_LONGEST = 60000 };

void supervisor_replace(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *successor = supervisor_find_successor(supervisor, slot);
    supervisor_step(supervisor, successor != NULL ? successor : slot, CHILD_EVENT_REPLACE);
}

void supervisor_succeed(struct supervisor *supervisor, struct slot *slot)
{
    if (supervisor_find_successor(supervisor, slot) != NULL)
        return; // who comes already will do
    struct slot *successor = supervisor_add_slot(supervisor, slot->child.number);
    successor->replaces = slot;
    successor->child.patient = slot->child.patient;
    supervisor_step(supervisor, successor, CHILD_EVENT_TRY);
}

static bool is_outdated(const struct supervisor *supervisor, const struct slot *slot)
{
    struct slot *successor = supervisor_find_successor(supervisor, slot);
    const struct slot *latest = successor != NULL ? successor : slot;
    return slot->replaces == NULL && !supervisor_is_leaving(slot) &&
           latest->generation != supervisor->generation;
}

static bool serves(const struct slot *slot)
{
    return slot->child.state == CHILD_SERVING || slot->child.state == CHILD_STUCK;
}

// Whether somebody of the present generation is on the way.
static bool one_comes(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct slot *slot = supervisor->slots[i];
        if (slot->generation == supervisor->generation && !serves(slot) &&
            !supervisor_is_leaving(slot))
            return true;
    }
    return false;
}

// The workers that have not the present generation, nor are about to be replaced by one that does:
// of those that serve, one at a time.
static void replace_outdated(struct supervisor *supervisor)
{
    bool busy = one_comes(supervisor);
    size_t count = supervisor->count; // what comes to it is of the present generation
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (!is_outdated(supervisor, slot) || (serves(slot) && busy))
            continue;
        busy = busy || serves(slot);
        supervisor_replace(supervisor, slot);
    }
}

void supervisor_relieve(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *replaced = slot->replaces;
    slot->replaces = NULL;
    if (replaced != NULL) {
        supervisor_count_recycled(supervisor, replaced, replaced->reason);
        supervisor_step(supervisor, replaced, CHILD_EVENT_RETIRE);
    }
    if (!supervisor->proven || slot->generation != supervisor->generation)
        return;
    supervisor->go_on_pause = 0;
    replace_outdated(supervisor);
}

// Whether the present generation can be started: a worker of it serves.
static bool is_proven(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct slot *slot = supervisor->slots[i];
        if (slot->generation == supervisor->generation && serves(slot) &&
            !supervisor_is_template(slot))
            return true;
    }
    return false;
}

// The one that went ahead serves: what has failed now may do later, and none is to stay behind.
static void try_later(struct supervisor *supervisor)
{
    int64_t pause = supervisor->go_on_pause == 0 ? GO_ON_FIRST : supervisor->go_on_pause * 2;
    supervisor->go_on_pause = pause < GO_ON_LONGEST ? pause : GO_ON_LONGEST;
    supervisor->go_on_at = clock_milliseconds() + supervisor->go_on_pause;
}

void supervisor_go_on(struct supervisor *supervisor)
{
    if (clock_milliseconds() < supervisor->go_on_at)
        return;
    supervisor->go_on_at = CHILD_NEVER;
    if (!supervisor->stopping && is_proven(supervisor))
        replace_outdated(supervisor);
}

bool supervisor_keep_replaced(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *replaced = slot->replaces;
    slot->replaces = NULL;
    if (replaced != NULL && replaced->child.state == CHILD_SERVING)
        log_warning("supervisor", "worker %u (pid %d) goes on with what it has loaded",
                    replaced->child.number, (int)replaced->child.pid);
    if (replaced != NULL)
        supervisor_step(supervisor, replaced, CHILD_EVENT_LEFT);
    if (replaced != NULL && is_outdated(supervisor, replaced) && is_proven(supervisor))
        try_later(supervisor);
    return replaced != NULL;
}

// One that can be replaced now, rather than one that ends and is then followed by a new one anyway.
static struct slot *find_leader(const struct supervisor *supervisor)
{
    struct slot *leader = NULL;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (slot->replaces != NULL || supervisor_is_leaving(slot))
            continue;
        if (supervisor_is_template(slot))
            return slot; // the others come of it
        if (leader == NULL ||
            (leader->child.state != CHILD_SERVING && slot->child.state == CHILD_SERVING))
            leader = slot;
    }
    return leader;
}

void supervisor_renew(struct supervisor *supervisor, const char *change)
{
    struct slot *leader = find_leader(supervisor);
    supervisor->generation++;
    supervisor->changed_at = clock_milliseconds();
    supervisor->change = change;
    supervisor->go_on_at = CHILD_NEVER;
    supervisor->go_on_pause = 0;
    if (leader != NULL)
        supervisor_replace(supervisor, leader);
}

// --- the last one ---

static bool others_live(const struct supervisor *supervisor, const struct slot *ours)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (supervisor->slots[i] != ours && child_has_process(&supervisor->slots[i]->child))
            return true;
    }
    return false;
}

static bool others_wait(const struct supervisor *supervisor, const struct slot *ours)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (supervisor->slots[i] != ours && supervisor->slots[i]->waits)
            return true;
    }
    return false;
}

static void end_waiting(struct supervisor *supervisor, struct slot *slot)
{
    struct err err;
    bool last = supervisor->stopping && !others_live(supervisor, slot);
    if (supervisor->stopping && !last && !others_wait(supervisor, slot))
        return; // it will be
    slot->waits = false;
    supervisor_step(supervisor, slot, CHILD_EVENT_LAST);
    if (slot->ipc >= 0 && ipc_send(slot->ipc, IPC_END, last ? "last" : "", &err) < 0)
        log_debug("supervisor", "worker %u: %s", slot->child.number, err.text);
}

void supervisor_end_waiting(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (supervisor->slots[i]->waits)
            end_waiting(supervisor, supervisor->slots[i]);
    }
}

// --- how many ---

static bool is_one_of_all(const struct slot *slot)
{
    return slot->replaces == NULL && !supervisor_is_leaving(slot);
}

struct slot *supervisor_find_number(const struct supervisor *supervisor, unsigned number)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (is_one_of_all(supervisor->slots[i]) && supervisor->slots[i]->child.number == number)
            return supervisor->slots[i];
    }
    return NULL;
}

static void add_worker(struct supervisor *supervisor, unsigned number)
{
    struct slot *slot = supervisor_add_slot(supervisor, number);
    slot->child.patient = supervisor->reload != NULL;
    if (supervisor->proven)
        supervisor_step(supervisor, slot, CHILD_EVENT_START);
}

static void remove_worker(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *successor = supervisor_find_successor(supervisor, slot);
    if (successor != NULL) {
        successor->replaces = NULL;
        supervisor_step(supervisor, successor, CHILD_EVENT_RETIRE);
    }
    supervisor_step(supervisor, slot, CHILD_EVENT_RETIRE);
}

void supervisor_scale(struct supervisor *supervisor, int64_t workers)
{
    const struct config_option *range = &config_options[CONFIG_OPTION_workers];
    workers = workers < range->minimum ? range->minimum : workers;
    unsigned wanted = (unsigned)(workers < range->maximum ? workers : range->maximum);
    if (wanted == supervisor->wanted) {
        log_warning("supervisor", "%u worker%s, as before: %" PRId64 " to %" PRId64 " are possible",
                    wanted, wanted == 1 ? "" : "s", range->minimum, range->maximum);
        return;
    }
    log_info("supervisor", "%u workers instead of %u", wanted, supervisor->wanted);
    for (unsigned number = supervisor->wanted; number > wanted; number--) {
        struct slot *slot = supervisor_find_number(supervisor, number);
        if (slot != NULL)
            remove_worker(supervisor, slot);
    }
    for (unsigned number = supervisor->wanted + 1; number <= wanted; number++)
        add_worker(supervisor, number);
    supervisor->wanted = wanted;
    supervisor->stats->workers_wanted = wanted;
    // One that others waited for may have gone.
    supervisor->go_on_at = clock_milliseconds();
}
