// status_page_allow.h - who may see the status page. Pure but for the list's memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "network.h"
#include "request.h"

struct status_page_allow {
    struct network *networks;
    size_t count;
};

// texts: as network_parse takes them; none of them: loopback, 127.0.0.0/8 and ::1. On success the
// list is the caller's, to be ended by status_page_allow_fini.
int status_page_allow_init(struct status_page_allow *allow, char *const *texts, size_t count,
                           struct err *err);
void status_page_allow_fini(struct status_page_allow *allow);

// Whether a request may have an answer: its peer is in one of the networks, or local by its nature
// (a unix socket). Where proxies tell in X-Forwarded-For, X-Real-IP or Forwarded (RFC 7239) for
// whom they ask, these must be so, too, all of them: such fields can take a right away, and never
// give one.
bool status_page_allow_has(const struct status_page_allow *allow, const struct request_head *head);
