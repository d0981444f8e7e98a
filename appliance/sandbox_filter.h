// sandbox_filter.h - the seccomp filter of a confined process: sandbox_calls.def as a BPF program.
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum sandbox_verdict {
    SANDBOX_ABSENT, // ENOSYS
    SANDBOX_ALLOW,
    SANDBOX_DENY,        // EPERM
    SANDBOX_PROGRAM,     // as ALLOW, or as DENY where no programs are to be started
    SANDBOX_CLONE,       // no new namespaces
    SANDBOX_IOCTL,       // nothing typed into a terminal in its user's name
    SANDBOX_PERSONALITY, // it may be asked for
    SANDBOX_PRCTL,       // a process that hides its memory goes on hiding it
    SANDBOX_SOCKET,      // the usual families, and no raw packets
    SANDBOX_MODE_SECOND, // no setuid and setgid bits in the second argument
    SANDBOX_MODE_THIRD,  // the same of the third
    SANDBOX_LIMITS,      // of the caller; others' may be read
    SANDBOX_PRIORITY,    // of the calling thread alone
    SANDBOX_IO_PRIORITY, // the same
    SANDBOX_SCHEDULING,  // the same
};

enum { SANDBOX_FILTER_MAX = 1024 }; // instructions

// AUDIT_ARCH_... of this machine's calls.
extern const uint32_t sandbox_filter_architecture;

// Write the program to out, which has room for SANDBOX_FILTER_MAX; returns how many instructions it
// has. Pure. The process of another architecture's calls ends (SIGSYS).
size_t sandbox_filter_build(struct sock_filter *out, bool programs);

// What the program does with one call, by its number on this architecture; pure.
enum sandbox_verdict sandbox_filter_verdict(unsigned number, bool programs);

// Whether this kernel has seccomp filters.
bool sandbox_filter_is_there(void);

// From here on, for all threads of this process and all its children, for good. Needs
// no_new_privs.
int sandbox_filter_enter(bool programs, struct err *err);
