// supervisor_messages.c - what workers say, as events for child.c. Nothing of it is trusted: they
// run the application's code.
#include "supervisor_priv.h"

#include <signal.h>
#include <stdio.h>

#include "log.h"

enum { MESSAGES_A_TURN = 64 }; // of one worker

// Only the kernel's word counts on who that is.
static void take_born(struct supervisor *supervisor, struct slot *slot,
                      const struct ipc_message *message)
{
    if (!slot->unborn || message->sender <= 0)
        return;
    slot->unborn = false;
    slot->look_at = CHILD_NEVER; // the time to be born in
    slot->child.pid = message->sender;
    log_debug("supervisor", "worker %u has pid %d", slot->child.number, (int)message->sender);
    supervisor_step(supervisor, slot, CHILD_EVENT_SPAWNED);
}

// The first of the workers goes ahead here, too: it may fail on its own.
static void send_ahead(struct supervisor *supervisor)
{
    struct slot *slot = supervisor_find_number(supervisor, 1);
    if (slot == NULL)
        return;
    if (slot->child.state == CHILD_BACKING_OFF)
        supervisor_step(supervisor, slot,
                        slot->child.patient ? CHILD_EVENT_START : CHILD_EVENT_TRY);
    else if (slot->generation != supervisor->generation)
        supervisor_step(supervisor, slot, CHILD_EVENT_REPLACE);
}

static void take_template_ready(struct supervisor *supervisor, struct slot *slot)
{
    supervisor_take_template(supervisor);
    supervisor_relieve(supervisor, slot);
    if (!supervisor->proven)
        send_ahead(supervisor);
}

static void take_ready(struct supervisor *supervisor, struct slot *slot,
                       const struct ipc_message *message)
{
    snprintf(supervisor->description, sizeof supervisor->description, "%s", message->text);
    supervisor_step(supervisor, slot, CHILD_EVENT_READY);
    if (slot->child.state != CHILD_SERVING)
        return; // it was told to end before it could say so
    if (supervisor_is_template(slot)) {
        take_template_ready(supervisor, slot);
        return;
    }
    if (!supervisor->proven) {
        supervisor->proven = true;
        supervisor_step_all(supervisor, CHILD_EVENT_START);
    }
    supervisor_watch_limits(supervisor, slot);
    supervisor_relieve(supervisor, slot);
    supervisor_announce(supervisor);
}

static void take_failed(struct supervisor *supervisor, struct slot *slot,
                        const struct ipc_message *message)
{
    err_set(&supervisor->failure, ERR_FAILED, "%s", message->text);
    if (supervisor_stays(supervisor))
        log_error("supervisor", "worker %u cannot start: %s", slot->child.number, message->text);
    supervisor_step(supervisor, slot, CHILD_EVENT_FAILED);
}

static void take_worn(struct supervisor *supervisor, struct slot *slot,
                      const struct ipc_message *message)
{
    char why[IPC_TEXT_MAX + 32];
    snprintf(why, sizeof why, "has answered %.32s requests", message->text);
    if (slot->child.state == CHILD_SERVING && !slot->child.worn) {
        slot->reason = STATS_REQUESTS;
        supervisor_tell_worn(slot, why);
    }
    supervisor_step(supervisor, slot, CHILD_EVENT_WORN);
}

static void take_done(struct supervisor *supervisor, struct slot *slot,
                      const struct ipc_message *message)
{
    (void)message;
    slot->waits = true;
    supervisor_step(supervisor, slot, CHILD_EVENT_DONE);
}

static void take_bye(struct supervisor *supervisor, struct slot *slot,
                     const struct ipc_message *message)
{
    (void)message;
    supervisor_step(supervisor, slot, CHILD_EVENT_BYE);
}

static void take_end(struct supervisor *supervisor, struct slot *slot,
                     const struct ipc_message *message)
{
    (void)message;
    supervisor_close_ipc(slot); // its process may live on: only waitpid says when it has ended
    if (!slot->unborn) {
        supervisor_step(supervisor, slot, CHILD_EVENT_CLOSED);
        return;
    }
    slot->unborn = false;
    err_set(&supervisor->failure, ERR_FAILED, "the preloaded application forks no workers");
    supervisor_step(supervisor, slot, CHILD_EVENT_UNBORN);
}

// A worker that speaks nonsense has had its memory overwritten, or worse: no reason to keep it.
static void reject(struct slot *slot, const char *why)
{
    log_error("supervisor", "worker %u (pid %d), killing it: %s", slot->child.number,
              (int)slot->child.pid, why);
    supervisor_close_ipc(slot);
    supervisor_signal(slot, SIGKILL);
}

void supervisor_take_messages(struct supervisor *supervisor, struct slot *slot)
{
    static void (*const takers[IPC_TYPE_COUNT])(struct supervisor *, struct slot *,
                                                const struct ipc_message *) = {
        [IPC_BORN] = take_born,     [IPC_CLOSED] = take_end, [IPC_READY] = take_ready,
        [IPC_FAILED] = take_failed, [IPC_DONE] = take_done,  [IPC_WORN] = take_worn,
        [IPC_BYE] = take_bye,
    };
    struct ipc_message message = {.type = IPC_NOTHING};
    struct err err;
    // One that never ends to speak must not keep us from the others; its last words are all read.
    for (unsigned i = 0; slot->ipc >= 0 && (i < MESSAGES_A_TURN || slot->ended); i++) {
        if (ipc_receive(slot->ipc, &message, &err) < 0) {
            reject(slot, err.text);
        } else if (message.type == IPC_NOTHING) {
            return;
        } else if (takers[message.type] != NULL) {
            takers[message.type](supervisor, slot, &message);
        } else {
            reject(slot, "a message that only supervisors send");
        }
    }
}
