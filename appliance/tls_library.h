// tls_library.h - mbedTLS as a process uses it: its memory, its clock and its random numbers. To be
// started before anything else of it is called.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "err.h"

// Ready to be used in this process: also again after a fork, since two processes with the same
// state of random numbers would use the same keys. Any thread may call it. Errors: no random
// numbers can be had.
int tls_library_start(struct err *err);

// Unix time in seconds, but never before limpet was built: a machine without a clock of its own
// begins in 1970, when no certificate was valid.
int64_t tls_library_time(void);

// Whether the machine's clock is right, as far as can be told: not before limpet was built.
int tls_library_clock_is_set(void);

// "3.6.7"
const char *tls_library_version(void);

// "SSL - A fatal alert message was received": what an error of the library means. Returns out.
const char *tls_library_error(int error, char *out, size_t size);

// A certificate's serial number as openssl prints it: "0A1B", without what keeps it positive. The
// caller frees it; NULL: out of memory.
char *tls_library_serial(const unsigned char *bytes, size_t count);

// --- secrets (tls_memory.c) ---

// Memory for private keys: locked, so that it is never swapped, left out of core dumps, and empty
// in a process that is forked. What the library allocates between tls_secret_begin and
// tls_secret_end in this thread comes from there.
struct tls_secrets; // opaque

// For about so many bytes of keys as DER. NULL: out of memory.
struct tls_secrets *tls_secrets_new(size_t key_bytes);
// Wipes all of it. NULL: nothing. What was allocated from it must have been given back.
void tls_secrets_free(struct tls_secrets *secrets);

void tls_secrets_begin(struct tls_secrets *secrets);
void tls_secrets_end(void);

// What the library's allocator is, for tls_library.c.
void *tls_memory_allocate(size_t count, size_t size);
void tls_memory_release(void *memory);
