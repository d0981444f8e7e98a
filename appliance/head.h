// head.h - the head of a response as it will be sent: a reason phrase and field lines, checked as
// they are written (RFC 9110 section 5, RFC 9112 sections 4 and 5). Pure.
#pragma once

#include <stdbool.h>
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

// Whether there is such a field; *value: of the first one, valid until the head changes. Not of
// Content-Length, which is content_length.
bool head_find(const struct head *head, struct str name, struct str *value);

// Another reason for the same fields. -1: as head_begin, or memory is short; nothing has changed.
int head_set_reason(struct head *head, struct str reason);

// A field line as it stands there, until the head is changed.
struct head_line {
    struct str name, value;
    size_t begin, value_begin, end; // offsets in lines; end: behind the CRLF
};

// The line at *position, which is 0 for the first, and moved to the next. False: that was all.
bool head_next_line(const struct head *head, size_t *position, struct head_line *line);
void head_remove_line(struct head *head, const struct head_line *line);
// Put text, which a value may hold, into one at an offset. -1: HEAD_MAX would be passed.
int head_insert(struct head *head, size_t offset, struct str text);
