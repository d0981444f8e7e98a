// supervisor_limits.c - the limits of a worker that only somebody else can watch: its memory, and
// the time in which it gets on with a request. Looks when there may be something to see, not in
// between: a worker that works on nothing now cannot be stuck before the whole time is over.
#include "supervisor_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "config.h"
#include "log.h"

struct child_limits supervisor_limits(const struct config *config)
{
    return (struct child_limits){
        .start = config->workers_start_timeout,
        .graceful = config->graceful_timeout,
        .retire = config->workers_kill_timeout,
        .lifetime = config->workers_lifetime,
        .lifetime_jitter = config->workers_lifetime_jitter,
    };
}

// It does not wear out: it answers nothing.
struct child_limits supervisor_template_limits(const struct config *config)
{
    struct child_limits limits = supervisor_limits(config);
    limits.lifetime = 0;
    return limits;
}

void supervisor_tell_worn(const struct slot *slot, const char *why)
{
    log_info("supervisor", "worker %u (pid %d) %s, replacing it", slot->child.number,
             (int)slot->child.pid, why);
}

void supervisor_watch_limits(struct supervisor *supervisor, struct slot *slot)
{
    const struct config *config = supervisor->setup->config;
    int64_t now = clock_milliseconds();
    if (supervisor_is_template(slot))
        return;
    if (config->request_timeout > 0)
        slot->look_at = now + config->request_timeout;
    if (config->workers_max_rss == 0 || supervisor->sample_at != CHILD_NEVER)
        return;
    supervisor->sample_at = now + config->rss_sample_interval;
    if (stats_resident(slot->child.pid) < 0)
        log_warning("supervisor", "--workers-max-rss has no effect without /proc");
}

// --- memory ---

static void sample(struct supervisor *supervisor, struct slot *slot)
{
    const struct config *config = supervisor->setup->config;
    char why[96];
    if (slot->child.state != CHILD_SERVING || slot->child.worn || supervisor_is_template(slot))
        return;
    int64_t resident = stats_resident(slot->child.pid);
    if (slot->stats != NULL && resident > 0)
        slot->stats->resident = resident;
    slot->large_samples = resident >= config->workers_max_rss ? slot->large_samples + 1 : 0;
    if (slot->large_samples < config->rss_samples)
        return;
    snprintf(why, sizeof why, "has %.1f MB in memory", (double)resident / (1 << 20));
    slot->reason = STATS_MEMORY;
    supervisor_tell_worn(slot, why);
    supervisor_step(supervisor, slot, CHILD_EVENT_WORN);
}

static void sample_all(struct supervisor *supervisor, int64_t now)
{
    if (now < supervisor->sample_at)
        return;
    supervisor->sample_at = now + supervisor->setup->config->rss_sample_interval;
    size_t count = supervisor->count; // successors come to it
    for (size_t i = 0; i < count; i++)
        sample(supervisor, supervisor->slots[i]);
}

// --- requests ---

static void tell_stuck(const struct slot *slot, const struct scoreboard_task *task, int64_t time)
{
    char line[SCOREBOARD_LINE];
    double seconds = (double)time / 1000.0;
    if (task == NULL) {
        log_error("supervisor", "worker %u (pid %d) has been stopped for %.1f s, replacing it",
                  slot->child.number, (int)slot->child.pid, seconds);
        return;
    }
    scoreboard_line(task, line);
    log_error("supervisor", "worker %u (pid %d) has worked on %s for %.1f s, replacing it",
              slot->child.number, (int)slot->child.pid, line, seconds);
}

// Since when it gets on with nothing: with a request, or at all. now: it does.
static int64_t waits_since(const struct slot *slot, int64_t now,
                           const struct scoreboard_task **task)
{
    const struct scoreboard_task *oldest = scoreboard_oldest(&slot->board);
    int64_t since = oldest != NULL ? oldest->since : now;
    *task = oldest;
    if (slot->stopped_since < since) {
        *task = NULL;
        since = slot->stopped_since;
    }
    return since > 0 && since < now ? since : now; // it may have ended this moment
}

static void look(struct supervisor *supervisor, struct slot *slot, int64_t now)
{
    int64_t timeout = supervisor->setup->config->request_timeout;
    bool watched = slot->child.state == CHILD_SERVING || slot->child.state == CHILD_DRAINING;
    const struct scoreboard_task *task;
    if (now < slot->look_at)
        return;
    slot->look_at = CHILD_NEVER;
    if (slot->unborn) {
        supervisor_give_up_birth(supervisor, slot);
        return;
    }
    if (!watched || slot->child.gives_up || slot->board.board == NULL)
        return;
    int64_t since = waits_since(slot, now, &task);
    if (now - since < timeout) {
        slot->look_at = since + timeout;
        return;
    }
    slot->reason = STATS_STUCK;
    tell_stuck(slot, task, now - since);
    supervisor_step(supervisor, slot, CHILD_EVENT_STUCK);
}

void supervisor_check_limits(struct supervisor *supervisor)
{
    int64_t now = clock_milliseconds();
    sample_all(supervisor, now);
    size_t count = supervisor->count; // successors come to it
    for (size_t i = 0; i < count; i++)
        look(supervisor, supervisor->slots[i], now);
}
