// listener_address.h - where to listen, as data: what --listen takes, read from text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "reactor.h"

// Mode of a unix socket's file where none is given: whoever may enter its folder may connect, as
// with a port (nginx does the same).
enum { LISTENER_FILE_MODE = 0666 };

struct listener_address {
    const char *host;          // name, IPv4 or IPv6 literal; NULL: all addresses
    const char *path;          // of a unix socket instead; NULL: TCP
    uint16_t port;             // 0: any free one
    mode_t mode;               // of the unix socket's file
    const char *owner, *group; // of that file, names or numbers; NULL: as it comes
    bool systemd;              // none of these, but sockets that systemd has opened
    const char *name;          // of them, FileDescriptorName=; NULL: all
    bool says_kind;            // which of the two follows; else it is as there are certificates
    bool says_verify;          // which follows the next; else it is as --tls-client-verify says
    enum listener_kind kind;
    enum client_verify client_verify;
    bool proxy_protocol; // connections begin with its header
    bool listed;         // by --listen; else by --host, --port and --uds, or by --redirect-https
    char *text;          // what the names above point into; NULL: it belongs to others
};

// "127.0.0.1:8000", "[::1]:8000", "name:8000", ":8000", "8000" (of 127.0.0.1),
// "unix:/run/shop.sock", there with ",mode=0660" and ",owner=USER:GROUP" behind, or "systemd" and
// "systemd:NAME". Any of them with ",tls" or ",plain" behind, ",client-verify=require" and
// ",proxy-protocol". Errors are ERR_USAGE and say what to write instead, not what was written.
int listener_address_parse(struct listener_address *address, const char *text, struct err *err);
void listener_address_fini(struct listener_address *address);

// Whether the text can be parsed.
int listener_address_check(const char *text, struct err *err);

// The same place; any two free ports are two places.
bool listener_address_equal(const struct listener_address *a, const struct listener_address *b);

// What is spoken there, on a TCP socket or on a unix one, by a server with certificates or without.
enum listener_kind listener_address_kind(const struct listener_address *address, bool is_unix,
                                         bool has_certificate);

// "127.0.0.1:8000", "[::1]:8000", ":8000", "unix:/run/shop.sock", "systemd:NAME".
void listener_address_describe(const struct listener_address *address, char *out, size_t size);
