// tls_context.c - from a bundle's bytes to mbedTLS's structures, and which certificate is for which
// host.
#include <errno.h>
#include <mbedtls/asn1.h>
#include <mbedtls/psa_util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"
#include "log.h"
#include "tls_priv.h"
#include "tls_suites.h"

enum {
    TICKET_LIFETIME = 86400, // seconds: two rotations of the keys
    TICKETS_SET_FOR = 64800, // seconds after which the keys would look old, if a clock jumped
    HOST_MAX = 255,          // bytes of a host name
    FAST_KEY_BITS = 256,     // of elliptic curves
};

// Best first. What a certificate's own signature is made with is the client's to judge.
static const uint16_t signatures[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,       MBEDTLS_TLS1_3_SIG_NONE,
};

static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

// In the order of our preference (RFC 7301); another protocol is another line.
static const char *protocols[] = {"http/1.1", NULL};

static int refuse(struct err *err, const char *what, int error)
{
    char text[128];
    return err_set(err, ERR_FAILED, "TLS: %s: %s", what,
                   tls_library_error(error, text, sizeof text));
}

// --- certificates ---

// DER structures one behind the other: the size of the first.
static size_t der_size(struct str bytes)
{
    unsigned char *begin = (unsigned char *)(uintptr_t)bytes.data, *at = begin;
    size_t size;
    if (mbedtls_asn1_get_tag(&at, begin + bytes.size, &size,
                             MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
        return bytes.size; // which no parser takes
    return (size_t)(at - begin) + size;
}

static int parse_certificate(void *out, const unsigned char *der, size_t size)
{
    return mbedtls_x509_crt_parse_der(out, der, size);
}

static int parse_list(void *out, const unsigned char *der, size_t size)
{
    return mbedtls_x509_crl_parse_der(out, der, size);
}

// 0 or an error of the library's.
static int parse_all(int (*parse)(void *, const unsigned char *, size_t), void *out,
                     struct str bytes)
{
    int result = 0;
    while (result == 0 && bytes.size > 0) {
        size_t size = der_size(bytes);
        result = parse(out, (const unsigned char *)bytes.data, size);
        bytes = (struct str){bytes.data + size, bytes.size - size};
    }
    return result;
}

static bool is_slow(const mbedtls_pk_context *key)
{
    return mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA || mbedtls_pk_get_bitlen(key) > FAST_KEY_BITS;
}

static int take_certificate(struct certificate *certificate, const struct tls_identity *identity,
                            struct tls_secrets *secrets, struct err *err)
{
    int result = parse_all(parse_certificate, &certificate->chain, identity->chain);
    if (result != 0)
        return refuse(err, "a certificate cannot be read", result);
    tls_secrets_begin(secrets);
    result = mbedtls_pk_parse_key(&certificate->key, (const unsigned char *)identity->key.data,
                                  identity->key.size, NULL, 0, mbedtls_psa_get_random,
                                  MBEDTLS_PSA_RANDOM_STATE);
    tls_secrets_end();
    if (result != 0)
        return refuse(err, "a key cannot be read", result);
    certificate->slow = is_slow(&certificate->key);
    certificate->pem = tls_client_pem(&certificate->chain.raw);
    if (certificate->pem == NULL)
        return err_system(err, ENOMEM, "TLS");
    certificate->staple_until = identity->staple_until;
    if (identity->staple.size == 0)
        return 0;
    char *staple = malloc(identity->staple.size);
    if (staple == NULL)
        return err_system(err, ENOMEM, "TLS");
    memcpy(staple, identity->staple.data, identity->staple.size);
    certificate->staple = (struct str){staple, identity->staple.size};
    return 0;
}

static int take_certificates(struct tls_context *context, const struct tls_material *material,
                             struct err *err)
{
    context->certificates = calloc(material->identity_count, sizeof *context->certificates);
    if (context->certificates == NULL)
        return err_system(err, ENOMEM, "TLS");
    for (size_t i = 0; i < material->identity_count; i++) {
        struct certificate *certificate = &context->certificates[i];
        mbedtls_x509_crt_init(&certificate->chain);
        mbedtls_pk_init(&certificate->key);
        context->certificate_count++;
        if (take_certificate(certificate, &material->identities[i], context->secrets, err) < 0)
            return -1;
    }
    return 0;
}

// --- names ---

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order != 0 ? order : x->certificate < y->certificate ? -1 : 1;
}

static size_t count_names(struct str names)
{
    size_t count = 0;
    for (size_t i = 0; i < names.size; i++)
        count += names.data[i] == '\0';
    return count;
}

static int take_names(struct tls_context *context, const struct tls_material *material,
                      struct err *err)
{
    size_t bytes = 0, count = 0;
    for (size_t i = 0; i < material->identity_count; i++) {
        bytes += material->identities[i].names.size;
        count += count_names(material->identities[i].names);
    }
    char *text = context->texts = malloc(bytes + 1);
    context->names = calloc(count + 1, sizeof *context->names);
    if (text == NULL || context->names == NULL)
        return err_system(err, ENOMEM, "TLS");
    for (size_t i = 0; i < material->identity_count; i++) {
        struct str names = material->identities[i].names;
        memcpy(text, names.data, names.size);
        if (i == 0 && names.size > 0)
            context->standard_name = text;
        for (char *end = text + names.size; text < end; text += strlen(text) + 1)
            context->names[context->name_count++] = (struct name){text, i};
    }
    qsort(context->names, context->name_count, sizeof *context->names, compare_names);
    return 0;
}

// The first entry of that text; NULL: none.
static const struct name *find_name(const struct tls_context *context, const char *text)
{
    size_t low = 0, high = context->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(context->names[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < context->name_count && strcmp(context->names[low].text, text) == 0;
    return found ? &context->names[low] : NULL;
}

// All entries from name on that have its text.
static int add_all(const struct tls_context *context, mbedtls_ssl_context *ssl,
                   const struct name *name, bool *slow, const char **pem)
{
    const char *text = name->text;
    const struct name *first = name;
    const struct name *end = context->names + context->name_count;
    int result = 0;
    for (; result == 0 && name < end && strcmp(name->text, text) == 0; name++) {
        struct certificate *certificate = &context->certificates[name->certificate];
        result = mbedtls_ssl_set_hs_own_cert(ssl, &certificate->chain, &certificate->key);
        *slow |= certificate->slow;
        // Of several the library takes the one that the client can check.
        *pem = name == first ? certificate->pem : NULL;
    }
    return result;
}

// "*.example.org" for "www.example.org" (RFC 6125 section 6.4.3), into out.
static const char *wildcard_of(const char *host, char out[static HOST_MAX + 2])
{
    const char *dot = strchr(host, '.');
    size_t size = dot != NULL ? strlen(dot) : 0;
    if (dot == NULL || dot == host || size >= HOST_MAX)
        return NULL;
    out[0] = '*';
    memcpy(out + 1, dot, size + 1);
    return out;
}

// What fits best; NULL: the first certificate has no name.
static const struct name *find_best(const struct tls_context *context, const char *host)
{
    char wildcard[HOST_MAX + 2];
    const struct name *found = host != NULL ? find_name(context, host) : NULL;
    const char *pattern = host != NULL ? wildcard_of(host, wildcard) : NULL;
    if (found == NULL && pattern != NULL)
        found = find_name(context, pattern);
    if (found == NULL && context->standard_name != NULL)
        found = find_name(context, context->standard_name);
    return found;
}

int tls_context_choose(const struct tls_context *context, mbedtls_ssl_context *ssl,
                       const char *host, bool *slow, const char **pem)
{
    const struct name *found = find_best(context, host);
    // Those of a first ClientHello, when this is the second (RFC 8446 section 4.1.4).
    mbedtls_ssl_set_hs_own_cert(ssl, NULL, NULL);
    if (found != NULL)
        return add_all(context, ssl, found, slow, pem);
    struct certificate *certificate = &context->certificates[0];
    *slow |= certificate->slow;
    *pem = certificate->pem;
    return mbedtls_ssl_set_hs_own_cert(ssl, &certificate->chain, &certificate->key);
}

// --- tickets (RFC 5077, RFC 8446 section 4.6.1) ---

static int set_ticket_keys(struct tls_context *context)
{
    // The last one that is set is the one that tickets are made with.
    for (size_t i = TLS_TICKET_KEY_COUNT; i-- > 0;) {
        const struct tls_ticket_key *key = &context->ticket_keys[i];
        int result = mbedtls_ssl_ticket_rotate(&context->tickets, key->name, sizeof key->name,
                                               key->key, sizeof key->key, TICKET_LIFETIME);
        if (result != 0)
            return result;
    }
    context->tickets_set = tls_library_time();
    return 0;
}

// The library makes keys of its own when it finds these too old. They are not before the next ones
// come, unless the clock is set, as it is on machines that have none at boot.
static void mind_the_clock(struct tls_context *context)
{
    int64_t age = tls_library_time() - context->tickets_set;
    if (age < 0 || age > TICKETS_SET_FOR)
        set_ticket_keys(context);
}

static int write_ticket(void *owner, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *size, uint32_t *lifetime)
{
    struct tls_context *context = owner;
    pthread_mutex_lock(&context->ticket_lock);
    mind_the_clock(context);
    int result = mbedtls_ssl_ticket_write(&context->tickets, session, start, end, size, lifetime);
    pthread_mutex_unlock(&context->ticket_lock);
    return result;
}

static int read_ticket(void *owner, mbedtls_ssl_session *session, unsigned char *data, size_t size)
{
    struct tls_context *context = owner;
    pthread_mutex_lock(&context->ticket_lock);
    mind_the_clock(context);
    int result = mbedtls_ssl_ticket_parse(&context->tickets, session, data, size);
    pthread_mutex_unlock(&context->ticket_lock);
    return result;
}

static int take_tickets(struct tls_context *context, const struct tls_material *material,
                        struct err *err)
{
    int result = mbedtls_ssl_ticket_setup(&context->tickets, mbedtls_psa_get_random,
                                          MBEDTLS_PSA_RANDOM_STATE, MBEDTLS_CIPHER_AES_256_GCM,
                                          TICKET_LIFETIME);
    if (result != 0)
        return refuse(err, "tickets", result);
    tls_secrets_begin(context->secrets);
    context->ticket_keys = tls_memory_allocate(1, sizeof material->ticket_keys);
    tls_secrets_end();
    if (context->ticket_keys == NULL)
        return err_system(err, ENOMEM, "TLS");
    memcpy(context->ticket_keys, material->ticket_keys, sizeof material->ticket_keys);
    result = set_ticket_keys(context);
    return result == 0 ? 0 : refuse(err, "tickets", result);
}

// --- staples ---

static int find_staple(void *owner, mbedtls_ssl_context *ssl, const mbedtls_x509_crt *own,
                       const unsigned char **response, size_t *size)
{
    const struct tls_context *context = owner;
    (void)ssl;
    for (size_t i = 0; i < context->certificate_count; i++) {
        const struct certificate *certificate = &context->certificates[i];
        if (&certificate->chain != own)
            continue;
        if (certificate->staple.size == 0 || tls_library_time() >= certificate->staple_until)
            return -1;
        *response = (const unsigned char *)certificate->staple.data;
        *size = certificate->staple.size;
        return 0;
    }
    return -1;
}

// --- configurations ---

static int choose(mbedtls_ssl_context *ssl)
{
    return tls_session_choose(mbedtls_ssl_get_user_data_p(ssl));
}

static int configure(struct tls_context *context, mbedtls_ssl_config *config,
                     const struct tls_settings *settings, struct tls_scratch *scratch,
                     struct err *err)
{
    int result = mbedtls_ssl_config_defaults(
        config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (result == 0)
        result = mbedtls_ssl_conf_alpn_protocols(config, protocols);
    if (result == 0)
        result = mbedtls_ssl_conf_own_cert(config, &context->certificates[0].chain,
                                           &context->certificates[0].key);
    if (result != 0)
        return refuse(err, "configuration", result);
    mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(config, settings->only_tls13 ? MBEDTLS_SSL_VERSION_TLS1_3
                                                                  : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_ciphersuites(config, tls_suites);
    mbedtls_ssl_conf_groups(config, groups);
    mbedtls_ssl_conf_sig_algs(config, signatures);
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                    MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
    mbedtls_ssl_conf_cert_cb(config, choose);
    mbedtls_ssl_conf_ocsp_cb(config, find_staple, context);
    mbedtls_ssl_conf_buffers(config, tls_scratch_take, tls_scratch_give, scratch);
    mbedtls_ssl_conf_session_tickets_cb(config, write_ticket, read_ticket, context);
    return 0;
}

static int take_authorities(struct tls_context *context, const struct tls_material *material,
                            struct err *err)
{
    int result = parse_all(parse_certificate, &context->client_ca, material->client_ca);
    if (result == 0)
        result = parse_all(parse_list, &context->client_crl, material->client_crl);
    if (result != 0)
        return refuse(err, "client authorities", result);
    // The session judges (tls_session.c).
    mbedtls_ssl_conf_authmode(&context->verifying, MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_ca_chain(&context->verifying, &context->client_ca,
                              material->client_crl.size > 0 ? &context->client_crl : NULL);
    // Whoever has to show a certificate shows it each time: what a ticket says of it would be
    // believed beyond its end, and in spite of new lists.
    mbedtls_ssl_conf_session_tickets_cb(&context->verifying, NULL, NULL, NULL);
    mbedtls_ssl_conf_session_tickets(&context->verifying, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    mbedtls_ssl_conf_new_session_tickets(&context->verifying, 0);
    return 0;
}

static int fill(struct tls_context *context, const struct tls_material *material,
                const struct tls_settings *settings, struct tls_scratch *scratch, struct err *err)
{
    size_t key_bytes = sizeof material->ticket_keys;
    context->scratch = scratch;
    for (size_t i = 0; i < material->identity_count; i++)
        key_bytes += material->identities[i].key.size;
    context->secrets = tls_secrets_new(key_bytes);
    if (context->secrets == NULL)
        return err_system(err, ENOMEM, "TLS");
    if (take_certificates(context, material, err) < 0 || take_names(context, material, err) < 0 ||
        take_tickets(context, material, err) < 0 ||
        configure(context, &context->quiet, settings, scratch, err) < 0)
        return -1;
    if (!settings->verifies)
        return 0;
    if (configure(context, &context->verifying, settings, scratch, err) < 0)
        return -1;
    return take_authorities(context, material, err);
}

static struct tls_context *allocate(struct err *err)
{
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        err_system(err, ENOMEM, "TLS");
        return NULL;
    }
    context->holders = 1;
    pthread_mutex_init(&context->ticket_lock, NULL);
    mbedtls_x509_crt_init(&context->client_ca);
    mbedtls_x509_crl_init(&context->client_crl);
    mbedtls_ssl_ticket_init(&context->tickets);
    mbedtls_ssl_config_init(&context->quiet);
    mbedtls_ssl_config_init(&context->verifying);
    return context;
}

static struct tls_context *from_bytes(const void *bytes, size_t size,
                                      const struct tls_settings *settings,
                                      struct tls_scratch *scratch, struct err *err)
{
    struct tls_material material;
    if (tls_bundle_read(&material, bytes, size, err) < 0)
        return NULL;
    struct tls_context *context = allocate(err);
    if (context != NULL && fill(context, &material, settings, scratch, err) < 0) {
        tls_context_drop(context);
        context = NULL;
    }
    free(material.identities);
    explicit_bzero(material.ticket_keys, sizeof material.ticket_keys);
    return context;
}

struct tls_context *tls_context_new(int bundle, const struct tls_settings *settings,
                                    struct tls_scratch *scratch, struct err *err)
{
    struct stat status;
    if (tls_library_start(err) < 0)
        return NULL;
    if (fstat(bundle, &status) < 0) {
        err_system(err, errno, "TLS");
        return NULL;
    }
    size_t size = (size_t)status.st_size;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, bundle, 0);
    if (bytes == MAP_FAILED) {
        err_system(err, errno, "TLS");
        return NULL;
    }
    struct tls_context *context = from_bytes(bytes, size, settings, scratch, err);
    munmap(bytes, size);
    return context;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    context->holders++;
    return context;
}

static void free_certificate(struct certificate *certificate)
{
    free(certificate->pem);
    mbedtls_x509_crt_free(&certificate->chain);
    mbedtls_pk_free(&certificate->key);
    free((char *)(uintptr_t)certificate->staple.data);
}

void tls_context_drop(struct tls_context *context)
{
    if (context == NULL || --context->holders > 0)
        return;
    mbedtls_ssl_config_free(&context->quiet);
    mbedtls_ssl_config_free(&context->verifying);
    mbedtls_ssl_ticket_free(&context->tickets);
    tls_memory_release(context->ticket_keys);
    mbedtls_x509_crl_free(&context->client_crl);
    mbedtls_x509_crt_free(&context->client_ca);
    for (size_t i = 0; i < context->certificate_count; i++)
        free_certificate(&context->certificates[i]);
    free(context->certificates);
    free(context->names);
    free(context->texts);
    pthread_mutex_destroy(&context->ticket_lock);
    tls_secrets_free(context->secrets);
    free(context);
}
