// tls_setup.c - the rules of connections, and what they share.
#include "tls_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/threading.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls_library.h"
#include "tls_stream_priv.h"

enum {
    TICKET_SECONDS = 7200, // as OpenSSL's
    SESSIONS_MAX = 1024,   // that a context remembers for clients without tickets
    OWNER_ALONE = 0600,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const uint16_t default_groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

// Names as OpenSSL has them, and those of NIST.
static const struct {
    const char *name;
    uint16_t number;
} groups[] = {
    {"X25519", MBEDTLS_SSL_IANA_TLS_GROUP_X25519},
    {"prime256v1", MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1},
    {"secp256r1", MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1},
    {"P-256", MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1},
    {"secp384r1", MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1},
    {"P-384", MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1},
    {"secp521r1", MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1},
    {"P-521", MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1},
    {"secp256k1", MBEDTLS_SSL_IANA_TLS_GROUP_SECP256K1},
    {"brainpoolP256r1", MBEDTLS_SSL_IANA_TLS_GROUP_BP256R1},
    {"brainpoolP384r1", MBEDTLS_SSL_IANA_TLS_GROUP_BP384R1},
    {"brainpoolP512r1", MBEDTLS_SSL_IANA_TLS_GROUP_BP512R1},
};

static bool fill(struct tls_setup *setup)
{
    struct tls_fault ignored;
    setup->rules = (struct tls_setup_rules){
        .verify_flags = TLS_VERIFY_TRUSTED_FIRST,
        .host_flags = TLS_HOST_NO_PARTIAL_WILDCARDS,
        .min_version = MBEDTLS_SSL_VERSION_TLS1_2,
        .max_version = MBEDTLS_SSL_VERSION_TLS1_3,
        .tickets = true,
        .ticket_count = 2,
        .prefers_own_order = true,
        .security_level = 2,
    };
    memcpy(setup->groups, default_groups, sizeof default_groups);
    setup->trust = tls_trust_new();
    return setup->trust != NULL &&
           tls_ciphers_parse(tls_ciphers_default, setup->ciphers, &setup->rules.security_level,
                             &ignored) == 0 &&
           mbedtls_ssl_ticket_setup(&setup->tickets, mbedtls_psa_get_random,
                                    MBEDTLS_PSA_RANDOM_STATE, MBEDTLS_CIPHER_AES_256_GCM,
                                    TICKET_SECONDS) == 0;
}

struct tls_setup *tls_setup_new(struct tls_fault *fault)
{
    struct err err;
    if (tls_library_start(&err) < 0) {
        tls_fault_set(fault, TLS_FAULT_SSL, NULL, NULL, "%s", err.text);
        return NULL;
    }
    struct tls_setup *setup = calloc(1, sizeof *setup);
    if (setup != NULL) {
        setup->holders = 1;
        setup->process = getpid();
        mbedtls_ssl_ticket_init(&setup->tickets);
        mbedtls_ssl_cache_init(&setup->cache);
        mbedtls_ssl_cache_set_max_entries(&setup->cache, SESSIONS_MAX);
        mbedtls_ssl_cache_set_timeout(&setup->cache, TICKET_SECONDS);
    }
    if (setup == NULL || !fill(setup)) {
        tls_setup_free(setup);
        tls_fault_memory(fault);
        return NULL;
    }
    return setup;
}

void tls_setup_free(struct tls_setup *setup)
{
    if (setup == NULL || atomic_fetch_sub(&setup->holders, 1) > 1)
        return;
    tls_setup_forget_completed(setup);
    for (size_t i = 0; i < setup->credential_count; i++)
        tls_credential_drop(setup->credentials[i]);
    tls_trust_drop(setup->trust);
    tls_key_log_drop(setup->key_log);
    free((char *)(uintptr_t)setup->protocols.data);
    mbedtls_ssl_ticket_free(&setup->tickets);
    mbedtls_ssl_cache_free(&setup->cache);
    free(setup);
}

static void renew_key_lock(struct tls_credential *credential, pid_t self)
{
    if (credential == NULL || credential->process == self)
        return;
    credential->process = self;
    if (mbedtls_pk_get_type(&credential->key) == MBEDTLS_PK_RSA)
        mbedtls_mutex_init(&mbedtls_pk_rsa(credential->key)->MBEDTLS_PRIVATE(mutex));
}

void tls_setup_after_fork(struct tls_setup *setup)
{
    pid_t self = getpid();
    tls_trust_after_fork(setup->trust);
    if (setup->process == self)
        return;
    setup->process = self;
    mbedtls_mutex_init(&setup->tickets.MBEDTLS_PRIVATE(mutex));
    mbedtls_mutex_init(&setup->cache.MBEDTLS_PRIVATE(mutex));
    for (size_t i = 0; i < setup->credential_count; i++)
        renew_key_lock(setup->credentials[i], self);
}

struct tls_setup_rules *tls_setup_rules(struct tls_setup *setup)
{
    return &setup->rules;
}

struct tls_trust **tls_setup_trust(struct tls_setup *setup)
{
    return &setup->trust;
}

void tls_setup_set_server_name_hook(struct tls_setup *setup, tls_server_name_function *hook)
{
    setup->server_name_hook = hook;
}

// --- ciphers, groups, protocols ---

int tls_setup_set_ciphers(struct tls_setup *setup, const char *list, struct tls_fault *fault)
{
    int ciphers[TLS_CIPHERS_MAX], level = setup->rules.security_level;
    if (tls_ciphers_parse(list, ciphers, &level, fault) < 0)
        return -1;
    setup->rules.security_level = level;
    memcpy(setup->ciphers, ciphers, sizeof ciphers);
    return 0;
}

const int *tls_setup_ciphers(const struct tls_setup *setup)
{
    return setup->ciphers;
}

int tls_setup_set_group(struct tls_setup *setup, const char *name, struct tls_fault *fault)
{
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (strcmp(groups[i].name, name) == 0) {
            setup->groups[0] = groups[i].number;
            setup->groups[1] = MBEDTLS_SSL_IANA_TLS_GROUP_NONE;
            return 0;
        }
    }
    return tls_fault_set(fault, TLS_FAULT_VALUE, NULL, NULL, "unknown elliptic curve name %s",
                         name);
}

int tls_setup_set_alpn(struct tls_setup *setup, struct str wire, struct tls_fault *fault)
{
    for (size_t at = 0; at < wire.size;) {
        size_t size = (unsigned char)wire.data[at];
        if (size == 0 || size >= wire.size - at)
            return tls_fault_set(fault, TLS_FAULT_VALUE, NULL, NULL, "protocol names are damaged");
        at += 1 + size;
    }
    char *copy = malloc(wire.size + 1);
    if (copy == NULL)
        return tls_fault_memory(fault);
    memcpy(copy, wire.data, wire.size);
    free((char *)(uintptr_t)setup->protocols.data);
    setup->protocols = (struct str){copy, wire.size};
    return 0;
}

// --- the key log ---

static struct tls_key_log *open_log(const char *path, struct tls_fault *fault)
{
    static const char header[] = "# TLS secrets log file, generated by limpet\n";
    struct stat status;
    struct tls_key_log *log = malloc(sizeof *log);
    if (log == NULL) {
        tls_fault_memory(fault);
        return NULL;
    }
    log->holders = 1;
    log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, OWNER_ALONE);
    if (log->fd < 0 || fstat(log->fd, &status) < 0 ||
        (status.st_size == 0 && write(log->fd, header, sizeof header - 1) < 0)) {
        tls_fault_system(fault, errno);
        tls_key_log_drop(log);
        return NULL;
    }
    return log;
}

int tls_setup_set_key_log(struct tls_setup *setup, const char *path, struct tls_fault *fault)
{
    struct tls_key_log *log = NULL;
    if (path != NULL && (log = open_log(path, fault)) == NULL)
        return -1;
    tls_key_log_drop(setup->key_log);
    setup->key_log = log;
    return 0;
}

void tls_key_log_drop(struct tls_key_log *log)
{
    if (log == NULL || atomic_fetch_sub(&log->holders, 1) > 1)
        return;
    if (log->fd >= 0)
        close(log->fd);
    free(log);
}

// --- figures ---

void tls_setup_stats(const struct tls_setup *setup, struct tls_setup_stats *out)
{
    *out = (struct tls_setup_stats){
        .connect = setup->stats.connect,
        .connect_good = setup->stats.connect_good,
        .accept = setup->stats.accept,
        .accept_good = setup->stats.accept_good,
        .hits = setup->stats.hits,
    };
}
