// notify.h - tells systemd how we are (sd_notify(3)): READY=1, STOPPING=1, WATCHDOG=1, ...
// Supervisor only. Without a systemd all of it does nothing.
#pragma once

#include <stdint.h>

// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, for applications
// have no business with them, and remembers what they say. Once, at start.
void notify_init(void);

// In a process about to execute our successor, which is to speak for us: puts into environ what
// notify_init has taken out.
void notify_restore(void);

// Send assignments, one a line: "READY=1\nSTATUS=...". Never waits; what cannot be sent is lost,
// with a debug line.
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

// RELOADING=1, with the time that systemd wants beside it. READY=1 ends it.
void notify_reloading(void);

// Milliseconds between two WATCHDOG=1: half of what the unit allows. 0: nobody waits for them.
int64_t notify_watchdog_interval(void);
