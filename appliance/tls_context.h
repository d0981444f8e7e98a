// tls_context.h - what a worker's TLS connections share: certificates by host name, client
// authorities, ticket keys. Made from a bundle's bytes; counted, so that a connection keeps what it
// has begun with while new ones take what came after (a reload).
#pragma once

#include <stdint.h>

#include "err.h"

struct tls_context; // opaque

struct tls_settings {
    int minimum; // TLS version: 0x0303 (1.2) or 0x0304 (1.3)
};

// The descriptor is that of a bundle (tls_bundle.h); the caller's to close.
struct tls_context *tls_context_new(int bundle, const struct tls_settings *settings,
                                    struct err *err);
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_drop(struct tls_context *context);
