// upgrade.h - a supervisor starts another binary, mostly its own in a newer version, and hands its
// listening sockets over to it (as systemd would, sd_listen_fds(3)). Both sides: that which starts
// it and waits to hear that it serves, and that which was started so.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

struct listener_set;

// --- the supervisor that is to be replaced ---

// All borrowed, for the call.
struct upgrade_setup {
    const char *path;            // of the binary
    char *const *argv;           // NULL-terminated, from argv[0] on
    const char *const *settings; // NAME=VALUE over our own environment, NULL-terminated; NULL: none
    const struct listener_set *listeners;
};

enum upgrade_state {
    UPGRADE_PENDING,
    UPGRADE_SILENT, // it has hung up without a word: its end is to come, and will say why
    UPGRADE_READY,  // all of its workers serve: ours may go
    UPGRADE_FAILED, // it never will
};

struct upgrade; // opaque

// Start it, with standard input, output and error, the listening sockets and nothing else open.
// What is known only later, that the binary cannot be executed included, comes by upgrade_take.
// NULL: nothing was started. The caller reaps the process (upgrade_exited).
struct upgrade *upgrade_start(const struct upgrade_setup *setup, struct err *err);

// Readable: upgrade_take. -1: nothing more is to come, or there is no upgrade (NULL).
int upgrade_fd(const struct upgrade *upgrade);

// What it has said. err is set where the result is UPGRADE_SILENT or UPGRADE_FAILED. Never blocks.
// READY and FAILED are final.
enum upgrade_state upgrade_take(struct upgrade *upgrade, struct err *err);

pid_t upgrade_pid(const struct upgrade *upgrade);

// It was reaped with this status (waitpid); upgrade_take says what it means.
void upgrade_exited(struct upgrade *upgrade, int status);
bool upgrade_has_exited(const struct upgrade *upgrade);

// Send it a signal, unless it was reaped.
void upgrade_abort(const struct upgrade *upgrade, int signal);

// Ends no process. NULL is ignored.
void upgrade_free(struct upgrade *upgrade);

// --- the process that was started so ---

// Once, at its start and before its settings are read: whether another limpet waits for us. Takes
// LIMPET_UPGRADE_FD out of the environment; warns of a value that cannot be meant.
bool upgrade_inherit(void);

// The process that has started us for it; 0: none.
pid_t upgrade_predecessor(void);

// All our workers serve. The first call says so, more are ignored, as is one without predecessor.
void upgrade_tell_ready(void);

// In processes that we fork: our end of the line must end with us. Without a fork it means that we
// have failed.
void upgrade_hang_up(void);
