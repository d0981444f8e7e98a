// head.h - the head of a response as it will be sent: a reason phrase and field lines, checked as
// they are written (RFC 9110 section 5, RFC 9112 sections 4 and 5). Pure.
#pragma once

#include <stdint.h>

#include "buf.h"
#include "str.h"

enum {
    HEAD_MAX = 32 * 1024, // bytes: a connection's memory has the request's beside
};

// What is wrong with a field.
enum head_fault {
    HEAD_FINE,
    HEAD_CONTROL_IN_NAME,
    HEAD_CONTROL_IN_VALUE,
    HEAD_NOT_A_TOKEN, // the name
    HEAD_HOP_BY_HOP,  // it belongs to the connection, which is the server's
    HEAD_LENGTH,      // a Content-Length that is no number, or another one than before
    HEAD_TOO_LONG,    // all fields together, or memory is short
};

struct head {
    struct buf lines; // the reason phrase, then "NAME: VALUE\r\n" each
    size_t reason_size;
    int64_t content_length; // which is not among the lines; -1: not given
    bool has_date, has_hsts;
};

void head_init(struct head *head);
void head_fini(struct head *head);

// Begin anew. -1: control characters in the reason, or it is longer than HEAD_MAX.
int head_begin(struct head *head, struct str reason);

// Add a field. On a fault, what the head holds is of no use.
enum head_fault head_add(struct head *head, struct str name, struct str value);
// The same with one that belongs to the connection, and is meant to.
enum head_fault head_add_hop_by_hop(struct head *head, struct str name, struct str value);
