// tls_stream_priv.h - what the files of tls_setup and tls_stream share. Included by them only.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "buf.h"
#include "tls_setup.h"
#include "tls_stream.h"
#include "tls_verify.h"

enum {
    TLS_CREDENTIALS_MAX = 4, // one of each kind of key
    TLS_GROUPS_MAX = 8,
};

// A certificate, those that vouch for it, and its key. Counted; does not change.
struct tls_credential {
    atomic_uint holders;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    struct tls_credential *lender; // held: whose key it is; NULL: key is its own
    pid_t process;                 // whose locks are in order
};

struct tls_credential *tls_credential_hold(struct tls_credential *credential);
void tls_credential_drop(struct tls_credential *credential); // NULL: nothing

// A file that secrets are written to. Counted.
struct tls_key_log {
    atomic_uint holders;
    int fd;
};

void tls_key_log_drop(struct tls_key_log *log); // NULL: nothing

// Names of protocols for the library: pointers into text, NULL at the end; and as they go over the
// wire, also within text.
struct tls_protocols {
    const char **names;
    char *text;
    struct str wire;
};

struct tls_setup {
    atomic_uint holders; // Python's context, and streams
    pid_t process;       // whose locks are in order
    struct tls_setup_rules rules;
    struct tls_trust *trust;
    struct tls_credential *credentials[TLS_CREDENTIALS_MAX];
    size_t credential_count;
    // The same with their issuers from completed_by, where they came without.
    struct tls_credential *completed[TLS_CREDENTIALS_MAX];
    struct tls_trust *completed_by; // held; NULL: not done
    int ciphers[TLS_CIPHERS_MAX];
    uint16_t groups[TLS_GROUPS_MAX]; // IANA's numbers, 0 at the end
    struct str protocols;            // as they go over the wire; owned
    struct tls_key_log *key_log;
    _Atomic(tls_server_name_function *)
        server_name_hook; // asked for in handshakes, without the GIL
    // What connections use together; these have locks of their own.
    mbedtls_ssl_ticket_context tickets;
    mbedtls_ssl_cache_context cache;
    struct {
        atomic_long connect, connect_good, accept, accept_good, hits;
    } stats;
};

// One of the same kind of key is replaced. Takes it over.
void tls_setup_take_credential(struct tls_setup *setup, struct tls_credential *credential);

// A forked child has one thread, and locks as they were: maybe held by one that it has not. To be
// called with the GIL, before anything of the setup is used.
void tls_setup_after_fork(struct tls_setup *setup);

// --- tls_setup_chain.c ---

// What to send for the credential of this index, valid as long as nobody changes the setup: with
// the issuers that the setup's trust has where the file had none, as OpenSSL does it.
struct tls_credential *tls_setup_completed(struct tls_setup *setup, size_t index);
void tls_setup_forget_completed(struct tls_setup *setup);

// A client's first message, as far as it has come.
struct tls_hello {
    unsigned char *record;
    size_t size, wanted;
    bool is_over;                 // it is here as a whole, or is none that we can read
    bool is_http;                 // it is a request without TLS
    int ciphers[TLS_CIPHERS_MAX]; // of ours, in the client's order, 0 at the end
    struct str protocols;         // within record
};

struct tls_stream {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    struct tls_setup *setup; // held
    struct tls_transport transport;
    struct tls_setup_rules rules;
    bool is_server;
    char *server_name; // NULL: none
    struct tls_trust *trust;
    struct tls_credential *credentials[2 * TLS_CREDENTIALS_MAX]; // of both setups
    size_t credential_count;
    size_t first_chosen; // by the server name hook: from this index on
    int ciphers[TLS_CIPHERS_MAX];
    uint16_t groups[TLS_GROUPS_MAX];
    struct tls_protocols protocols;
    struct tls_key_log *key_log;

    bool is_started, is_done; // the handshake
    bool has_asked;           // the server name hook
    bool has_switched;        // to another setup
    bool has_drained;         // the transport had no more when it was read last
    bool has_ended;           // nor will it have
    bool is_reading;          // the library was called for that, behind the handshake
    bool said_end, heard_end; // close_notify
    bool is_broken;           // fault is for good
    int system_error;         // of the transport: an errno value
    int write_error; // behind the handshake: there is nobody to write to, what has come can be read
    int refusal;     // of the server name hook: an alert
    struct buf flight; // messages of the handshake that go out together
    size_t flown;      // bytes of them that have
    size_t writing;    // bytes that are encrypted, and that the transport has not taken
    struct tls_hello hello;
    struct tls_verdict verdict;
    struct tls_resumption *session; // the latest
    struct tls_resumption *offered; // held; NULL: none
    struct tls_fault fault;
};

// --- tls_stream_hello.c ---

// Bytes that a client has sent.
void tls_hello_add(struct tls_hello *hello, const unsigned char *bytes, size_t size);
// Whether it names one of these (as they go over the wire).
bool tls_hello_has_protocol(const struct tls_hello *hello, struct str protocols);
void tls_hello_fini(struct tls_hello *hello);

// --- tls_stream_session.c ---

// The library has a session that can be taken from it.
void tls_stream_keep_session(struct tls_stream *stream);

// The peer's own, as DER; size 0: there was none.
struct str tls_resumption_certificate(const struct tls_resumption *session);
enum tls_verify_code tls_resumption_verdict(const struct tls_resumption *session);
