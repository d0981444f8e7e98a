// listener_priv.h - what listener.c, listener_tcp.c, listener_unix.c and listener_systemd.c share.
// Included by them only.
#pragma once

#include "listener.h"

struct listener_inherited_socket;

struct listener_reason {
    int errnum;
    const char *text;    // what is wrong, and the way out up to the name of an option
    const char *options; // the short one; behind --listen it is that
};

// "cannot listen on ADDRESS: " and the reason for errnum, or errnum's own text. count: of reasons.
int listener_refuse(const struct listener_address *address, const struct listener_reason *reasons,
                    size_t count, int errnum, struct err *err);

// "cannot listen on ADDRESS: TEXT --listen".
int listener_refuse_with(const struct listener_address *address,
                         const struct listener_reason *reason, struct err *err);

// The address meets that listener, which is another of ours.
int listener_refuse_overlap(const struct listener_address *address, const struct listener *listener,
                            struct err *err);

// One socket more, with an empty file. Takes the descriptor; address as for struct endpoint.
void listener_append(struct listener_set *set, int fd, const char *address, uint16_t port);

int listener_add_tcp(struct listener_set *set, const struct listener_address *address, int backlog,
                     struct err *err);
int listener_add_unix(struct listener_set *set, const struct listener_address *address, int backlog,
                      struct err *err);
int listener_add_systemd(struct listener_set *set, const struct listener_address *address,
                         struct err *err);

// For all that speaks TLS already, sockets on set->redirect_port that send clients there; none
// where systemd has given such.
int listener_add_redirects(struct listener_set *set, int backlog, struct err *err);

// --- inherited sockets ---

// One socket more, which is no inherited one any more; address as for struct endpoint.
void listener_adopt(struct listener_set *set, struct listener_inherited_socket *socket,
                    const char *address, uint16_t port, int backlog);

// The inherited unix socket of that path; NULL: none.
struct listener_inherited_socket *listener_find_inherited_path(const struct listener_set *set,
                                                               const char *path);

void listener_close_unwanted(struct listener_inherited *inherited);
