// listener.h - opens the sockets that all workers accept from: TCP, or unix sockets with their
// files; or takes them as they were inherited.
#pragma once

#include <stddef.h>

#include "buf.h"
#include "err.h"
#include "listener_address.h"
#include "reactor.h"
#include "unix_socket.h"

struct config;
struct listener_inherited;

// Where a socket comes from, if not from limpet.
struct listener_origin {
    char *name;    // systemd's of the socket; NULL: a limpet has opened it
    char *address; // what its endpoint points to; NULL: that belongs to one of the addresses
};

// All sockets of a server. Start from {.count = 0}.
struct listener_set {
    struct listener *listeners;      // one a socket: a name may have several
    struct unix_socket_file *files;  // of the same index
    struct listener_origin *origins; // of the same index
    size_t count;
    struct listener_address *addresses; // what the listeners' endpoints point into
    size_t address_count;
    bool has_certificate;                 // TCP addresses speak TLS where they do not say
    enum client_verify client_verify;     // of those that speak TLS and do not say
    uint16_t redirect_port;               // --redirect-https; 0: none
    struct listener_inherited *inherited; // while it is opened; NULL: none
};

// Listen on all that the configuration asks for: every --listen, or else --host and --port, or
// --uds; where nobody asked for anything, on what systemd has given. Then, for --redirect-https, on
// that port of the hosts where TLS is spoken. An inherited socket
// (listener_inherited.h; NULL: none) that is bound to one of these addresses serves in the place of
// a new one, those that nothing asks for are closed. Errors name the address and the way out;
// nothing is left open then.
int listener_set_open(struct listener_set *set, const struct config *config,
                      struct listener_inherited *inherited, struct err *err);

// Listen on one address more (non-blocking, close-on-exec), which must outlive the set. Fills in
// the endpoint with the real port. A name with several addresses: all those that this machine has,
// on one port. -1: some of its sockets may be there, and are closed with the set.
int listener_set_add(struct listener_set *set, const struct listener_address *address, int backlog,
                     struct err *err);

// Close our copies of the descriptors and remove the files that are ours; nothing is left to do for
// a second call. The endpoints stay.
void listener_set_close(struct listener_set *set);
// The same, and release everything.
void listener_set_fini(struct listener_set *set);

// What the socket at this index is called when it is handed over to another process: systemd's name
// of it, or LISTENER_OWN_NAME. NULL: it stays, since it is closed, or its file is another's by now.
const char *listener_set_name_of(const struct listener_set *set, size_t index);
// The socket files that were adopted are ours from now on: to be called when we serve, for until
// then they belong to the process that we take over from.
void listener_set_claim_files(struct listener_set *set);
// They are that process's which has taken over from us: nothing is removed any more.
void listener_set_forget_files(struct listener_set *set);

// "http://127.0.0.1:8000", "https://[::1]:8443", "unix:/run/shop.sock", "unix:/run/shop.sock,tls",
// "http://127.0.0.1:9090/metrics".
void listener_describe(const struct listener *listener, char *out, size_t size);
// All of them, with ", " between; a name with several addresses once.
void listener_set_describe(const struct listener_set *set, struct buf *out);
