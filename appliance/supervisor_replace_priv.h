// supervisor_replace_priv.h - the part of supervisor_priv.h that is supervisor_replace.c's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct slot;
struct supervisor;

// Replace a worker warm: a process more is started, and when it serves, the present one drains. If
// it never serves, the present one goes on. One that does not serve is started anew at once.
void supervisor_replace(struct supervisor *supervisor, struct slot *slot);

void supervisor_succeed(struct supervisor *supervisor, struct slot *slot); // CHILD_ACTION_SUCCEED
// A worker serves: whom it replaces drains, and where it is the first of its generation, the others
// are replaced as well.
void supervisor_relieve(struct supervisor *supervisor, struct slot *slot);
// A successor does not come to serve. False: it is none.
bool supervisor_keep_replaced(struct supervisor *supervisor, struct slot *slot);

// A new generation of workers, of which one goes ahead, so that an application that cannot start
// says so once; the others follow one by one, so that there is never more than one worker more.
// change: what is said when all of them serve, "as changed"; a literal.
void supervisor_renew(struct supervisor *supervisor, const char *change);
void supervisor_go_on(struct supervisor *supervisor); // where that has come to a halt
// The worker of that number that stays; NULL: there is none.
struct slot *supervisor_find_number(const struct supervisor *supervisor, unsigned number);

// As many workers as that, from 1 on, as far as there may be.
void supervisor_scale(struct supervisor *supervisor, int64_t workers);
