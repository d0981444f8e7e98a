// tls_ciphers.h - OpenSSL's lists of cipher suites ("ECDHE+AESGCM:!aNULL:@SECLEVEL=2"), for what
// mbedTLS has. Needs no library that has been started.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tls_fault.h"

enum { TLS_CIPHERS_MAX = 64 };

struct tls_cipher {
    uint16_t number;         // IANA's
    const char *name;        // OpenSSL's: "ECDHE-RSA-AES128-GCM-SHA256"
    const char *protocol;    // "TLSv1.3", "TLSv1.2"; of those with SHA-1 "TLSv1.0"
    int strength_bits;       // 128
    int algorithm_bits;      // 128
    const char *kea;         // "kx-ecdhe", "kx-any": as SSLContext.get_ciphers shows them
    const char *auth;        // "auth-rsa", "auth-ecdsa", "auth-any"
    const char *symmetric;   // "aes-128-gcm"
    const char *digest;      // "sha256"; NULL: the cipher authenticates itself
    const char *description; // one line, as SSL_CIPHER_description writes it, without line end
};

// Of a suite that this build has. NULL: none.
const struct tls_cipher *tls_cipher_of(int number);

// Parse a list into numbers, 0 at the end: TLS 1.3's suites always first, in OpenSSL's order, then
// what the text says (TLS 1.2's). *security_level is set if the text has @SECLEVEL, else left.
// Errors (SSL, no library and no reason, as Python's: "No cipher can be selected."): nothing of
// TLS 1.2 is left, or the text is none.
int tls_ciphers_parse(const char *text, int out[static TLS_CIPHERS_MAX], int *security_level,
                      struct tls_fault *fault);

// What ssl's _DEFAULT_CIPHERS is.
extern const char tls_ciphers_default[];
