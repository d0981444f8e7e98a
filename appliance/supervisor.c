// supervisor.c - the poll loop over signals, what workers say, and deadlines, which are turned into
// events for child.c; what that asks for is done here. Never parses HTTP, does no TLS, calls no
// runtime.
#include "supervisor_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cgroup.h"
#include "check.h"
#include "clock.h"
#include "config.h"
#include "config_small.h"
#include "limiter.h"
#include "log.h"
#include "notify.h"
#include "pid_file.h"
#include "resident.h"
#include "sandbox.h"
#include "signals.h"
#include "title.h"
#include "tls_store.h"

enum {
    FILE_LIMIT_MAX = 65536, // descriptors a process; more only costs those who close them all
    SANDBOX_MAX = 4096,     // bytes of what is said of the sandbox
    SMALL_MAX = 512,        // bytes of what is said of a small machine
    ADDRESSES_MAX = 1024,   // bytes of the addresses in the log; the rest of a long list is cut
};

// --- what child.c asks for ---

// A number that was reaped may be another process's by now.
void supervisor_signal(const struct slot *slot, int number)
{
    if (!slot->ended)
        kill(slot->child.pid, number);
}

static void terminate(struct supervisor *supervisor, struct slot *slot)
{
    (void)supervisor;
    supervisor_signal(slot, SIGTERM);
}

static void ask_to_drain(struct supervisor *supervisor, struct slot *slot, enum ipc_type how)
{
    struct err err;
    if (slot->ipc >= 0 && ipc_send(slot->ipc, how, NULL, &err) == 0)
        return;
    // It drains already, or its application has closed the socket.
    terminate(supervisor, slot);
}

static void drain(struct supervisor *supervisor, struct slot *slot)
{
    ask_to_drain(supervisor, slot, IPC_DRAIN);
}

static void retire(struct supervisor *supervisor, struct slot *slot)
{
    supervisor->replaced += slot->child.serving_since != CHILD_NEVER;
    ask_to_drain(supervisor, slot, IPC_RETIRE);
}

// One that does not listen is killed at its deadline.
static void ask_to_give_up(struct supervisor *supervisor, struct slot *slot)
{
    struct err err;
    (void)supervisor;
    if (slot->ipc >= 0 && ipc_send(slot->ipc, IPC_GIVE_UP, NULL, &err) < 0)
        log_debug("supervisor", "worker %u: %s", slot->child.number, err.text);
}

static void kill_now(struct supervisor *supervisor, struct slot *slot)
{
    (void)supervisor;
    supervisor_signal(slot, SIGKILL);
}

// --- all workers at once ---

void supervisor_step_all(struct supervisor *supervisor, enum child_event event)
{
    for (size_t i = 0; i < supervisor->count; i++)
        supervisor_step(supervisor, supervisor->slots[i], event);
}

void supervisor_stop(struct supervisor *supervisor, enum child_event event)
{
    supervisor->stopping = true;
    supervisor->stats->stopping = true;
    supervisor_abort_upgrade(supervisor);
    if (!supervisor->leaving)
        notify_send("STOPPING=1");
    // Clients are to be refused from now on, not to wait for nobody.
    listener_set_close(&supervisor->listeners);
    reload_close(supervisor->reload);
    supervisor->reload = NULL;
    supervisor_step_all(supervisor, event);
}

bool supervisor_stays(const struct supervisor *supervisor)
{
    return supervisor->proven || supervisor->reload != NULL;
}

static void take_failed_start(struct supervisor *supervisor, struct slot *slot)
{
    if (supervisor_keep_replaced(supervisor, slot) || supervisor_stays(supervisor) ||
        supervisor->stopping)
        return;
    // An application that never served has no server to stay for.
    supervisor->result = -1;
    supervisor_stop(supervisor, CHILD_EVENT_STOP);
}

static bool all_serve(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct slot *slot = supervisor->slots[i];
        bool serves = slot->child.state == CHILD_SERVING && slot->replaces == NULL &&
                      slot->generation == supervisor->generation;
        if (!serves && !supervisor_is_leaving(slot))
            return false;
    }
    return true;
}

// What workers may do on this kernel; who has asked for more is told what is missing.
static void tell_sandbox(const struct config *config)
{
    _buf_ struct buf text = BUF_INIT(SANDBOX_MAX);
    bool whole = sandbox_describe(config, &text);
    log_write(whole ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "sandbox", "%s", buf_text(&text));
}

static void tell_small(const struct config *config)
{
    _buf_ struct buf text = BUF_INIT(SMALL_MAX);
    config_small_describe(config, cgroup_memory(), &text);
    if (text.size > 0)
        log_info("supervisor", "%s", buf_text(&text));
}

// "serving shop:app (wsgi) on http://127.0.0.1:8000, unix:/run/shop.sock with 4 workers", once,
// when all of them do; and when all of them do so after a change.
void supervisor_announce(struct supervisor *supervisor)
{
    if (supervisor->announced == supervisor->generation || supervisor->stopping ||
        !all_serve(supervisor))
        return;
    if (supervisor->announced == 0)
        supervisor_take_over(supervisor);
    notify_send("READY=1\nSTATUS=%u worker%s", supervisor->wanted,
                supervisor->wanted == 1 ? "" : "s");
    bool again = supervisor->announced != 0;
    supervisor->announced = supervisor->generation;
    const char *interface = supervisor->description;
    int size = (int)strcspn(interface, " ");
    const char *target = interface[size] == ' ' ? interface + size + 1 : interface;
    int target_size = (int)strcspn(target, ",");
    const char *mounts = target + target_size;
    if (again) {
        log_info("supervisor", "serving %.*s (%.*s)%s %s, after %.2f s", target_size, target, size,
                 interface, mounts, supervisor->change,
                 (double)(clock_milliseconds() - supervisor->changed_at) / 1000.0);
        return;
    }
    tell_sandbox(supervisor->setup->config);
    tell_small(supervisor->setup->config);
    _buf_ struct buf where = BUF_INIT(ADDRESSES_MAX);
    listener_set_describe(&supervisor->listeners, &where);
    unsigned workers = supervisor->wanted;
    log_info("supervisor", "serving %.*s (%.*s)%s on %s with %u worker%s", target_size, target,
             size, interface, mounts, buf_text(&where), workers, workers == 1 ? "" : "s");
    if (supervisor->setup->config->small)
        resident_release(supervisor->setup->archive);
}

// --- events ---

void supervisor_perform(struct supervisor *supervisor, struct slot *slot, unsigned actions)
{
    static const struct {
        enum child_action action;
        void (*perform)(struct supervisor *supervisor, struct slot *slot);
    } table[] = {
        {CHILD_ACTION_SPAWN, supervisor_spawn},
        {CHILD_ACTION_DRAIN, drain},
        {CHILD_ACTION_RETIRE, retire},
        {CHILD_ACTION_GIVE_UP, ask_to_give_up},
        {CHILD_ACTION_TERMINATE, terminate},
        {CHILD_ACTION_KILL, kill_now},
        {CHILD_ACTION_START_FAILED, take_failed_start},
        {CHILD_ACTION_SUCCEED, supervisor_succeed},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (actions & table[i].action)
            table[i].perform(supervisor, slot);
    }
}

void supervisor_step(struct supervisor *supervisor, struct slot *slot, enum child_event event)
{
    unsigned actions = child_step(&slot->child, event, clock_milliseconds());
    if (event == CHILD_EVENT_SPAWNED)
        supervisor_count_spawned(supervisor, slot);
    if (event == CHILD_EVENT_UNBORN)
        supervisor_end_stats(supervisor, slot);
    supervisor_show_slot(slot);
    supervisor_perform(supervisor, slot, actions);
}

// What is to be said of a deadline that has come.
static void tell_deadline(struct supervisor *supervisor, struct slot *slot)
{
    const struct child *child = &slot->child;
    char why[64];
    struct err err;
    switch (child->state) {
    case CHILD_STARTING:
        err_set(&err, ERR_FAILED,
                "not ready after %.1f s, killing it; give it more with --workers-start-timeout",
                (double)supervisor->limits.start / 1000.0);
        if (supervisor_stays(supervisor))
            log_error("supervisor", "worker %u (pid %d) is %s", child->number, (int)child->pid,
                      err.text);
        else
            err_set(&supervisor->failure, ERR_FAILED, "the application is %s", err.text);
        break;
    case CHILD_SERVING:
        if (child->worn) {
            supervisor_tell_worn(slot, "is at its limit still");
            break;
        }
        slot->reason = STATS_LIFETIME;
        snprintf(why, sizeof why, "has served for %.1f s",
                 (double)(clock_milliseconds() - child->serving_since) / 1000.0);
        supervisor_tell_worn(slot, why);
        break;
    case CHILD_STUCK:
    case CHILD_DRAINING:
        log_warning("supervisor", "worker %u (pid %d) has not finished in time, killing it",
                    child->number, (int)child->pid);
        break;
    default:
        break;
    }
}

static void take_deadlines(struct supervisor *supervisor)
{
    int64_t now = clock_milliseconds();
    size_t count = supervisor->count; // what comes to it has no deadline yet that has come
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = supervisor->slots[i];
        if (slot->child.deadline > now)
            continue;
        tell_deadline(supervisor, slot);
        supervisor_step(supervisor, slot, CHILD_EVENT_DEADLINE);
    }
}

// --- the loop ---

static void feed_watchdog(struct supervisor *supervisor)
{
    int64_t interval = notify_watchdog_interval(), now = clock_milliseconds();
    if (interval == 0 || now < supervisor->watchdog_at)
        return;
    notify_send("WATCHDOG=1");
    supervisor->watchdog_at = now + interval;
}

static void take_changes(struct supervisor *supervisor)
{
    const char *changed = reload_due(supervisor->reload, clock_milliseconds());
    if (changed == NULL)
        return;
    log_info("supervisor", "%s has changed, loading the application again", changed);
    supervisor_renew(supervisor, "as changed");
}

// Milliseconds until the next deadline, as poll takes them.
static int next_timeout(const struct supervisor *supervisor)
{
    int64_t next = supervisor_next_deadline(supervisor);
    if (next == CHILD_NEVER)
        return -1;
    int64_t left = next - clock_milliseconds();
    return left < 0 ? 0 : left < INT32_MAX ? (int)left : INT32_MAX;
}

static void wait_for_events(struct supervisor *supervisor)
{
    struct pollfd *polls = supervisor->polls;
    polls[POLL_SIGNALS] = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
    polls[POLL_RELOAD] = (struct pollfd){.fd = reload_fd(supervisor->reload), .events = POLLIN};
    polls[POLL_TLS] = (struct pollfd){.fd = supervisor_tls_fd(supervisor), .events = POLLIN};
    polls[POLL_UPGRADE] = (struct pollfd){.fd = upgrade_fd(supervisor->upgrade), .events = POLLIN};
    for (size_t i = 0; i < supervisor->count; i++)
        polls[POLL_SLOTS + i] = (struct pollfd){.fd = supervisor->slots[i]->ipc, .events = POLLIN};
    supervisor->control_polls = control_poll(
        supervisor->control, polls + POLL_SLOTS + supervisor->count, CONTROL_POLLS_MAX);
    size_t count = POLL_SLOTS + supervisor->count + supervisor->control_polls;
    // Interrupted (a debugger, a stopped group): revents are still zero.
    if (poll(polls, (nfds_t)count, next_timeout(supervisor)) < 0)
        must(errno == EINTR || errno == ENOMEM || errno == EAGAIN);
}

static void take_slots(struct supervisor *supervisor)
{
    size_t count = supervisor->count; // what they say may add to it
    for (size_t i = 0; i < count; i++) {
        if (supervisor->polls[POLL_SLOTS + i].revents != 0)
            supervisor_take_messages(supervisor, supervisor->slots[i]);
    }
}

static void loop(struct supervisor *supervisor)
{
    while (supervisor->count > 0) {
        size_t slots = supervisor->count;
        wait_for_events(supervisor);
        // Before workers are added, which moves the set.
        struct pollfd control[CONTROL_POLLS_MAX];
        size_t controls = supervisor->control_polls;
        memcpy(control, supervisor->polls + POLL_SLOTS + slots, controls * sizeof *control);
        take_slots(supervisor);
        control_take(supervisor->control, control, controls, clock_milliseconds());
        supervisor_take_signals(supervisor);
        supervisor_take_upgrade(supervisor);
        take_deadlines(supervisor);
        supervisor_check_limits(supervisor);
        supervisor_go_on(supervisor);
        take_changes(supervisor);
        supervisor_turn_tls(supervisor);
        feed_watchdog(supervisor);
        supervisor_end_waiting(supervisor);
        supervisor_sweep_slots(supervisor);
        supervisor_announce(supervisor); // the one that was waited for may have gone
    }
}

// Each connection is a descriptor, and the usual soft limit of 1024 exists for select() alone.
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    rlim_t wanted = limit.rlim_max < FILE_LIMIT_MAX ? limit.rlim_max : FILE_LIMIT_MAX;
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warning("supervisor", "cannot raise the limit of open files: %s", strerror(errno));
}

// Started with standard input, output or error closed: a socket must not take that number.
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

// Who we are: found out before anything is opened, so that a mistake leaves nothing behind.
static int prepare(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->setup->config;
    pid_t predecessor = upgrade_predecessor();
    log_set_role("supervisor");
    notify_init();
    title_set(supervisor->setup->name, "supervisor", 0);
    supervisor->started_at = clock_milliseconds();
    supervisor->watchdog_at = notify_watchdog_interval() > 0 ? clock_milliseconds() : CHILD_NEVER;
    if (jail_prepare(&supervisor->jail, config, err) < 0 ||
        jail_limit_supervisor(&supervisor->jail, err) < 0)
        return -1;
    if (config->pid_file != NULL && pid_file_claim(config->pid_file, predecessor, err) < 0)
        return -1;
    return 0;
}

// What names a server: the first of a line has it from the start, one that is upgraded to, once it
// serves.
static int write_names(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->setup->config;
    if (upgrade_predecessor() != 0)
        return 0;
    if (supervisor_open_control(supervisor, err) < 0)
        return -1;
    return config->pid_file != NULL ? pid_file_write(config->pid_file, err) : 0;
}

static int open_resources(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->setup->config;
    fill_standard_descriptors();
    raise_file_limit();
    // Workers that the template forks become our children. All kernels that we run on can do this;
    // what plays a kernel may not.
    if (config->preload && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_system(
            err, errno,
            "cannot have workers forked by another process (--no-preload does without)");
    if (supervisor_open_logs(supervisor, err) < 0 || supervisor_open_stats(supervisor, err) < 0 ||
        limiter_open(&supervisor->limiter, config->rate_limit, err) < 0 ||
        supervisor_open_tls(supervisor, err) < 0)
        return -1;
    // Before the application is loaded for the first time: no change is missed.
    if (reload_open(&supervisor->reload, config, err) < 0) {
        tls_store_close(supervisor->tls);
        return -1;
    }
    if (listener_set_open(&supervisor->listeners, config, supervisor->setup->inherited, err) == 0) {
        supervisor->signals = signals_open(err);
        if (supervisor->signals >= 0 && write_names(supervisor, err) == 0)
            return 0;
        control_close(supervisor->control);
        listener_set_fini(&supervisor->listeners);
    }
    reload_close(supervisor->reload);
    tls_store_close(supervisor->tls);
    return -1;
}

// One goes ahead: an application that cannot start says so once, not once a worker.
static void start_workers(struct supervisor *supervisor)
{
    bool patient = supervisor->reload != NULL;
    for (unsigned number = supervisor->setup->config->preload ? 0 : 1; number <= supervisor->wanted;
         number++)
        supervisor_add_slot(supervisor, number)->child.patient = patient;
    supervisor_step(supervisor, supervisor->slots[0],
                    patient ? CHILD_EVENT_START : CHILD_EVENT_TRY);
}

// Before there is a worker, who could make more of it public.
static int find_public(struct supervisor *supervisor, struct buf *parts, struct err *err)
{
    const struct jail *jail = &supervisor->jail;
    bool stays_root = jail->changes ? jail->user == 0 : geteuid() == 0;
    if (!stays_root || supervisor->setup->config->sandbox.index == SANDBOX_OFF)
        return 0;
    supervisor->public_parts = parts;
    return sandbox_find_public(parts) == 0 ? 0 : err_system(err, ENOMEM, "--sandbox");
}

int supervisor_run(const struct supervisor_setup *setup, struct err *err)
{
    _buf_ struct buf public_parts = BUF_INIT(SANDBOX_PUBLIC_MAX);
    must(setup->config->workers > 0);
    struct supervisor supervisor = {
        .setup = setup,
        .pid = getpid(),
        .started_at = clock_milliseconds(),
        .generation = 1,
        .limits = supervisor_limits(setup->config),
        .template_limits = supervisor_template_limits(setup->config),
        .sample_at = CHILD_NEVER,
        .upgrade_deadline = CHILD_NEVER,
        .go_on_at = CHILD_NEVER,
        .wanted = (unsigned)setup->config->workers,
    };
    if (prepare(&supervisor, err) < 0 || find_public(&supervisor, &public_parts, err) < 0)
        return -1;
    if (open_resources(&supervisor, err) < 0) {
        supervisor_close_logs(&supervisor, err);
        return -1;
    }
    start_workers(&supervisor);
    // Where not even the first could be forked, there is nobody to wait for.
    supervisor_sweep_slots(&supervisor);
    loop(&supervisor);
    close(supervisor.signals);
    control_close(supervisor.control);
    if (setup->config->pid_file != NULL)
        pid_file_remove(setup->config->pid_file);
    reload_close(supervisor.reload);
    tls_store_close(supervisor.tls);
    listener_set_fini(&supervisor.listeners);
    supervisor_free_slots(&supervisor);
    stats_board_free(supervisor.stats);
    limiter_free(supervisor.limiter);
    if (supervisor.result < 0)
        *err = supervisor.failure;
    else
        log_info("supervisor", "stopped");
    supervisor_close_logs(&supervisor, supervisor.result < 0 ? err : NULL);
    return supervisor.result;
}
