// reactor_door_priv.h - who is let in. Included by reactor*.c only.
#pragma once

#include <stdbool.h>

#include "reactor.h"
#include "tls_handshakes.h"

struct http_linger;

// A connection that was accepted. False: it is refused, counted, told of and closed; a plain one is
// answered 503.
bool reactor_door_admits(const struct reactor_setup *setup, struct http_linger *linger,
                         const struct tls_accepted *accepted);
