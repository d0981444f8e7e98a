// sandbox_landlock.h - which files a process may reach, by the kernel's Landlock: rules of folders
// and files are gathered, and then hold for good. All that no rule allows is refused (EACCES).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

// Rights of a rule, as landlock(7) has them; what a kernel does not know is left out, what makes no
// sense of a file, too.
enum sandbox_rights {
    SANDBOX_EXECUTE = 1 << 0,
    SANDBOX_WRITE_FILE = 1 << 1,
    SANDBOX_READ_FILE = 1 << 2,
    SANDBOX_READ_FOLDER = 1 << 3,
    SANDBOX_REMOVE_FOLDER = 1 << 4,
    SANDBOX_REMOVE_FILE = 1 << 5,
    SANDBOX_MAKE_CHARACTER_DEVICE = 1 << 6,
    SANDBOX_MAKE_FOLDER = 1 << 7,
    SANDBOX_MAKE_FILE = 1 << 8,
    SANDBOX_MAKE_SOCKET = 1 << 9,
    SANDBOX_MAKE_FIFO = 1 << 10,
    SANDBOX_MAKE_BLOCK_DEVICE = 1 << 11,
    SANDBOX_MAKE_LINK = 1 << 12,
    SANDBOX_REFER = 1 << 13,
    SANDBOX_TRUNCATE = 1 << 14,
    SANDBOX_DEVICE_CONTROL = 1 << 15,

    SANDBOX_READ = SANDBOX_READ_FILE | SANDBOX_READ_FOLDER,
    // All but making devices. What was written is not started, unless a rule about a folder above
    // it allows that.
    SANDBOX_WRITE = SANDBOX_WRITE_FILE | SANDBOX_REMOVE_FOLDER | SANDBOX_REMOVE_FILE |
                    SANDBOX_MAKE_FOLDER | SANDBOX_MAKE_FILE | SANDBOX_MAKE_SOCKET |
                    SANDBOX_MAKE_FIFO | SANDBOX_MAKE_LINK | SANDBOX_REFER | SANDBOX_TRUNCATE,
};

// The version of Landlock's interface in this kernel; 0: it has none, or not switched on.
int sandbox_landlock_version(void);

// Whether this process, which has no_new_privs, may confine itself: what it is in may refuse that.
bool sandbox_landlock_is_allowed(void);

struct sandbox_rules; // a set of rules

// Errors: no memory, no descriptor. End it with sandbox_rules_free.
struct sandbox_rules *sandbox_rules_new(int version, struct err *err);
void sandbox_rules_free(struct sandbox_rules *rules);

// What is there, and all below it; links are followed. folder: a descriptor that a relative path
// begins at, AT_FDCWD: the working folder. 0, or -1 with errno: there is no such path, or none that
// we may reach; of any other cause sandbox_rules_enter tells as well.
// Of what lies below a /proc, a descriptor stays open for as long as the process lives: its rule
// would end when the kernel forgets the entry, which is another one when it is looked up again.
int sandbox_rules_add(struct sandbox_rules *rules, int folder, const char *path, uint64_t rights);
// The same of what is open already; pipes and sockets need no rule.
int sandbox_rules_add_open(struct sandbox_rules *rules, int fd, uint64_t rights);

// From here on they hold for this thread and those it starts, and for all its children; signals and
// abstract unix sockets of other processes are out of reach, too, where the kernel knows that.
// Needs no_new_privs. Errors: also of a rule that could not be made.
int sandbox_rules_enter(struct sandbox_rules *rules, struct err *err);
