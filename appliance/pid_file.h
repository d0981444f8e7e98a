// pid_file.h - --pid-file: where other programs find the supervisor's process id. Paths are taken
// as they are, from the folder that we run in.
#pragma once

#include <sys/types.h>

#include "err.h"

// Whether the file may become ours: it is not there or empty, or names us, except (a process that
// we take over from; 0: none), or a process that has gone. Nothing is written. Errors: a server
// runs there already; it is some other file, which must not be lost; its folder is not there or
// cannot be written to.
int pid_file_claim(const char *path, pid_t except, struct err *err);

// Write our process id, in one step: nobody ever reads half of it. To be claimed before.
int pid_file_write(const char *path, struct err *err);

// Remove it, if it still names us. No error is worth a word at the end.
void pid_file_remove(const char *path);
