// supervisor_signals.c - what each signal does.
#include "supervisor_priv.h"

#include <signal.h>

#include "config.h"
#include "log.h"
#include "notify.h"
#include "signals.h"

static void stop_at_once(struct supervisor *supervisor, int number)
{
    char name[32];
    log_info("supervisor", "%s: stopping at once", signals_name(number, name, sizeof name));
    supervisor_stop(supervisor, CHILD_EVENT_HALT);
}

void supervisor_stop_gracefully(struct supervisor *supervisor, const char *why)
{
    supervisor->leaving = false;
    log_info("supervisor", "%s: stopping, requests under way have %.1f s", why,
             (double)supervisor->setup->config->graceful_timeout / 1000.0);
    supervisor_stop(supervisor, CHILD_EVENT_STOP);
}

// The second one is in a hurry; but one that leaves to a successor has not been told to stop.
static void stop(struct supervisor *supervisor, int number)
{
    char name[32];
    if (supervisor->stopping && !supervisor->leaving)
        stop_at_once(supervisor, number);
    else
        supervisor_stop_gracefully(supervisor, signals_name(number, name, sizeof name));
}

static void reread(struct supervisor *supervisor, int number)
{
    (void)number;
    supervisor_reread(supervisor);
}

void supervisor_restart(struct supervisor *supervisor)
{
    if (supervisor->stopping)
        return;
    log_info("supervisor", "replacing all workers");
    supervisor_renew(supervisor, "by new workers");
}

static void restart(struct supervisor *supervisor, int number)
{
    (void)number;
    supervisor_restart(supervisor);
}

static void scale(struct supervisor *supervisor, int number)
{
    if (!supervisor->stopping)
        supervisor_scale(supervisor, (int64_t)supervisor->wanted + (number == SIGTTIN ? 1 : -1));
}

void supervisor_take_signals(struct supervisor *supervisor)
{
    static const struct {
        int number;
        void (*take)(struct supervisor *supervisor, int number);
    } table[] = {
        {SIGCHLD, supervisor_reap},    {SIGTERM, stop},  {SIGINT, stop},
        {SIGQUIT, stop_at_once},       {SIGHUP, reread}, {SIGUSR1, restart},
        {SIGUSR2, supervisor_upgrade}, {SIGTTIN, scale}, {SIGTTOU, scale},
    };
    int number;
    while ((number = signals_read(supervisor->signals)) != 0) {
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            if (table[i].number == number)
                table[i].take(supervisor, number);
        }
    }
}
