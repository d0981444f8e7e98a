// tls_store.h - the supervisor's certificates and keys: read and checked, kept as the bytes of a
// bundle in memory that workers get a descriptor of, replaced as a whole when they are read again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct config;
struct tls_certificate_facts; // tls_load.h
struct tls_store;             // opaque

// Read all that the settings name. *out: NULL where they name no certificate. All functions below
// take NULL, and do nothing then.
int tls_store_open(struct tls_store **out, const struct config *config, struct err *err);
void tls_store_close(struct tls_store *store);

// Read all of it again. On error everything stays as it was.
int tls_store_reload(struct tls_store *store, struct err *err);

// The bundle for workers, the store's; -1: none.
int tls_store_fd(const struct tls_store *store);

// Do what is due: new ticket keys, a word about certificates that expire, files that have changed
// (--tls-watch). True: there is a new bundle.
bool tls_store_turn(struct tls_store *store, int64_t now);
// When that is (clock_milliseconds); INT64_MAX: no such moment.
int64_t tls_store_deadline(const struct tls_store *store);
// To be polled for --tls-watch; -1: none.
int tls_store_watch_fd(const struct tls_store *store);

// What there is to be told of the certificates.
const struct tls_certificate_facts *tls_store_certificates(const struct tls_store *store,
                                                           size_t *count);

// In a worker: let go of all but the bundle's descriptor.
void tls_store_forget(struct tls_store *store);
