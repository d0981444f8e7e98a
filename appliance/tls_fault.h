// tls_fault.h - what went wrong with a TLS connection of the application's own, in the words that
// Python's users know: those of OpenSSL. For Python's ssl; the server's own TLS has struct err.
#pragma once

#include <stdbool.h>

enum tls_fault_kind {
    TLS_FAULT_NONE,
    TLS_FAULT_SSL,    // the protocol, or what was asked of it: ssl.SSLError
    TLS_FAULT_VERIFY, // the peer's certificate: ssl.SSLCertVerificationError
    TLS_FAULT_EOF,    // the transport ended, and TLS had not: ssl.SSLEOFError
    TLS_FAULT_SYSTEM, // number is an errno value: OSError
    TLS_FAULT_VALUE,  // an argument that means nothing: ValueError
    TLS_FAULT_MEMORY, // MemoryError
};

struct tls_fault {
    enum tls_fault_kind kind;
    int number;          // of SYSTEM; of VERIFY: a verify code (enum tls_verify_code)
    const char *library; // "SSL", "PEM", "X509"; a literal; NULL: none
    const char *reason;  // "CERTIFICATE_VERIFY_FAILED"; a literal; NULL: none
    char text[160];      // "certificate verify failed"
};

// Each returns -1, to be returned.
int tls_fault_set(struct tls_fault *fault, enum tls_fault_kind kind, const char *library,
                  const char *reason, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int tls_fault_system(struct tls_fault *fault, int error_number);
int tls_fault_memory(struct tls_fault *fault);

// Of an error of the library's; alert: the number of the alert that the peer has sent, where the
// error is that it has sent one; -1: not known.
int tls_fault_library(struct tls_fault *fault, int error, int alert);
