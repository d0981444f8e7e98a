// supervisor_spawn.c - the birth and the burial of a worker's process.
#include "supervisor_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "log.h"
#include "signals.h"
#include "tls_store.h"

enum { OBITUARY_MAX = 1024 }; // bytes

void supervisor_close_ipc(struct slot *slot)
{
    if (slot->ipc >= 0)
        close(slot->ipc);
    slot->ipc = -1;
}

// --- birth ---

// In the child: what is the supervisor's alone, and what it shares with other workers.
static void forget_supervisor(struct supervisor *supervisor, const struct slot *ours)
{
    close(supervisor->signals);
    reload_close(supervisor->reload);
    supervisor_forget_upgrade(supervisor);
    control_close(supervisor->control);
    tls_store_forget(supervisor->tls);
    for (size_t i = 0; i < supervisor->count; i++) {
        struct slot *slot = supervisor->slots[i];
        supervisor_close_ipc(slot);
        if (slot != ours)
            scoreboard_free(&slot->board);
    }
}

// In the child: keep what struct inherit names and nothing else.
static _Noreturn void become_worker(struct supervisor *supervisor, struct slot *slot, int ipc)
{
    const struct supervisor_setup *setup = supervisor->setup;
    char folder[PATH_MAX];
    struct inherit inherit = {
        .folder = getcwd(folder, sizeof folder),
        // What is forked of a template is confined in a folder of the application's.
        .start =
            supervisor_is_template(slot) ? open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD,
        .public_parts = supervisor->public_parts,
        .name = setup->name,
        .number = slot->child.number,
        .first = !supervisor->proven,
        .jail = &supervisor->jail,
        .supervisor = supervisor->pid,
        .ipc = ipc,
        .listeners = supervisor->listeners.listeners,
        .listener_count = supervisor->listeners.count,
        .tls = tls_store_fd(supervisor->tls),
        .board = &slot->board,
        .log = &supervisor->log,
        .access_log = &supervisor->access_log,
        .stats_board = supervisor->stats,
        .stats = slot->stats,
        .limiter = supervisor->limiter,
        .luck = slot->child.luck,
        .config = setup->config,
        .archive = setup->archive,
        .runtime = setup->runtime,
    };
    forget_supervisor(supervisor, slot);
    int status =
        supervisor_is_template(slot) ? setup->template_worker(&inherit) : setup->worker(&inherit);
    fflush(NULL);
    _exit(status);
}

static uint32_t draw(void)
{
    uint32_t number;
    // Early in a machine's life there may be no good random numbers: any will do.
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint32_t)clock_read(CLOCK_MONOTONIC);
    return number;
}

int supervisor_prepare_slot(struct supervisor *supervisor, struct slot *slot, int *theirs,
                            struct err *err)
{
    int fds[2];
    unsigned threads = (unsigned)supervisor->setup->config->blocking_threads;
    scoreboard_free(&slot->board);
    supervisor_begin_stats(supervisor, slot);
    if (scoreboard_new(&slot->board, threads, err) < 0 || ipc_pair(fds, err) < 0)
        return -1;
    slot->child.luck = draw();
    slot->ipc = fds[0];
    *theirs = fds[1];
    return 0;
}

// The new process's pid, or -1.
static pid_t fork_process(struct supervisor *supervisor, struct slot *slot, struct err *err)
{
    int theirs;
    if (supervisor_prepare_slot(supervisor, slot, &theirs, err) < 0)
        return -1;
    fflush(NULL); // what is buffered would be written by both
    pid_t pid = fork();
    if (pid == 0)
        become_worker(supervisor, slot, theirs);
    int errnum = errno;
    close(theirs);
    if (pid < 0) {
        supervisor_close_ipc(slot);
        return err_system(err, errnum, "cannot fork a worker");
    }
    return pid;
}

static void spawn_by_fork(struct supervisor *supervisor, struct slot *slot)
{
    pid_t pid = fork_process(supervisor, slot, &supervisor->failure);
    if (pid > 0) {
        slot->child.pid = pid;
        log_debug("supervisor", "worker %u has pid %d", slot->child.number, (int)pid);
    } else if (supervisor_stays(supervisor)) {
        log_error("supervisor", "worker %u: %s", slot->child.number, supervisor->failure.text);
    }
    supervisor_step(supervisor, slot, pid > 0 ? CHILD_EVENT_SPAWNED : CHILD_EVENT_UNBORN);
}

void supervisor_spawn(struct supervisor *supervisor, struct slot *slot)
{
    // One that the template is forking already would serve unseen: it ends when it finds us gone.
    supervisor_close_ipc(slot);
    slot->generation = supervisor->generation;
    slot->stopped_since = slot->look_at = CHILD_NEVER;
    slot->large_samples = 0;
    slot->ended = false;
    slot->waits = slot->unborn = slot->awaits_template = false;
    if (supervisor->setup->config->preload && !supervisor_is_template(slot))
        supervisor_ask_template(supervisor, slot);
    else
        spawn_by_fork(supervisor, slot);
}

// --- burial ---

// What its scoreboard says of it, and the system.
static void write_obituary(const struct slot *slot, int status, const struct rusage *usage,
                           int64_t now, struct buf *out)
{
    char working[SCOREBOARD_LINE], latest[SCOREBOARD_LINE];
    const struct scoreboard_map *map = &slot->board;
    if (map->board == NULL || slot->child.serving_since == CHILD_NEVER) {
        child_obituary(&slot->child, status, NULL, now, out);
        return;
    }
    const struct scoreboard_task *oldest = scoreboard_oldest(map);
    const struct scoreboard_task *last = scoreboard_latest(map);
    struct child_record record = {
        .requests = map->board->requests,
        .resident = (int64_t)usage->ru_maxrss * 1024,
        .working = oldest != NULL ? working : NULL,
        .latest = last != NULL ? latest : NULL,
    };
    if (oldest != NULL)
        scoreboard_line(oldest, working);
    if (last != NULL)
        scoreboard_line(last, latest);
    child_obituary(&slot->child, status, &record, now, out);
}

static void bury(struct supervisor *supervisor, struct slot *slot, int status,
                 const struct rusage *usage)
{
    _buf_ struct buf text = BUF_INIT(OBITUARY_MAX);
    slot->ended = true;
    supervisor_take_messages(supervisor, slot); // its last words come first
    supervisor_close_ipc(slot);
    int64_t now = clock_milliseconds();
    bool surprise = slot->child.wanted && !slot->child.explained;
    supervisor_end_stats(supervisor, slot);
    unsigned actions = child_step(&slot->child, CHILD_EVENT_EXITED, now);
    write_obituary(slot, status, usage, now, &text);
    scoreboard_free(&slot->board);
    slot->waits = false;
    slot->stopped_since = slot->look_at = CHILD_NEVER;
    supervisor->died += surprise;
    if (surprise)
        supervisor_count_recycled(supervisor, slot,
                                  slot->child.gives_up ? STATS_STUCK : STATS_DIED);
    bool reported = !supervisor_stays(supervisor) && (actions & CHILD_ACTION_START_FAILED);
    if (reported)
        err_set(&supervisor->failure, ERR_FAILED, "%s while it loaded the application",
                buf_text(&text));
    else
        log_write(child_obituary_level(&slot->child, status), "supervisor", "%s", buf_text(&text));
    supervisor_perform(supervisor, slot, actions);
}

static void note_stop(struct slot *slot, int status)
{
    char name[32];
    if (WIFCONTINUED(status)) {
        slot->stopped_since = CHILD_NEVER;
        log_info("supervisor", "worker %u (pid %d) goes on", slot->child.number,
                 (int)slot->child.pid);
        return;
    }
    slot->stopped_since = clock_milliseconds();
    slot->look_at = slot->look_at == CHILD_NEVER ? CHILD_NEVER : slot->stopped_since;
    log_warning("supervisor", "worker %u (pid %d) was stopped by %s", slot->child.number,
                (int)slot->child.pid, signals_name(WSTOPSIG(status), name, sizeof name));
}

static void note_upgrade(struct supervisor *supervisor, pid_t pid, int status)
{
    if (supervisor->upgrade == NULL || upgrade_pid(supervisor->upgrade) != pid)
        return; // as process 1 of a container we are given orphans to bury, too
    upgrade_exited(supervisor->upgrade, status);
}

// One that the template has forked may have ended before we have read who it is.
static struct slot *find_ended(struct supervisor *supervisor, pid_t pid)
{
    struct slot *slot = supervisor_find_process(supervisor, pid);
    for (size_t i = 0; slot == NULL && i < supervisor->count; i++) {
        if (!supervisor->slots[i]->unborn)
            continue;
        supervisor_take_messages(supervisor, supervisor->slots[i]);
        slot = supervisor_find_process(supervisor, pid);
    }
    return slot;
}

void supervisor_reap(struct supervisor *supervisor, int number)
{
    (void)number;
    int status;
    pid_t pid;
    struct rusage usage;
    while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage)) > 0) {
        bool ended = WIFEXITED(status) || WIFSIGNALED(status);
        struct slot *slot = find_ended(supervisor, pid);
        if (slot != NULL && ended)
            bury(supervisor, slot, status, &usage);
        else if (slot != NULL)
            note_stop(slot, status);
        else if (ended)
            note_upgrade(supervisor, pid, status);
    }
}
