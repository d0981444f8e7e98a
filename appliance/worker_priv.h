// worker_priv.h - what worker.c, worker_life.c and worker_template.c share. Included by them only.
#pragma once

#include "err.h"
#include "ipc.h"
#include "worker.h"

// --- worker_life.c ---

// Become a process of our own that ends with its supervisor, with the rights that it is to have.
int worker_enter(const struct inherit *inherit, struct err *err);
// Parts of that: by what name we go, and whom we end with.
void worker_take_name(const struct inherit *inherit);
int worker_follow(const struct inherit *inherit, struct err *err);
// Of a worker whose template has entered: what of its confinement is its own.
int worker_confine_forked(const struct inherit *inherit, struct err *err);

// It cannot start or go on: tell the supervisor why. Returns the status to exit with.
int worker_fail(const struct inherit *inherit, const struct err *err);

// IPC_LOG, in a process without sinks: the log of that name has the message's file from here on.
void worker_take_log(const struct inherit *inherit, const struct ipc_message *message);

// No more connections are to be taken.
void worker_close_listeners(const struct inherit *inherit);

// All is answered: do what the application has to do at the end, and say BYE.
void worker_end(const struct inherit *inherit);

// --- worker.c ---

// From a loaded application to the end. Returns the status to exit with.
int worker_serve(const struct inherit *inherit, const char *description, struct err *err);
