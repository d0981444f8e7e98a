// http_gate_priv.h - what a request has to pass before anybody works on it. Included by http*.c
// only.
#pragma once

#include <stdbool.h>

#include "refusals.h"
#include "str.h"

struct request;

// With the header section complete and in request->head. False: it is to be refused for *which;
// detail: what is wrong with it, "": nothing to add; valid as long as the request.
bool http_gate_passes(struct request *request, enum refusal *which, struct str *detail);

// A request is refused by us: for the access log, the metrics and the log.
void http_gate_tell(struct request *request, enum refusal which, struct str detail);
