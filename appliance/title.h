// title.h - what ps and top call our processes: "shop: supervisor", "shop: worker 2".
#pragma once

#include "err.h"

enum { TITLE_NAME_MAX = 64 }; // bytes of a name that an operator may choose

// First thing in main: copies the arguments and the environment away, environ then is the copy, so
// that the memory in which the kernel passed them may be overwritten. Returns the arguments to go
// on with, which the caller may move and change; they are there until the process ends.
char **title_init(int argc, char **argv);

// Before the first title: have the kernel show asterisks as that variable's value
// (/proc/PID/environ). environ keeps it.
void title_hide(const char *variable);

// The arguments that this program was started with, NULL-terminated: what starts it again.
char *const *title_arguments(void);

// Call this process "NAME: ROLE NUMBER", or "NAME: ROLE" where number is 0. Cut where the memory of
// the arguments and the environment has no room for it. /proc/PID/comm (top, pgrep, killall) has 15
// bytes: where that is too little, the role loses its end, all but its first letter if a number
// follows, and then the name does.
void title_set(const char *name, const char *role, unsigned number);

// Whether an operator may choose that name.
int title_check(const char *name, struct err *err);
