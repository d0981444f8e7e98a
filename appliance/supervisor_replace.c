// supervisor_replace.c - one process takes the place of another while both live: how a worker is
// replaced warm, and how a changed application goes through all of them.
#include "supervisor_priv.h"

#include "clock.h"
#include "log.h"

void supervisor_replace(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *successor = supervisor_find_successor(supervisor, slot);
    supervisor_step(supervisor, successor != NULL ? successor : slot, CHILD_EVENT_REPLACE);
}

void supervisor_succeed(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *successor = supervisor_add_slot(supervisor, slot->child.number);
    successor->replaces = slot;
    successor->child.patient = slot->child.patient;
    supervisor_step(supervisor, successor, CHILD_EVENT_TRY);
}

// The workers that have not the present generation, nor are about to be replaced by one that does.
static void replace_outdated(struct supervisor *supervisor)
{
    size_t count = supervisor->count; // what comes to it is of the present generation
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = supervisor->slots[i];
        struct slot *successor = supervisor_find_successor(supervisor, slot);
        const struct slot *latest = successor != NULL ? successor : slot;
        if (slot->replaces == NULL && !supervisor_is_leaving(slot) &&
            latest->generation != supervisor->generation)
            supervisor_replace(supervisor, slot);
    }
}

void supervisor_relieve(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *replaced = slot->replaces;
    slot->replaces = NULL;
    if (replaced != NULL)
        supervisor_step(supervisor, replaced, CHILD_EVENT_STOP);
    if (supervisor->proven && slot->generation == supervisor->generation)
        replace_outdated(supervisor);
}

bool supervisor_keep_replaced(struct slot *slot)
{
    const struct slot *replaced = slot->replaces;
    slot->replaces = NULL;
    if (replaced != NULL && replaced->child.state == CHILD_SERVING)
        log_warning("supervisor", "worker %u (pid %d) goes on with what it has loaded",
                    replaced->child.number, (int)replaced->child.pid);
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
        if (leader == NULL ||
            (leader->child.state != CHILD_SERVING && slot->child.state == CHILD_SERVING))
            leader = slot;
    }
    return leader;
}

void supervisor_renew(struct supervisor *supervisor, const char *changed)
{
    struct slot *leader = find_leader(supervisor);
    supervisor->generation++;
    supervisor->changed_at = clock_milliseconds();
    log_info("supervisor", "%s has changed, loading the application again", changed);
    if (leader != NULL)
        supervisor_replace(supervisor, leader);
}
