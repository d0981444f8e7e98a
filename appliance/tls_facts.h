// tls_facts.h - what is known of a TLS connection, for the application that is called over it.
#pragma once

#include <stdint.h>

// A certificate that a client has shown, and that was verified. Texts.
struct tls_client {
    const char *subject;     // distinguished name (RFC 4514): "CN=Ann,O=Shop"
    const char *issuer;      // the same
    const char *common_name; // of the subject; "": none
    const char *serial;      // hexadecimal: "0A1B"
    const char *not_before;  // "Nov 21 22:00:00 2026 GMT", as openssl prints it
    const char *not_after;
    const char *const *chain; // as PEM, the client's own first, NULL at the end
};

struct tls_facts {
    const char *protocol;            // "TLSv1.3"
    const char *cipher;              // as OpenSSL calls it: "TLS_AES_128_GCM_SHA256"
    uint16_t version;                // 0x0304
    uint16_t cipher_id;              // 0x1301 (IANA's "TLS Cipher Suites")
    const char *server_name;         // that the client asked for (RFC 6066 section 3); "": none
    const char *certificate;         // our own, as PEM; NULL: not known
    const struct tls_client *client; // NULL: none was asked for, or none was shown
};
