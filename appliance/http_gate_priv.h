// http_gate_priv.h - what a request has to pass before anybody works on it. Included by http*.c
// only.
#pragma once

#include <stdbool.h>

#include "refusals.h"
#include "str.h"

struct MHD_Response;
struct request;

// With the header section complete and in request->head. False: it is to be refused for *which;
// detail: what is wrong with it, "": nothing to add; valid as long as the request.
bool http_gate_passes(struct request *request, enum refusal *which, struct str *detail);

// http_rate.c: whether its client has not asked too often; else request->retry_after is set.
bool http_rate_passes(struct request *request);
// The answer that says so is told how long it is to wait.
void http_rate_tell_client(const struct request *request, struct MHD_Response *out);

// A request is refused by us: for the access log, the metrics and the log.
void http_gate_tell(struct request *request, enum refusal which, struct str detail);
