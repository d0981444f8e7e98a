// tls_suites.h - the cipher suites that are spoken, best first, and what they are called.
#pragma once

#include <stdint.h>

// Numbers as mbedTLS takes them, 0 at the end.
extern const int tls_suites[];

// As OpenSSL calls it; "": none of ours.
const char *tls_suite_name(int suite);
