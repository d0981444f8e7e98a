// tls_stream.c - a TLS connection over a transport of the caller's, by mbedTLS: its life, the
// handshake, bytes in and out.
#include "tls_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/psa_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls_library.h"
#include "tls_stream_priv.h"

enum {
    LARGE = 8 << 10,       // bytes: whoever sends records of this size has more of them
    FLIGHT_MAX = 64 << 10, // bytes; what is more goes out as it comes
    SECRET_MAX = 64,       // bytes
    RANDOM_SIZE = 32,
    KEY_LOG_LINE_MAX = 32 + 2 * RANDOM_SIZE + 2 * SECRET_MAX + 4,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

// --- the transport, as the library sees it ---

static int transport_failed(struct tls_stream *stream, ssize_t result, int again)
{
    if (result == -EAGAIN || result == -EWOULDBLOCK)
        return again;
    stream->system_error = (int)-result;
    return MBEDTLS_ERR_NET_CONN_RESET;
}

// What is left of the messages that are kept together.
static int flush(struct tls_stream *stream)
{
    struct buf *flight = &stream->flight;
    while (stream->flown < flight->size) {
        ssize_t count = stream->transport.write(
            stream->transport.owner, flight->data + stream->flown, flight->size - stream->flown);
        if (count < 0) {
            int result = transport_failed(stream, count, MBEDTLS_ERR_SSL_WANT_WRITE);
            if (result != MBEDTLS_ERR_SSL_WANT_WRITE && stream->is_done)
                stream->write_error = stream->system_error;
            return result;
        }
        stream->flown += (size_t)count;
    }
    stream->flown = 0;
    buf_fini(flight);
    return 0;
}

static int receive(void *owner, unsigned char *out, size_t size)
{
    struct tls_stream *stream = owner;
    int result = stream->write_error == 0 ? flush(stream) : 0;
    if (result != 0 && !stream->is_reading)
        return result;
    stream->system_error = 0; // of writing, of which whoever writes is told
    ssize_t count = stream->transport.read(stream->transport.owner, out, size);
    stream->has_drained = count < 0;
    if (count < 0)
        return transport_failed(stream, count, MBEDTLS_ERR_SSL_WANT_READ);
    stream->has_ended = count == 0;
    if (stream->is_server && !stream->hello.is_over) {
        tls_hello_add(&stream->hello, out, (size_t)count);
        // The library would end a connection whose protocols are none of ours; OpenSSL's users
        // go on without one.
        if (stream->hello.is_over && stream->protocols.wire.size > 0 &&
            !tls_hello_has_protocol(&stream->hello, stream->protocols.wire))
            stream->config.MBEDTLS_PRIVATE(alpn_list) = NULL;
    }
    return (int)count;
}

// Messages of the handshake go out together, when an answer is waited for: one that went alone
// would wait for the acknowledgement of the one before, and a peer that refuses an early one would
// have closed before the later ones, so that its alert is never read.
static int transmit(void *owner, const unsigned char *bytes, size_t size)
{
    struct tls_stream *stream = owner;
    if (stream->write_error != 0)
        return (int)size; // lost, as is told to whoever writes
    if (!stream->is_done && buf_append(&stream->flight, bytes, size) == 0)
        return (int)size;
    int result = flush(stream);
    if (result == 0) {
        ssize_t count = stream->transport.write(stream->transport.owner, bytes, size);
        if (count >= 0)
            return (int)count;
        result = transport_failed(stream, count, MBEDTLS_ERR_SSL_WANT_WRITE);
    }
    // A read (of a ticket) makes the library send what waits, which must not keep it from reading:
    // two sides that send at the same time would wait for each other.
    if (result == MBEDTLS_ERR_SSL_WANT_WRITE && stream->is_reading &&
        buf_append(&stream->flight, bytes, size) == 0)
        return (int)size;
    if (result != MBEDTLS_ERR_SSL_WANT_WRITE && stream->is_done)
        stream->write_error = stream->system_error;
    return result;
}

// --- the peer's certificates ---

static enum tls_verify_code judge(struct tls_stream *stream, const mbedtls_x509_crt *chain)
{
    struct tls_verify_rules rules = {
        .of_server = !stream->is_server,
        .flags = stream->rules.verify_flags,
        .security_level = stream->rules.security_level,
        .host = stream->rules.check_hostname && !stream->is_server ? stream->server_name : NULL,
        .host_flags = stream->rules.host_flags,
        .now = tls_library_time(),
    };
    tls_verdict_fini(&stream->verdict);
    stream->verdict = (struct tls_verdict){.code = TLS_VERIFY_UNSPECIFIED};
    if (chain->raw.p == NULL) // its signature is of a kind that the library does not know
        return TLS_VERIFY_UNSPECIFIED;
    return tls_verify(stream->trust, chain, &rules, &stream->verdict);
}

static int verify(void *owner, mbedtls_ssl_context *ssl, mbedtls_x509_crt *chain, uint32_t *flags)
{
    struct tls_stream *stream = owner;
    (void)ssl;
    *flags = 0;
    enum tls_verify_code code = judge(stream, chain);
    if (code == TLS_VERIFY_OK || stream->rules.verify_mode == TLS_CERT_NONE)
        return 0;
    *flags = tls_verify_library_flags(code);
    // "Optional" is whether there is a certificate, not whether it is good; the library thinks
    // otherwise of errors that it knows.
    return stream->is_server && stream->rules.verify_mode == TLS_CERT_OPTIONAL
               ? MBEDTLS_ERR_X509_FATAL_ERROR
               : MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
}

// --- our certificates ---

// With the GIL.
static void take_credentials(struct tls_stream *stream, struct tls_setup *setup)
{
    for (size_t i = 0; i < setup->credential_count; i++) {
        if (stream->credential_count < COUNT(stream->credentials))
            stream->credentials[stream->credential_count++] =
                tls_credential_hold(tls_setup_completed(setup, i));
    }
}

static mbedtls_pk_context *key_of(struct tls_credential *credential)
{
    return credential->lender != NULL ? &credential->lender->key : &credential->key;
}

static int refuse_hello(mbedtls_ssl_context *ssl, int alert, int error)
{
    (void)mbedtls_ssl_send_alert_message(ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, (unsigned char)alert);
    return error;
}

// The client's first message is here.
static int choose(mbedtls_ssl_context *ssl)
{
    struct tls_stream *stream = mbedtls_ssl_get_user_data_p(ssl);
    size_t size = 0;
    char name[256] = "";
    tls_server_name_function *hook = atomic_load(&stream->setup->server_name_hook);
    if (stream->has_asked || hook == NULL)
        return 0;
    stream->has_asked = true;
    const unsigned char *bytes = mbedtls_ssl_get_hs_sni(ssl, &size);
    // One that would be another name as text is none.
    if (bytes != NULL && (size >= sizeof name || memchr(bytes, '\0', size) != NULL))
        return refuse_hello(ssl, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR,
                            MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION);
    if (bytes != NULL)
        memcpy(name, bytes, size);
    stream->refusal = hook(stream->transport.owner, bytes != NULL ? name : NULL);
    if (stream->refusal != 0)
        return refuse_hello(ssl, stream->refusal, MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME);
    int result = 0;
    for (size_t i = stream->first_chosen; i < stream->credential_count && result == 0; i++) {
        struct tls_credential *credential = stream->credentials[i];
        result = mbedtls_ssl_set_hs_own_cert(ssl, &credential->chain, key_of(credential));
    }
    return result;
}

void tls_stream_use(struct tls_stream *stream, struct tls_setup *setup)
{
    tls_setup_after_fork(setup);
    while (stream->credential_count > stream->first_chosen)
        tls_credential_drop(stream->credentials[--stream->credential_count]);
    take_credentials(stream, setup);
    // Its authorities as well: a client of one name is none of another's.
    struct tls_trust *trust = tls_trust_hold(setup->trust);
    tls_trust_drop(stream->trust);
    stream->trust = trust;
    stream->has_switched = setup != stream->setup;
}

// --- the key log ---

static const struct {
    mbedtls_ssl_key_export_type type;
    const char *label; // NSS Key Log Format
} labels[] = {
    {MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET, "CLIENT_RANDOM"},
    {MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_HANDSHAKE_TRAFFIC_SECRET,
     "CLIENT_HANDSHAKE_TRAFFIC_SECRET"},
    {MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_HANDSHAKE_TRAFFIC_SECRET,
     "SERVER_HANDSHAKE_TRAFFIC_SECRET"},
    {MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET, "CLIENT_TRAFFIC_SECRET_0"},
    {MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET, "SERVER_TRAFFIC_SECRET_0"},
};

static size_t put_hex(char *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * size;
}

// A line goes out with one write, so that those of several connections do not mix.
static void write_secret(const struct tls_stream *stream, const char *label,
                         const unsigned char *random, const unsigned char *secret, size_t size)
{
    char line[KEY_LOG_LINE_MAX];
    size_t used = (size_t)snprintf(line, sizeof line, "%s ", label);
    if (size > SECRET_MAX)
        return;
    used += put_hex(line + used, random, RANDOM_SIZE);
    line[used++] = ' ';
    used += put_hex(line + used, secret, size);
    line[used++] = '\n';
    // Nobody's connection fails for a log that cannot be written.
    ssize_t ignored = write(stream->key_log->fd, line, used);
    (void)ignored;
}

static void export_keys(void *owner, mbedtls_ssl_key_export_type type, const unsigned char *secret,
                        size_t size, const unsigned char client_random[RANDOM_SIZE],
                        const unsigned char server_random[RANDOM_SIZE], mbedtls_tls_prf_types prf)
{
    const struct tls_stream *stream = owner;
    (void)server_random, (void)prf;
    for (size_t i = 0; i < COUNT(labels); i++) {
        if (labels[i].type == type)
            write_secret(stream, labels[i].label, client_random, secret, size);
    }
    // The library exports all but this one.
    const mbedtls_ssl_session *session = stream->ssl.MBEDTLS_PRIVATE(session_negotiate);
    if (type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET && session != NULL)
        write_secret(stream, "EXPORTER_SECRET", client_random,
                     session->MBEDTLS_PRIVATE(app_secrets).exporter_master_secret, size);
}

// --- making one ---

static const uint16_t signatures[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,       MBEDTLS_TLS1_3_SIG_NONE,
};

// Protocols for the library, which keeps the pointers.
static bool take_protocols(struct tls_stream *stream, struct str wire)
{
    struct tls_protocols *out = &stream->protocols;
    size_t count = 0;
    if (wire.size == 0)
        return true;
    out->text = malloc(2 * wire.size + 1);
    out->names = calloc(wire.size / 2 + 1, sizeof *out->names);
    if (out->text == NULL || out->names == NULL)
        return false;
    memcpy(out->text, wire.data, wire.size);
    for (size_t at = 0; at < wire.size;) {
        size_t size = (unsigned char)wire.data[at];
        out->text[at] = '\0'; // ends the one before
        out->names[count++] = out->text + at + 1;
        at += 1 + size;
    }
    out->text[wire.size] = '\0';
    memcpy(out->text + wire.size + 1, wire.data, wire.size);
    out->wire = (struct str){out->text + wire.size + 1, wire.size};
    return mbedtls_ssl_conf_alpn_protocols(&stream->config, out->names) == 0;
}

static int authentication(const struct tls_stream *stream)
{
    static const int of_server[] = {MBEDTLS_SSL_VERIFY_NONE, MBEDTLS_SSL_VERIFY_OPTIONAL,
                                    MBEDTLS_SSL_VERIFY_REQUIRED};
    if (stream->is_server)
        return of_server[stream->rules.verify_mode];
    // So that the certificate is kept, and judged, in any case.
    return stream->rules.verify_mode == TLS_CERT_NONE ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                      : MBEDTLS_SSL_VERIFY_REQUIRED;
}

static void configure_tickets(struct tls_stream *stream)
{
    const struct tls_setup_rules *rules = &stream->rules;
    mbedtls_ssl_config *config = &stream->config;
    struct tls_setup *setup = stream->setup;
    mbedtls_ssl_conf_session_tickets(config, rules->tickets ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED
                                                            : MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    if (!stream->is_server) {
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
        return;
    }
    mbedtls_ssl_conf_new_session_tickets(config, (uint16_t)rules->ticket_count);
    mbedtls_ssl_conf_session_cache(config, &setup->cache, mbedtls_ssl_cache_get,
                                   mbedtls_ssl_cache_set);
    if (rules->tickets)
        mbedtls_ssl_conf_session_tickets_cb(config, mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &setup->tickets);
}

// Rules that leave no version are no error before the handshake.
static bool has_version(const struct tls_stream *stream)
{
    return stream->rules.min_version <= stream->rules.max_version;
}

static int configure(struct tls_stream *stream)
{
    const struct tls_setup_rules *rules = &stream->rules;
    mbedtls_ssl_config *config = &stream->config;
    int result = mbedtls_ssl_config_defaults(
        config, stream->is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (result != 0)
        return result;
    mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (has_version(stream)) {
        mbedtls_ssl_conf_min_tls_version(config, rules->min_version);
        mbedtls_ssl_conf_max_tls_version(config, rules->max_version);
    }
    mbedtls_ssl_conf_ciphersuites(config, stream->ciphers);
    mbedtls_ssl_conf_groups(config, stream->groups);
    mbedtls_ssl_conf_sig_algs(config, signatures);
    mbedtls_ssl_conf_preference_order(config, rules->prefers_own_order
                                                  ? MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_SERVER
                                                  : MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_CLIENT);
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                    MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
    mbedtls_ssl_conf_authmode(config, authentication(stream));
    mbedtls_ssl_conf_chain_verify(config, verify, stream);
    mbedtls_ssl_conf_cert_cb(config, choose);
    configure_tickets(stream);
    if (!take_protocols(stream, stream->setup->protocols))
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    take_credentials(stream, stream->setup);
    stream->first_chosen = stream->credential_count;
    for (size_t i = 0; i < stream->credential_count && result == 0; i++) {
        struct tls_credential *credential = stream->credentials[i];
        result = mbedtls_ssl_conf_own_cert(config, &credential->chain, key_of(credential));
    }
    return result;
}

static bool is_address(const char *name)
{
    unsigned char address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static int start(struct tls_stream *stream)
{
    const char *name = stream->server_name;
    int result = configure(stream);
    if (result == 0)
        result = mbedtls_ssl_setup(&stream->ssl, &stream->config);
    if (result == 0 && !stream->is_server)
        result =
            mbedtls_ssl_set_hostname(&stream->ssl, name != NULL && !is_address(name) ? name : NULL);
    if (result != 0)
        return result;
    mbedtls_ssl_set_bio(&stream->ssl, stream, transmit, receive, NULL);
    mbedtls_ssl_set_user_data_p(&stream->ssl, stream);
    if (stream->key_log != NULL)
        mbedtls_ssl_set_export_keys_cb(&stream->ssl, export_keys, stream);
    return 0;
}

// What it takes from the setup, which may change afterwards.
static void take_setup(struct tls_stream *stream, struct tls_setup *setup)
{
    tls_setup_after_fork(setup);
    atomic_fetch_add(&setup->holders, 1);
    stream->setup = setup;
    stream->rules = setup->rules;
    // Rules may name versions that the library is without.
    if (stream->rules.min_version < MBEDTLS_SSL_VERSION_TLS1_2)
        stream->rules.min_version = MBEDTLS_SSL_VERSION_TLS1_2;
    stream->trust = tls_trust_hold(setup->trust);
    stream->key_log = setup->key_log;
    if (stream->key_log != NULL)
        atomic_fetch_add(&stream->key_log->holders, 1);
    memcpy(stream->ciphers, setup->ciphers, sizeof stream->ciphers);
    memcpy(stream->groups, setup->groups, sizeof stream->groups);
}

struct tls_stream *tls_stream_new(struct tls_setup *setup, bool is_server, const char *server_name,
                                  const struct tls_transport *transport, struct tls_fault *fault)
{
    struct tls_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        tls_fault_memory(fault);
        return NULL;
    }
    mbedtls_ssl_init(&stream->ssl);
    mbedtls_ssl_config_init(&stream->config);
    stream->is_server = is_server;
    stream->transport = *transport;
    buf_init(&stream->flight, FLIGHT_MAX);
    take_setup(stream, setup);
    int result = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    if (server_name == NULL || (stream->server_name = strdup(server_name)) != NULL)
        result = start(stream);
    if (result != 0) {
        tls_stream_free(stream);
        tls_fault_library(fault, result, -1);
        return NULL;
    }
    return stream;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    mbedtls_ssl_free(&stream->ssl);
    mbedtls_ssl_config_free(&stream->config);
    for (size_t i = 0; i < stream->credential_count; i++)
        tls_credential_drop(stream->credentials[i]);
    tls_resumption_drop(stream->session);
    tls_resumption_drop(stream->offered);
    tls_verdict_fini(&stream->verdict);
    tls_hello_fini(&stream->hello);
    buf_fini(&stream->flight);
    tls_trust_drop(stream->trust);
    tls_key_log_drop(stream->key_log);
    tls_setup_free(stream->setup);
    free(stream->protocols.names);
    free(stream->protocols.text);
    free(stream->server_name);
    free(stream);
}

const struct tls_fault *tls_stream_fault(const struct tls_stream *stream)
{
    return &stream->fault;
}

// --- what went wrong ---

static enum tls_stream_status refuse(struct tls_stream *stream, const char *reason,
                                     const char *text)
{
    tls_fault_set(&stream->fault, TLS_FAULT_SSL, "SSL", reason, "%s", text);
    return TLS_STREAM_FAILED;
}

static void explain(struct tls_stream *stream, int result)
{
    struct tls_fault *fault = &stream->fault;
    if (stream->system_error != 0) {
        tls_fault_system(fault, stream->system_error);
    } else if (stream->refusal != 0) {
        refuse(stream, "CALLBACK_FAILED", "callback failed");
    } else if (result == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED ||
               result == MBEDTLS_ERR_X509_FATAL_ERROR ||
               result == MBEDTLS_ERR_SSL_BAD_CERTIFICATE) {
        // What the library finds by itself is what the certificate may be used for.
        if (stream->verdict.code == TLS_VERIFY_OK)
            stream->verdict.code = TLS_VERIFY_PURPOSE;
        tls_fault_set(fault, TLS_FAULT_VERIFY, "SSL", "CERTIFICATE_VERIFY_FAILED",
                      "certificate verify failed");
        fault->number = (int)stream->verdict.code;
    } else if (stream->hello.is_http) {
        refuse(stream, "HTTP_REQUEST", "http request");
    } else {
        const unsigned char *message = stream->ssl.MBEDTLS_PRIVATE(in_msg);
        tls_fault_library(fault, result, message != NULL ? message[1] : -1);
    }
}

static enum tls_stream_status settle(struct tls_stream *stream, int result)
{
    switch (result) {
    case MBEDTLS_ERR_SSL_WANT_READ:
        return TLS_STREAM_WANTS_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE:
        return TLS_STREAM_WANTS_WRITE;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        stream->heard_end = true;
        return TLS_STREAM_CLOSED;
    }
    stream->is_broken = true;
    explain(stream, result);
    return TLS_STREAM_FAILED;
}

// --- the handshake ---

static void count_start(struct tls_stream *stream)
{
    stream->is_started = true;
    atomic_fetch_add(
        stream->is_server ? &stream->setup->stats.accept : &stream->setup->stats.connect, 1);
}

static void count_end(struct tls_stream *stream)
{
    atomic_fetch_add(stream->is_server ? &stream->setup->stats.accept_good
                                       : &stream->setup->stats.connect_good,
                     1);
    if (mbedtls_ssl_is_resumed(&stream->ssl))
        atomic_fetch_add(&stream->setup->stats.hits, 1);
}

// The library does not tell the other side of everything that ends a handshake.
static void say_failure(struct tls_stream *stream, int result)
{
    if ((result == MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE ||
         result == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE) &&
        stream->ssl.MBEDTLS_PRIVATE(out_msgtype) != MBEDTLS_SSL_MSG_ALERT)
        (void)mbedtls_ssl_send_alert_message(&stream->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
}

enum tls_stream_status tls_stream_handshake(struct tls_stream *stream)
{
    if (stream->is_broken)
        return TLS_STREAM_FAILED;
    if (stream->is_done)
        return TLS_STREAM_DONE;
    if (!has_version(stream))
        return refuse(stream, "NO_PROTOCOLS_AVAILABLE", "no protocols available");
    if (!stream->is_started)
        count_start(stream);
    int result = mbedtls_ssl_handshake(&stream->ssl);
    say_failure(stream, result);
    int error = stream->system_error, flushed = flush(stream);
    if (result == 0)
        result = flushed;
    else
        stream->system_error = error; // an alert that cannot be sent is not what went wrong
    if (result != 0)
        return settle(stream, result);
    stream->is_done = true;
    count_end(stream);
    tls_hello_fini(&stream->hello);
    if (stream->offered != NULL && mbedtls_ssl_is_resumed(&stream->ssl))
        stream->verdict.code = tls_resumption_verdict(stream->offered);
    if (!stream->is_server)
        tls_stream_keep_session(stream);
    return TLS_STREAM_DONE;
}

// --- bytes ---

// Of the bytes of one record, or a negative number of the library's; with size 0 whether there are
// any, which stay.
static int read_piece(struct tls_stream *stream, void *out, size_t size)
{
    for (;;) {
        stream->has_drained = false;
        stream->is_reading = true;
        int result = mbedtls_ssl_read(&stream->ssl, out, size);
        stream->is_reading = false;
        if (result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            tls_stream_keep_session(stream);
        else if (result == 0 && stream->has_ended)
            return stream->rules.ignores_eof ? MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY
                                             : MBEDTLS_ERR_SSL_CONN_EOF;
        else if (size == 0 && mbedtls_ssl_get_bytes_avail(&stream->ssl) > 0)
            return 1;
        // The library had something to say in between.
        else if (result == MBEDTLS_ERR_NET_CONN_RESET && stream->write_error != 0 &&
                 stream->system_error == stream->write_error)
            stream->system_error = 0;
        // An empty record, and a message that is not data, end a call as well.
        else if (result != 0 && (result != MBEDTLS_ERR_SSL_WANT_READ || stream->has_drained))
            return result;
    }
}

enum tls_stream_status tls_stream_read(struct tls_stream *stream, void *out, size_t size,
                                       size_t *count)
{
    *count = 0;
    enum tls_stream_status status = tls_stream_handshake(stream);
    if (status != TLS_STREAM_DONE || size == 0)
        return status;
    if (stream->heard_end)
        return TLS_STREAM_CLOSED;
    size = size < INT_MAX ? size : INT_MAX;
    do {
        int result = read_piece(stream, (char *)out + *count, size - *count);
        if (result < 0) {
            // What comes behind bytes that are good is told with the next call: it stays so.
            status = settle(stream, result);
            if (status == TLS_STREAM_WANTS_READ)
                (void)mbedtls_ssl_release_buffers(&stream->ssl); // 34 KB, until something comes
            return *count > 0 ? TLS_STREAM_DONE : status;
        }
        *count += (size_t)result;
        if (result < LARGE)
            break;
    } while (size - *count >= LARGE);
    return TLS_STREAM_DONE;
}

static enum tls_stream_status settle_write(struct tls_stream *stream, int result)
{
    if (stream->write_error == 0)
        return settle(stream, result);
    stream->system_error = 0;
    tls_fault_system(&stream->fault, stream->write_error);
    return TLS_STREAM_FAILED;
}

// A record that is encrypted and that the transport has not taken: of ours, or an alert. As long as
// there is one the library would take anything else that it is given for it.
static int send_waiting(struct tls_stream *stream)
{
    int result = flush(stream);
    if (result == 0 && stream->ssl.MBEDTLS_PRIVATE(out_left) > 0)
        result = mbedtls_ssl_write(&stream->ssl, NULL, 0);
    return result;
}

enum tls_stream_status tls_stream_write(struct tls_stream *stream, const void *bytes, size_t size,
                                        size_t *count)
{
    *count = 0;
    enum tls_stream_status status = tls_stream_handshake(stream);
    if (status != TLS_STREAM_DONE || size == 0)
        return status;
    if (stream->said_end)
        return refuse(stream, "PROTOCOL_IS_SHUTDOWN", "protocol is shutdown");
    if (stream->write_error != 0)
        return settle_write(stream, 0);
    // A record that the transport has not taken has to go first, whatever is offered now.
    if (size < stream->writing)
        return refuse(stream, "BAD_WRITE_RETRY", "bad write retry");
    int result = send_waiting(stream);
    if (result < 0)
        return settle_write(stream, result);
    *count = stream->writing;
    stream->writing = 0;
    while (*count < size) {
        int most = mbedtls_ssl_get_max_out_record_payload(&stream->ssl);
        size_t piece = size - *count;
        piece = most < 0 || piece < (size_t)most ? piece : (size_t)most;
        result = mbedtls_ssl_write(&stream->ssl, (const unsigned char *)bytes + *count, piece);
        if (result < 0) {
            // Where the keys had to be updated first, none of the bytes are on their way yet.
            bool is_encrypted = stream->ssl.MBEDTLS_PRIVATE(out_left) > 0 &&
                                stream->ssl.MBEDTLS_PRIVATE(key_update_unsent) == 0;
            stream->writing = result == MBEDTLS_ERR_SSL_WANT_WRITE && is_encrypted ? piece : 0;
            status = settle_write(stream, result);
            return *count > 0 ? TLS_STREAM_DONE : status;
        }
        *count += (size_t)result;
    }
    return TLS_STREAM_DONE;
}

size_t tls_stream_pending(const struct tls_stream *stream)
{
    return stream->is_done && !stream->is_broken ? mbedtls_ssl_get_bytes_avail(&stream->ssl) : 0;
}

enum tls_stream_status tls_stream_shutdown(struct tls_stream *stream)
{
    if (stream->is_broken)
        return TLS_STREAM_FAILED;
    if (!stream->is_done)
        return refuse(stream, "SHUTDOWN_WHILE_IN_INIT", "shutdown while in init");
    if (!stream->said_end) {
        int result = send_waiting(stream);
        if (result == 0)
            result = mbedtls_ssl_close_notify(&stream->ssl);
        if (result != 0 || stream->write_error != 0)
            return settle_write(stream, result);
        stream->writing = 0;
        stream->said_end = true;
    }
    if (stream->heard_end)
        return TLS_STREAM_DONE;
    int result = read_piece(stream, NULL, 0);
    if (result > 0)
        return refuse(stream, "APPLICATION_DATA_AFTER_CLOSE_NOTIFY",
                      "application data after close notify");
    enum tls_stream_status status = settle(stream, result);
    return status == TLS_STREAM_CLOSED ? TLS_STREAM_DONE : status;
}
