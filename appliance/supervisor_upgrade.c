// supervisor_upgrade.c - one server takes the place of another: the old process executes the binary
// again, which may be a newer one, hands it the sockets, and leaves when that one serves. If it
// never does, the old one goes on.
#include "supervisor_priv.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "log.h"
#include "notify.h"
#include "pid_file.h"

// Milliseconds: from SIGTERM to SIGKILL of a successor that has failed; for what it does beside
// starting its workers; from its hanging up to its end.
enum { END_WITHIN = 5000, START_BESIDE = 10000, SILENT_FOR = 1000 };

// One of its workers goes ahead, the others follow.
static int64_t start_deadline(const struct supervisor *supervisor)
{
    int64_t start = supervisor->limits.start;
    return start > 0 ? clock_milliseconds() + 2 * start + START_BESIDE : CHILD_NEVER;
}

void supervisor_upgrade(struct supervisor *supervisor, int number)
{
    const struct supervisor_setup *setup = supervisor->setup;
    struct upgrade_setup upgrade = {
        .path = setup->path, .argv = setup->arguments, .listeners = &supervisor->listeners};
    struct err err;
    (void)number;
    if (supervisor->stopping)
        return;
    if (supervisor->upgrade != NULL) {
        log_warning("supervisor", "SIGUSR2: an upgrade is under way already (pid %d)",
                    (int)upgrade_pid(supervisor->upgrade));
        return;
    }
    // The one that we come from would take our leaving for a failure, and go on beside ours.
    if (upgrade_predecessor() != 0 && supervisor->announced == 0) {
        log_warning("supervisor", "SIGUSR2: we do not serve yet in place of pid %d; send it later",
                    (int)upgrade_predecessor());
        return;
    }
    if (supervisor->pid == 1) {
        log_error("supervisor", "SIGUSR2: process 1 cannot leave: start a new container instead");
        return;
    }
    notify_restore();
    supervisor_restore_streams(supervisor);
    supervisor->upgrade = upgrade_start(&upgrade, &err);
    supervisor_redirect_streams(supervisor);
    notify_init();
    if (supervisor->upgrade == NULL) {
        log_error("supervisor", "SIGUSR2: %s; going on as before", err.text);
        return;
    }
    supervisor->upgrade_deadline = start_deadline(supervisor);
    log_info("supervisor", "SIGUSR2: starting %s in our place (pid %d)", setup->path,
             (int)upgrade_pid(supervisor->upgrade));
}

static void forget(struct supervisor *supervisor)
{
    upgrade_free(supervisor->upgrade);
    supervisor->upgrade = NULL;
    supervisor->upgrade_deadline = CHILD_NEVER;
    supervisor->upgrade_refused = supervisor->upgrade_silent = false;
}

static void leave(struct supervisor *supervisor)
{
    int pid = (int)upgrade_pid(supervisor->upgrade);
    log_info("supervisor", "pid %d serves in our place, requests under way are finished", pid);
    // Its own words so far were none of the main process's: its time for the watchdog begins now.
    notify_send("MAINPID=%d\nWATCHDOG=1", pid);
    forget(supervisor);
    listener_set_forget_files(&supervisor->listeners);
    control_forget_file(supervisor->control);
    supervisor->leaving = true;
    supervisor_stop(supervisor, CHILD_EVENT_RETIRE);
}

// Its process may still be there: it is waited for, and its sockets are ours as before.
static void refuse(struct supervisor *supervisor, const char *why)
{
    supervisor->upgrade_refused = true;
    log_error("supervisor", "the upgrade has failed: %s; going on as before", why);
    upgrade_abort(supervisor->upgrade, SIGTERM);
    supervisor->upgrade_deadline = clock_milliseconds() + END_WITHIN;
}

// Out of time to serve, or to end: why, where it has hung up.
static void take_deadline(struct supervisor *supervisor, const char *why)
{
    if (clock_milliseconds() < supervisor->upgrade_deadline)
        return;
    if (!supervisor->upgrade_refused) {
        refuse(supervisor,
               why != NULL ? why : "it does not serve in time (see --workers-start-timeout)");
        return;
    }
    upgrade_abort(supervisor->upgrade, SIGKILL);
    supervisor->upgrade_deadline = CHILD_NEVER;
}

static void await_end(struct supervisor *supervisor)
{
    int64_t deadline = clock_milliseconds() + SILENT_FOR;
    if (!supervisor->upgrade_silent && deadline < supervisor->upgrade_deadline)
        supervisor->upgrade_deadline = deadline;
    supervisor->upgrade_silent = true;
}

void supervisor_take_upgrade(struct supervisor *supervisor)
{
    struct err err;
    if (supervisor->upgrade == NULL)
        return;
    enum upgrade_state state = upgrade_take(supervisor->upgrade, &err);
    if (state == UPGRADE_READY && !supervisor->upgrade_refused) {
        leave(supervisor);
        return;
    }
    if (state == UPGRADE_SILENT && !supervisor->upgrade_refused)
        await_end(supervisor);
    if (state == UPGRADE_FAILED && !supervisor->upgrade_refused)
        refuse(supervisor, err.text);
    if (upgrade_has_exited(supervisor->upgrade))
        forget(supervisor);
    else
        take_deadline(supervisor, state == UPGRADE_SILENT ? err.text : NULL);
}

void supervisor_abort_upgrade(struct supervisor *supervisor)
{
    if (supervisor->upgrade == NULL)
        return;
    upgrade_abort(supervisor->upgrade, SIGTERM);
    forget(supervisor);
}

void supervisor_forget_upgrade(struct supervisor *supervisor)
{
    upgrade_free(supervisor->upgrade);
    supervisor->upgrade = NULL;
    upgrade_hang_up();
}

void supervisor_take_over(struct supervisor *supervisor)
{
    const struct config *config = supervisor->setup->config;
    struct err err;
    if (upgrade_predecessor() == 0)
        return;
    listener_set_claim_files(&supervisor->listeners);
    if (supervisor_open_control(supervisor, &err) < 0)
        log_error("supervisor", "%s", err.text);
    if (config->pid_file != NULL && pid_file_write(config->pid_file, &err) < 0)
        log_error("supervisor", "%s", err.text);
    upgrade_tell_ready();
}
