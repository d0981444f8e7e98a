// supervisor_slots.c - the list of children. A slot stays at its address until it is removed, so
// that others may point at it.
#include "supervisor_priv.h"

#include <stdlib.h>

#include "check.h"

struct slot *supervisor_add_slot(struct supervisor *supervisor, unsigned number)
{
    size_t count = supervisor->count + 1;
    struct slot *slot = calloc(1, sizeof *slot);
    supervisor->slots = reallocarray(supervisor->slots, count, sizeof *supervisor->slots);
    supervisor->polls = reallocarray(supervisor->polls, POLL_SLOTS + count + CONTROL_POLLS_MAX,
                                     sizeof *supervisor->polls);
    must_have(slot != NULL && supervisor->slots != NULL && supervisor->polls != NULL);
    child_init(&slot->child, number,
               number == 0 ? &supervisor->template_limits : &supervisor->limits);
    slot->ipc = slot->board.fd = -1;
    slot->stopped_since = slot->look_at = CHILD_NEVER;
    supervisor->slots[supervisor->count++] = slot;
    return slot;
}

static void free_slot(struct slot *slot)
{
    supervisor_close_ipc(slot);
    scoreboard_free(&slot->board);
    free(slot);
}

void supervisor_sweep_slots(struct supervisor *supervisor)
{
    size_t kept = 0;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (slot->replaces != NULL && slot->replaces->child.state == CHILD_DEAD)
            slot->replaces = NULL;
    }
    for (size_t i = 0; i < supervisor->count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (slot->child.state == CHILD_DEAD) {
            supervisor_end_stats(supervisor, slot);
            free_slot(slot);
        } else {
            supervisor->slots[kept++] = slot;
        }
    }
    supervisor->count = kept;
}

void supervisor_free_slots(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        free_slot(supervisor->slots[i]);
    free(supervisor->slots);
    free(supervisor->polls);
}

struct slot *supervisor_find_process(const struct supervisor *supervisor, pid_t pid)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (child_has_process(&slot->child) && slot->child.pid == pid)
            return slot;
    }
    return NULL;
}

struct slot *supervisor_find_successor(const struct supervisor *supervisor, const struct slot *slot)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (supervisor->slots[i]->replaces == slot)
            return supervisor->slots[i];
    }
    return NULL;
}

bool supervisor_is_leaving(const struct slot *slot)
{
    enum child_state state = slot->child.state;
    bool ends = state == CHILD_DRAINING || state == CHILD_KILLED || state == CHILD_DEAD;
    bool returns = slot->child.wanted || slot->child.again;
    return ends && !returns && slot->replaces == NULL;
}

int64_t supervisor_next_deadline(const struct supervisor *supervisor)
{
    int64_t next = reload_deadline(supervisor->reload);
    next = supervisor->go_on_at < next ? supervisor->go_on_at : next;
    next = supervisor->sample_at < next ? supervisor->sample_at : next;
    int64_t control = control_deadline(supervisor->control);
    next = control < next ? control : next;
    int64_t tls = supervisor_tls_deadline(supervisor);
    next = tls < next ? tls : next;
    next = supervisor->upgrade_deadline < next ? supervisor->upgrade_deadline : next;
    next = supervisor->watchdog_at < next ? supervisor->watchdog_at : next;
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct slot *slot = supervisor->slots[i];
        next = slot->child.deadline < next ? slot->child.deadline : next;
        next = slot->look_at < next ? slot->look_at : next;
    }
    return next;
}
