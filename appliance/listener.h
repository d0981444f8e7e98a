// listener.h - opens the socket that all workers accept from: TCP, or a unix socket with its file.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "reactor.h"

struct listener_address {
    const char *host; // name, IPv4 or IPv6 literal; must outlive the listener
    uint16_t port;    // 0: any free one
    const char *uds;  // path of a unix socket instead, must outlive the listener; NULL: none
};

// The file of a unix socket, so that only its maker removes it and only while it is the same file.
struct listener_file {
    const char *path; // NULL: none
    dev_t device;
    ino_t inode;
    pid_t maker;
};

// Listen (non-blocking, close-on-exec). Fills in the endpoint with the real port. A name with
// several addresses: the first that this machine has, IPv4 before IPv6. Errors name the address and
// the way out.
int listener_open(struct listener *listener, struct listener_file *file,
                  const struct listener_address *address, struct err *err);

// Close our copy of the descriptor and remove the file, if it is ours; nothing is left to do for a
// second call.
void listener_close(struct listener *listener, struct listener_file *file);

// "http://127.0.0.1:8000", "http://[::1]:8000", "unix:/run/shop.sock".
void listener_describe(const struct listener *listener, char *out, size_t size);
