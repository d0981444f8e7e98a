// supervisor_stats.c - what the supervisor tells of itself and its workers on the board that all
// share. Nothing is read back from there.
#include "supervisor_priv.h"

#include <time.h>

#include "tls_load.h"
#include "tls_store.h"

int supervisor_open_stats(struct supervisor *supervisor, struct err *err)
{
    if (stats_board_new(&supervisor->stats, err) < 0)
        return -1;
    supervisor->stats->started_at = time(NULL);
    supervisor->stats->supervisor = supervisor->pid;
    supervisor->stats->workers_wanted = supervisor->wanted;
    return 0;
}

void supervisor_show_slot(const struct slot *slot)
{
    struct stats_worker *worker = slot->stats;
    const struct child *child = &slot->child;
    if (worker == NULL)
        return;
    worker->pid = child_has_process(child) ? child->pid : 0;
    worker->state = (int32_t)child->state;
    worker->serving_since = child->serving_since != CHILD_NEVER ? child->serving_since : 0;
}

void supervisor_end_stats(struct supervisor *supervisor, struct slot *slot)
{
    stats_worker_leave(supervisor->stats, slot->stats);
    slot->stats = NULL;
}

void supervisor_begin_stats(struct supervisor *supervisor, struct slot *slot)
{
    // A process that was here before has ended.
    supervisor_end_stats(supervisor, slot);
    slot->reason = STATS_ASKED;
    if (!supervisor_is_template(slot))
        slot->stats = stats_worker_join(supervisor->stats, slot->child.number);
}

void supervisor_count_spawned(struct supervisor *supervisor, const struct slot *slot)
{
    if (!supervisor_is_template(slot))
        supervisor->stats->spawned++;
}

void supervisor_count_recycled(struct supervisor *supervisor, const struct slot *slot,
                               enum stats_reason reason)
{
    if (!supervisor_is_template(slot))
        supervisor->stats->recycled[reason]++;
}

void supervisor_show_certificates(struct supervisor *supervisor)
{
    struct stats_board *board = supervisor->stats;
    size_t count;
    const struct tls_certificate_facts *facts = tls_store_certificates(supervisor->tls, &count);
    stats_change_begin(board);
    for (size_t i = 0; i < count; i++)
        stats_set_certificate(board, i, facts[i].names, facts[i].file, facts[i].not_after);
    board->certificate_count = (uint32_t)(count < STATS_CERTIFICATES ? count : STATS_CERTIFICATES);
    stats_change_end(board);
}
