// jail.h - --user, --group and --umask: whom workers are. The supervisor keeps its own rights, for
// it opens sockets, keys and log files again.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "identity.h"

struct config;

struct jail {
    bool changes; // whom we are; the umask may change all the same
    uid_t user;
    gid_t group;
    char name[IDENTITY_NAME_MAX]; // whose other groups a worker has; "": it has none
    int umask;                    // -1: as it is
    const struct config *config;  // for messages; must outlive it
};

// Whether the text is an umask: octal, 0 to 0777.
int jail_check_umask(const char *text, struct err *err);

// Supervisor, at start: find out what the settings mean. Errors: there is no such user or group; we
// are not root and would have to be.
int jail_prepare(struct jail *jail, const struct config *config, struct err *err);

// Supervisor whose workers are another user: of root's capabilities, keep those for ports, keys,
// log files, sockets' files, locked memory, and for starting, looking at and ending workers. A
// program that it executes (an upgrade) has all of them again. Nothing where nobody changes.
int jail_limit_supervisor(const struct jail *jail, struct err *err);

// Worker, after fork, while it has one thread: become that user, with no capability left, for good.
// The kernel forgets PR_SET_PDEATHSIG here. An error leaves something between both: end the
// process.
int jail_enter(const struct jail *jail, struct err *err);
