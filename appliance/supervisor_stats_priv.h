// supervisor_stats_priv.h - the part of supervisor_priv.h that is supervisor_stats.c's.
#pragma once

#include "err.h"
#include "stats.h"

struct slot;
struct supervisor;

int supervisor_open_stats(struct supervisor *supervisor, struct err *err);
// A slot is about to have a process; its process has ended; and how it does in between.
void supervisor_begin_stats(struct supervisor *supervisor, struct slot *slot);
void supervisor_end_stats(struct supervisor *supervisor, struct slot *slot);
void supervisor_show_slot(const struct slot *slot);
void supervisor_count_spawned(struct supervisor *supervisor, const struct slot *slot);
void supervisor_count_recycled(struct supervisor *supervisor, const struct slot *slot,
                               enum stats_reason reason);
void supervisor_show_certificates(struct supervisor *supervisor); // they may have changed
