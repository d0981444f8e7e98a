// http_location.h - what a plain request is asked for again over HTTPS. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "request.h"

enum { HTTP_LOCATION_MAX = 8192 }; // bytes

// Path and query of a request's target, in the origin form or the absolute one (RFC 9112 section
// 3.2); empty where there is none: "*", "http://shop".
struct str http_location_path(const struct request_head *head);

// The host that a request is for, without its port: the target's or else the Host field's. False:
// there is none, there are several, or it is none by RFC 3986 section 3.2.2.
bool http_location_host(const struct request_head *head, struct str *host);

// Into out, which is empty and takes HTTP_LOCATION_MAX bytes, the URI with "https" and that port;
// without it if it is 443. The host is the target's or else the Host field's, and has to be one by
// RFC 3986 section 3.2.2. Returns 0, or the status that refuses the request: 400 without a host, or
// with what is none, 414 for a target that is too long.
unsigned http_location_write(const struct request_head *head, uint16_t port, struct buf *out);
