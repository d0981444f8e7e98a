// tls_setup.h - what an ssl.SSLContext knows: rules, certificates, keys, authorities. Connections
// take from it what they need when they are made. Not locked: with the GIL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"
#include "tls_ciphers.h"
#include "tls_fault.h"
#include "tls_trust.h"

struct tls_setup; // opaque
struct tls_stream;

enum tls_verify_mode { TLS_CERT_NONE, TLS_CERT_OPTIONAL, TLS_CERT_REQUIRED }; // ssl.VerifyMode

// Values that count for connections which are made later.
struct tls_setup_rules {
    enum tls_verify_mode verify_mode;
    unsigned verify_flags; // TLS_VERIFY_… (tls_verify.h)
    bool check_hostname;
    unsigned host_flags;    // TLS_HOST_… (tls_verify.h)
    uint16_t min_version;   // 0x0303, 0x0304; one below counts as the former
    uint16_t max_version;   // one below leaves nothing that connections could speak
    bool tickets;           // clients: ask for them in TLS 1.2; servers: give them in TLS 1.2
    unsigned ticket_count;  // servers: that TLS 1.3 clients get
    bool ignores_eof;       // OP_IGNORE_UNEXPECTED_EOF
    bool prefers_own_order; // servers: OP_CIPHER_SERVER_PREFERENCE
    int security_level;     // OpenSSL's, 0 to 5
};

// Starts the library if need be.
struct tls_setup *tls_setup_new(struct tls_fault *fault);
// Connections hold what they need.
void tls_setup_free(struct tls_setup *setup);

struct tls_setup_rules *tls_setup_rules(struct tls_setup *setup);
// The place of its trust, for tls_trust_add_….
struct tls_trust **tls_setup_trust(struct tls_setup *setup);

// Asked for when a key turns out to be encrypted. Bytes into out; returns how many, or -1: give up,
// the caller knows why (kind NONE in the fault).
typedef int tls_password_function(void *owner, char *out, size_t size);

// A certificate and those that vouch for it, its key (key_path NULL: in the same file). One of each
// kind of key is kept. password NULL: an encrypted key is an error.
int tls_setup_load_identity(struct tls_setup *setup, const char *certificate_path,
                            const char *key_path, tls_password_function *password, void *owner,
                            struct tls_fault *fault);

int tls_setup_set_ciphers(struct tls_setup *setup, const char *list, struct tls_fault *fault);
// Numbers, best first, 0 at the end; valid until it is set again.
const int *tls_setup_ciphers(const struct tls_setup *setup);
// Of one curve: "prime256v1", "secp384r1", "secp521r1", "X25519", ... VALUE: not known here.
int tls_setup_set_group(struct tls_setup *setup, const char *name, struct tls_fault *fault);
// Names of protocols (RFC 7301), a byte of length before each.
int tls_setup_set_alpn(struct tls_setup *setup, struct str wire, struct tls_fault *fault);
// Secrets of connections are appended to this file (NSS Key Log Format). NULL: no more.
int tls_setup_set_key_log(struct tls_setup *setup, const char *path, struct tls_fault *fault);

// On a server, when a client's first message is here and before a certificate is chosen. name: that
// it asks for (RFC 6066 section 3), NULL: none. Returns 0, or the number of the alert to end it
// with. Called in the thread that does the handshake, without the GIL; owner is the stream's. NULL:
// no hook.
typedef int tls_server_name_function(void *stream_owner, const char *name);
void tls_setup_set_server_name_hook(struct tls_setup *setup, tls_server_name_function *hook);

// As ssl.SSLContext.session_stats() names them, in its order.
struct tls_setup_stats {
    long number, connect, connect_good, connect_renegotiate, accept, accept_good,
        accept_renegotiate;
    long hits, misses, timeouts, cache_full;
};
void tls_setup_stats(const struct tls_setup *setup, struct tls_setup_stats *out);
