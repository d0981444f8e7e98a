// tls_priv.h - what tls_context.c, tls_session.c and tls_client.c share. Included by them only.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <pthread.h>

#include "tls_bundle.h"
#include "tls_context.h"
#include "tls_facts.h"
#include "tls_library.h"
#include "tls_session.h"

struct certificate {
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    struct str staple;
    int64_t staple_until;
    char *pem; // the chain's first
    bool slow; // to sign with it takes milliseconds
};

struct name {
    const char *text; // lower case; into the context's names
    size_t certificate;
};

struct tls_context {
    size_t holders;
    struct tls_scratch *scratch;
    struct tls_secrets *secrets; // of keys and ticket_keys
    struct certificate *certificates;
    size_t certificate_count;
    struct name *names; // sorted; of the same text in the order of certificates
    size_t name_count;
    char *texts;               // that names point to
    const char *standard_name; // the first certificate's first name; NULL: it has none
    mbedtls_x509_crt client_ca;
    mbedtls_x509_crl client_crl;
    pthread_mutex_t ticket_lock; // tickets are also made in the thread of slow handshakes
    mbedtls_ssl_ticket_context tickets;
    struct tls_ticket_key *ticket_keys;
    int64_t tickets_set;          // when (tls_library_time)
    mbedtls_ssl_config quiet;     // asks clients for nothing
    mbedtls_ssl_config verifying; // for their certificate
};

// In the callback that chooses certificates: the session of a context.
struct tls_session;
int tls_session_choose(struct tls_session *session); // 0 or an error of the library's

// The certificates of a host name (lower case; NULL: a client names none) for the handshake that is
// under way. *slow is set where one of them is. *pem: the certificate, where there is but one;
// else NULL. 0, or an error of the library's: out of memory.
int tls_context_choose(const struct tls_context *context, mbedtls_ssl_context *ssl,
                       const char *host, bool *slow, const char **pem);

// --- tls_client.c ---

// The facts of a verified chain. NULL: out of memory.
struct tls_client *tls_client_new(const mbedtls_x509_crt *chain);
void tls_client_free(struct tls_client *client);
// A certificate as PEM (RFC 7468), the caller's to free. NULL: out of memory.
char *tls_client_pem(const mbedtls_x509_buf *raw);
