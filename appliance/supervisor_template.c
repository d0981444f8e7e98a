// supervisor_template.c - workers that are forked from a template (worker_template.c): who waits
// for it, and how it is asked. The template itself has the life of a worker, with the number 0.
#include "supervisor_priv.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "log.h"

bool supervisor_is_template(const struct slot *slot)
{
    return slot->child.number == 0;
}

// One that can fork, the newest; NULL: there is none.
static struct slot *find_template(const struct supervisor *supervisor)
{
    struct slot *best = NULL;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (supervisor_is_template(slot) && slot->child.state == CHILD_SERVING &&
            (best == NULL || slot->generation > best->generation))
            best = slot;
    }
    return best;
}

static int send_order(struct supervisor *supervisor, const struct slot *template, struct slot *slot,
                      struct err *err)
{
    int theirs;
    char text[64];
    if (supervisor_prepare_slot(supervisor, slot, &theirs, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%u %u %td", slot->child.number, slot->child.luck,
             slot->stats != NULL ? slot->stats - supervisor->stats->workers : -1);
    const int fds[IPC_FDS_MAX] = {theirs, slot->board.fd};
    int result = ipc_send_fds(template->ipc, IPC_FORK, text, fds, err);
    close(theirs);
    if (result < 0)
        supervisor_close_ipc(slot);
    return result;
}

void supervisor_ask_template(struct supervisor *supervisor, struct slot *slot)
{
    const struct slot *template = find_template(supervisor);
    slot->awaits_template = template == NULL;
    if (template == NULL)
        return;
    slot->generation = template->generation;
    slot->unborn = send_order(supervisor, template, slot, &supervisor->failure) == 0;
    if (slot->unborn && supervisor->limits.start > 0)
        slot->look_at = clock_milliseconds() + supervisor->limits.start;
    if (slot->unborn)
        return;
    log_error("supervisor", "worker %u: %s", slot->child.number, supervisor->failure.text);
    supervisor_step(supervisor, slot, CHILD_EVENT_UNBORN);
}

void supervisor_give_up_birth(struct supervisor *supervisor, struct slot *slot)
{
    struct slot *template = find_template(supervisor);
    err_set(&supervisor->failure, ERR_FAILED,
            "not forked after %.1f s (give it more with --workers-start-timeout)",
            (double)supervisor->limits.start / 1000.0);
    log_error("supervisor", "worker %u: %s", slot->child.number, supervisor->failure.text);
    if (template != NULL)
        supervisor_signal(template, SIGKILL); // it hangs: another is loaded
    slot->unborn = false;
    supervisor_close_ipc(slot);
    supervisor_step(supervisor, slot, CHILD_EVENT_UNBORN);
}

void supervisor_take_template(struct supervisor *supervisor)
{
    size_t count = supervisor->count;
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (slot->awaits_template && slot->child.state == CHILD_BACKING_OFF)
            supervisor_ask_template(supervisor, slot);
    }
}
