// tls_context.h - what a worker's TLS connections share: certificates by host name, client
// authorities, ticket keys. Made from a bundle's bytes; counted, so that a connection keeps what it
// has begun with while new ones take what came after (a reload).
#pragma once

#include <stdbool.h>

#include "err.h"
#include "tls_scratch.h"

struct tls_context; // opaque

struct tls_settings {
    bool only_tls13;
    bool verifies; // some listener asks clients for a certificate
};

// The descriptor is that of a bundle (tls_bundle.h), the caller's to close; scratch outlives it.
struct tls_context *tls_context_new(int bundle, const struct tls_settings *settings,
                                    struct tls_scratch *scratch, struct err *err);
struct tls_context *tls_context_hold(struct tls_context *context);
// NULL: nothing.
void tls_context_drop(struct tls_context *context);
