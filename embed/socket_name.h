// socket_name.h - an end of a connection as one text: "192.0.2.1:80", "[2001:db8::1]:80".
#pragma once

#include <stdint.h>

#include "py.h"
#include "str.h"

// port: 0: none, the address as it is (the path of a unix socket). A new reference, NULL with an
// exception set. The latest are kept, since a connection has many requests.
PyObject *socket_name(struct str address, uint16_t port);

// Forget those that are kept.
void socket_name_fini(void);
