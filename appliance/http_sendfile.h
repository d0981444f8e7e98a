// http_sendfile.h - answers that name a file which is to be sent in their place.
#pragma once

#include <stdbool.h>

#include "err.h"
#include "request.h"

// Whether the head of the answer does (X-Accel-Redirect, X-Sendfile), and files are sent.
bool http_sendfile_wanted(const struct request *request);
// That answer. As request_respond.
int http_sendfile_respond(struct request *request, const struct response *response,
                          struct err *err);
