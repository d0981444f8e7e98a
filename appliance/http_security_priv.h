// http_security_priv.h - fields that tell browsers to be careful (--security-headers). Included by
// http*.c only.
#pragma once

struct MHD_Response;
struct head;

// All of them, each as a line.
#define HTTP_SECURITY_LINES                                \
    "X-Content-Type-Options: nosniff\r\n"                  \
    "X-Frame-Options: SAMEORIGIN\r\n"                      \
    "Referrer-Policy: strict-origin-when-cross-origin\r\n" \
    "Cross-Origin-Opener-Policy: same-origin\r\n"

// Those that the application has not set: its own are the better ones. What finds no room is left
// out.
void http_security_add(struct head *head);

// To an answer of our own; NULL: there is none.
void http_security_add_to(struct MHD_Response *out);
