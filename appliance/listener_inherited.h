// listener_inherited.h - listening sockets that this process was started with, by systemd's socket
// activation protocol (sd_listen_fds(3)): from systemd or whatever speaks it, or from the limpet
// that this one takes over from.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

// What a limpet names those that it has opened itself when it hands them over. No name that systemd
// may use.
#define LISTENER_OWN_NAME "limpet"

enum { LISTENER_INHERITED_FIRST = 3 }; // descriptor

struct listener_inherited_socket {
    int fd;     // -1: it serves, or is closed
    bool own;   // a limpet has opened it; else systemd
    char *name; // FileDescriptorName= of systemd's, "unknown" where none was given
};

// Start from {.count = 0}.
struct listener_inherited {
    struct listener_inherited_socket *sockets;
    size_t count;
};

// Once a process, before it opens descriptors of its own: take what LISTEN_PID, LISTEN_FDS and
// LISTEN_FDNAMES say, and take these variables out of the environment in any case, since
// applications are not meant by them. upgraded: a limpet has started us. The sockets are
// non-blocking and close-on-exec. Errors name the variable or the descriptor; nothing is left open
// then.
int listener_inherited_take(struct listener_inherited *inherited, bool upgraded, struct err *err);

// Close what does not serve, and release the rest.
void listener_inherited_fini(struct listener_inherited *inherited);

// Whether any are systemd's. NULL: none.
bool listener_inherited_from_systemd(const struct listener_inherited *inherited);

// Options of a TCP socket that listens, which the connections accepted on it inherit: that saves a
// system call each.
void listener_tune(int fd);
