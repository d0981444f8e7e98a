// supervisor_priv.h - what supervisor.c and supervisor_*.c share. Included by them only.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "child.h"
#include "control.h"
#include "ipc.h"
#include "jail.h"
#include "listener.h"
#include "reload.h"
#include "scoreboard.h"
#include "sink_ring.h"
#include "sink_target.h"
#include "stats.h"
#include "supervisor.h"
#include "supervisor_replace_priv.h"
#include "supervisor_stats_priv.h"
#include "upgrade.h"

// Where in the poll set.
enum { POLL_SIGNALS, POLL_RELOAD, POLL_TLS, POLL_UPGRADE, POLL_SLOTS };

// One child. Several may have one number: that which serves, its successor, and those that it has
// itself replaced and that still answer what they had begun.
struct slot {
    struct child child;
    int ipc;               // our end, -1: none
    unsigned generation;   // of the application that its process loads or has loaded; 0: none yet
    struct slot *replaces; // which goes on until this one serves; NULL: none
    struct scoreboard_map board;
    struct stats_worker *stats; // its process's entry; NULL: it has none
    enum stats_reason reason;   // why its process is to be replaced, if it is
    int64_t stopped_since;      // by SIGSTOP; CHILD_NEVER: it is not
    bool ended;                 // its process was reaped: nobody is to be sent a signal
    bool awaits_template;       // to be forked from it
    bool unborn;                // the template is forking it
    bool waits;                 // for the others to end
    int64_t look_at;            // when to look for requests that it is stuck in; CHILD_NEVER: not
    unsigned large_samples;     // looks in a row at which its memory was too much
};

struct supervisor {
    const struct supervisor_setup *setup;
    pid_t pid;
    struct listener_set listeners;
    int signals;
    struct reload *reload;  // NULL: none
    struct tls_store *tls;  // NULL: none
    struct sink_ring *ring; // NULL: no log is kept in memory
    struct sink_target log, access_log;
    int streams[2]; // standard output and error as they were; -1: none
    struct stats_board *stats;
    struct limiter *limiter; // of requests; NULL: none
    struct jail jail;
    const struct buf *public_parts; // of /etc, as it was before there was a worker; NULL: not asked
    struct control *control;        // NULL: none
    size_t control_polls;           // behind those of the slots
    int64_t started_at;
    struct upgrade *upgrade;  // NULL: none is under way
    int64_t upgrade_deadline; // CHILD_NEVER: none
    bool upgrade_refused;     // it is not to take over any more
    bool upgrade_silent;      // it has hung up, and how it ends is waited for
    bool leaving;             // to a successor: stopping, but without haste
    int64_t watchdog_at;      // when systemd wants to hear of us; CHILD_NEVER: not
    struct child_limits limits, template_limits; // of workers, of what they are forked from
    int64_t sample_at; // when to look at the memory of workers; CHILD_NEVER: not
    unsigned wanted;   // workers
    uint64_t replaced; // workers, by others while they served
    uint64_t died;     // workers that nobody had told to
    struct slot **slots;
    size_t count;                   // of slots
    struct pollfd *polls;           // from POLL_SLOTS on the ipc of each slot
    char description[IPC_TEXT_MAX]; // "wsgi shop:app"
    unsigned generation;            // counts the changes of the application, from 1
    unsigned announced;             // the generation that all workers were said to serve; 0: none
    int64_t changed_at;             // when this generation began
    const char *change;             // what is said of it
    int64_t go_on_at;    // with workers that have it not yet; CHILD_NEVER: when one serves
    int64_t go_on_pause; // milliseconds before that; 0: none has failed
    bool proven;         // some worker served once: the application can be started
    bool stopping;
    struct err failure; // why the latest worker could not start
    int result;
};

// --- supervisor.c ---

// An event for a child, and all that follows from it.
void supervisor_step(struct supervisor *supervisor, struct slot *slot, enum child_event event);
// What an event has asked for, a set of enum child_action.
void supervisor_perform(struct supervisor *supervisor, struct slot *slot, unsigned actions);

void supervisor_step_all(struct supervisor *supervisor, enum child_event event);
void supervisor_signal(const struct slot *slot, int number); // unless its process was reaped
void supervisor_announce(struct supervisor *supervisor);     // that all serve, once they do
bool supervisor_stays(const struct supervisor *supervisor);  // in spite of a failed start
// Tell all workers to end, and the clients to come that nobody serves.
void supervisor_stop(struct supervisor *supervisor, enum child_event event);

// --- supervisor_messages.c ---

// What a worker has said.
void supervisor_take_messages(struct supervisor *supervisor, struct slot *slot);

// --- supervisor_spawn.c ---

void supervisor_spawn(struct supervisor *supervisor, struct slot *slot); // CHILD_ACTION_SPAWN
// A scoreboard and a socket pair for a process to come; theirs: its end of that.
int supervisor_prepare_slot(struct supervisor *supervisor, struct slot *slot, int *theirs,
                            struct err *err);
void supervisor_close_ipc(struct slot *slot); // our end of the socket pair

void supervisor_reap(struct supervisor *supervisor, int number); // SIGCHLD
// One that is done ends once the last of the others has, or at once if it is not to be the last.
void supervisor_end_waiting(struct supervisor *supervisor);

// --- supervisor_control.c ---

int supervisor_open_control(struct supervisor *supervisor, struct err *err);

// --- supervisor_signals.c ---

void supervisor_take_signals(struct supervisor *supervisor);

// What the operator may ask for, by signal or over the control socket.
void supervisor_restart(struct supervisor *supervisor);
void supervisor_stop_gracefully(struct supervisor *supervisor, const char *why);

// --- supervisor_tls.c ---

int supervisor_open_tls(struct supervisor *supervisor, struct err *err);
void supervisor_reread(struct supervisor *supervisor);      // SIGHUP, or over the control socket
void supervisor_turn_tls(struct supervisor *supervisor);    // do what is due
int supervisor_tls_fd(const struct supervisor *supervisor); // to be polled; -1: none
int64_t supervisor_tls_deadline(const struct supervisor *supervisor); // CHILD_NEVER: none

// --- supervisor_logs.c ---

int supervisor_open_logs(struct supervisor *supervisor, struct err *err);
// failure: what the server ends for, for a log that is not standard error, where it is told anyhow;
// NULL: nothing.
void supervisor_close_logs(struct supervisor *supervisor, const struct err *failure);
void supervisor_reopen_logs(struct supervisor *supervisor); // SIGHUP, or over the control socket
// Standard output and error as we were started with them, for another program; and as they are
// where the log is a file.
void supervisor_restore_streams(const struct supervisor *supervisor);
void supervisor_redirect_streams(const struct supervisor *supervisor);

// --- supervisor_upgrade.c ---

// SIGUSR2: have our binary executed anew, in place of this process once it serves.
void supervisor_upgrade(struct supervisor *supervisor, int number);
// What has become of it, if anything has.
void supervisor_take_upgrade(struct supervisor *supervisor);
// We stop: it is not to go on.
void supervisor_abort_upgrade(struct supervisor *supervisor);
// In a worker: what belongs to an upgrade, and to one that we come from.
void supervisor_forget_upgrade(struct supervisor *supervisor);
// We serve. The process that we come from, if there is one, leaves; what names a server names us.
void supervisor_take_over(struct supervisor *supervisor);

// --- supervisor_template.c: --preload. The template is the slot with the number 0. ---

bool supervisor_is_template(const struct slot *slot);
// CHILD_ACTION_SPAWN of a worker: by the template, as soon as that can.
void supervisor_ask_template(struct supervisor *supervisor, struct slot *slot);
// It did not do so in time.
void supervisor_give_up_birth(struct supervisor *supervisor, struct slot *slot);
// The template serves: workers that wait for it are forked.
void supervisor_take_template(struct supervisor *supervisor);

// --- supervisor_limits.c ---

// What the settings say to child.c.
struct child_limits supervisor_limits(const struct config *config);
struct child_limits supervisor_template_limits(const struct config *config);
// A worker serves: when to look at it. And look at its memory, and requests that it is stuck in.
void supervisor_watch_limits(struct supervisor *supervisor, struct slot *slot);
void supervisor_check_limits(struct supervisor *supervisor);
void supervisor_tell_worn(const struct slot *slot, const char *why); // that it is replaced

// --- supervisor_slots.c ---

struct slot *supervisor_add_slot(struct supervisor *supervisor, unsigned number);
void supervisor_sweep_slots(struct supervisor *supervisor); // remove those whose child is dead
void supervisor_free_slots(struct supervisor *supervisor);  // all of them

// NULL: none.
struct slot *supervisor_find_process(const struct supervisor *supervisor, pid_t pid);
struct slot *supervisor_find_successor(const struct supervisor *supervisor,
                                       const struct slot *slot);
// It has been replaced, or has failed as a successor, and only its end is still to come.
bool supervisor_is_leaving(const struct slot *slot);

int64_t supervisor_next_deadline(const struct supervisor *supervisor); // CHILD_NEVER: none
