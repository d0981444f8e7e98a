// crash.h - what a process that crashes leaves in the log: a line that says by which signal, the
// frames of C that led there, and the language's own. It is written from the signal's handler,
// without memory of the heap's, stdio or locks.
//   2026-11-21T09:51:42.123Z error worker-2[4711] crash: SIGSEGV at address 0x10 (code 1), ...
//       #0 0x0000000000412345 limpet+0x412345
//       #1 0x0000000000415a0b limpet+0x415a0a
// The number behind the plus sign is for "addr2line -f -e limpet.debug": the address within the
// program as it was linked, and that of the call itself where it is a caller's.
//
// The process then ends by the same signal, with a core dump where these are wanted. What an
// application installs for these signals (faulthandler) takes our place. Under AddressSanitizer and
// ThreadSanitizer, which have handlers of their own, all of this does nothing.
#pragma once

// Write such a report of this process, and of those it forks. Any process, once it has set its role
// in the log; again does no harm. For the calling thread as crash_init_thread.
void crash_init(void);

// Give the calling thread a stack of its own for the handler: without one, the overflow of its
// stack ends the process without a word. Again does no harm; out of memory it goes without.
void crash_init_thread(void);
void crash_fini_thread(void);

// dump writes to the descriptor what the language was doing in the calling thread, from a signal
// handler: what is not async-signal-safe it must not do. NULL: nothing. It may crash itself.
void crash_set_language_dump(void (*dump)(int fd));
// And what is called after all of the report: lines that are on their way to a log, as it does not
// wait and takes no lock.
void crash_set_last(void (*write_last)(void));
